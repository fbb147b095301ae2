//! Several kernels, several injections, many secrets and many files, some of them orphaned or another user's.
#![cfg(all(feature = "inject", target_os = "linux"))]

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::front_end::{FrontEnd, ipykernel, kernelspec, plain_kernelspec};
use crate::support::launcher::{Outcome, Scratch, binary, eventually, finish, run};
use crate::support::openbao::Server;
use crate::support::running::{Running, said};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::{Map, Value, json};

fn inject(scratch: &Scratch, path: &str, options: &[&str]) -> Command {
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", Server::shared().address()).env("VAULT_TOKEN", "root");
    command.arg("inject").args(options).args(["--secrets", &format!("secret/{path}")]);
    command
}

/// A kernel of that name in the runtime folder.
fn kernel(scratch: &Scratch, spec: &str, name: &str) -> (FrontEnd, i32) {
    let mut front_end = FrontEnd::new(scratch);
    let pid = front_end.ask("start", json!({"kernel": spec, "name": format!("kernel-{name}.json")}))["pid"].clone();
    front_end.ask("ready", json!({}));
    (front_end, i32::try_from(pid.as_i64().unwrap()).unwrap())
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8(outcome.stdout.clone()).unwrap()
}

#[test]
fn another_injections_record_is_not_lost() {
    let server = Server::shared();
    server.put("crowds-c", &json!({"C_ONE": "canary-c"}));
    let mut kernel = Running::start(&json!({}));
    assert_eq!(said(&run(&mut kernel.inject(&["--secrets", "secret/crowds-c"]))), "set C_ONE");
    let folder = kernel.scratch.path("runtime/jupyter-vault");
    let record = folder.join("kernels").join(kernel.file.file_name().unwrap());
    let read = || serde_json::from_slice::<Value>(&std::fs::read(&record).unwrap()).unwrap();
    // As another process that has read the record and not written it yet.
    let locked = Flock::lock(std::fs::File::open(&folder).unwrap(), FlockArg::LockExclusive).unwrap();
    let mut others = read();
    server.put("crowds-d", &json!({"D_ONE": "canary-d"}));
    let mut second = kernel.inject(&["--secrets", "secret/crowds-d"]);
    let second = second.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let look = "import os; print('D_ONE' in os.environ)";
    eventually("the kernel has it", || kernel.front_end.cell(look).printed() == "True");
    others["variables"]["E_ONE"] = others["variables"]["C_ONE"].clone();
    std::fs::write(&record, others.to_string()).unwrap();
    drop(locked);
    assert_eq!(said(&finish(second)), "set D_ONE");
    let names: Vec<_> = read()["variables"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["C_ONE", "D_ONE", "E_ONE"]);
}

#[test]
fn two_injections_at_once_both_count() {
    let server = Server::shared();
    server.put("crowds-a", &json!({"A_ONE": "canary-a", "A_TWO": "canary-a"}));
    server.put("crowds-b", &json!({"B_ONE": "canary-b"}));
    let mut kernel = Running::start(&json!({}));
    let start = |kernel: &Running, path: &str| {
        let mut command = kernel.inject(&["--secrets", &format!("secret/{path}")]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = ["crowds-a", "crowds-b"].map(|path| start(&kernel, path));
    let [a, b] = both.map(|child| said(&finish(child)));
    assert_eq!((a.as_str(), b.as_str()), ("set A_ONE, A_TWO", "set B_ONE"));
    let look = "import os; print(sorted(n for n in os.environ if n[:2] in ('A_', 'B_')))";
    assert_eq!(kernel.front_end.cell(look).printed(), "['A_ONE', 'A_TWO', 'B_ONE']");
    for path in ["crowds-a", "crowds-b"] {
        let again = said(&run(&mut kernel.inject(&["--secrets", &format!("secret/{path}")])));
        assert!(again.starts_with("nothing to do"), "{path}: {again}");
    }
    server.put("crowds-a", &json!({"A_TWO": "canary-a"}));
    assert_eq!(said(&run(&mut kernel.inject(&["--secrets", "secret/crowds-a"]))), "set A_TWO; unset A_ONE");
    assert_eq!(kernel.front_end.cell(look).printed(), "['A_TWO', 'B_ONE']", "what came of another path is not gone");
}

#[test]
fn five_hundred_secrets_arrive_whole() {
    // OpenBao accepts no more at once.
    let [mut first, mut second] = [Map::new(), Map::new()];
    for number in 0..500 {
        let half = if number < 250 { &mut first } else { &mut second };
        half.insert(format!("MANY_{number:03}_ñ"), json!(format!("canary {number} {}", "é".repeat(number))));
    }
    for (path, half) in [("crowds-many-1", &first), ("crowds-many-2", &second)] {
        Server::shared().put(path, &Value::Object(half.clone()));
    }
    let mut kernel = Running::start(&json!({}));
    let options = ["--secrets", "secret/crowds-many-1", "--secrets", "secret/crowds-many-2"];
    assert_eq!(said(&run(&mut kernel.inject(&options))).split(", ").count(), 500);
    let look = "import os, json; print(json.dumps({n: v for n, v in os.environ.items() if n.startswith('MANY')}))";
    let seen: BTreeMap<String, Value> = serde_json::from_str(&kernel.front_end.cell(look).printed()).unwrap();
    assert!(seen.iter().eq(first.iter().chain(&second)), "{} of them", seen.len());
}

#[test]
fn with_all_each_kernel_that_can_gets_them_and_the_others_are_reported() {
    Server::shared().put("crowds-all", &json!({"ALL": "canary"}));
    let scratch = Scratch::new();
    plain_kernelspec(&scratch, &ipykernel());
    let mut free = kernel(&scratch, "plain", "free").0;
    let mut busy = kernel(&scratch, "plain", "busy").0;
    busy.ask("execute", json!({"codes": ["import time; print(1, flush=True); time.sleep(600)"], "wait": false}));
    busy.ask("broadcast", json!({"kind": "stream"}));
    let (_held, stopped) = kernel(&scratch, "plain", "stopped");
    // One whose launch has failed, and one that has exited.
    let command = ipykernel();
    let words: Vec<_> = command.iter().map(String::as_str).collect();
    kernelspec(&scratch, "[vault]\naddress = \"http://127.0.0.1:1\"\n[[source]]\nkv = \"secret/x\"\n", &[], &words);
    scratch.file("home/.vault-token", "root");
    let _failed = kernel(&scratch, "vaulted", "failed").0;
    std::fs::write(scratch.path("runtime/kernel-ended.json"), stale()).unwrap();
    kill(Pid::from_raw(stopped), Signal::SIGSTOP).unwrap();
    let outcome = run(&mut inject(&scratch, "crowds-all", &["--all", "--wait", "10"]));
    kill(Pid::from_raw(stopped), Signal::SIGCONT).unwrap();
    assert_eq!(text(&outcome), "kernel-free: set ALL\n", "{}", outcome.stderr);
    assert!([80, 81, 83].contains(&outcome.code().unwrap()), "{:?}", outcome.code());
    for part in ["was busy for", "(kernel busy)", "(kernel stopped)", "its launch has failed", "(kernel failed)"] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("(kernel ended)") && !outcome.stderr.contains("canary"), "{}", outcome.stderr);
    assert_eq!(free.cell("import os; print(os.environ['ALL'])").printed(), "canary");
    busy.ask("interrupt", json!({}));
}

/// The connection file of a kernel that has exited.
fn stale() -> String {
    let ports = ["shell", "control", "stdin", "iopub", "hb"].map(|name| (format!("{name}_port"), json!(1)));
    let mut file: Map<String, Value> = ports.into_iter().collect();
    file.insert("key".to_owned(), json!("k"));
    Value::Object(file).to_string()
}

#[test]
fn thousands_of_stale_files_do_no_harm_even_with_few_descriptors() {
    Server::shared().put("crowds-stale", &json!({"STALE": "canary"}));
    let scratch = Scratch::new();
    plain_kernelspec(&scratch, &ipykernel());
    for number in 0..3000 {
        std::fs::write(scratch.path(&format!("runtime/kernel-left-{number}.json")), stale()).unwrap();
    }
    let mut one = kernel(&scratch, "plain", "one").0;
    let usual = inject(&scratch, "crowds-stale", &[]);
    let mut few = Command::new("/bin/sh");
    few.args(["-c", "ulimit -n 100; exec \"$@\"", "sh"]).arg(binary()).args(usual.get_args());
    few.env_clear().envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(said(&run(&mut few)), "set STALE");
    assert_eq!(one.cell("import os; print(os.environ['STALE'])").printed(), "canary");
}

#[test]
fn a_file_that_others_can_write_does_not_direct_a_secret() {
    let mut kernel = Running::start(&json!({}));
    Server::shared().put("crowds-foreign", &json!({"FOREIGN": "canary"}));
    let into = |path: &Path| run(inject(&kernel.scratch, "crowds-foreign", &[]).arg(path));
    let copy = |name: &str, mode: u32| -> PathBuf {
        let path = kernel.scratch.path(&format!("runtime/{name}"));
        std::fs::copy(&kernel.file, &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let open = copy("kernel-open.json", 0o666);
    into(&open).is_error(72, &["kernel-open.json", "every user can write it"]);
    run(&mut inject(&kernel.scratch, "crowds-foreign", &["open"])).is_error(72, &["every user can write it"]);
    std::fs::remove_file(open).unwrap();
    if geteuid().is_root() {
        let theirs = copy("kernel-theirs.json", 0o644);
        chown(&theirs, Some(65534), None).unwrap();
        let linked = kernel.scratch.path("runtime/kernel-linked.json");
        symlink(&theirs, &linked).unwrap();
        for path in [&theirs, &linked] {
            into(path).is_error(72, &["belongs to another user (uid 65534)"]);
        }
        run(&mut inject(&kernel.scratch, "crowds-foreign", &["--all"])).is_error(67, &["no kernel is running"]);
        // Root can work for the user who owns the folder.
        let folder = kernel.scratch.path("theirs");
        std::fs::create_dir(&folder).unwrap();
        let own = folder.join("kernel-own.json");
        std::fs::rename(&theirs, &own).unwrap();
        chown(&folder, Some(65534), None).unwrap();
        assert_eq!(said(&into(&own)), "set FOREIGN");
        std::fs::remove_file(linked).unwrap();
    }
    // Every user can read it, as on some file systems; and a link to the user's own file counts as the user's.
    let shown = copy("kernel-shown.json", 0o644);
    let linked = kernel.scratch.path("runtime/kernel-own-link.json");
    symlink(&shown, &linked).unwrap();
    assert!(said(&into(&linked)).contains("FOREIGN") || !geteuid().is_root());
    assert_eq!(kernel.front_end.cell("import os; print(os.environ['FOREIGN'])").printed(), "canary");
}

#[test]
fn the_server_file_of_another_user_is_not_used() {
    let scratch = Scratch::new();
    let server = crate::support::faults::Faults::start(|_, _| crate::support::faults::Reply::json(200, "[]"));
    let pid = std::process::id();
    let file = json!({"pid": pid, "port": server.port(), "hostname": "127.0.0.1", "token": "canary"}).to_string();
    let path = scratch.file(&format!("runtime/jpserver-{pid}.json"), file);
    let inject = || run(&mut inject(&scratch, "crowds-all", &["some.ipynb"]));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    inject().is_error(67, &["no kernel or notebook called some.ipynb"]);
    assert!(server.seen().is_empty());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    inject().is_error(67, &["no kernel or notebook called some.ipynb"]);
    eventually("the server is asked", || !server.seen().is_empty());
}
