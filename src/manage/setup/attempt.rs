//! Tests the answers so far, read as a launch reads them.

use super::Setup;
use super::answers::{Answers, with_scheme};
use crate::config::auth::login;
use crate::config::file;
use crate::config::login::Login;
use crate::config::origin::Origin;
use crate::config::plan::Plan;
use crate::config::server::Server;
use crate::error::Result;
use crate::manage::doctor::{ask_vault, sources};
use crate::manage::report::Report;

/// How far a test goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Whether Vault answers.
    Server,
    /// The login too.
    Login,
    /// The sources too, from this one on.
    Sources(usize),
}

impl Setup<'_> {
    /// Tests the answers so far, as far as `depth`, and remembers the mounts.
    pub(super) fn attempt(&mut self, depth: Depth) -> Result<()> {
        for typed in &self.answers.typed {
            self.parent.set_typed_credential(typed.variable, typed.value.duplicate());
        }
        // The file does not exist yet, so an error names the flag, variable or answer that a setting came from.
        let mut layer = file::parse(&self.answers.text(false), &self.output)?;
        layer.relabel(|key, text| self.origin(key, text));
        if let (Some(read), chosen) = (layer.sources(), &self.answers.sources) {
            let mut sources = read.to_vec();
            for (source, chosen) in sources.iter_mut().zip(chosen) {
                source.origin = chosen.source.origin.clone();
            }
            layer.set_sources(sources);
        }
        let server = Server::new(&layer, self.parent)?;
        let login = match depth {
            Depth::Server => None,
            _ => Some(login(&layer, self.parent, &server.address)?),
        };
        let works = login.is_some();
        let mut plan = Plan::with(&layer, self.parent, server, login.unwrap_or(Login::Agent));
        let first = if let Depth::Sources(first) = depth { first } else { plan.sources.len() };
        plan.sources.drain(..first);
        let mut report = Report::default();
        let sources::Found { mounts, .. } = ask_vault(&plan, self.parent, works, &mut report)?;
        for (chosen, mount) in self.answers.sources.iter_mut().skip(first).zip(mounts) {
            chosen.mount = mount.or(chosen.mount.take());
        }
        self.say_progress(&report);
        if report.has_fact("namespaces", false) && !self.answers.vault.iter().all(|(key, _)| *key != "namespace") {
            Answers::set(&mut self.answers.vault, "namespace", "");
            self.notes.push("this server has no namespaces, so none is written");
        }
        report.into_error().map_or(Ok(()), Err)
    }

    /// Prints what works, without repeating earlier lines, even if a time in them has changed.
    fn say_progress(&mut self, report: &Report) {
        for (section, lines) in report.progress() {
            let same = lines.replace(|character: char| character.is_ascii_digit(), "");
            if section == "sources" || self.shown.insert(same) {
                self.prompter.say(&lines);
            }
        }
    }

    /// Where a setting comes from.
    fn origin(&self, key: &str, text: Option<&str>) -> Origin {
        let flags = self.flags;
        let path = |path: &Option<std::path::PathBuf>| path.as_deref().map(super::answers::path);
        let (flag, given) = match key {
            "vault.address" => ("--address", flags.address.as_deref().map(|given| with_scheme(given).0)),
            "vault.namespace" => ("--namespace", flags.namespace.clone()),
            "vault.ca_cert" => ("--ca-cert", path(&flags.ca_cert)),
            "vault.client_cert" => ("--client-cert", path(&flags.client_cert)),
            "vault.client_key" => ("--client-key", path(&flags.client_key)),
            "auth.method" => ("--auth-method", flags.auth_method.clone()),
            "auth.mount" => ("--auth-mount", flags.auth_mount.clone()),
            "auth.role" => ("--role", flags.role.clone()),
            "auth.username" => ("--username", flags.username.clone()),
            _ => ("", None),
        };
        if given.as_deref() == text && text.is_some() {
            return Origin::Flag(flag);
        }
        let known = self.parent.layer_leniently(&mut |_| {});
        match known.get(key) {
            Some(setting) if known.text(key) == text => setting.origin.clone(),
            _ => Origin::Answer,
        }
    }
}
