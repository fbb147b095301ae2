//! Credentials with a final expiry are replaced while the kernel runs: real roles of a real PostgreSQL, which
//! shows whether they can log in.
#![cfg(target_os = "linux")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use support::faults::{Faults, Reply, relay_to};
use support::front_end::{FrontEnd, ipykernel, kernelspec};
use support::launcher::{eventually, run};
use support::leases::{Kernel, Site, keepers_of, memory};
use support::openbao::Server;
use support::running::{Running, said};
use support::waiting::{at_least, timed};

/// A kernel with the URL in a file, and that file.
fn with_file(site: &Site) -> (Kernel, PathBuf) {
    let kernel = site.kernel();
    let file = PathBuf::from(kernel.variable("URL_FILE"));
    (kernel, file)
}

fn content(file: &PathBuf) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// How long replaced credentials stay valid in these tests.
const GRACE: Duration = Duration::from_secs(1);

/// Whether a client that reads the URL now can log in. One that is slower than the grace reads it again.
fn gets_in(read: impl Fn() -> String, opens: impl Fn(&str) -> bool) -> bool {
    loop {
        let (is_in, took) = timed(|| opens(&read()));
        if is_in || took < GRACE {
            return is_in;
        }
    }
}

/// Reads the file, like a client at each connection, until it has changed `times` times; each URL opens the
/// database.
fn changes(site: &Site, file: &PathBuf, times: usize) {
    let mut seen = vec![content(file)];
    eventually("the file changes", || {
        assert!(gets_in(|| content(file), |url| site.opens(url)), "a client that connects now gets in");
        let url = content(file);
        if seen.last() != Some(&url) {
            seen.push(url);
        }
        seen.len() > times
    });
}

#[test]
fn a_file_has_a_fresh_credential_before_the_max_ttl_of_the_old_and_goes_with_the_kernel() {
    let site = Site::new("fresh", "", "6s", "9s");
    site.give(&site.login(), "grace = \"1s\"\n", "file = \"URL_FILE\"");
    let (kernel, file) = with_file(&site);
    changes(&site, &file, 2);
    let [keeper] = keepers_of(kernel.pid.as_raw())[..] else { panic!("one keeper") };
    // It has read the file's content, and keeps nothing of it.
    eventually("the new password is out of the keeper's memory", || {
        let url = content(&file);
        let password = url.split(['@', ':']).nth(2).unwrap();
        assert!(password.len() > 10, "a password");
        let memory = memory(keeper);
        !memory.contains(password) && !memory.contains("right") && memory.contains("/creds/kernel/")
    });
    eventually("what was replaced is ended after its grace", || site.postgres.roles().len() == 1);
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("it was replaced twice");
    assert!(!file.exists() && !file.parent().unwrap().exists(), "the files go with the kernel");
}

#[test]
fn a_token_at_its_max_ttl_is_replaced_by_a_new_login() {
    let site = Site::new("login", "", "1h", "24h");
    let user = json!({"password": "right", "token_policies": site.name, "token_ttl": "9s", "token_max_ttl": "9s"});
    site.server.must("POST", &format!("auth/{}/users/ada", site.name), &user);
    site.give(&site.login(), "grace = \"1s\"\n", "file = \"URL_FILE\"");
    let (kernel, file) = with_file(&site);
    changes(&site, &file, 2);
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("two logins later");
}

#[test]
fn a_given_token_reads_again_and_the_replaced_credential_is_ended() {
    let site = Site::new("again", "", "6s", "9s");
    let token = site.server.token(&[&site.name, "default"], &json!({}));
    site.scratch.file("token", &token);
    site.give("[auth]\ntoken_file = \"token\"\n", "grace = \"1s\"\n", "file = \"URL_FILE\"");
    let (kernel, file) = with_file(&site);
    changes(&site, &file, 1);
    eventually("what was replaced is ended after its grace", || site.postgres.roles().len() == 1);
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("by a given token");
    assert!(site.server.is_alive(&token));
}

#[test]
fn a_login_whose_credential_was_a_variable_reads_again_with_its_token() {
    let site = Site::new("variable", "", "6s", "9s");
    let login = site.login();
    let login = login.split("password_file").next().unwrap();
    site.give(login, "grace = \"1s\"\n", "file = \"URL_FILE\"");
    let mut command = site.command(&["/bin/sleep", "600"]);
    let child = command.env("JUPYTER_VAULT_PASSWORD", "right").spawn().unwrap();
    let kernel = Kernel::of(child);
    let file = PathBuf::from(kernel.variable("URL_FILE"));
    changes(&site, &file, 2);
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("with one login");
}

#[test]
fn a_running_kernels_variable_is_updated_and_a_busy_kernel_is_warned() {
    let site = Site::new("inject", "", "8s", "16s");
    let config = std::fs::read_to_string(site.scratch.path("keeper.toml")).unwrap();
    site.give(&site.login(), "grace = \"1s\"\n", "name = \"DATABASE_URL\"");
    let config = std::fs::read_to_string(site.scratch.path("keeper.toml")).unwrap_or(config);
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    kernelspec(&site.scratch, &config, &[], &command);
    let mut front_end = FrontEnd::new(&site.scratch);
    front_end.ask("start", json!({"kernel": "vaulted"}));
    front_end.ask("ready", json!({}));
    let url = "import os; print(os.environ['DATABASE_URL'])";
    let first = front_end.cell(url).printed();
    let mut second = first.clone();
    let front = std::cell::RefCell::new(&mut front_end);
    eventually("the variable is set anew", || {
        let now = || front.borrow_mut().cell(url).printed();
        assert!(gets_in(now, |url| site.opens(url)), "a cell that connects now gets in");
        second = now();
        second != first
    });
    eventually("what was replaced is ended", || site.postgres.roles().len() == 1);
    // A cell that keeps running: the expiry is reported beforehand.
    let free = site.scratch.path("free");
    let busy = format!("import os, time\nwhile not os.path.exists({free:?}): time.sleep(0.05)");
    let sent = front_end.ask("execute", json!({"codes": [busy], "wait": false}))["sent"][0].clone();
    let shown = || {
        let outcome = run(site.scratch.launcher().args(["kernels"]));
        String::from_utf8_lossy(&outcome.stdout).into_owned()
    };
    eventually("it is told", || shown().contains("DATABASE_URL: expires at"));
    let json = run(site.scratch.launcher().args(["kernels", "--json"]));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["kernels"][0]["secrets"]["expiring"]["names"], json!(["DATABASE_URL"]));
    assert_eq!(json["kernels"][0]["secrets"]["leases"], json!(1));
    std::fs::write(free, "").unwrap();
    front_end.ask("collect", json!({"wanted": [sent]}));
    eventually("it is set once the kernel is free", || {
        let now = front_end.cell(url).printed();
        now != second && site.opens(&now)
    });
    eventually("nothing is told any more", || !shown().contains("expires at"));
    drop(front_end);
    site.ends("the kernel was injected");
}

#[test]
fn a_data_sources_service_file_lets_every_connect_in_beyond_the_max_ttl() {
    let site = Site::new("service", "", "6s", "9s");
    let name = &site.name;
    let folder = format!("secret/data/{name}/warehouse");
    site.server.policy(
        name,
        &format!(
            "path \"{name}/creds/kernel\" {{ capabilities = [\"read\"] }}\n\
             path \"secret/data/{name}/*\" {{ capabilities = [\"read\"] }}\n\
             path \"secret/metadata/{name}/*\" {{ capabilities = [\"read\", \"list\"] }}"
        ),
    );
    let port = site.postgres.port().to_string();
    let fields = json!({"kind": "postgres", "host": "127.0.0.1", "port": port, "database": "postgres",
        "credentials": format!("{name}/creds/kernel")});
    site.server.must("POST", &folder, &json!({ "data": fields }));
    let text = format!(
        "[vault]\naddress = \"{}\"\n{}[keeper]\ngrace = \"1s\"\n[[source]]\ndata_sources = \"secret/{name}\"\nversion = 2\n",
        site.server.address(),
        site.login()
    );
    site.scratch.file("keeper.toml", text);
    let kernel = site.kernel();
    let file = PathBuf::from(kernel.variable("PGSERVICEFILE"));
    assert_eq!(kernel.variable("WAREHOUSE_URL"), "postgresql:///?service=warehouse");
    // libpq reads the file at each connection: the kernel's variables do not change.
    let connects = || {
        let mut psql = std::process::Command::new(site.postgres.psql());
        psql.args(["-X", "-q", "-A", "-t", "-d", "service=warehouse", "-c", "select 1"]).env("PGSERVICEFILE", &file);
        psql.stdin(std::process::Stdio::null()).output().unwrap().status.success()
    };
    let mut seen = vec![content(&file)];
    eventually("the section changes twice", || {
        assert!(gets_in(String::new, |_| connects()), "a client that connects now gets in");
        let now = content(&file);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        seen.len() > 2
    });
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("its service file was replaced");
    assert!(!file.exists());
}

#[test]
fn injected_leases_live_as_long_as_the_kernel_and_end_if_the_injection_fails() {
    let site = Site::new("injected", "window = \"6s\"\n", "1h", "24h");
    let mut kernel = Running::start(&json!({}));
    let config = site.scratch.path("keeper.toml");
    let config = ["--config", config.to_str().unwrap()];
    let inject = |kernel: &Running| {
        let mut command = kernel.inject(&config);
        command.env_remove("VAULT_TOKEN").env_remove("VAULT_ADDR");
        run(&mut command)
    };
    assert_eq!(said(&inject(&kernel)), "set DATABASE_URL");
    let [keeper] = keepers_of(kernel.pid)[..] else { panic!("one keeper") };
    eventually("it is renewed for two windows", || site.oldest_renewal() > Duration::from_secs(12));
    let url = kernel.front_end.cell("import os; print(os.environ['DATABASE_URL'])").printed();
    assert!(site.opens(&url));
    let shown = run(kernel.scratch.launcher().arg("kernels"));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&format!("1 lease, renewed by process {keeper}")), "{shown}");
    // A kernel that can't be injected: the attempt's leases end with it.
    let free = kernel.scratch.path("free");
    let busy = kernel.begin(&format!(
        "import os, time; open({:?}, 'w')\nwhile not os.path.exists({free:?}): time.sleep(0.05)",
        kernel.scratch.path("busy")
    ));
    eventually("it is busy", || kernel.scratch.path("busy").exists());
    let mut command = kernel.inject(&[&config[..], &["--wait", "2s"]].concat());
    run(command.env_remove("VAULT_TOKEN").env_remove("VAULT_ADDR")).is_error(80, &["busy"]);
    eventually("the first role is left", || site.postgres.roles().len() == 1);
    std::fs::write(free, "").unwrap();
    kernel.end(&busy);
    drop(kernel);
    site.ends("its kernel ended");
}

/// A sidecar; it shows its output if the test fails.
struct Watch(std::process::Child, PathBuf);

impl Drop for Watch {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().try_into().unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
        if std::thread::panicking() {
            eprintln!("{}", content(&self.1));
        }
    }
}

#[test]
fn leases_that_watch_gives_live_as_long_as_the_kernel_and_not_as_watch() {
    let site = Site::new("watched", "window = \"6s\"\n", "1h", "24h");
    let mut kernel = Running::start(&json!({}));
    let mut command = kernel.scratch.launcher();
    command.arg("watch").arg(&kernel.file).arg("--config").arg(site.scratch.path("keeper.toml"));
    command.current_dir(kernel.scratch.path("runtime"));
    command.env_remove("VAULT_TOKEN").env_remove("VAULT_ADDR");
    let log = std::fs::File::create(site.scratch.path("log")).unwrap();
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(log);
    let watch = Watch(command.spawn().unwrap(), site.scratch.path("log"));
    eventually("the kernel has a keeper", || keepers_of(kernel.pid).len() == 1);
    let url = "import os; print(os.environ.get('DATABASE_URL', ''))";
    let mut given = String::new();
    eventually("it has its variable", || {
        given = kernel.front_end.cell(url).printed();
        !given.is_empty()
    });
    let shown = || String::from_utf8_lossy(&run(kernel.scratch.launcher().arg("kernels")).stdout).into_owned();
    eventually("it is recorded", || shown().contains("1 lease, renewed by process"));
    drop(watch);
    let with_watch = site.oldest_renewal();
    let is_renewed = || site.oldest_renewal() > with_watch + Duration::from_secs(12);
    eventually("it is renewed for two windows without watch", is_renewed);
    assert!(site.opens(&given));
    assert_eq!(site.postgres.roles().len(), 1);
    drop(kernel);
    site.ends("its kernel ended");
}

#[test]
fn a_command_that_cannot_be_injected_is_warned_on_stderr_before_its_credential_expires() {
    use std::io::{BufRead, BufReader};
    let site = Site::new("told", "", "8s", "16s");
    let mut kernel = site.kernel();
    let url = kernel.variable("DATABASE_URL");
    let mut line = String::new();
    BufReader::new(kernel.child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("jupyter-vault: DATABASE_URL: expires at ") && line.contains("no connection file"), "{line}");
    assert!(site.opens(&url), "it is told while there is time");
    assert!(!line.contains(url.split(['@', ':']).nth(2).unwrap()), "no value");
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("it was told");
}

#[test]
fn credentials_lost_in_an_outage_are_replaced_once_vault_is_back() {
    let server = Server::shared();
    let site = Site::new("lost", "", "1h", "24h");
    let up = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (gate, pass) = (up.clone(), relay_to(server.port()));
    let relay = Faults::start(move |request, number| {
        let is_up = gate.load(std::sync::atomic::Ordering::SeqCst);
        if is_up { pass(request, number) } else { Reply::json(503, "{}") }
    });
    site.give(&site.login(), "window = \"4s\"\n", "file = \"URL_FILE\"");
    let text = std::fs::read_to_string(site.scratch.path("keeper.toml")).unwrap();
    site.scratch.file("keeper.toml", text.replace(&server.address(), &relay.address()));
    let (kernel, file) = with_file(&site);
    let first = content(&file);
    up.store(false, std::sync::atomic::Ordering::SeqCst);
    eventually("the window is over", || site.postgres.roles().is_empty());
    let before = Site::asked(&relay.seen(), "login/ada");
    eventually("a new login is tried in vain", || Site::asked(&relay.seen(), "login/ada") > before);
    up.store(true, std::sync::atomic::Ordering::SeqCst);
    eventually("the file has a new credential", || content(&file) != first);
    assert!(site.opens(&content(&file)));
    assert_eq!(site.postgres.roles().len(), 1);
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("its first credential was lost");
}

#[test]
fn a_renewal_that_fails_makes_no_credentials() {
    let server = Server::shared();
    let site = Site::new("storm", "", "1h", "24h");
    let pass = relay_to(server.port());
    let relay = Faults::start(move |request, number| {
        if request.path.ends_with("leases/renew") { Reply::json(500, "{}") } else { pass(request, number) }
    });
    site.give(&site.login(), "window = \"6s\"\n", "file = \"URL_FILE\"");
    let text = std::fs::read_to_string(site.scratch.path("keeper.toml")).unwrap();
    site.scratch.file("keeper.toml", text.replace(&server.address(), &relay.address()));
    let (kernel, _) = with_file(&site);
    eventually("renewals fail", || Site::asked(&relay.seen(), "leases/renew") > 2);
    assert_eq!(Site::asked(&relay.seen(), "creds/kernel"), 1, "one set of credentials");
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("its renewals failed");
}

#[test]
fn sources_that_cannot_be_read_again_are_retried_with_growing_pauses() {
    let server = Server::shared();
    let site = Site::new("refused", "", "4s", "5s");
    let pass = relay_to(server.port());
    let reads = std::sync::atomic::AtomicUsize::new(0);
    let relay = Faults::start(move |request, number| {
        let is_read = request.path.ends_with("creds/kernel");
        let is_again = is_read && reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0;
        if is_again { Reply::json(500, "{}") } else { pass(request, number) }
    });
    site.give(&site.login(), "", "file = \"URL_FILE\"");
    let text = std::fs::read_to_string(site.scratch.path("keeper.toml")).unwrap();
    site.scratch.file("keeper.toml", text.replace(&server.address(), &relay.address()));
    let (kernel, _) = with_file(&site);
    let asked = || Site::asked(&relay.seen(), "creds/kernel");
    eventually("it was tried", || asked() > 1);
    let tried = asked();
    at_least(Duration::from_millis(1500), "not in a hot loop", || eventually("and again", || asked() > tried + 1));
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("nothing could be read");
}

#[test]
fn a_static_roles_password_in_a_file_follows_its_changes() {
    let site = Site::new("static", "", "1h", "24h");
    let name = &site.name;
    site.postgres.query("create role fixed login password 'first'").expect("a role");
    let role = json!({"db_name": "own", "username": "fixed", "rotation_period": "5s"});
    site.server.must("POST", &format!("{name}/static-roles/fixed"), &role);
    site.server.policy(name, &format!("path \"{name}/static-creds/fixed\" {{ capabilities = [\"read\"] }}"));
    let text = format!(
        "[vault]\naddress = \"{}\"\n{}[[source]]\nread = \"{name}/static-creds/fixed\"\nfile = \"URL_FILE\"\n\
         url = \"postgresql://{{username}}:{{password}}@127.0.0.1:{}/postgres\"\n",
        site.server.address(),
        site.login(),
        site.postgres.port()
    );
    site.scratch.file("keeper.toml", text);
    let kernel = Kernel::of(site.command(&["/bin/sleep", "600"]).spawn().unwrap());
    let file = PathBuf::from(kernel.variable("URL_FILE"));
    let mut last = content(&file);
    for number in 0..2 {
        eventually("Vault has changed it, and the file has followed", || content(&file) != last);
        last = content(&file);
        eventually(&format!("it opens the database: {number}"), || site.opens(&content(&file)));
    }
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    eventually("the file goes with the kernel", || !file.exists());
}

#[test]
fn an_identity_token_in_a_file_is_fresh_before_it_ends() {
    let site = Site::new("oidc", "", "1h", "24h");
    let name = &site.name;
    site.server.must("POST", &format!("identity/oidc/key/{name}"), &json!({"allowed_client_ids": "*"}));
    site.server.must("POST", &format!("identity/oidc/role/{name}"), &json!({"key": name, "ttl": "12s"}));
    site.server.policy(name, &format!("path \"identity/oidc/token/{name}\" {{ capabilities = [\"read\"] }}"));
    let text = format!(
        "[vault]\naddress = \"{}\"\n{}[[source]]\nread = \"identity/oidc/token/{name}\"\nfield = \"token\"\nfile = \"AWS_WEB_IDENTITY_TOKEN_FILE\"\n",
        site.server.address(),
        site.login()
    );
    site.scratch.file("keeper.toml", text);
    let child = site.command(&["/bin/sleep", "600"]).spawn().unwrap();
    let kernel = Kernel::of(child);
    let file = PathBuf::from(kernel.variable("AWS_WEB_IDENTITY_TOKEN_FILE"));
    let end = |token: &str| {
        use base64::Engine;
        let payload = token.split('.').nth(1).unwrap();
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()["exp"].as_u64().unwrap()
    };
    let first = end(&content(&file));
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    eventually("it is fresh", || {
        let token = end(&content(&file));
        assert!(token >= now(), "a client that reads it now has one that is valid");
        token > first
    });
    kernel.end(nix::sys::signal::Signal::SIGKILL);
    site.ends("it had a token");
    assert!(!file.exists());
}
