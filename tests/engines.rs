//! Engines that make a credential for each launch: certificates, signed keys, codes, identity tokens, by a real server
//! that checks what it made.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unnecessary_debug_formatting,
    clippy::needless_raw_string_hashes,
    clippy::too_many_lines,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::Command;

use serde_json::json;
use support::launcher::{Scratch, run};
use support::openbao::Server;

/// A user with rights on one mount, who logs in by password.
struct User {
    server: &'static Server,
    scratch: Scratch,
    name: String,
}

impl User {
    fn new(name: &str, engine: &str) -> Self {
        let server = Server::shared();
        server.must("POST", &format!("sys/mounts/{name}"), &json!({"type": engine}));
        server.enable_auth("userpass", name);
        server.policy(name, &format!("path \"{name}/*\" {{ capabilities = [\"read\", \"update\"] }}\npath \"identity/oidc/token/*\" {{ capabilities = [\"read\"] }}"));
        server.must("POST", &format!("auth/{name}/users/ada"), &json!({"password": "pw", "token_policies": name}));
        let scratch = Scratch::new();
        scratch.file("password", "pw");
        Self { server, scratch, name: name.to_owned() }
    }

    /// Takes this source in place of an earlier one.
    fn source(&self, source: &str) {
        let text = format!(
            "[vault]\naddress = \"{}\"\n[auth]\nmethod = \"userpass\"\nmount = \"{}\"\nusername = \"ada\"\n\
             password_file = \"{}\"\n[[source]]\n{source}\n",
            self.server.address(),
            self.name,
            self.scratch.path("password").display()
        );
        self.scratch.file("config/vault.toml", text);
    }

    fn exec(&self, argv: &[&str]) -> Command {
        let mut command = self.scratch.launcher();
        command.args(["exec", "--"]).args(argv);
        command
    }

    /// A variable of a launch, or, where it names a file, what that holds. The command reads it, because files go with it.
    #[track_caller]
    fn gives(&self, name: &str) -> String {
        let script = "v=$(printenv \"$0\"; echo .); v=${v%??}
            case $v in \"$1\"/*) test \"$(stat -c %a \"${v%/*}\" \"$v\" | tr '\\n' ' ')\" = '700 600 ' && cat \"$v\";;
            *) printf %s \"$v\";; esac";
        let runtime = self.scratch.path("runtime");
        let outcome = run(&mut self.exec(&["/bin/sh", "-c", script, name, runtime.to_str().unwrap()]));
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        String::from_utf8(outcome.stdout).unwrap()
    }
}

#[test]
fn a_certificate_is_made_for_the_user_and_lies_in_files_with_its_key() {
    let user = User::new("pki-engine", "pki");
    let root = json!({"common_name": "example.org", "ttl": "24h"});
    user.server.must("POST", "pki-engine/root/generate/internal", &root);
    let role = json!({"allowed_domains": "example.org", "allow_subdomains": true, "max_ttl": "1h"});
    user.server.must("POST", "pki-engine/roles/kernel", &role);
    user.source(
        "write = \"pki-engine/issue/kernel\"\nwith = { common_name = \"{metadata.username}.example.org\", ttl = \"10m\" }\n\
         fields = { serial_number = \"TLS_SERIAL\" }\n\
         files = { certificate = \"TLS_CERT\", private_key = \"TLS_KEY\", ca_chain = \"TLS_CA\" }",
    );
    let check = "import os, ssl; e = os.environ; c = ssl.create_default_context(cafile=e['TLS_CA']); \
                 c.load_cert_chain(e['TLS_CERT'], e['TLS_KEY']); d = ssl._ssl._test_decode_cert(e['TLS_CERT']); \
                 print(d['subject'][0][0][1], d['serialNumber'].lower() == e['TLS_SERIAL'].replace(':', '').lower())";
    let checked = run(&mut user.exec(&["python3", "-c", check]));
    assert_eq!(String::from_utf8_lossy(&checked.stdout), "ada.example.org True\n", "{}", checked.stderr);
    // doctor makes none.
    let count = || user.server.api("LIST", "pki-engine/certs", None).1["data"]["keys"].as_array().unwrap().len();
    let before = count();
    #[cfg(feature = "manage")]
    {
        let text = String::from_utf8(run(user.scratch.launcher().arg("doctor")).stdout).unwrap();
        assert!(text.contains("may be written to; it was not") && text.contains("gets 4 variables"), "{text}");
    }
    assert_eq!(count(), before);
    user.server.policy("pki-engine", "path \"other/x\" { capabilities = [\"read\"] }");
    run(&mut user.exec(&["env"])).is_error(77, &["pki-engine/issue/kernel", "update"]);
}

#[test]
fn a_key_is_signed_or_made_and_signed() {
    let user = User::new("ssh-engine", "ssh");
    user.server.must("POST", "ssh-engine/config/ca", &json!({"generate_signing_key": true, "key_type": "ed25519"}));
    let role = json!({"key_type": "ca", "allow_user_certificates": true, "allowed_users": "ada", "default_user": "ada", "ttl": "10m"});
    user.server.must("POST", "ssh-engine/roles/kernel", &role);
    user.source(
        "write = \"ssh-engine/issue/kernel\"\nwith = { key_type = \"ed25519\", valid_principals = \"{metadata.username}\" }\n\
         files = { private_key = \"SSH_KEY_FILE\", signed_key = \"SSH_CERT_FILE\" }",
    );
    assert!(user.gives("SSH_KEY_FILE").starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
    assert!(user.gives("SSH_CERT_FILE").starts_with("ssh-ed25519-cert-v01@openssh.com "));
    // One's own public key, which is no secret.
    let made =
        user.server.must("POST", "ssh-engine/issue/kernel", &json!({"key_type": "ed25519", "valid_principals": "ada"}));
    assert!(made["data"]["signed_key"].is_string());
    let public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGg/4LXWM2PMWYcSMpJ1Vw0xS1PEdhQ2a0nPsXKhpsIJ";
    user.source(&format!(
        "write = \"ssh-engine/sign/kernel\"\nwith = {{ public_key = \"{public}\" }}\nfield = \"signed_key\"\nfile = \"SSH_CERT_FILE\""
    ));
    assert!(user.gives("SSH_CERT_FILE").starts_with("ssh-ed25519-cert-v01@openssh.com "));
}

#[test]
fn a_code_and_an_identity_token_are_fresh_at_each_start() {
    let user = User::new("totp-engine", "totp");
    let key = json!({"generate": true, "issuer": "x", "account_name": "ada"});
    user.server.must("POST", "totp-engine/keys/ada", &key);
    user.source("read = \"totp-engine/code/{metadata.username}\"\nfield = \"code\"\nname = \"CODE\"");
    let code = user.gives("CODE");
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
    let valid = user.server.must("POST", "totp-engine/code/ada", &json!({"code": code}));
    assert_eq!(valid["data"]["valid"], true);
    user.server.must("POST", "identity/oidc/key/kernels", &json!({"allowed_client_ids": "*"}));
    user.server.must(
        "POST",
        "identity/oidc/role/kernel",
        &json!({"key": "kernels", "client_id": "databricks", "ttl": "5m"}),
    );
    user.source("read = \"identity/oidc/token/kernel\"\nfield = \"token\"\nfile = \"DATABRICKS_OIDC_TOKEN_FILEPATH\"");
    let token = user.gives("DATABRICKS_OIDC_TOKEN_FILEPATH");
    let known =
        user.server.must("POST", "identity/oidc/introspect", &json!({"token": token, "client_id": "databricks"}));
    assert_eq!(known["active"], true, "{known}");
}

#[test]
fn a_url_takes_any_field_percent_encoded() {
    let user = User::new("url-engine", "kv");
    let fields = json!({"user": "a@b", "pass-word": "p/w:{user}%", "port": 5432});
    user.server.must("POST", "url-engine/warehouse", &fields);
    let source = |url: &str| {
        user.source(&format!("kv = \"url-engine/warehouse\"\nversion = 1\nurl = \"{url}\"\nname = \"DATABASE_URL\""));
    };
    source("mysql://{user}:{pass-word}@db:{port}/sales");
    assert_eq!(user.gives("DATABASE_URL"), "mysql://a%40b:p%2Fw%3A%7Buser%7D%25@db:5432/sales");
    source("mysql://{nobody}@db");
    run(&mut user.exec(&["env"])).is_error(66, &["url-engine/warehouse has no field nobody", "port, user"]);
}

#[test]
fn what_does_not_go_with_a_source_is_refused() {
    let scratch = Scratch::new();
    for (source, what) in [
        ("kv = \"a/b\"\nwith = { a = \"b\" }", "`with` does not go with this kind of source"),
        ("write = \"a/b\"\nwith = [1]", "`with` is not a table"),
        ("write = \"a/b\"\nwith = { a = [1] }", "`with` holds no text"),
        ("write = \"a/b\"\nwith = { a = \"{nothing}\" }", "has the unknown place {nothing}"),
        ("write = \"a/b\"\nfiles = { }", "`files` is not a table of field and variable"),
        ("write = \"a/b\"\nfiles = { a = \"A\" }\nfield = \"b\"", "`field` does not go with `fields` or `files`"),
        ("data_sources = \"a/b\"\nprefix = \"X_\"", "data sources name their variables themselves"),
        ("data_sources = \"a/b\"\nkv = \"a/b\"", "exactly one of"),
    ] {
        scratch.file("config/vault.toml", format!("[[source]]\n{source}\n"));
        let mut command = scratch.exec("http://127.0.0.1:1", "root", &[], &["env"]);
        run(&mut command).is_error(78, &[what]);
    }
}
