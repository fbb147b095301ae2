//! The questions about the login: which method, where, and whose credential.

use std::path::Path;

use super::Flags;
use super::Setup;
use super::answers::{Answers, Typed, path};
use super::attempt::Depth;
use crate::config::file;
use crate::config::layer::Layer;
use crate::config::method::{self, Ask, Method, SERVICE_ACCOUNT_TOKEN, Wanted};
use crate::config::stored_token::StoredToken;
use crate::error::{Error, Kind, Result};
use crate::manage::login::sign_in;

/// How to continue.
enum Asking {
    GoesOn,
    /// No further questions are needed.
    IsOver,
    /// The user wants another login.
    GivenUp,
}

impl Setup<'_> {
    /// Asks for the login, and again for the parts that are refused.
    pub(super) fn login(&mut self, flags: &Flags) -> Result<()> {
        let mut method = self.ask_for_login(flags)?;
        // The sources' try logs in as well; a secret id may have few uses.
        if !self.prompter.is_there() {
            return Ok(());
        }
        loop {
            let Err(error) = self.attempt(Depth::Login) else {
                if self.keeps_typed()? {
                    return Ok(());
                }
                continue;
            };
            let is_refused = matches!(error.kind(), Kind::LoginRefused | Kind::BadToken);
            self.retry_or_fail(error)?;
            if !(is_refused && self.ask_for_credential(method)?) {
                method = self.ask_for_login(&Flags::default())?;
            }
        }
    }

    /// Asks for everything that a login needs; `flags` are earlier answers, and are used once.
    fn ask_for_login(&mut self, flags: &Flags) -> Result<&'static Method> {
        loop {
            let method = self.method(flags)?;
            self.answers.auth.clear();
            self.answers.typed.clear();
            self.say_auth("method", method.name);
            let mut is_whole = true;
            for ask in method.asks {
                match self.ask(method, ask, flags)? {
                    Asking::GoesOn => {}
                    Asking::IsOver => break,
                    Asking::GivenUp => {
                        is_whole = false;
                        break;
                    }
                }
            }
            if is_whole {
                return Ok(method);
            }
        }
    }

    /// Asks again for the user and the credential; `false` if the user wants another method.
    fn ask_for_credential(&mut self, method: &'static Method) -> Result<bool> {
        let credentials = |ask: &&Ask| matches!(ask, Ask::Username | Ask::Credential(_) | Ask::CredentialIfAny(..));
        if !method.asks.iter().any(|ask| matches!(ask, Ask::Credential(_))) {
            return Ok(false);
        }
        self.answers.typed.clear();
        for ask in method.asks.iter().filter(credentials) {
            if let Ask::Credential(wanted) | Ask::CredentialIfAny(wanted, _) = ask {
                self.say_auth(wanted.key, "");
            }
            if matches!(self.ask(method, ask, &Flags::default())?, Asking::GivenUp) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Asks whether to store a typed credential that works. If not, asks for a file that holds it.
    fn keeps_typed(&mut self) -> Result<bool> {
        for place in 0..self.answers.typed.len() {
            let Typed { key, file, .. } = self.answers.typed[place];
            let keep = self.output.with_file_name(file);
            if !self.force && keep.exists() {
                let shown = keep.display();
                self.prompter.say(&format!("  {shown} already exists, and is not replaced without --force\n"));
            } else if self.prompter.agrees(&format!("Keep it in {}, readable by you alone?", keep.display()), true)? {
                continue;
            }
            self.prompter.say("  a kernel needs a file to read it from\n");
            let what = file.trim_start_matches("vault-").replace('-', " ");
            let path = loop {
                if let Some(path) = self.credential_file(&what, key, None)? {
                    break path;
                }
            };
            self.answers.typed.remove(place);
            self.say_auth(key, &path);
            return Ok(false);
        }
        Ok(true)
    }

    /// Asks one question.
    fn ask(&mut self, method: &Method, ask: &Ask, flags: &Flags) -> Result<Asking> {
        match *ask {
            Ask::StoredToken if self.takes_stored_token(flags)? => return Ok(Asking::IsOver),
            Ask::StoredToken => {}
            Ask::SignIn => return self.sign_in(flags),
            Ask::Mount => {
                let mount = match &flags.auth_mount {
                    Some(mount) => mount.clone(),
                    None => {
                        self.prompter.text("Where it is mounted, under auth/", Some(method.name), "--auth-mount")?
                    }
                };
                self.say_auth("mount", if mount == method.name { "" } else { &mount });
            }
            Ask::Username => self.username(flags)?,
            Ask::Text { key, question, usual } => {
                let text = match flags.text(key) {
                    Some(text) => text.to_owned(),
                    None => self.prompter.text(question, usual, &flag(key))?,
                };
                self.say_auth(key, &text);
            }
            Ask::File { key, question, usual } => self.file(key, question, usual, flags)?,
            Ask::Credential(wanted) => return self.credential(wanted, flags.file(wanted.key)),
            Ask::CredentialIfAny(wanted, question) => {
                let given = flags.file(wanted.key);
                if given.is_some() || (self.prompter.is_there() && self.prompter.agrees(question, true)?) {
                    return self.credential(wanted, given);
                }
            }
        }
        Ok(Asking::GoesOn)
    }

    fn username(&mut self, flags: &Flags) -> Result<()> {
        let before = self.answers.auth.iter().find(|(key, _)| *key == "username").map(|(_, name)| name.clone());
        let user = before.or_else(|| self.parent.text("USER").ok().flatten().map(str::to_owned));
        let username = match &flags.username {
            Some(name) => name.clone(),
            // Without a terminal the user can't confirm it, so this machine's user name is not used for Vault.
            None if self.prompter.is_there() => self.prompter.text("Your user name in Vault", user.as_deref(), "")?,
            None => self.prompter.text("", None, "--username")?,
        };
        self.say_auth("username", &username);
        Ok(())
    }

    /// Asks for a file that a setting names; an empty answer leaves it out.
    fn file(&mut self, key: &'static str, question: &str, usual: Option<&str>, flags: &Flags) -> Result<()> {
        let file = match flags.file(key) {
            Some(file) => path(file),
            None => self.prompter.text(question, usual, &flag(key))?,
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
        let mut given = flags.auth_method.clone();
        loop {
            let usual = if Path::new(SERVICE_ACCOUNT_TOKEN).exists() { "kubernetes" } else { "token" };
            let name = match given.take() {
                Some(name) => name,
                None if self.prompter.is_there() => {
                    self.prompter.text(&format!("How to log in ({})", method::names()), Some(usual), "")?
                }
                None => self.prompter.text("", None, "--auth-method")?,
            };
            match method::named(&name) {
                Ok(method) => return Ok(method),
                Err(advice) => {
                    let what = format!("there is no login method {name}");
                    self.retry_or_fail(Error::new(Kind::Usage, what, advice))?;
                }
            }
        }
    }

    /// Signs in with a browser, unless the token of an earlier login is used.
    fn sign_in(&mut self, flags: &Flags) -> Result<Asking> {
        if !self.prompter.is_there() || self.takes_stored_token(flags)? {
            return Ok(Asking::GoesOn);
        }
        let layer = file::parse(&self.answers.text(false), &self.output)?;
        match sign_in(layer, self.parent) {
            Ok(()) => Ok(Asking::GoesOn),
            Err(error) => self.retry_or_fail(error).map(|()| Asking::GivenUp),
        }
    }

    /// Whether to use the token that `vault login` stored, which needs no setting.
    fn takes_stored_token(&self, flags: &Flags) -> Result<bool> {
        // If it does not work, the test reports that.
        let left = StoredToken::find(&Layer::default(), self.parent).ok().flatten();
        let Some(left) = left.filter(|_| flags.token_file.is_none()) else { return Ok(false) };
        let where_it_is = if matches!(left, StoredToken::File(_)) { "in" } else { "with" };
        self.prompter.agrees(&format!("Use the token that a login stored {where_it_is} {left}?"), true)
    }

    /// Asks for the credential, to store it in a file, or for a file that contains it.
    fn credential(&mut self, wanted: &Wanted, given: Option<&Path>) -> Result<Asking> {
        if given.is_none() && !self.prompter.is_there() {
            return self.prompter.text("", None, &flag(wanted.key)).map(|_| Asking::GoesOn);
        }
        // The hidden question comes first: a credential pasted at a visible one stays on the screen.
        if given.is_none() {
            let question = format!("The {} (not shown; empty: it is in a file)", wanted.what);
            if let Some(value) = self.prompter.unseen_if_any(&question)? {
                let Wanted { key, file, variable, .. } = *wanted;
                self.answers.typed.push(Typed { key, file, variable, value });
                return Ok(Asking::GoesOn);
            }
        }
        match self.credential_file(wanted.what, wanted.key, given)? {
            Some(path) => self.say_auth(wanted.key, &path),
            None => return Ok(Asking::GivenUp),
        }
        Ok(Asking::GoesOn)
    }

    /// The path of a file with a credential; `None` for an empty answer. An error never repeats a path that does not
    /// exist: it may be the credential itself.
    fn credential_file(&self, what: &str, key: &str, given: Option<&Path>) -> Result<Option<String>> {
        if let Some(file) = given {
            return Ok(Some(path(file)));
        }
        loop {
            let question = format!("The file with the {what} (empty: another login)");
            let answer = self.prompter.text(&question, Some(""), &flag(key))?;
            if answer.is_empty() {
                return Ok(None);
            }
            let home = self.parent.home();
            let below = answer.strip_prefix("~/").zip(home).map(|(rest, home)| home.join(rest));
            if below.as_deref().unwrap_or(Path::new(&answer)).exists() {
                return Ok(Some(path(Path::new(&answer))));
            }
            self.prompter.say("  there is no such file\n");
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
