//! Leases live as long as the kernel: real roles of a real PostgreSQL, created by a real server. The tests check
//! both, and the processes, instead of log lines.
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::launcher::{binary, eventually, finish, run};
use support::leases::{Kernel, SLEEPS, Site, alone, keepers, memory};
use support::openbao::Server;
use support::waiting::pause_ms;

#[test]
fn a_role_lives_as_long_as_its_kernel_however_that_exits() {
    let _alone = alone();
    let site = Site::new("ends", "", "1h", "24h");
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGINT] {
        let kernel = site.kernel();
        assert_eq!(keepers().len(), 1);
        kernel.end(signal);
        site.ends(signal.as_str());
    }
    // The whole process group gets the signal, as when a server shuts a kernel down.
    let mut kernel = site.kernel();
    killpg(kernel.pid, Signal::SIGKILL).unwrap();
    kernel.child.wait().unwrap();
    site.ends("the group");
    // Two at once: the end of one does not affect the other.
    let (first, second) = (site.kernel(), site.kernel());
    first.end(Signal::SIGKILL);
    eventually("one role is left, and one keeper", || site.postgres.roles().len() == 1 && keepers().len() == 1);
    second.end(Signal::SIGKILL);
    site.ends("both");
    // A kernel that exits before the keeper has begun.
    let outcome = finish(site.command(&["/usr/bin/env", "-0"]).spawn().unwrap());
    assert!(outcome.environment()["DATABASE_URL"].starts_with("postgresql://v-"));
    site.ends("by itself");
}

#[test]
fn a_launch_without_a_lease_starts_no_keeper_and_one_that_fails_ends_its_lease() {
    let _alone = alone();
    let site = Site::new("fails", "", "1h", "24h");
    site.server.put("keeper", &json!({"PLAIN": "canary"}));
    let mut plain =
        site.scratch.exec(&site.server.address(), "root", &["--secrets", "secret/keeper"], &["/bin/sleep", "600"]);
    let mut child = plain.spawn().unwrap();
    let pid = child.id();
    eventually("it runs", || std::fs::read_link(format!("/proc/{pid}/exe")).unwrap() != binary());
    assert!(keepers().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    // A failure after the fetch: an inherited variable of the same name, if that is an error.
    let mut command = site.command(&["/usr/bin/env"]);
    command.env("DATABASE_URL", "inherited").env("JUPYTER_VAULT_OVERRIDE", "error");
    run(&mut command).is_error(78, &["the secret DATABASE_URL and an inherited variable have the same name"]);
    site.ends("the launch failed");
}

#[test]
fn a_lease_is_held_beyond_its_time_and_ends_within_the_window_without_its_keeper() {
    let _alone = alone();
    let site = Site::new("window", "window = \"5s\"\n", "7s", "24h");
    let mut kernel = site.kernel();
    let [keeper] = keepers()[..] else { panic!("one keeper: {:?}", keepers()) };
    // Longer than the role's TTL, and than two windows.
    eventually("it is renewed", || site.oldest_renewal() > Duration::from_secs(12));
    assert_eq!(site.postgres.roles().len(), 1);
    kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
    eventually("the window is over", || site.postgres.roles().is_empty());
    assert!(kernel.child.try_wait().unwrap().is_none(), "the kernel runs on");
    kernel.end(Signal::SIGKILL);
}

#[test]
fn a_given_token_stays_valid_and_its_leases_end() {
    let _alone = alone();
    let site = Site::new("given", "window = \"30s\"\n", "1h", "24h");
    let token = site.server.token(&[&site.name, "default"], &json!({}));
    let ttl = |token: &str| {
        let (_, answer) = site.server.api_with(&[("X-Vault-Token", token)], "GET", "auth/token/lookup-self", None);
        answer["data"]["ttl"].as_u64()
    };
    let before = ttl(&token).unwrap();
    site.scratch.file("token", &token);
    site.configure("[auth]\ntoken_file = \"token\"\n", "window = \"30s\"\n");
    let kernel = site.kernel();
    let leases = || {
        let path = format!("sys/leases/lookup/{}/creds/kernel", site.name);
        site.server.api("LIST", &path, None).1["data"]["keys"].as_array().cloned().unwrap_or_default()
    };
    let of = |lease: &Value| {
        let id = format!("{}/creds/kernel/{}", site.name, lease.as_str().unwrap());
        site.server.must("POST", "sys/leases/lookup", &json!({"lease_id": id}))["data"]["ttl"].as_u64().unwrap()
    };
    let [lease] = &leases()[..] else { panic!("one lease: {:?}", leases()) };
    eventually("it is shortened to the window", || of(lease) <= 30);
    kernel.end(Signal::SIGKILL);
    site.ends("its kernel ended");
    let after = ttl(&token).expect("the token lives");
    assert!(before - after < 60, "it is not shortened: {before} {after}");
}

#[test]
fn leases_survive_an_outage_of_vault_and_are_ended_after_one() {
    let _alone = alone();
    let server = Server::shared();
    let site = Site::new("outage", "window = \"20s\"\n", "1h", "24h");
    let up = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (gate, pass) = (up.clone(), support::faults::relay_to(server.port()));
    let relay = support::faults::Faults::start(move |request, number| {
        if gate.load(std::sync::atomic::Ordering::SeqCst) {
            pass(request, number)
        } else {
            support::faults::Reply::json(503, "{}")
        }
    });
    let text = std::fs::read_to_string(site.scratch.path("keeper.toml")).unwrap();
    site.scratch.file("keeper.toml", text.replace(&server.address(), &relay.address()));
    let kernel = site.kernel();
    eventually("the first renewal", || relay.seen().iter().any(|seen| seen.path.ends_with("renew-self")));
    // Vault is sealed when the kernel exits: the keeper retries until it is unsealed.
    up.store(false, std::sync::atomic::Ordering::SeqCst);
    kernel.end(Signal::SIGKILL);
    eventually("it is tried in vain", || {
        relay.seen().iter().filter(|seen| seen.path.ends_with("revoke-self")).count() > 1
    });
    assert_eq!(site.postgres.roles().len(), 1);
    up.store(true, std::sync::atomic::Ordering::SeqCst);
    site.ends("Vault is back");
}

#[test]
fn the_keeper_has_no_value_of_the_kernel_in_memory() {
    let _alone = alone();
    let site = Site::new("hygiene", "", "1h", "24h");
    let kernel = site.kernel();
    let [keeper] = keepers()[..] else { panic!("one keeper") };
    let of = |name: &str| std::fs::read(format!("/proc/{keeper}/{name}")).unwrap_or_default();
    assert!(of("environ").is_empty(), "no variable");
    let line = String::from_utf8_lossy(&of("cmdline")).into_owned();
    assert!(line.ends_with(&format!("keep\0alone\0{}\0", kernel.pid)), "{line:?}");
    let session = || {
        let stat = String::from_utf8_lossy(&of("stat")).into_owned();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().to_owned()
    };
    eventually("it has a session of its own", || session() == keeper.to_string());
    // From then on, everything that it needs from the disk is loaded.
    // A descriptor that was closed since it was listed is none any more.
    let open = std::fs::read_dir(format!("/proc/{keeper}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let open: Vec<_> = open.map(|link| link.display().to_string()).collect();
    assert!(open.len() > 3, "{open:?}");
    let is_known =
        |link: &String| ["pipe:", "/dev/null", "anon_inode:", "socket:"].iter().any(|kind| link.starts_with(kind));
    assert!(open.iter().all(is_known), "{open:?}");
    // It needs the token, but nothing of the values.
    let variables = std::fs::read(format!("/proc/{}/environ", kernel.pid)).unwrap();
    let variables = String::from_utf8_lossy(&variables).into_owned();
    let url = variables.split('\0').find_map(|entry| entry.strip_prefix("DATABASE_URL=")).unwrap();
    let password = url.split(['@', ':']).nth(2).unwrap().to_owned();
    assert!(password.len() > 10, "a password");
    assert!(memory(kernel.pid.as_raw()).contains(&password), "the scan finds what is there");
    eventually("it has read what it was told: the lease's id", || memory(keeper).contains("/creds/kernel/"));
    assert!(!memory(keeper).contains(&password), "the password is in the keeper's memory");
    assert!(!memory(keeper).contains("right"), "the login's password is in the keeper's memory");
    kernel.end(Signal::SIGKILL);
    site.ends("hygiene");
}

#[test]
fn a_launch_shortens_its_tokens_ttl_before_the_kernel_begins() {
    let _alone = alone();
    let server = Server::shared();
    let site = Site::new("first", "window = \"6s\"\n", "1h", "24h");
    // No request of the keeper passes: the first renewal is the launcher's, on the connection of its reads.
    let passed = std::sync::atomic::AtomicUsize::new(0);
    let pass = support::faults::relay_to(server.port());
    let relay = support::faults::Faults::start(move |request, number| {
        let is_late =
            request.path.ends_with("renew-self") && passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 0;
        // Nor is there another login once the window is over.
        let is_again = request.path.contains("/login/") && passed.load(std::sync::atomic::Ordering::SeqCst) > 0;
        if is_late || is_again || request.path.ends_with("leases/renew") {
            support::faults::Reply::json(503, "{}")
        } else {
            pass(request, number)
        }
    });
    let text = std::fs::read_to_string(site.scratch.path("keeper.toml")).unwrap();
    site.scratch.file("keeper.toml", text.replace(&server.address(), &relay.address()));
    let kernel = site.kernel();
    let seen = relay.seen();
    let order: Vec<_> = seen.iter().map(|seen| seen.path.rsplit('/').next().unwrap().to_owned()).collect();
    let [creds, renewed] = ["kernel", "renew-self"].map(|name| order.iter().position(|last| last == name).unwrap());
    assert_eq!(renewed + 1, creds, "before anything is made: {order:?}");
    eventually("the window is over", || site.postgres.roles().is_empty());
    kernel.end(Signal::SIGKILL);
    eventually("the keeper gives up", || keepers().is_empty());
}

#[test]
fn a_lease_shorter_than_the_window_is_not_extended_to_it() {
    let _alone = alone();
    let site = Site::new("short", "window = \"15m\"\n", "5s", "24h");
    let kernel = site.kernel();
    let path = format!("sys/leases/lookup/{}/creds/kernel", site.name);
    let ttl = || {
        let keys = site.server.api("LIST", &path, None).1["data"]["keys"].clone();
        let id = format!("{}/creds/kernel/{}", site.name, keys[0].as_str().unwrap());
        let looked = site.server.must("POST", "sys/leases/lookup", &json!({"lease_id": id}));
        (looked["data"]["last_renewal"].is_string(), looked["data"]["ttl"].as_i64().unwrap())
    };
    eventually("it was renewed", || ttl().0);
    assert!(ttl().1 <= 5, "{:?}", ttl());
    let [keeper] = keepers()[..] else { panic!("one keeper") };
    kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
    eventually("it ends at its own time", || site.postgres.roles().is_empty());
    kernel.end(Signal::SIGKILL);
}

#[test]
fn leases_survive_a_seal_of_vault_and_are_ended_after_one() {
    let _alone = alone();
    let server: &'static Server = Box::leak(Box::new(Server::start()));
    let site = Site::at(server, "seal", "window = \"12s\"\n", "1h", "24h");
    let relay = support::faults::Faults::start(support::faults::relay_to(server.port()));
    let text = std::fs::read_to_string(site.scratch.path("keeper.toml")).unwrap();
    site.scratch.file("keeper.toml", text.replace(&server.address(), &relay.address()));
    let kernel = site.kernel();
    let renewals = || relay.seen().iter().filter(|seen| seen.path.ends_with("renew-self")).count();
    eventually("the launch and the keeper have renewed", || renewals() >= 2);
    server.must("PUT", "sys/seal", &json!({}));
    let before = renewals();
    eventually("a renewal came to a sealed server", || renewals() > before);
    server.unseal();
    let leased =
        |seen: &[support::faults::Seen]| seen.iter().filter(|seen| seen.path.ends_with("leases/renew")).count();
    let before = leased(&relay.seen());
    eventually("it is renewed again", || leased(&relay.seen()) > before);
    assert_eq!(site.postgres.roles().len(), 1);
    server.must("PUT", "sys/seal", &json!({}));
    kernel.end(Signal::SIGKILL);
    server.unseal();
    site.ends("Vault is unsealed");
}

#[test]
fn kernels_shows_the_keeper_of_a_kernels_leases_and_if_there_is_none() {
    let _alone = alone();
    let site = Site::new("shown", "window = \"30s\"\n", "1h", "24h");
    let file = site.scratch.file("runtime/kernel-leased.json", include_str!("support/connection.json"));
    let before = site.postgres.roles().len();
    let file = file.to_str().unwrap();
    let mut command = site.command(&["/bin/sh", "-c", "sleep 600; :", "-f", file]);
    let kernel = Kernel::of(std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn().unwrap());
    assert_eq!(site.postgres.roles().len(), before + 1);
    let shown = || {
        let outcome = run(site.scratch.launcher().args(["kernels"]));
        String::from_utf8_lossy(&outcome.stdout).into_owned()
    };
    let [keeper] = keepers()[..] else { panic!("one keeper") };
    eventually("it is shown", || shown().contains(&format!("1 lease, renewed by process {keeper}")));
    let json = run(site.scratch.launcher().args(["kernels", "--json"]));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["kernels"][0]["keeper"], &json["kernels"][0]["secrets"]["leases"]), (&json!(keeper), &json!(1)));
    kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
    eventually("its end is shown", || shown().contains("1 lease, NOT renewed, expiring within 30s"));
    // And the processes that it has started.
    killpg(kernel.pid, Signal::SIGKILL).unwrap();
    kernel.end(Signal::SIGKILL);
}

/// No token is on disk: the lease is ended by its id, with the token of another login, which may not revoke it.
#[test]
fn leases_of_a_killed_keeper_are_ended_by_the_next_launch_and_by_kernels() {
    use std::os::unix::fs::PermissionsExt;
    let _alone = alone();
    let site = Site::new("killed", "", "1h", "24h");
    let configuration = std::fs::read_to_string(site.scratch.path("keeper.toml")).unwrap();
    site.scratch.file("config/vault.toml", configuration);
    let shown = || String::from_utf8_lossy(&run(site.scratch.launcher().arg("kernels")).stdout).into_owned();
    let files = || {
        let entries = std::fs::read_dir(site.scratch.path("runtime/jupyter-vault/leases")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        // A file that is being written has another name.
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect::<Vec<_>>()
    };
    let kill_keeper = || {
        eventually("the keeper has written down what it holds", || files().len() == 1);
        let [keeper] = keepers()[..] else { panic!("one keeper: {:?}", keepers()) };
        kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
        eventually("the keeper is gone", || keepers().is_empty());
    };
    let kernel = site.kernel();
    let url = kernel.variable("DATABASE_URL");
    kill_keeper();
    let [file] = &files()[..] else { panic!("one file: {:?}", files()) };
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(file).unwrap();
    let password = url.split(['@', ':']).nth(2).unwrap();
    assert!(text.contains("/creds/kernel/") && !text.contains(password), "{text}");
    // Its kernel runs: it keeps its lease until the window is over.
    assert!(!shown().contains("killed keeper"), "{}", shown());
    assert!(site.opens(&url));
    kernel.end(Signal::SIGKILL);
    let next = site.kernel();
    eventually("the next launch has ended it", || !site.opens(&url));
    eventually("the file is gone, and the next one's is there", || files().len() == 1 && !file.exists());
    assert!(site.opens(&next.variable("DATABASE_URL")), "the next launch's own is left alone");
    eventually("the first role is gone", || site.postgres.roles().len() == 1);
    kill_keeper();
    next.end(Signal::SIGKILL);
    assert_eq!(site.postgres.roles().len(), 1);
    let said = shown();
    assert!(said.contains("1 lease of a killed keeper: ended now"), "{said}");
    site.ends("kernels was asked");
    assert!(files().is_empty() && !shown().contains("killed keeper"));
    // Vault is unreachable: the output says how long the leases live, and the next call ends them.
    let kernel = site.kernel();
    kill_keeper();
    kernel.end(Signal::SIGKILL);
    let mut away = site.scratch.launcher();
    site.scratch.file("away", "wrong");
    let away = run(away.arg("kernels").env("JUPYTER_VAULT_PASSWORD_FILE", site.scratch.path("nothing")));
    let away = String::from_utf8_lossy(&away.stdout).into_owned();
    assert!(away.contains("1 lease of a killed keeper: NOT ended, expires within 15m"), "{away}");
    assert!(shown().contains("ended now"));
    site.ends("kernels was asked again");
}

#[test]
fn a_login_whose_tokens_cannot_hold_a_lease_is_refused_with_the_reason() {
    let _alone = alone();
    let site = Site::new("batch", "", "1h", "24h");
    let user = format!("auth/{}/users/ada", site.name);
    site.server.must("POST", &user, &json!({"token_type": "batch", "token_policies": site.name, "password": "right"}));
    run(&mut site.command(&["/usr/bin/env"])).is_error(78, &["gives batch tokens", "token_type=service"]);
    let several =
        json!({"token_type": "service", "token_num_uses": 9, "token_policies": site.name, "password": "right"});
    site.server.must("POST", &user, &several);
    run(&mut site.command(&["/usr/bin/env"])).is_error(78, &["number of uses", "token_num_uses=0"]);
    eventually("what was read is gone", || site.postgres.roles().is_empty());
    site.server.must("POST", &user, &json!({"token_num_uses": 0, "token_policies": site.name, "password": "right"}));
    site.server.must("DELETE", &format!("{}/roles/kernel", site.name), &json!({}));
    run(&mut site.command(&["/usr/bin/env"])).is_error(78, &["does not know the role", "/creds/kernel", "list"]);
}

#[test]
fn a_table_of_a_notebook_does_not_keep_its_role() {
    use std::os::unix::process::CommandExt;
    let _alone = alone();
    let site = Site::new("table", "", "1h", "24h");
    site.postgres.use_shipped_statements(site.server, &site.name, "1h", "24h");
    // A table, and a session that holds a lock on it and outlives the kernel.
    let script = "\"$0\" -q \"$DATABASE_URL\" -c 'create table made as select 1 as n' || exit 1\n\
                  { echo 'begin; lock table made;'; exec sleep 600; } | \"$0\" -q \"$DATABASE_URL\" >/dev/null 2>&1 &\n\
                  exec sleep 600";
    let psql = site.postgres.psql();
    let mut command = site.command(&["/bin/sh", "-c", script, psql.to_str().unwrap()]);
    let mut child = command.env("PGPORT", site.postgres.port().to_string()).process_group(0).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let sessions = || {
        site.postgres
            .query("select usename from pg_stat_activity where usename like 'v-%' and state = 'idle in transaction'")
    };
    eventually("the session holds its lock", || sessions().is_some_and(|held| held.len() == 1));
    assert_eq!(site.postgres.roles().len(), 1);
    kill(pid, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    site.ends("its kernel made a table");
    assert_eq!(sessions().unwrap(), Vec::<String>::new(), "the session has ended");
    let owner = site.postgres.query("select tableowner from pg_tables where tablename = 'made'").unwrap();
    assert_eq!(owner, ["notebooks"], "the table stays");
    let _ = killpg(pid, Signal::SIGKILL);
}

/// 200 kernels with leases start and exit at random, and Vault is sealed for ten seconds in between: no role
/// remains.
#[test]
fn many_kernels_and_a_seal_in_between_leave_no_role() {
    let _alone = alone();
    let server: &'static Server = Box::leak(Box::new(Server::start()));
    let site = Site::at(server, "storm", "window = \"20s\"\n", "1h", "24h");
    site.give(&site.login(), "window = \"20s\"\n", "file = \"URL_FILE\"");
    let number = std::sync::atomic::AtomicUsize::new(0);
    let began = std::sync::atomic::AtomicUsize::new(0);
    let pause = |least: u64, most: u64| {
        pause_ms(fastrand::u64(least..most), "kernels exit, and Vault is sealed, at any moment");
    };
    let ours = [binary().to_owned(), std::env::current_exe().unwrap()];
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                while number.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 200 {
                    let mut child = site.command(&SLEEPS).spawn().unwrap();
                    // If a launch is killed during a request, the server has already created the role when it
                    // notices that the client is gone, and keeps no lease. So kernels are killed, but not launches.
                    let exe = format!("/proc/{}/exe", child.id());
                    let mut is_kernel = false;
                    eventually("it is a kernel, or has failed", || {
                        is_kernel = std::fs::read_link(&exe).is_ok_and(|exe| !ours.contains(&exe));
                        is_kernel || child.try_wait().unwrap().is_some()
                    });
                    if !is_kernel {
                        continue;
                    }
                    began.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    pause(1, 3000);
                    let signals = [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGINT, Signal::SIGHUP];
                    let signal = signals[fastrand::usize(..signals.len())];
                    let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal);
                    support::launcher::wait(&mut child);
                }
            });
        }
        pause(5000, 8000);
        server.must("PUT", "sys/seal", &json!({}));
        pause(10_000, 10_001);
        server.unseal();
    });
    let began = began.into_inner();
    assert!(began > 50, "kernels began: {began}");
    eventually("no keeper is left", || keepers().is_empty());
    eventually("no role is left", || site.postgres.roles().is_empty());
    let path = format!("sys/leases/lookup/{}/creds/kernel", site.name);
    eventually("no lease is left", || {
        server.api("LIST", &path, None).1["data"]["keys"].as_array().is_none_or(Vec::is_empty)
    });
    // A killed launch leaves files that the next one removes.
    run(&mut site.command(&["/bin/true"]));
    let folder = site.scratch.path("runtime/jupyter-vault");
    eventually("no file is left", || {
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.split('-').count() == 4).count() == 0
    });
}
