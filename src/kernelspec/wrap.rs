//! `jupyter-vault wrap`: puts the launcher before the kernel, in the kernelspecs that Jupyter finds.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::edit::Spec;
use super::find::{Kernelspec, Search};
use super::journal::{Locked, RECORD, SavedFile, WrapRecord, busy, keep};
use super::label::with_suffix;
use super::origin::{missing_launcher, original, parse, shared, upgraded};
use super::place::{Destination, target};
use super::settings::SettingsFiles;
use super::starter::{self, LauncherForm};
use super::wrapped::{FilesBefore, Wrapped};
use super::{KERNEL_JSON, STAND_BY, WrapChoices, choose, copy, diff, standby};
use crate::config::env::Environment;
use crate::config::keys::{CONFIG_VARIABLE, nearest};
use crate::config::locations::{FILE_NAME, Locations};
use crate::error::{Error, Kind, Result, one_line};
use crate::sys::exec::find_program;
use crate::sys::hardening::Hardening;

const NOTE: &str = "Written by jupyter-vault wrap. jupyter-vault unwrap restores what was here, and removes this file.";
/// This program's name.
const PROGRAM: &str = "jupyter-vault";
/// How many times the change of a kernelspec is computed again because another process changed it meanwhile.
const ATTEMPTS: u32 = 10;

/// Wraps the kernels that `which` names; reports results to `out`, and skipped kernels to `report`.
pub fn run(
    which: &WrapChoices,
    config: Option<&Path>,
    out: &mut dyn Write,
    report: &mut dyn FnMut(&Error),
) -> Result<()> {
    let _kept_until_we_end = Hardening::apply()?;
    wrap_in(which, config, &Environment::take(), out, report)
}

/// As [`run`], with a given environment.
pub fn wrap_in(
    which: &WrapChoices,
    config: Option<&Path>,
    environment: &Environment,
    out: &mut dyn Write,
    report: &mut dyn FnMut(&Error),
) -> Result<()> {
    let search = Search::new(&which.scope, environment);
    let all = search.all(environment);
    let config = config.map(Path::to_owned).or_else(|| environment.path(CONFIG_VARIABLE));
    if which.kernels.is_empty() && !which.yes && config.is_none() && !is_configured(&all, environment) {
        let what = "Vault's address is not configured: there is no vault.toml and no VAULT_ADDR";
        let advice = "run jupyter-vault setup first, or wrap the kernels anyway with --yes";
        let error = Error::new(Kind::Config, what, advice);
        if !which.dry_run {
            return Err(error);
        }
        report(&error);
    }
    let known = all.iter().map(|found| (found.name.as_str(), found.folder.as_path()));
    let names = choose::names(which, known, "wrap")?;
    let mut wrapper = Wrapper {
        which,
        environment,
        search: &search,
        settings: SettingsFiles::new(config.as_deref(), environment),
        launcher: launcher(environment)?,
        out,
        report,
    };
    let mut failures = Vec::new();
    if !which.dry_run {
        for root in &search.folders {
            failures.extend(copy::clean_up(root).err());
        }
    }
    for found in chosen(&names, &all, &search, &mut failures) {
        if let Err(error) = wrapper.wrap(found) {
            if which.kernels.is_empty() && error.kind() != Kind::Os {
                (wrapper.report)(&error.remark("skipped"));
            } else {
                failures.push(error);
            }
        }
    }
    last(failures, report)
}

/// Whether a variable, a usual file or one beside a kernel.json sets Vault's address.
fn is_configured(all: &[Kernelspec], environment: &Environment) -> bool {
    let layer = environment.layer_leniently(&mut |_| {});
    layer.get("vault.address").is_some()
        || layer.get("vault.agent_address").is_some()
        || Locations::new(None, environment).usual.iter().any(|path| path.exists())
        || all.iter().any(|found| found.folder.join(FILE_NAME).exists())
}

/// The kernels of those names; an unknown name becomes a failure.
fn chosen<'a>(
    names: &[String],
    all: &'a [Kernelspec],
    search: &Search,
    failures: &mut Vec<Error>,
) -> Vec<&'a Kernelspec> {
    let mut chosen = Vec::new();
    for name in names {
        let wanted = name.to_lowercase();
        match all.iter().find(|found| found.name == wanted) {
            Some(found) => chosen.push(found),
            None => failures.push(unknown(name, all, search)),
        }
    }
    chosen
}

fn unknown(name: &str, all: &[Kernelspec], search: &Search) -> Error {
    if !search.is_allowed(&name.to_lowercase()) && !search.of_name(name).is_empty() {
        let what = format!("Jupyter's configuration does not allow the kernel {name}");
        return Error::new(Kind::Usage, what, "add it to KernelSpecManager.allowed_kernelspecs in jupyter_config");
    }
    let known = all.iter().map(|found| found.name.as_str());
    let advice = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None if all.is_empty() => "Jupyter finds no kernel at all: is the right environment active?".to_owned(),
        None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
    };
    Error::new(Kind::Usage, format!("Jupyter finds no kernel called {name}"), advice)
}

pub(super) fn last(mut failures: Vec<Error>, report: &mut dyn FnMut(&Error)) -> Result<()> {
    let Some(last) = failures.pop() else { return Ok(()) };
    failures.iter().for_each(report);
    Err(last)
}

/// One line of the report. Ignored if standard output is closed.
pub(super) fn say(out: &mut dyn Write, line: &str) {
    let _ = writeln!(out, "{}", one_line(line));
}

/// What a wrapped kernelspec gets besides the launcher.
struct Added {
    vault_toml: SavedFile,
    /// The suffix of the display name so far.
    suffix: Option<String>,
}

struct Wrapper<'a> {
    which: &'a WrapChoices,
    environment: &'a Environment,
    search: &'a Search,
    settings: SettingsFiles<'a>,
    launcher: String,
    out: &'a mut dyn Write,
    report: &'a mut dyn FnMut(&Error),
}

impl Wrapper<'_> {
    fn wrap(&mut self, found: &Kernelspec) -> Result<()> {
        for _ in 0..ATTEMPTS {
            if self.attempt(found)? {
                return Ok(());
            }
        }
        Err(busy(&found.folder))
    }

    /// Tries to wrap `found`; returns false if another process changed the kernelspec while this one waited for Vault.
    fn attempt(&mut self, found: &Kernelspec) -> Result<bool> {
        let path = found.folder.join(KERNEL_JSON);
        let now = match &found.native {
            Some(native) => SavedFile { text: native.kernel_json.clone(), mode: 0o644, link: None },
            None => keep(&path)?.ok_or_else(|| unknown(&found.name, &[], self.search))?,
        };
        let spec = parse(&now.text, &path)?;
        for double in Search::doubles(found) {
            let what = format!("{} and {} have the same name for Jupyter", found.folder.display(), double.display());
            (self.report)(&Error::new(
                Kind::Config,
                what,
                "Jupyter lists one and may start the other: rename one of them",
            ));
        }
        let record = if found.native.is_some() { None } else { WrapRecord::read(&found.folder)? };
        let shared = if record.is_none() { shared(&path, &now, &spec)? } else { None };
        if record.is_none() && shared.is_none() && spec.has_launcher() {
            say(self.out, &format!("{}: already has a launcher, added by hand; unchanged", found.name));
            return Ok(true);
        }
        if let Some(starter) = &spec.starter {
            starter::check(&found.name, starter, self.search, self.environment)?;
        }
        if let Some(carrier) = spec.carrier() {
            (self.report)(&starter::elsewhere(&found.name, &carrier));
        }
        let target = target(found, self.search, &self.which.scope)?;
        let before = match shared {
            Some(shared) => shared,
            None => original(&now, &spec, record.as_ref()).ok_or_else(|| missing_launcher(&found.folder))?,
        };
        let program = self.program(&parse(&before.text, &path)?);
        if let (Destination::InPlace, LauncherForm::NoPackage(python)) =
            (&target, starter::form(&program, &found.folder))
        {
            (self.report)(&starter::dropped_word(&found.name, python));
        }
        if let Some(source) = record.as_ref().and_then(|record| upgraded(&found.folder, &before, record)) {
            return self.renew(found, &source, &now).map(|()| true);
        }
        let seen = FilesBefore { kernel_json: now, vault_toml: keep(&found.folder.join(FILE_NAME))?, record };
        let vault_toml = self.settings.beside(&found.folder, seen.record.is_some(), self.report)?;
        let suffix = seen.record.as_ref().map(|record| record.suffix.clone());
        let wrapped = self.wrapped(found, &before, &seen, Added { vault_toml, suffix })?;
        if self.which.dry_run {
            self.show(found, &seen.kernel_json, &wrapped, &target);
            return Ok(true);
        }
        match target {
            Destination::InPlace => self.in_place(found, &seen, &wrapped),
            Destination::Copy(to) => {
                self.copy(found, &wrapped, &to, vec![wrapped.vault_toml.text.clone()]).map(|()| true)
            }
        }
    }

    /// Copies a kernelspec again after its original has changed; the copy's vault.toml stays.
    fn renew(&mut self, found: &Kernelspec, source: &Path, now: &SavedFile) -> Result<()> {
        let path = source.join(KERNEL_JSON);
        let Some(before) = keep(&path)? else { return Ok(()) };
        let vault_toml = self.settings.beside(&found.folder, true, self.report)?;
        let anew = Kernelspec { name: found.name.clone(), folder: source.to_owned(), native: None };
        let seen =
            FilesBefore { vault_toml: keep(&source.join(FILE_NAME))?, record: None, kernel_json: before.clone() };
        let record = WrapRecord::read(&found.folder)?;
        let suffix = record.as_ref().map(|record| record.suffix.clone());
        let wrapped = self.wrapped(&anew, &before, &seen, Added { vault_toml, suffix })?;
        if self.which.dry_run {
            self.show(found, now, &wrapped, &Destination::InPlace);
            return Ok(());
        }
        // A kernelspec that the user has edited since is not overwritten.
        let ours = record.map(|record| record.ours);
        self.copy(&anew, &wrapped, &found.folder, ours.unwrap_or_default())
    }

    /// Computes the new files.
    fn wrapped(&self, found: &Kernelspec, before: &SavedFile, seen: &FilesBefore, added: Added) -> Result<Wrapped> {
        let Added { vault_toml, suffix } = added;
        let path = found.folder.join(KERNEL_JSON);
        let spec = parse(&before.text, &path)?;
        let program = self.program(&spec);
        let launcher = Path::new(&self.launcher);
        let (mut words, stands_by) = match starter::form(&program, &found.folder) {
            LauncherForm::Module(python) => {
                let own = Path::new(python).with_file_name(PROGRAM);
                let own = if own.is_file() { own } else { launcher.to_owned() };
                (vec![python, standby::SCRIPT_WORD], Some(own))
            }
            _ if standby::is_pips(launcher) => (vec![standby::WORD], Some(launcher.to_owned())),
            LauncherForm::Plain | LauncherForm::NoPackage(_) => (vec![self.launcher.as_str()], None),
        };
        words.extend(["exec", "--config", "{resource_dir}/vault.toml", "--"]);
        let suffix = self.which.suffix.clone().or(suffix).unwrap_or_default();
        let text = with_suffix(&spec.wrapped(&words, &program), &suffix);
        let edited = match (&seen.record, &seen.vault_toml) {
            (Some(record), Some(there)) => !self.settings.is_given() && !record.is_unchanged(there),
            _ => false,
        };
        let (copy_of, copied, first, mut ours) = match seen.record.clone() {
            Some(record) => (record.copy_of, record.copied, record.vault_toml, record.ours),
            None => (None, Vec::new(), seen.vault_toml.clone(), Vec::new()),
        };
        // An edited file belongs to the user; wrap's settings are added to it.
        if !edited && first.as_ref().map(|first| &first.text) != Some(&vault_toml.text) {
            ours.retain(|text| *text != vault_toml.text);
            ours.push(vault_toml.text.clone());
            // A crash may have left the earlier one in place.
            ours.drain(..ours.len().saturating_sub(2));
        }
        Ok(Wrapped {
            kernel_json: SavedFile { text, mode: before.mode, link: None },
            vault_toml,
            record: WrapRecord {
                note: NOTE.to_owned(),
                copy_of,
                copied,
                kernel_json: before.clone(),
                vault_toml: first,
                launcher: words.into_iter().map(str::to_owned).collect(),
                program: stands_by,
                suffix,
                ours,
            },
        })
    }

    /// The path of the kernel's program, independent of the environment that it is started in.
    fn program(&self, spec: &Spec<'_>) -> String {
        let word = &spec.words[0];
        if word.contains(['/', '{']) {
            return word.clone();
        }
        // Jupyter starts its own Python for these words, not one from PATH.
        if let Some(python) = self.search.python.as_ref().filter(|python| python.facts.names.contains(word)) {
            return python.facts.executable.to_string_lossy().into_owned();
        }
        if spec.sets_path {
            return word.clone();
        }
        let found = find_program(OsStr::new(word), self.environment.bytes("PATH")).ok();
        let absolute = found.and_then(|program| std::path::absolute(program).ok());
        absolute.and_then(|program| program.into_os_string().into_string().ok()).unwrap_or_else(|| word.clone())
    }

    fn in_place(&mut self, found: &Kernelspec, seen: &FilesBefore, wrapped: &Wrapped) -> Result<bool> {
        let locked = Locked::new(&found.folder)?;
        if !seen.is_there(&found.folder)? {
            return Ok(false);
        }
        let changed = wrapped.write(&locked, &found.folder, seen)?;
        let what = if changed { "wrapped in place" } else { "already wrapped" };
        say(self.out, &format!("{}: {what}, {}", found.name, found.folder.join(KERNEL_JSON).display()));
        Ok(true)
    }

    fn copy(&mut self, found: &Kernelspec, wrapped: &Wrapped, to: &Path, ours: Vec<String>) -> Result<()> {
        let record = WrapRecord {
            copy_of: Some(found.folder.clone()),
            copied: copy::files(&found.folder),
            vault_toml: None,
            ours,
            ..wrapped.record.clone()
        };
        copy::make(&found.folder, to, |made| {
            made.write(RECORD, &record.text(), wrapped.record_mode())?;
            wrapped.stand_by(made)?;
            made.write(FILE_NAME, &wrapped.vault_toml.text, wrapped.vault_toml.mode | 0o600)?;
            made.write(KERNEL_JSON, &wrapped.kernel_json.text, (wrapped.kernel_json.mode | 0o600) & !0o002)
        })?;
        let from = found.folder.display();
        say(self.out, &format!("{}: wrapped as a copy, {} ({from} is unchanged)", found.name, to.display()));
        let first = self.search.of_name(&found.name);
        if first.first().is_some_and(|first| first != to) {
            let what = format!("{} is hidden by {}, which Jupyter finds first", to.display(), first[0].display());
            (self.report)(&Error::new(Kind::Config, what, "wrap that one, or remove it"));
        }
        Ok(())
    }

    fn show(&mut self, found: &Kernelspec, now: &SavedFile, wrapped: &Wrapped, target: &Destination) {
        let (old, new) = match target {
            Destination::InPlace => (&found.folder, &found.folder),
            Destination::Copy(to) => (&found.folder, to),
        };
        let settings = keep(&new.join(FILE_NAME)).ok().flatten().map(|kept| kept.text);
        let files = [
            (KERNEL_JSON, Some(now.text.as_str()), &wrapped.kernel_json.text),
            (FILE_NAME, settings.as_deref(), &wrapped.vault_toml.text),
        ];
        for (name, before, after) in files {
            let _ = write!(self.out, "{}", diff::unified(&old.join(name), &new.join(name), before, Some(after)));
        }
    }
}

/// The path of this program: the one on PATH if it is there, because that path stays valid after an upgrade.
fn launcher(environment: &Environment) -> Result<String> {
    let failed = |_| Error::new(Kind::Os, "this program's own path is not known", "is /proc mounted?");
    let own = std::env::current_exe().map_err(failed)?;
    if let Some(folder) = standby::own_folder().filter(|folder| folder.join(RECORD).exists()) {
        let what = format!(
            "{} is a stand-in that wrap put there for one kernel, and can't wrap others",
            folder.join(STAND_BY).display()
        );
        return Err(Error::new(Kind::Usage, what, "install jupyter-vault again, and wrap with the installed program"));
    }
    let on_path = find_program(OsStr::new(PROGRAM), environment.bytes("PATH")).ok();
    let same = |path: &PathBuf| path.canonicalize().ok() == own.canonicalize().ok();
    let path = on_path.filter(same).and_then(|path| std::path::absolute(path).ok()).unwrap_or(own);
    path.into_os_string()
        .into_string()
        .map_err(|_| Error::new(Kind::Config, "this program's own path is not UTF-8", "install it under a UTF-8 path"))
}
