//! What is there to be helped: kernelspecs without the launcher, kernels without secrets.

use super::super::kernels;
use super::super::report::{Report, Status};
use crate::config::env::Environment;

/// Reports on the kernels that run.
pub(super) fn look(parent: &Environment, report: &mut Report) {
    report.section("kernels");
    let found = match kernels::find(parent) {
        Ok(found) => found,
        Err(error) => {
            report.fail(&error);
            return;
        }
    };
    let without = found.running.iter().filter(|kernel| kernel.record.is_none()).count();
    let what = format!("kernels that run here: {}, without secrets by us: {without}", found.running.len());
    let status = if without == 0 { Status::Ok } else { Status::Note };
    let finding = report.add(status, what).fact("running", found.running.len()).fact("without_secrets", without);
    if without > 0 {
        finding.advise("`jupyter-vault kernels` lists them");
    }
}

/// Reports on each kernelspec: does the launcher stand in it?
#[cfg(feature = "wrap")]
pub(super) fn look_at_kernelspecs(parent: &Environment, report: &mut Report) {
    use crate::kernelspec::KERNEL_JSON;
    use crate::kernelspec::Place;
    use crate::kernelspec::edit::Spec;
    use crate::kernelspec::find::Search;
    use crate::kernelspec::journal::keep;

    report.section("kernelspecs");
    let search = Search::new(&Place::AsFound, parent);
    for found in search.all(parent) {
        let file = found.folder.join(KERNEL_JSON);
        let text = keep(&file).ok().flatten().map(|kept| kept.text).unwrap_or_default();
        let shown = file.display();
        let name = &found.name;
        let finding = match (Spec::parse(&text), &found.native) {
            (_, Some(_)) => {
                report.add(Status::Note, format!("{name} is not wrapped (it has no file yet)")).fact("wrapped", false)
            }
            (Ok(spec), None) if spec.has_launcher() || is_wrapped(&found.folder, &spec) => {
                report.add(Status::Ok, format!("{name} is wrapped ({shown})")).fact("wrapped", true)
            }
            (Ok(_), None) => {
                report.add(Status::Note, format!("{name} is not wrapped ({shown})")).fact("wrapped", false)
            }
            (Err(why), None) => report.add(Status::Warning, format!("{name} can't be started: {why} ({shown})")),
        };
        finding.fact("kernelspec", name.clone()).fact("file", file.display().to_string());
    }
    if parent.bytes("JUPYTER_DEFAULT_PROVISIONER_NAME").is_some() {
        report.add(
            Status::Note,
            "JUPYTER_DEFAULT_PROVISIONER_NAME is set: kernels that name no provisioner are started by it",
        );
    }
}

/// Whether the launcher of the record beside a kernelspec stands in it, whatever it is called.
#[cfg(feature = "wrap")]
fn is_wrapped(folder: &std::path::Path, spec: &crate::kernelspec::edit::Spec<'_>) -> bool {
    let record = crate::kernelspec::journal::WrapRecord::read(folder).ok().flatten();
    record.is_some_and(|record| spec.own_command(&record.launcher).is_some())
}
