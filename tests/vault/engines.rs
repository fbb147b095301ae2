//! Engines that create a credential for each launch: certificates, signed keys, codes, identity tokens, from a
//! real server that also checks them.

use std::process::Command;

use crate::support::launcher::{Scratch, run};
use crate::support::openbao::Server;
use serde_json::json;

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

    /// Replaces the configured source by this one.
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

    /// A variable of a launch, or the content of the file that it names. The command reads the file, because
    /// files end with it.
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
fn a_certificate_is_issued_for_the_user_and_written_to_files_with_its_key() {
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
    // doctor creates none.
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
fn an_ssh_key_is_signed_or_created_and_signed() {
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
    // The user's own public key, which is not secret.
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
fn a_totp_code_and_an_identity_token_are_new_at_each_start() {
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
fn an_invalid_key_of_a_source_is_refused() {
    let scratch = Scratch::new();
    for (source, what) in [
        ("kv = \"a/b\"\nwith = { a = \"b\" }", "`with` is not valid for this kind of source"),
        ("write = \"a/b\"\nwith = [1]", "`with` is not a table"),
        ("write = \"a/b\"\nwith = { a = [1] }", "`with` contains a value that is not text"),
        ("write = \"a/b\"\nwith = { a = \"{nothing}\" }", "has the unknown placeholder {nothing}"),
        ("write = \"a/b\"\nfiles = { }", "`files` is not a table of field and variable"),
        ("write = \"a/b\"\nfiles = { a = \"A\" }\nfield = \"b\"", "`field` can't be combined with `fields` or `files`"),
        ("data_sources = \"a/b\"\nprefix = \"X_\"", "data sources name their variables themselves"),
        ("data_sources = \"a/b\"\nkv = \"a/b\"", "exactly one of"),
        ("kv = \"a/b\"\naws_profile = \"x\"", "`aws_profile` is only valid for `read` and `write`"),
        ("read = \"a/b\"\naws_profile = \"x y\"", "`aws_profile` must consist of at most 64 letters"),
        ("read = \"a/b\"\naws_profile = \"x\"\nfield = \"y\"\nname = \"Y\"", "`aws_profile` sets its own variables"),
        ("read = \"a/b\"\naws_profile = \"x\"\nfields = { a = \"AWS_ACCESS_KEY_ID\" }", "which field is AccessKeyId"),
        ("read = \"a/b\"\naws_profile = \"x\"\nfields = { a = \"AccessKeyId\" }", "which field is AccessKeyId"),
    ] {
        scratch.file("config/vault.toml", format!("[[source]]\n{source}\n"));
        let mut command = scratch.exec("http://127.0.0.1:1", "root", &[], &["env"]);
        run(&mut command).is_error(78, &[what]);
    }
}

/// An engine for AWS keys that a test server lacks: a secret with its own TTL, which changes each time it is read
/// through `relay`.
#[cfg(target_os = "linux")]
struct Keys {
    user: User,
    relay: crate::support::faults::Faults,
}

#[cfg(target_os = "linux")]
impl Keys {
    fn new(name: &str, seconds: u64, source: &str) -> Self {
        let user = User::new(name, "kv");
        let (pass, path) = (crate::support::faults::relay_to(user.server.port()), format!("{name}/creds/lake"));
        let server = user.server;
        let relay = crate::support::faults::Faults::start(move |request, number| {
            if request.path.ends_with(&path) {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
                let key = format!("AK{now}");
                let fields = json!({"access_key": key, "secret_key": format!("secret/+of-{key}"),
                    "security_token": format!("token-of-{key}"), "ttl": seconds});
                server.must("POST", &path, &fields);
            }
            pass(request, number)
        });
        let keys = Self { user, relay };
        keys.source(&format!("read = \"{name}/creds/lake\"\n{source}"));
        keys
    }

    fn source(&self, source: &str) {
        self.user.source(source);
        let file = self.user.scratch.path("config/vault.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, text.replace(&self.user.server.address(), &self.relay.address())).unwrap();
    }

    fn reads(&self) -> usize {
        self.relay.seen().iter().filter(|seen| seen.path.ends_with("creds/lake")).count()
    }
}

/// A process that is ended with the test.
#[cfg(target_os = "linux")]
struct Ended(std::process::Child);

#[cfg(target_os = "linux")]
impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/aws.py");

/// An endpoint like STS, and its URL.
#[cfg(target_os = "linux")]
fn endpoint(arguments: &[&str]) -> (Ended, String) {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let mut command = Command::new(crate::support::python::clients());
    let mut child = command.args([SCRIPT, "endpoint"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (Ended(child), format!("http://127.0.0.1:{}", port.trim()))
}

#[test]
#[cfg(target_os = "linux")]
fn a_boto3_client_sends_a_fresh_identity_token_each_time_that_it_asks_for_keys() {
    let user = User::new("aws-identity", "kv");
    user.server.must("POST", "identity/oidc/key/aws-identity", &json!({"allowed_client_ids": "*"}));
    user.server.must("POST", "identity/oidc/role/aws-identity", &json!({"key": "aws-identity", "ttl": "12s"}));
    user.source(
        "read = \"identity/oidc/token/aws-identity\"\nfield = \"token\"\nfile = \"AWS_WEB_IDENTITY_TOKEN_FILE\"",
    );
    let (_endpoint, url) = endpoint(&["60", &user.server.address()]);
    // With keys that last a minute, the client asks for each request, for longer than a token lives.
    let mut kernel = user.exec(&[crate::support::python::clients().to_str().unwrap(), SCRIPT, "client", &url, "65"]);
    kernel
        .env("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")
        .env("AWS_ENDPOINT_URL_STS", &url)
        .env("AWS_REGION", "us-east-1");
    let outcome = run(kernel.env("AWS_EC2_METADATA_DISABLED", "true"));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let told: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(told["keys"].as_array().unwrap().len(), 65, "{told}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_boto3_client_signs_with_fresh_keys_through_rotations_and_never_with_plain_ones() {
    let keys = Keys::new("aws-engine", 12, "aws_profile = \"lake\"");
    let python = crate::support::python::clients();
    let (_endpoint, url) = endpoint(&["12"]);
    // All that an AWS client prefers to a profile's process: inherited, and in the user's own file.
    std::fs::create_dir_all(keys.user.scratch.path("home/.aws")).unwrap();
    keys.user.scratch.file("home/.aws/credentials", "[lake]\naws_access_key_id = AK1\naws_secret_access_key = wrong\n");
    let mut kernel = keys.user.exec(&[python.to_str().unwrap(), SCRIPT, "client", &url, "3"]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"] {
        kernel.env(name, "wrong");
    }
    kernel
        .env("AWS_DEFAULT_PROFILE", "wrong")
        .env("AWS_ROLE_ARN", "arn:wrong")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    kernel.env("AWS_WEB_IDENTITY_TOKEN_FILE", keys.user.scratch.file("wrong", "wrong"));
    let outcome = run(&mut kernel);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let told: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(told["keys"].as_array().unwrap().len(), 3, "{told}");
    let names = json!(["AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"]);
    assert_eq!(told["plain"], names);
    // Clients ask often, as so little time is left; each key is requested from the engine once.
    // Once more if a client was slower than a key's lifetime.
    assert!((3..=4).contains(&keys.reads()), "{}", keys.reads());
}

#[test]
#[cfg(target_os = "linux")]
fn the_keepers_socket_answers_only_its_own_user_and_reports_errors() {
    use crate::support::launcher::{binary, eventually};
    use crate::support::leases::{Kernel, keepers_of};
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    let keys = Keys::new("aws-socket", 3600, "aws_profile = \"lake\"");
    // A path that is too long for a socket's address.
    let runtime = keys.user.scratch.path(&"long/".repeat(20));
    let mut command = keys.user.exec(&["/bin/sleep", "600"]);
    let kernel = Kernel::of(command.env("JUPYTER_RUNTIME_DIR", &runtime).spawn().unwrap());
    let text = std::fs::read_to_string(kernel.variable("AWS_CONFIG_FILE")).unwrap();
    let socket = text.split('"').nth(3).unwrap().to_owned();
    let ask =
        |profile: &str| run(Command::new(binary()).env_clear().args(["credential", "--socket", &socket, profile]));
    let told = ask("lake");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let names: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["AccessKeyId", "Expiration", "SecretAccessKey", "SessionToken", "Version"]);
    assert_eq!((&told["Version"], &ask("lake").stdout.is_empty()), (&json!(1), &false));
    assert_eq!(keys.reads(), 1, "what is held is given again");
    ask("other").is_error(78, &["there is no AWS profile other for this kernel"]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(Path::new(&socket)), mode(Path::new(&socket).parent().unwrap())), (0o600, 0o700));
    // A malformed request gets no answer, and a silent connection does not block others.
    let folder = std::fs::File::open(Path::new(&socket).parent().unwrap()).unwrap();
    let short = {
        use std::os::fd::AsRawFd;
        format!("/proc/self/fd/{}/{}", folder.as_raw_fd(), Path::new(&socket).file_name().unwrap().to_str().unwrap())
    };
    let mut silent: Vec<_> = (0..10).map(|_| UnixStream::connect(&short).unwrap()).collect();
    for wrong in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\xff\n", b"../x\n", &[b'a'; 4096]] {
        let mut stream = UnixStream::connect(&short).unwrap();
        let _ = stream.write_all(wrong);
        let mut answer = Vec::new();
        // Closed with unread data: a reset.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{answer:?}");
    }
    assert!(ask("lake").stdout.starts_with(b"{"));
    silent.clear();
    if nix::unistd::geteuid().is_root() {
        // Another user who can reach the socket.
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/ask_keeper.py");
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
        let (parent, name) = (Path::new(&socket).parent().unwrap(), Path::new(&socket).file_name().unwrap());
        std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut other = Command::new("python3");
        other.arg(script).arg(parent).arg(name);
        let told = run(&mut other);
        assert_eq!(String::from_utf8_lossy(&told.stdout), "0\n", "{}", told.stderr);
    }
    let [keeper] = keepers_of(kernel.pid.as_raw())[..] else { panic!("one keeper") };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(keeper), nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("it says that the keeper is gone", || ask("lake").stderr.contains("no longer runs"));
    kernel.end(nix::sys::signal::Signal::SIGKILL);
}

#[test]
#[cfg(all(feature = "inject", target_os = "linux"))]
fn a_running_kernel_gets_an_aws_profile_instead_of_its_plain_keys() {
    use crate::support::launcher::eventually;
    use crate::support::leases::keepers_of;
    use crate::support::running::{Running, said};
    let keys = Keys::new("aws-running", 3600, "aws_profile = \"lake\"");
    let plain = json!({"AWS_ACCESS_KEY_ID": "wrong", "AWS_SECRET_ACCESS_KEY": "wrong", "AWS_REGION": "eu-west-1"});
    let mut kernel = Running::start(&json!({ "extra_env": plain }));
    let config = keys.user.scratch.path("config/vault.toml");
    let inject = |options: &[&str]| {
        let mut command = kernel.inject(&["--config", config.to_str().unwrap()]);
        said(&run(command.args(options).env_remove("VAULT_TOKEN").env_remove("VAULT_ADDR")))
    };
    assert_eq!(inject(&[]), "set AWS_CONFIG_FILE, AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE");
    let pid = kernel.pid;
    eventually("it has a keeper", || keepers_of(pid).len() == 1);
    let names = "import os; print(*sorted(name for name in os.environ if name.startswith('AWS_')))";
    let expected = "AWS_CONFIG_FILE AWS_PROFILE AWS_REGION AWS_SHARED_CREDENTIALS_FILE";
    assert_eq!(kernel.front_end.cell(names).printed(), expected);
    drop(kernel);
    eventually("the keeper goes with the kernel", || keepers_of(pid).is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn an_aws_profile_excludes_plain_keys_and_its_fields_can_have_any_names() {
    let keys = Keys::new("aws-plain", 3600, "aws_profile = \"lake\"");
    let source = |more: &str| keys.source(&format!("read = \"aws-plain/creds/lake\"\naws_profile = \"lake\"\n{more}"));
    keys.user.server.must(
        "POST",
        "aws-plain/plain",
        &json!({"AWS_ACCESS_KEY_ID": "canary", "K": "[lake]\nk = canary"}),
    );
    source("[[source]]\nkv = \"aws-plain/plain\"\nversion = 1\nfield = \"AWS_ACCESS_KEY_ID\"\n");
    run(&mut keys.user.exec(&["env"])).is_error(
        78,
        &["AWS_ACCESS_KEY_ID from aws-plain/plain would win over the AWS profile lake", "one of the two"],
    );
    source(
        "[[source]]\nkv = \"aws-plain/plain\"\nversion = 1\nfield = \"K\"\nfile = \"AWS_SHARED_CREDENTIALS_FILE\"\n",
    );
    run(&mut keys.user.exec(&["env"])).is_error(78, &["the AWS profile lake has plain keys"]);
    // An engine with other field names, and a credential that does not expire.
    keys.user.server.must("POST", "aws-plain/own", &json!({"id": "I", "key": "S", "note": "x"}));
    let asks =
        "import botocore.session as b; c = b.Session().get_credentials(); print(c.access_key, c.secret_key, c.token)";
    keys.source(
        "read = \"aws-plain/own\"\naws_profile = \"own\"\nfields = { id = \"AccessKeyId\", key = \"SecretAccessKey\" }",
    );
    let python = crate::support::python::clients();
    let outcome = run(&mut keys.user.exec(&[python.to_str().unwrap(), "-c", asks]));
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), "I S None\n", "{}", outcome.stderr);
    keys.source("read = \"aws-plain/own\"\naws_profile = \"own\"");
    run(&mut keys.user.exec(&["env"])).is_error(66, &["aws-plain/own has no field access_key", "AccessKeyId"]);
    // Two profiles share a file; the later one is the default.
    source(
        "[[source]]\nread = \"aws-plain/own\"\naws_profile = \"own\"\nfields = { id = \"AccessKeyId\", key = \"SecretAccessKey\" }\n",
    );
    let both = "import boto3; print(*[(boto3.Session(profile_name=n).get_credentials().access_key[:2]) for n in ['lake', None]])";
    let outcome = run(&mut keys.user.exec(&[python.to_str().unwrap(), "-c", both]));
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), "AK I\n", "{}", outcome.stderr);
}
