//! Reports kernelspecs without the launcher, and kernels without secrets.

use super::super::kernels;
use super::super::report::{Report, Status};
use crate::config::env::Environment;

/// Reports on the running kernels.
pub(super) fn check(parent: &Environment, report: &mut Report) {
    report.section("kernels");
    let found = match kernels::find(parent) {
        Ok(found) => found,
        Err(error) => {
            report.fail(&error);
            return;
        }
    };
    let without = found.running.iter().filter(|kernel| kernel.record.is_none()).count();
    let what = format!("running kernels: {}, without secrets from jupyter-vault: {without}", found.running.len());
    let status = if without == 0 { Status::Ok } else { Status::Note };
    let finding = report.add(status, what).fact("running", found.running.len()).fact("without_secrets", without);
    if without > 0 {
        finding.advise("`jupyter-vault kernels` lists them");
    }
}

/// Reports on each kernelspec whether it has the launcher.
#[cfg(feature = "wrap")]
pub(super) fn look_at_kernelspecs(parent: &Environment, report: &mut Report) {
    use crate::kernelspec::KERNEL_JSON;
    use crate::kernelspec::Scope;
    use crate::kernelspec::edit::Spec;
    use crate::kernelspec::find::Search;
    use crate::kernelspec::journal::{WrapRecord, keep};
    use crate::kernelspec::starter;

    report.section("kernelspecs");
    let search = Search::new(&Scope::AsFound, parent);
    for found in search.all(parent) {
        let file = found.folder.join(KERNEL_JSON);
        let text = keep(&file).ok().flatten().map(|kept| kept.text).unwrap_or_default();
        let shown = file.display();
        let name = &found.name;
        let spec = Spec::parse(&text);
        let record = WrapRecord::read(&found.folder).ok().flatten();
        let remarks = spec
            .as_ref()
            .map_or_else(|_| Vec::new(), |spec| starter::remarks(name, spec, &found.folder, record.as_ref()));
        let is_wrapped = |spec: &Spec<'_>| {
            spec.has_launcher() || record.as_ref().is_some_and(|record| spec.own_command(&record.launcher).is_some())
        };
        let finding = match (spec, &found.native) {
            (_, Some(_)) => {
                report.add(Status::Note, format!("{name} is not wrapped (it has no file yet)")).fact("wrapped", false)
            }
            (Ok(spec), None) if is_wrapped(&spec) => {
                report.add(Status::Ok, format!("{name} is wrapped ({shown})")).fact("wrapped", true)
            }
            (Ok(_), None) => {
                report.add(Status::Note, format!("{name} is not wrapped ({shown})")).fact("wrapped", false)
            }
            (Err(why), None) => report.add(Status::Warning, format!("{name} can't be started: {why} ({shown})")),
        };
        finding.fact("kernelspec", name.clone()).fact("file", file.display().to_string());
        for remark in remarks {
            report.add(Status::Note, remark.what()).advise(remark.advice());
        }
    }
    if parent.bytes("JUPYTER_DEFAULT_PROVISIONER_NAME").is_some() {
        let what = "JUPYTER_DEFAULT_PROVISIONER_NAME is set: that provisioner starts all kernels that name none";
        let advice = "unset it before you uninstall that provisioner's package, or Jupyter can't start those kernels";
        report.add(Status::Note, what).advise(advice);
    }
}
