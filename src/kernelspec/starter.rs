//! How a kernel is started: whether its command runs on this machine, and whether every front end keeps the words of
//! its argv.

use std::path::Path;

use super::edit::{Spec, Starter};
use super::find::Search;
use super::journal::WrapRecord;
use super::standby::has_package;
use super::which::Scope;
use crate::config::env::Environment;
use crate::error::{Error, Kind, Result};

/// The provisioners that start the kernel's command on this machine; Jupyter's Python knows about others.
const LOCAL_PROVISIONERS: [&str; 2] = ["local-provisioner", "vault-provisioner"];
/// The process proxies that start the kernel's command on their own host.
const LOCAL_PROXIES: [&str; 2] = ["LocalProcessProxy", "DistributedProcessProxy"];

/// Refuses a kernel that something other than Jupyter starts, unless that runs argv on this machine.
pub(super) fn check(kernel: &str, starter: &Starter, search: &Search, environment: &Environment) -> Result<()> {
    let (what, advice) = match starter {
        Starter::ProcessProxy(class) if LOCAL_PROXIES.iter().any(|local| class.ends_with(local)) => return Ok(()),
        Starter::ProcessProxy(class) => (
            format!("{class} starts {kernel}, but not on this machine"),
            "add the launcher to its image or script instead",
        ),
        Starter::Provisioner(name) if LOCAL_PROVISIONERS.contains(&name.as_str()) => return Ok(()),
        Starter::Provisioner(name) => {
            let python = search.python.as_ref();
            match python.and_then(|python| python.starter(name, environment)).as_deref() {
                Some("local") => return Ok(()),
                Some("other") => (
                    format!("the provisioner {name} starts {kernel}, and runs no local command"),
                    "add the launcher to the image or script that the provisioner starts",
                ),
                _ => (
                    format!("the provisioner {name} starts {kernel}, but Jupyter's Python does not have it"),
                    "install it, then wrap: it determines whether the kernel runs on this machine",
                ),
            }
        }
    };
    Err(Error::new(Kind::Config, what, advice))
}

/// The words before the kernel's own command in a wrapped kernelspec, and the kernel's name; Python's own kernel
/// comes first.
pub fn launcher(environment: &Environment) -> Option<(String, Vec<String>)> {
    let mut wrapped = Search::new(&Scope::AsFound, environment).wrapped();
    wrapped.sort_by_key(|(name, _)| name != "python3");
    let (name, folder) = wrapped.into_iter().next()?;
    let folder_text = folder.to_str()?;
    let words = WrapRecord::read(&folder).ok()??.launcher;
    Some((name, words.iter().map(|word| word.replace("{resource_dir}", folder_text)).collect()))
}

/// How an editor that starts its own Python treats a kernelspec.
pub(super) enum LauncherForm<'p> {
    /// The words of the launcher, unchanged.
    Plain,
    /// A front end may drop the first word and start its own Python with the rest (VS Code does, for a kernelspec in
    /// a Python environment's own folder): this Python runs a script that becomes the launcher.
    Module(&'p str),
    /// As [`LauncherForm::Module`], but this package is not installed in that Python.
    NoPackage(&'p str),
}

/// The form for the kernelspec in `folder`, whose kernel's program is `program`.
pub(super) fn form<'p>(program: &'p str, folder: &Path) -> LauncherForm<'p> {
    let prefix = Path::new(program).parent().and_then(Path::parent).filter(|_| program.starts_with('/'));
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(prefix) = prefix.filter(|_| name.starts_with("python")) else { return LauncherForm::Plain };
    if !folder.starts_with(prefix.join("share/jupyter/kernels")) {
        return LauncherForm::Plain;
    }
    if has_package(prefix) { LauncherForm::Module(program) } else { LauncherForm::NoPackage(program) }
}

/// The warning of `wrap` and `doctor` about [`LauncherForm::NoPackage`].
pub(super) fn dropped_word(kernel: &str, python: &str) -> Error {
    let what = format!("{kernel}: VS Code replaces the launcher by {python}, so the kernel can't start");
    let advice = format!("install the package there (`{python} -m pip install jupyter-vault`) and wrap again");
    Error::new(Kind::Config, what, advice)
}

/// The warning of `wrap` and `doctor` about a kernel that `carrier` runs on another host.
pub(super) fn elsewhere(kernel: &str, carrier: &str) -> Error {
    let what = format!("{carrier} runs {kernel} elsewhere: the environment may not be passed on");
    let advice = "if its variables are missing, put the launcher on the other side, before the kernel's command";
    Error::new(Kind::Config, what, advice)
}

/// The warnings of `doctor` about how a kernel is started.
pub fn remarks(kernel: &str, spec: &Spec<'_>, folder: &Path, record: Option<&WrapRecord>) -> Vec<Error> {
    let mut remarks = Vec::new();
    if let (Some(Starter::Provisioner(name)), None) = (&spec.starter, record)
        && !LOCAL_PROVISIONERS.contains(&name.as_str())
    {
        let what = format!("{kernel} names its own provisioner, {name}, so the default one does not start it");
        let advice = "`jupyter-vault wrap` says whether its command runs on this machine; docs/kernelspecs.md has the \
                      form that delegates to it";
        remarks.push(Error::new(Kind::Config, what, advice));
    }
    remarks.extend(spec.carrier().map(|carrier| elsewhere(kernel, &carrier)));
    if let Some(program) = record.and_then(|record| record.program.as_ref()).filter(|program| !program.exists()) {
        let what = format!("{kernel} starts without secrets: {} is not installed any more", program.display());
        remarks.push(Error::new(Kind::Config, what, "`jupyter-vault wrap` repairs it, `unwrap` restores the original"));
    }
    let before = record.and_then(|record| Spec::parse(&record.kernel_json.text).ok());
    if let Some(LauncherForm::NoPackage(python)) = before.as_ref().map(|before| form(&before.words[0], folder)) {
        remarks.push(dropped_word(kernel, python));
    }
    remarks
}
