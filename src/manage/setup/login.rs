//! The questions about the login: which method, where, and whose credential.

use std::path::Path;

use super::Flags;
use super::Setup;
use super::answers::{Answers, Typed, path};
use crate::config::method::{self, Ask, Method, SERVICE_ACCOUNT_TOKEN, Wanted};
use crate::error::{Error, Kind, Result};

impl Setup<'_> {
    /// Asks for all that a login needs; `flags` are what was said before, and count once.
    pub(super) fn ask_for_login(&mut self, flags: &Flags) -> Result<()> {
        let method = self.method(flags)?;
        self.answers.auth.clear();
        self.answers.typed.clear();
        self.say_auth("method", method.name);
        for ask in method.asks {
            if !self.ask(method, ask, flags)? {
                break;
            }
        }
        Ok(())
    }

    /// Asks one thing; `false` when the rest need not be asked.
    fn ask(&mut self, method: &Method, ask: &Ask, flags: &Flags) -> Result<bool> {
        match *ask {
            Ask::LeftToken => return Ok(!self.takes_left_token(flags)?),
            Ask::Mount => {
                let mount = match &flags.auth_mount {
                    Some(mount) => mount.clone(),
                    None => self.asked.text("Where it is mounted, under auth/", Some(method.name), "--auth-mount")?,
                };
                self.say_auth("mount", if mount == method.name { "" } else { &mount });
            }
            Ask::Username => self.username(flags)?,
            Ask::Text { key, question, usual } => {
                let text = match flags.text(key) {
                    Some(text) => text.to_owned(),
                    None => self.asked.text(question, usual, &flag(key))?,
                };
                self.say_auth(key, &text);
            }
            Ask::File { key, question, usual } => self.file(key, question, usual, flags)?,
            Ask::Credential(wanted) => self.credential(wanted, flags.file(wanted.key))?,
            Ask::CredentialIfAny(wanted, question) => {
                let said = flags.file(wanted.key);
                if said.is_some() || (self.asked.is_there() && self.asked.agrees(question, true)?) {
                    self.credential(wanted, said)?;
                }
            }
        }
        Ok(true)
    }

    fn username(&mut self, flags: &Flags) -> Result<()> {
        let user = self.parent.text("USER").ok().flatten().map(str::to_owned);
        let username = match &flags.username {
            Some(name) => name.clone(),
            // Without a person to confirm it, the name of this machine's user is a guess too far.
            None if self.asked.is_there() => self.asked.text("Your user name in Vault", user.as_deref(), "")?,
            None => self.asked.text("", None, "--username")?,
        };
        self.say_auth("username", &username);
        Ok(())
    }

    /// A file that the settings name; an empty answer is none.
    fn file(&mut self, key: &'static str, question: &str, usual: Option<&str>, flags: &Flags) -> Result<()> {
        let file = match flags.file(key) {
            Some(file) => path(file),
            None => self.asked.text(question, usual, &flag(key))?,
        };
        let file = if file.is_empty() { file } else { path(Path::new(&file)) };
        if key.starts_with("client_") {
            Answers::set(&mut self.answers.vault, key, &file);
        } else {
            self.say_auth(key, &file);
        }
        Ok(())
    }

    fn method(&self, flags: &Flags) -> Result<&'static Method> {
        let mut said = flags.auth_method.clone();
        loop {
            let usual = if Path::new(SERVICE_ACCOUNT_TOKEN).exists() { "kubernetes" } else { "token" };
            let name = match said.take() {
                Some(name) => name,
                None if self.asked.is_there() => {
                    self.asked.text(&format!("How to log in ({})", method::names()), Some(usual), "")?
                }
                None => self.asked.text("", None, "--auth-method")?,
            };
            match method::named(&name) {
                Ok(method) => return Ok(method),
                Err(advice) => {
                    let what = format!("there is no login method {name} to set up");
                    self.unless_asked(Error::new(Kind::Usage, what, advice))?;
                }
            }
        }
    }

    /// Whether the token that `vault login` left is taken: it needs no setting, and is found where it is.
    fn takes_left_token(&self, flags: &Flags) -> Result<bool> {
        let left = self.parent.home().map(|home| home.join(".vault-token")).filter(|path| path.is_file());
        let Some(left) = left.filter(|_| flags.token_file.is_none()) else { return Ok(false) };
        self.asked.agrees(&format!("Use the token that `vault login` left in {}?", left.display()), true)
    }

    /// A file that holds the credential, or the credential itself, to be kept in one.
    fn credential(&mut self, wanted: &Wanted, said: Option<&Path>) -> Result<()> {
        if let Some(file) = said {
            self.say_auth(wanted.key, &path(file));
            return Ok(());
        }
        let question = format!("The file with the {} (empty: type the {0})", wanted.what);
        if !self.asked.is_there() {
            return self.asked.text("", None, &flag(wanted.key)).map(drop);
        }
        loop {
            let file = self.asked.text(&question, Some(""), &flag(wanted.key))?;
            if !file.is_empty() {
                self.say_auth(wanted.key, &path(Path::new(&file)));
                return Ok(());
            }
            let value = self.asked.unseen(&format!("The {} (not shown)", wanted.what))?;
            let keep = self.output.with_file_name(wanted.file);
            if !self.force && keep.exists() {
                self.asked.say(&format!(
                    "  {} is there already, and is not replaced without --force: name a file\n",
                    keep.display()
                ));
                continue;
            }
            let kept = format!("Keep it in {}, readable by you alone?", keep.display());
            if self.asked.agrees(&kept, true)? {
                let Wanted { key, file, variable, .. } = *wanted;
                self.answers.typed.push(Typed { key, file, variable, value });
                return Ok(());
            }
            self.asked.say("  a kernel needs a file to take it from: name one\n");
        }
    }

    fn say_auth(&mut self, key: &'static str, value: &str) {
        Answers::set(&mut self.answers.auth, key, value);
    }
}

/// The flag that stands for a setting.
fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}
