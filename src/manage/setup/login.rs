//! The questions about the login: which method, where, and whose credential.

use std::path::{Path, PathBuf};

use super::answers::{Answers, Typed, path};
use super::{Flags, Setup};
use crate::config::keys::nearest;
use crate::error::{Error, Kind, Result};

/// The methods that can be set up here.
const METHODS: &[&str] = &["token", "wrapped", "userpass", "ldap", "approle", "jwt", "kubernetes", "cert", "agent"];
/// Where Kubernetes puts a pod's token.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A credential: the setting that names its file, its question, where it is kept when it is typed.
struct Wanted {
    key: &'static str,
    what: &'static str,
    flag: &'static str,
    file: &'static str,
    variable: &'static str,
}

const TOKEN: Wanted = Wanted {
    key: "token_file",
    what: "token",
    flag: "--token-file",
    file: "vault-token",
    variable: "JUPYTER_VAULT_TOKEN",
};
const PASSWORD: Wanted = Wanted {
    key: "password_file",
    what: "password",
    flag: "--password-file",
    file: "vault-password",
    variable: "JUPYTER_VAULT_PASSWORD",
};
const ROLE_ID: Wanted = Wanted {
    key: "role_id_file",
    what: "role id",
    flag: "--role-id-file",
    file: "vault-role-id",
    variable: "JUPYTER_VAULT_ROLE_ID",
};
const SECRET_ID: Wanted = Wanted {
    key: "secret_id_file",
    what: "secret id",
    flag: "--secret-id-file",
    file: "vault-secret-id",
    variable: "JUPYTER_VAULT_SECRET_ID",
};

impl Setup<'_> {
    /// Asks for all that a login needs; `flags` are what was said before, and count once.
    pub(super) fn ask_for_login(&mut self, flags: &Flags) -> Result<()> {
        let method = self.method(flags)?;
        self.answers.auth.clear();
        self.answers.typed.clear();
        self.say_auth("method", &method);
        match method.as_str() {
            "agent" => return Ok(()),
            "token" => return self.token(flags),
            "wrapped" => return self.wrapped_token(flags),
            _ => {}
        }
        let mount = match &flags.auth_mount {
            Some(mount) => mount.clone(),
            None => self.asked.text("Where it is mounted, under auth/", Some(&method), "--auth-mount")?,
        };
        self.say_auth("mount", if mount == method { "" } else { &mount });
        match method.as_str() {
            "userpass" | "ldap" => {
                let user = self.parent.text("USER").ok().flatten().map(str::to_owned);
                let username = match &flags.username {
                    Some(name) => name.clone(),
                    // Without anybody to confirm it, the name of this machine's user is a guess too far.
                    None if self.asked.is_there() => self.asked.text("Your user name in Vault", user.as_deref(), "")?,
                    None => self.asked.text("", None, "--username")?,
                };
                self.say_auth("username", &username);
                self.credential(&PASSWORD, flags.password_file.as_deref())
            }
            "approle" => {
                self.credential(&ROLE_ID, flags.role_id_file.as_deref())?;
                if flags.secret_id_file.is_none()
                    && (!self.asked.is_there() || !self.asked.agrees("Does the role have a secret id?", true)?)
                {
                    return Ok(());
                }
                self.credential(&SECRET_ID, flags.secret_id_file.as_deref())
            }
            "jwt" | "kubernetes" => self.jwt(&method, flags),
            _ => self.certificate(flags),
        }
    }

    fn method(&self, flags: &Flags) -> Result<String> {
        let mut said = flags.auth_method.clone();
        loop {
            let usual = if Path::new(SERVICE_ACCOUNT_TOKEN).exists() { "kubernetes" } else { "token" };
            let method = match said.take() {
                Some(method) => method,
                None if self.asked.is_there() => {
                    self.asked.text(&format!("How to log in ({})", METHODS.join(", ")), Some(usual), "")?
                }
                None => self.asked.text("", None, "--auth-method")?,
            };
            if METHODS.contains(&method.as_str()) {
                return Ok(method);
            }
            let known = METHODS.join(", ");
            let near = nearest(&method, METHODS.iter().copied());
            let advice =
                near.map_or_else(|| format!("known: {known}"), |near| format!("did you mean {near}? known: {known}"));
            self.unless_asked(Error::new(Kind::Usage, format!("there is no login method {method} to set up"), advice))?;
        }
    }

    /// The token of `vault login` needs no setting: it is found where that leaves it.
    fn token(&mut self, flags: &Flags) -> Result<()> {
        let left = self.parent.home().map(|home| home.join(".vault-token")).filter(|path| path.is_file());
        if flags.token_file.is_none()
            && let Some(left) = left
        {
            let question = format!("Use the token that `vault login` left in {}?", left.display());
            if self.asked.agrees(&question, true)? {
                return Ok(());
            }
        }
        self.credential(&TOKEN, flags.token_file.as_deref())
    }

    /// It serves one start, so what is set up is where each start finds its own. None is typed.
    fn wrapped_token(&mut self, flags: &Flags) -> Result<()> {
        let file = match &flags.wrapped_token_file {
            Some(file) => file.clone(),
            None => PathBuf::from(self.asked.text("The file with the wrapping token", None, "--wrapped-token-file")?),
        };
        self.say_auth("wrapped_token_file", &path(&file));
        Ok(())
    }

    fn jwt(&mut self, method: &str, flags: &Flags) -> Result<()> {
        let role = match &flags.role {
            Some(role) => role.clone(),
            None if method == "jwt" => self.asked.text("The role (empty: the mount's default)", Some(""), "--role")?,
            None => self.asked.text("The role", None, "--role")?,
        };
        self.say_auth("role", &role);
        let file = match &flags.jwt_file {
            Some(file) => path(file),
            None if method == "kubernetes" => {
                self.asked.text("The file with the JWT (empty: the pod's own)", Some(""), "--jwt-file")?
            }
            None => self.asked.text("The file with the JWT", None, "--jwt-file")?,
        };
        let file = if file.is_empty() { file } else { path(Path::new(&file)) };
        self.say_auth("jwt_file", &file);
        Ok(())
    }

    fn certificate(&mut self, flags: &Flags) -> Result<()> {
        let files = [
            ("client_cert", "The file with the client certificate", "--client-cert", &flags.client_cert),
            ("client_key", "The file with its key", "--client-key", &flags.client_key),
        ];
        for (key, question, flag, said) in files {
            let file = match said {
                Some(file) => file.clone(),
                None => PathBuf::from(self.asked.text(question, None, flag)?),
            };
            Answers::set(&mut self.answers.vault, key, &path(&file));
        }
        let role = match &flags.role {
            Some(role) => role.clone(),
            None => self.asked.text("The certificate role (empty: any that fits)", Some(""), "--role")?,
        };
        self.say_auth("role", &role);
        Ok(())
    }

    /// A file that holds the credential, or the credential itself, to be kept in one.
    fn credential(&mut self, wanted: &Wanted, said: Option<&Path>) -> Result<()> {
        if let Some(file) = said {
            self.say_auth(wanted.key, &path(file));
            return Ok(());
        }
        let question = format!("The file with the {} (empty: type the {0})", wanted.what);
        if !self.asked.is_there() {
            return self.asked.text("", None, wanted.flag).map(drop);
        }
        loop {
            let file = self.asked.text(&question, Some(""), wanted.flag)?;
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
