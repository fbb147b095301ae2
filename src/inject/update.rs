//! The injection of one kernel: connects, sets the variables, and records them.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::info::{KernelInfo, cannot, kernel_info, unknown};
use super::injection::{Changes, Injection, Options, inject};
use super::language::{Delivery, KernelRow};
use super::target::{Route, Target};
use super::{language, remembered, subshell};
use crate::config::notebook::is_withheld;
use crate::config::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::inject::link::Link;
use crate::kernel::connection::ConnectionFile;
use crate::kernel::endpoint::Channel;
use crate::launch::environment::fits;
use crate::launch::files::{self, Written};
use crate::launch::given::{Form, Given, is_up_to_date, origins};
use crate::launch::profiles;
#[cfg(target_os = "linux")]
use crate::lease::Owner;
use crate::net::deadline::Deadline;
use crate::record::{How, Record, Variable, lock, stem};
use crate::secret::SecretSet;
use crate::sys::exec::Space;
use crate::sys::process::{command_line, start_time, waits_for_events, with_argument};

/// A kernel, and the variables to set in it.
#[derive(Debug)]
pub struct KernelUpdate<'a> {
    target: &'a Target,
    plan: &'a Plan,
    options: Options<'a>,
    before: Option<Record>,
    /// The notebook's path as the kernel's launcher got it, if a rule or a path depends on it.
    session: String,
    /// How many leases the keeper holds for its variables; `None`: as many as before.
    leases: Option<usize>,
    process: OnceCell<Option<u32>>,
}

/// How the kernel's kind is known.
#[derive(Debug)]
pub enum Known {
    /// From its kernel_info, so it is idle.
    ByReply(KernelInfo),
    /// From its process: only one kind of kernel has this command line, and the process waits for an event. A running
    /// cell may wait for one too.
    ByCommand(&'static KernelRow),
}

/// The result of a update.
#[derive(Debug)]
pub struct Done {
    /// The changes.
    pub changes: Changes,
    /// All variables that it was given, now and before.
    pub variables: Variables,
}

type Variables = BTreeMap<String, Variable>;

impl<'a> KernelUpdate<'a> {
    /// Prepares the injection of `target`; reads its record.
    pub fn of(target: &'a Target, plan: &'a Plan, options: Options<'a>) -> Self {
        let before = target.file.as_ref().and_then(|file| Record::read(&plan.runtime_dir, &stem(file)));
        let session = if plan.notebooks.is_empty() { None } else { session_of(target) };
        Self {
            target,
            plan,
            options,
            before,
            session: session.unwrap_or_default(),
            leases: None,
            process: OnceCell::new(),
        }
    }

    /// Whether the kernel's notebook may have a variable of this name.
    fn may_have(&self, name: &str) -> bool {
        !is_withheld(&self.plan.notebooks, &self.session, name)
    }

    /// Adds the variables that are remembered for a process without a record, by its session.
    #[must_use]
    pub fn with_remembered(mut self, known: &Known) -> Self {
        let Known::ByReply(info) = known else { return self };
        let known = || remembered::recall(&self.plan.runtime_dir, self.target, info).map(Record::unwritten);
        self.before = self.before.take().or_else(known);
        self
    }

    /// Sets how many leases the keeper holds for its variables.
    #[must_use]
    pub const fn with_lease_count(mut self, leases: Option<usize>) -> Self {
        self.leases = leases;
        self
    }

    /// Adds the variables that the kernel is known to have been given, if there is no record.
    #[must_use]
    pub fn with_variables(mut self, variables: Variables) -> Self {
        self.before.get_or_insert_with(|| Record::unwritten(variables));
        self
    }

    /// Whether the kernel has all of `given` already.
    pub fn is_up_to_date(&self, given: &Given) -> bool {
        let split_names = |record| self.split_record(record, &origins(given)).0;
        self.before
            .clone()
            .map(split_names)
            .is_some_and(|record| is_up_to_date(&record, given, |name| self.may_have(name)))
    }

    /// Splits the earlier variables: those that these sources give or may have given, and those of other sources. The
    /// latter were not read now, so their variables stay.
    fn split_record(&self, mut record: Record, given: &Variables) -> (Record, Variables) {
        let may_be = |name: &str, path: &str| self.plan.sources.iter().any(|source| source.may_give(name, path));
        let (theirs, others) = std::mem::take(&mut record.variables)
            .into_iter()
            .partition(|(name, from)| given.contains_key(name) || may_be(name, &from.path));
        record.variables = theirs;
        (record, others)
    }

    /// The record as it is now: another injection may have written it meanwhile.
    fn latest(&self) -> Option<Record> {
        let read = |file| Record::read(&self.plan.runtime_dir, &stem(file));
        self.target.file.as_deref().and_then(read).or_else(|| self.before.clone())
    }

    /// Connects, and waits until the kernel answers kernel_info.
    pub async fn ask(&self, progress: &mut dyn FnMut(&str)) -> Result<(Link, Known)> {
        let link = self.target.link(Deadline::after(self.options.wait)).await?;
        self.ask_on(link, progress).await
    }

    /// Connects, and inspects the kernel's process: its command line shows its kind, its state whether it is idle.
    /// Requests kernel_info if the process does not show both.
    pub async fn inspect(&self, progress: &mut dyn FnMut(&str)) -> Result<(Link, Known)> {
        let link = self.target.link(Deadline::after(self.options.wait)).await?;
        // Inspected after connecting: if the kernel has restarted in between, the connection is closed.
        let process = self.process()?.filter(|pid| waits_for_events(*pid));
        let row = process.and_then(|pid| language::by_command(&command_line(pid)));
        match row.filter(|_| !self.options.now && matches!(self.target.route, Route::File(_))) {
            Some(row) => Ok((link, Known::ByCommand(row))),
            None => self.ask_on(link, progress).await,
        }
    }

    async fn ask_on(&self, mut link: Link, progress: &mut dyn FnMut(&str)) -> Result<(Link, Known)> {
        let wait = self.options.wait;
        if self.options.now {
            let info = kernel_info(&mut link, Channel::Control, wait, progress).await?;
            if runs_concurrently(&info) {
                return Ok((link, Known::ByReply(info)));
            }
            progress("this kernel has no subshells: waiting for it");
        }
        let info = kernel_info(&mut link, Channel::Shell, wait, progress).await?;
        Ok((link, Known::ByReply(info)))
    }

    /// The kernel's process, if it runs on this machine.
    fn process(&self) -> Result<Option<u32>> {
        let Some(path) = &self.target.file else { return Ok(None) };
        if let Some(process) = self.process.get() {
            return Ok(*process);
        }
        let lives = |record: &&Record| start_time(record.pid) == Some(record.start_time);
        let recorded = self.before.as_ref().filter(lives).map(|record| record.pid);
        let process = match recorded {
            Some(pid) => Some(pid),
            None => with_argument(path, ConnectionFile::read_ours(path)?.endpoint(Channel::Shell).port()),
        };
        Ok(*self.process.get_or_init(|| process))
    }

    /// The owner of the leases: the kernel's process, if it runs on this machine.
    #[cfg(target_os = "linux")]
    pub(crate) fn owner(&self) -> Result<Option<Owner>> {
        let Some(pid) = self.process()? else { return Ok(None) };
        let file = self.target.file.clone();
        Ok(start_time(pid).map(|start_time| Owner { pid, start_time, file }))
    }

    /// Gives the kernel its variables, and records which.
    pub async fn give(
        self,
        (mut link, known): (Link, Known),
        mut given: Given,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Done> {
        given.retain(|name, _| self.may_have(name.as_str()));
        let process = self.process()?;
        let (target, plan, options) = (self.target, self.plan, self.options);
        let (row, now, was_asked) = match &known {
            Known::ByReply(info) => {
                let row = language::of(info).ok_or_else(|| unknown(info))?;
                if let Delivery::Cannot(why) = row.delivery {
                    return Err(cannot(&info.implementation, why));
                }
                (row, options.now && runs_concurrently(info), true)
            }
            Known::ByCommand(row) => (*row, false, false),
        };
        let wanted = origins(&given);
        let away: &[&str] = if profiles::has_profiles(&given) { &profiles::OVERRIDING_VARIABLES } else { &[] };
        let before = self.before.clone().map(|record| self.split_record(record, &wanted).0);
        let (secrets, files) = files_of(given, plan, process)?;
        fits(&secrets, Space::of_this_system())?;
        let options = Options { now, ..options };
        let subshell = if options.now { Some(subshell::enter(&mut link, progress).await?) } else { None };
        let injection = Injection { row, wanted: &secrets, before: before.as_ref(), away, was_asked, options };
        let mut outcome = inject(&mut link, injection, progress).await;
        if let Some(id) = subshell {
            outcome = subshell::leave(&mut link, &id, outcome, progress).await;
        }
        link.close().await;
        let changes = outcome?;
        files.keep();
        // The second of two concurrent injections reads what the first has recorded.
        let _locked = lock(&plan.runtime_dir).await;
        let latest = self.latest();
        let mut variables = latest.clone().map(|record| self.split_record(record, &wanted).1).unwrap_or_default();
        let was_set = |name: &String| !changes.kept.contains(name) && !changes.impossible.contains(name);
        variables.extend(wanted.into_iter().filter(|(name, _)| was_set(name)));
        let record = target
            .file
            .as_ref()
            .zip(process)
            .and_then(|(file, pid)| Some((stem(file), Record::new(file, pid, How::Inject, variables.clone())?)))
            .map(|(name, record)| (name, record.following(latest, &changes.unset)))
            .map(|(name, record)| (name, Record { leases: self.leases.unwrap_or(record.leases), ..record }));
        match record {
            Some((name, record)) => record.write(&plan.runtime_dir, &name)?,
            None => {
                if let Known::ByReply(info) = &known {
                    remembered::keep(&plan.runtime_dir, target, info, &variables)?;
                }
            }
        }
        Ok(Done { changes, variables })
    }
}

/// The notebook of a kernel, from its connection file or from its server's list.
fn session_of(target: &Target) -> Option<String> {
    let file = target.file.as_ref().and_then(|path| ConnectionFile::read(path).ok());
    let session = file.and_then(|file| file.session().map(str::to_owned));
    session.filter(|session| !session.is_empty()).or_else(|| target.notebook.clone())
}

/// Whether the kernel can be changed while a cell is running.
fn runs_concurrently(info: &KernelInfo) -> bool {
    subshell::are_supported(info) && language::of(info).is_some_and(|row| row.beside.is_some())
}

/// Writes the secrets that are files; returns the variables to set.
fn files_of(given: Given, plan: &Plan, process: Option<u32>) -> Result<(SecretSet, Written)> {
    let has_files = given.values().any(|fetched| !matches!(fetched.form, Form::Variable(_)));
    match process {
        Some(pid) => files::write(given, &plan.runtime_dir, pid),
        None if !has_files => files::write(given, &plan.runtime_dir, 0),
        None => Err(Error::new(
            Kind::KernelCannot,
            "a source gives a file, but the kernel does not run on this machine",
            "give the secret as a variable, or restart the kernel with jupyter-vault",
        )),
    }
}
