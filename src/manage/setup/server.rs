//! The questions about Vault: its address, its certificate's issuer, the namespace.

use std::path::PathBuf;

use super::Setup;
use super::answers::{Answers, path, with_scheme};
use super::attempt::Depth;
use crate::error::{Kind, Result};

impl Setup<'_> {
    pub(super) fn address(&mut self) -> Result<()> {
        if let Some(ca) = self.flags.ca_cert.clone().or_else(|| self.known("vault.ca_cert").map(PathBuf::from)) {
            Answers::set(&mut self.answers.vault, "ca_cert", &path(&ca));
        }
        let known = self.known("vault.address");
        let mut given = self.flags.address.clone();
        loop {
            let address = match given.take() {
                Some(address) => address,
                None => self.prompter.text("Vault's address", known.as_deref(), "--address (or VAULT_ADDR)")?,
            };
            let (address, plain) = with_scheme(&address);
            Answers::set(&mut self.answers.vault, "address", &address);
            let Err(error) = self.attempt(Depth::Server) else { return Ok(()) };
            let kind = error.kind();
            self.retry_or_fail(error)?;
            match (kind, plain) {
                (Kind::TlsToPlainHttp, Some(plain)) => {
                    let question = format!("Use {plain}, which anyone on the network can read?");
                    given = self.prompter.agrees(&question, false)?.then_some(plain);
                }
                (Kind::TlsUnknownIssuer, _) => {
                    let question = "The CA certificate that signed it, a PEM file (empty: another address)";
                    let file = self.prompter.text(question, Some(""), "")?;
                    let file = if file.is_empty() { file } else { path(file.as_ref()) };
                    given = Some(address).filter(|_| !file.is_empty());
                    Answers::set(&mut self.answers.vault, "ca_cert", &file);
                }
                _ => {}
            }
        }
    }

    /// The settings of this shell's variables.
    fn known(&self, key: &str) -> Option<String> {
        self.parent.layer_leniently(&mut |_| {}).text(key).map(str::to_owned)
    }

    pub(super) fn namespace(&mut self) -> Result<()> {
        let known = self.known("vault.namespace").unwrap_or_default();
        let mut given = self.flags.namespace.clone();
        loop {
            let namespace = match given.take() {
                Some(namespace) => namespace,
                None => self.prompter.text("The namespace (empty: none)", Some(&known), "--namespace")?,
            };
            Answers::set(&mut self.answers.vault, "namespace", &namespace);
            if namespace.is_empty() {
                return Ok(());
            }
            match self.attempt(Depth::Server) {
                Ok(()) => return Ok(()),
                Err(error) => self.retry_or_fail(error)?,
            }
        }
    }
}
