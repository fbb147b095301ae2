//! The wheel: `jupyter vault`, and the provisioner that puts the launcher before every kernel, in the front ends
//! that start kernels.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::dialogue::Dialogue;
use support::faults::{Faults, relay_to};
use support::front_end::{Cell, config, environment};
use support::kernelspecs::succeed;
use support::launcher::{Outcome, Scratch, eventually, finish, run};
use support::openbao::Server;
use support::python;
use support::ready::files_below;
use support::server::{JupyterServer, Kind, TOKEN, User};
use support::waiting::{pause_ms, within};
use support::wheel;

const LOOK: &str = "import os; print(len(os.environ['KERNEL_SECRET']), os.getpid())";
const ASLEEP: &str = "import time; print('asleep', flush=True); time.sleep(50)";

/// An environment with the wheel, a plain kernelspec, and a vault.toml in the user's configuration.
struct Site {
    scratch: Scratch,
    venv: PathBuf,
    relay: Faults,
}

fn plain(interrupt_mode: &str) -> Value {
    json!({
        "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Plain", "language": "python", "interrupt_mode": interrupt_mode,
        "metadata": {"supported_encryption": "curve"},
    })
}

impl Site {
    fn new(interrupt_mode: &str) -> Self {
        let server = Server::shared();
        server.put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
        let scratch = Scratch::new();
        let relay = Faults::start(relay_to(server.port()));
        scratch.file("config/vault.toml", config(&relay.address(), "kernel"));
        scratch.file("config/token", "root\n");
        let venv = wheel::install(&scratch);
        let site = Self { scratch, venv, relay };
        site.spec(&plain(interrupt_mode));
        site
    }

    fn spec(&self, spec: &Value) -> PathBuf {
        let folder = self.scratch.path("home/kernels/vaulted");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("kernel.json"), spec.to_string()).unwrap();
        folder
    }

    /// A program of the environment, with the provisioner as the default.
    fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.venv.join("bin").join(name));
        environment(&mut command, &self.scratch).args(arguments).current_dir(self.scratch.path("home"));
        command.env("JUPYTER_DEFAULT_PROVISIONER_NAME", "vault-provisioner");
        command
    }

    fn script(&self, name: &str) -> Command {
        self.program("python", &[&format!("{}/tests/support/{name}", env!("CARGO_MANIFEST_DIR"))])
    }

    fn front_end(&self) -> Dialogue {
        Dialogue::with(&mut self.script("front_end.py"))
    }

    fn notebook(&self) -> PathBuf {
        let kernel = json!({"name": "vaulted", "display_name": "Plain", "language": "python"});
        let cell = json!({"cell_type": "code", "id": "a", "metadata": {}, "source": LOOK, "outputs": [], "execution_count": null});
        let content = json!({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5});
        self.scratch.file("home/notebook.ipynb", content.to_string())
    }
}

/// The files of the repository that a build needs, and those that a package should have.
fn needed() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let below = ["src", "python", "benches", "section", "packaging"]
        .into_iter()
        .flat_map(|folder| files_below(&root.join(folder)));
    let below = below.map(|file| file.strip_prefix(root).unwrap().display().to_string());
    let single = [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "link/launch.ld",
        "pyproject.toml",
        "README.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
    ];
    // What a build of the section leaves.
    let made = ["__pycache__", "section/node_modules/", "section/lib/", "section/wheel/data/share/"];
    below.filter(|file| !made.iter().any(|part| file.contains(part))).chain(single.map(str::to_owned)).collect()
}

#[test]
fn the_source_package_contains_the_files_of_its_build_and_nothing_else() {
    let scratch = Scratch::new();
    let mut build = Command::new(python::maturin());
    build.args(["sdist", "--out"]).arg(scratch.path("home")).current_dir(env!("CARGO_MANIFEST_DIR"));
    succeed(&mut build);
    let name = concat!("jupyter_vault-", env!("CARGO_PKG_VERSION"));
    let archive = scratch.path(&format!("home/{name}.tar.gz"));
    succeed(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(scratch.path("home")));
    let folder = scratch.path("home").join(name);
    let files = files_below(&folder).into_iter().map(|file| file.strip_prefix(&folder).unwrap().display().to_string());
    let mut expected = needed();
    expected.insert("PKG-INFO".to_owned());
    assert_eq!(files.collect::<BTreeSet<_>>(), expected);
    // It contains everything that Cargo.toml names, in the locked versions.
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--locked", "--offline", "--format-version=1"]).current_dir(&folder);
    let seen: Value = serde_json::from_slice(&succeed(&mut metadata).stdout).unwrap();
    let targets = seen["packages"][0]["targets"].as_array().unwrap().iter();
    assert!(targets.into_iter().any(|target| target["kind"] == json!(["bin"])), "{seen}");
}

#[track_caller]
fn cell(front_end: &mut Dialogue, code: &str) -> Cell {
    Cell(front_end.ask("execute", json!({"codes": [code]}))[0].clone())
}

#[test]
fn jupyter_vault_is_a_subcommand_of_jupyter_and_wraps_its_environments_kernels() {
    let site = Site::new("signal");
    let version = succeed(&mut site.program("jupyter", &["vault", "--version"]));
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), concat!("jupyter-vault ", env!("CARGO_PKG_VERSION")));
    // Called by its path, with another environment or none on PATH: its own environment's Python is used.
    succeed(&mut site.program("jupyter", &["vault", "wrap", "vaulted"]));
    let text = std::fs::read_to_string(site.scratch.path("home/kernels/vaulted/kernel.json")).unwrap();
    let argv = serde_json::from_str::<Value>(&text).unwrap()["argv"].clone();
    assert_eq!(argv[0], json!("{resource_dir}/jupyter-vault-launcher"));
    assert_eq!(argv[5], json!(site.venv.join("bin/python")));
}

#[test]
fn every_kernelspec_gets_secrets_and_its_kernel_can_be_interrupted_restarted_and_shut_down() {
    for mode in ["signal", "message"] {
        let site = Site::new(mode);
        let seen: Value = serde_json::from_slice(&succeed(&mut site.script("kernel.py")).stdout).unwrap();
        for (run, spawned) in [("first", "spawned"), ("second", "respawned")] {
            assert_eq!((&seen[run]["length"], &seen[run]["pid"]), (&json!(21), &seen[spawned]), "{mode}: {seen}");
        }
        assert_eq!((&seen["interrupted"], &seen["left"]), (&json!("KeyboardInterrupt"), &json!(false)), "{mode}");
        assert_eq!(site.relay.seen().len(), 2, "{mode}: one request for each start");
    }
}

#[test]
fn jupyters_native_kernel_and_one_with_curve_keys_get_them_too() {
    let site = Site::new("signal");
    for (kernel, curve) in [("python3", false), ("vaulted", true)] {
        let mut front_end = site.front_end();
        let pid = front_end.ask("start", json!({"kernel": kernel, "curve": curve}))["pid"].to_string();
        front_end.ask("ready", json!({}));
        assert_eq!(cell(&mut front_end, LOOK).printed(), format!("21 {pid}"), "{kernel}");
    }
}

#[test]
fn a_wrapped_kernelspec_keeps_its_one_launcher_and_a_vault_toml_beside_counts() {
    let site = Site::new("signal");
    succeed(&mut site.program("jupyter", &["vault", "wrap", "vaulted"]));
    let before = site.relay.seen().len();
    succeed(&mut site.script("kernel.py"));
    assert_eq!(site.relay.seen().len() - before, 2, "started twice, by one launcher each time");

    // A launcher in a shell command is recognised too.
    succeed(&mut site.program("jupyter", &["vault", "unwrap", "vaulted"]));
    let line = format!("exec {} exec -- \"$@\"", site.venv.join("bin/jupyter-vault").display());
    site.spec(&json!({
        "argv": ["sh", "-c", line, "sh", site.venv.join("bin/python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Shell", "language": "python",
    }));
    let before = site.relay.seen().len();
    succeed(&mut site.script("kernel.py"));
    assert_eq!(site.relay.seen().len() - before, 2, "started twice, by the one launcher that was there");
    site.spec(&plain("signal"));
    succeed(&mut site.program("jupyter", &["vault", "wrap", "vaulted"]));

    // Without a launcher, with its own vault.toml, and then one that the kernelspec names for its provisioner.
    succeed(&mut site.program("jupyter", &["vault", "unwrap", "vaulted"]));
    let server = Server::shared();
    server.put("other", &json!({"KERNEL_SECRET": "canary-13-let"}));
    let other = config(&site.relay.address(), "other")
        .replace("\"token\"", &json!(site.scratch.path("config/token")).to_string());
    let beside = site.scratch.file("home/kernels/vaulted/vault.toml", other);
    let start = |expected: &str| {
        let mut front_end = site.front_end();
        front_end.ask("start", json!({"kernel": "vaulted"}));
        front_end.ask("ready", json!({}));
        assert!(cell(&mut front_end, LOOK).printed().starts_with(expected));
    };
    start("13 ");
    let named = site.scratch.path("home/named.toml");
    std::fs::rename(&beside, &named).unwrap();
    start("21 ");
    site.spec(&json!({
        "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Named", "language": "python",
        "metadata": {"kernel_provisioner": {"provisioner_name": "vault-provisioner", "config": {"vault_toml": named}}},
    }));
    start("13 ");
}

#[test]
fn a_path_that_only_ends_in_the_launchers_name_is_not_a_launcher_and_settings_may_use_a_tilde() {
    let site = Site::new("signal");
    let named = site.scratch.path("home/named.toml");
    std::fs::rename(site.scratch.path("config/vault.toml"), &named).unwrap();
    std::fs::rename(site.scratch.path("config/token"), site.scratch.path("home/token")).unwrap();
    let configured = json!({"vault_toml": "~/named.toml", "launcher": site.venv.join("bin/jupyter-vault")});
    let project = format!("PROJECT={}", site.scratch.path("home/jupyter-vault").display());
    site.spec(&json!({
    "argv": ["env", project, site.venv.join("bin/python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Named", "language": "python",
        "metadata": {"kernel_provisioner": {"provisioner_name": "vault-provisioner", "config": configured}},
    }));
    let mut front_end = site.front_end();
    front_end.ask("start", json!({"kernel": "vaulted"}));
    front_end.ask("ready", json!({}));
    assert!(cell(&mut front_end, LOOK).printed().starts_with("21 "));
}

#[test]
fn a_program_of_the_users_own_site_is_found_without_path() {
    let site = Site::new("signal");
    // As `pip install --user` installs it.
    let user = site.scratch.path("home/.local/bin");
    std::fs::create_dir_all(&user).unwrap();
    std::fs::rename(site.venv.join("bin/jupyter-vault"), user.join("jupyter-vault")).unwrap();
    let mut front_end = site.front_end();
    front_end.ask("start", json!({"kernel": "vaulted"}));
    front_end.ask("ready", json!({}));
    assert!(cell(&mut front_end, LOOK).printed().starts_with("21 "));
}

#[test]
fn nbclient_and_papermill_run_notebooks_with_them() {
    let site = Site::new("signal");
    let notebook = site.notebook();
    let notebook = notebook.to_str().unwrap();
    succeed(&mut site.program("papermill", &[notebook, "out.ipynb", "--no-progress-bar"]));
    assert!(std::fs::read_to_string(site.scratch.path("home/out.ipynb")).unwrap().contains("\"21 "));
    succeed(&mut site.program("jupyter-execute", &["--inplace", notebook]));
    assert!(std::fs::read_to_string(notebook).unwrap().contains("\"21 "));
}

#[test]
fn jupyter_console_has_them() {
    use std::io::Write;
    let site = Site::new("signal");
    let log = site.scratch.path("console.log");
    let said = || std::fs::read_to_string(&log).unwrap();
    // If the cell is sent before its iopub connection is up, it waits forever for the missed output, without a
    // sign of that. Then another cell is sent later.
    for pause in [2000, 8000, 20_000] {
        let file = std::fs::File::create(&log).unwrap();
        let mut command = site.program("jupyter-console", &["--simple-prompt", "--kernel=vaulted"]);
        let child = command.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file).spawn();
        let mut child = child.expect("it starts");
        let mut keyboard = child.stdin.take().unwrap();
        eventually("it asks", || said().contains("In [1]:"));
        pause_ms(pause, "nothing says that the iopub connection is up");
        writeln!(keyboard, "{LOOK}").unwrap();
        if within(Duration::from_secs(20), || said().contains("21 ")) {
            writeln!(keyboard, "exit").unwrap();
            drop(keyboard);
            assert_eq!(finish(child).code(), Some(0), "{}", said());
            return;
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    panic!("it shows nothing: {}", said());
}

#[test]
fn jupyterlabs_server_starts_interrupts_restarts_and_shuts_down_kernels_with_them() {
    let site = Site::new("signal");
    let lab = python::environment().join("share/jupyter/lab");
    let variables = [
        ("VIRTUAL_ENV", site.venv.to_str().unwrap()),
        ("JUPYTER_DEFAULT_PROVISIONER_NAME", "vault-provisioner"),
        ("JUPYTERLAB_DIR", lab.to_str().unwrap()),
    ];
    let suffix = ["--VaultSection.suffix= (secrets)"];
    let server = JupyterServer::start_with(Kind::JupyterLab, &site.scratch, &variables, &suffix);
    // The kernelspec is unchanged, but its kernel is marked.
    let listed = ureq::get(format!("{}/api/kernelspecs?token={TOKEN}", server.address())).call().unwrap();
    let listed: Value = serde_json::from_str(&listed.into_body().read_to_string().unwrap()).unwrap();
    assert_eq!(listed["kernelspecs"]["vaulted"]["spec"]["display_name"], "Plain (secrets)", "{listed}");
    let mut user = User::of(&server);
    user.ask("launch", json!({}));
    assert!(user.cell(LOOK).printed().starts_with("21 "));
    assert_eq!(user.ask("interrupted", json!({"code": ASLEEP}))["error"], "KeyboardInterrupt");
    assert_eq!(user.ask("restart", json!({}))["status"], 200);
    let printed = user.cell(LOOK).printed();
    let pid = printed.strip_prefix("21 ").expect("the secret again");
    assert_eq!(user.ask("delete", json!({}))["status"], 204);
    eventually("the kernel is gone", || !Path::new("/proc").join(pid).exists());
    assert!(!server.log().contains("canary"), "{}", server.log());
}

#[test]
fn a_front_end_that_replaces_the_first_word_still_gets_the_secrets_in_one_process() {
    let site = Site::new("signal");
    let folder = site.venv.join("share/jupyter/kernels/module");
    std::fs::create_dir_all(&folder).unwrap();
    let python = site.venv.join("bin/python");
    let spec = json!({"argv": [&python, "-c", LOOK], "display_name": "Module", "language": "python"});
    std::fs::write(folder.join("kernel.json"), spec.to_string()).unwrap();
    succeed(&mut site.program("jupyter", &["vault", "wrap", "module"]));
    let read = || -> Vec<String> {
        let text = std::fs::read_to_string(folder.join("kernel.json")).unwrap();
        serde_json::from_value(serde_json::from_str::<Value>(&text).unwrap()["argv"].clone()).unwrap()
    };
    let argv = read();
    assert_eq!(argv[1..3], ["{resource_dir}/jupyter-vault-launcher.py", "exec"], "{argv:?}");
    // Like VS Code: its own Python, with the words after the first.
    let words = argv[1..].iter().map(|word| word.replace("{resource_dir}", folder.to_str().unwrap()));
    let mut command = Command::new(&python);
    environment(&mut command, &site.scratch).args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id();
    let outcome = finish(child);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(String::from_utf8(outcome.stdout).unwrap().trim(), format!("21 {pid}"));
    succeed(&mut site.program("jupyter", &["vault", "unwrap", "module"]));
    assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), spec.to_string());
}

#[test]
fn a_missing_program_is_reported_at_once_as_without_the_provisioner() {
    let site = Site::new("signal");
    // A script without its interpreter, and a program beside the notebook.
    let folder = site.scratch.path("beside");
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    for (name, text) in
        [("orphan", "#!/no/such/interpreter\n"), ("here", "#!/bin/sh\nexit 0\n"), ("bin/below", "#!/bin/sh\nexit 0\n")]
    {
        std::fs::write(folder.join(name), text).unwrap();
        std::fs::set_permissions(folder.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    std::fs::write(folder.join("plain"), "").unwrap();
    let orphan = folder.join("orphan").display().to_string();
    for (program, path, expected) in [
        ("/no/such/program", None, "FileNotFoundError"),
        ("no-such-program", None, "FileNotFoundError"),
        ("/etc", None, "PermissionError"),
        (orphan.as_str(), None, "FileNotFoundError"),
        ("orphan", Some(""), "FileNotFoundError"),
        ("plain", Some(":/usr/bin"), "PermissionError"),
        ("here", Some("/usr/bin:"), "started"),
        ("below", Some("bin:/usr/bin"), "started"),
        ("./bin/below", Some("/usr/bin"), "started"),
    ] {
        let mut spec = json!({"argv": [program, "{connection_file}"], "display_name": "Gone", "language": "python"});
        if let Some(path) = path {
            spec["env"] = json!({ "PATH": path });
        }
        site.spec(&spec);
        let ended = |provisioner: &str| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/start_kernel.py");
            let mut command = site.program("python", &[script, folder.to_str().unwrap()]);
            command.env("JUPYTER_DEFAULT_PROVISIONER_NAME", provisioner);
            String::from_utf8(succeed(&mut command).stdout).unwrap().trim().to_owned()
        };
        assert_eq!(ended("local-provisioner"), expected, "without us: {program} in {path:?}");
        assert_eq!(ended("vault-provisioner"), expected, "{program} in {path:?}");
        if expected != "started" {
            assert!(site.relay.seen().is_empty(), "Vault is not asked for a program that is not there: {program}");
        }
    }
}

#[test]
fn a_kernelspec_with_its_own_provisioner_is_wrapped_or_delegated_to() {
    let site = Site::new("signal");
    let libraries = std::fs::read_dir(site.venv.join("lib")).unwrap().map(|entry| entry.unwrap().path());
    let packages = libraries.map(|folder| folder.join("site-packages")).find(|folder| folder.is_dir()).unwrap();
    let module = include_str!("support/own_provisioner.py");
    std::fs::write(packages.join("own_provisioner.py"), module).unwrap();
    let info = packages.join("own_provisioner-1.0.dist-info");
    std::fs::create_dir(&info).unwrap();
    std::fs::write(info.join("METADATA"), "Metadata-Version: 2.1\nName: own-provisioner\nVersion: 1.0\n").unwrap();
    let entries =
        "[jupyter_client.kernel_provisioners]\nown = own_provisioner:Own\nelsewhere = own_provisioner:Elsewhere\n";
    std::fs::write(info.join("entry_points.txt"), entries).unwrap();
    let spec = |name: &str, config: Value| {
        let mut spec = plain("signal");
        spec["metadata"] = json!({"kernel_provisioner": {"provisioner_name": name, "config": config}});
        site.spec(&spec);
    };
    let look = "import os; print(len(os.environ.get('KERNEL_SECRET', '')), os.environ.get('OWN'))";
    let starts = |expected: &str| {
        let mut front_end = site.front_end();
        front_end.ask("start", json!({"kernel": "vaulted"}));
        front_end.ask("ready", json!({}));
        assert_eq!(cell(&mut front_end, look).printed(), expected);
    };
    // Its own provisioner and no launcher: no secrets, which wrap fixes.
    spec("own", json!({}));
    starts("0 yes");
    succeed(&mut site.program("jupyter", &["vault", "wrap", "vaulted"]));
    starts("21 yes");
    succeed(&mut site.program("jupyter", &["vault", "unwrap", "vaulted"]));
    // The package's provisioner, which delegates to the other.
    spec("vault-provisioner", json!({"delegate": "own"}));
    starts("21 yes");
    // A provisioner that starts no local process, and one that is not installed.
    for (name, says) in [("elsewhere", "runs no local command"), ("unknown", "does not have")] {
        spec(name, json!({}));
        let refused = run(&mut site.program("jupyter", &["vault", "wrap", "vaulted"]));
        refused.is_error(78, &[name, says]);
    }
}

/// Runs a kernelspec's command like Jupyter, without the first `dropped` words, which VS Code replaces by its own
/// Python.
fn launch(site: &Site, folder: &Path, dropped: usize) -> Outcome {
    let text = std::fs::read_to_string(folder.join("kernel.json")).unwrap();
    let argv: Vec<String> =
        serde_json::from_value(serde_json::from_str::<Value>(&text).unwrap()["argv"].clone()).unwrap();
    let mut words = argv.into_iter().map(|word| word.replace("{resource_dir}", folder.to_str().unwrap())).skip(dropped);
    let program = if dropped == 0 { words.next().unwrap() } else { site.venv.join("bin/python").display().to_string() };
    let mut command = Command::new(program);
    environment(&mut command, &site.scratch).args(words).env("VAULT_TOKEN", "canary-of-the-parent");
    run(&mut command)
}

#[test]
fn wrapped_kernels_survive_pip_uninstall_and_use_an_upgrade_at_once() {
    let site = Site::new("signal");
    let look = "import os; print(len(os.environ.get('KERNEL_SECRET', '')), 'VAULT_TOKEN' in os.environ)";
    let python = site.venv.join("bin/python");
    let spec = json!({"argv": [&python, "-c", look], "display_name": "V", "language": "python"});
    let in_place = site.spec(&spec);
    let before = std::fs::read(in_place.join("kernel.json")).unwrap();
    // In an environment's own folder, where an editor may drop the first word, and in the user's folder.
    let own = site.venv.join("share/jupyter/kernels/own");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("kernel.json"), spec.to_string()).unwrap();
    let theirs = site.venv.join("share/jupyter/kernels/theirs");
    std::fs::create_dir_all(&theirs).unwrap();
    std::fs::write(theirs.join("kernel.json"), spec.to_string()).unwrap();
    succeed(&mut site.program("jupyter", &["vault", "wrap", "vaulted", "own"]));
    let said = succeed(&mut site.program("jupyter", &["vault", "wrap", "--user", "theirs"]));
    let said = String::from_utf8(said.stdout).unwrap();
    let copy = said.split(", ").nth(1).and_then(|rest| rest.split(" (").next()).map(PathBuf::from).expect("a copy");
    let all = [(&in_place, 0), (&own, 0), (&own, 1), (&copy, 0)];
    let each = |expected: &str| {
        for (folder, dropped) in all {
            let outcome = launch(&site, folder, dropped);
            let printed = String::from_utf8_lossy(&outcome.stdout).into_owned();
            assert_eq!(printed.trim(), expected, "{}, {dropped}: {}", folder.display(), outcome.stderr);
        }
    };
    each("21 False");
    // The program is linked where possible, and not copied.
    let identity = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let program = site.venv.join("bin/jupyter-vault");
    assert_eq!(identity(&in_place.join("jupyter-vault-launcher")), identity(&program));
    assert!(
        succeed(&mut site.program("jupyter", &["vault", "wrap", "vaulted"])).stdout.starts_with(b"vaulted: already")
    );

    // An upgrade, which leaves a mark when it is executed.
    let aside = site.scratch.path("home/real-program");
    std::fs::rename(&program, &aside).unwrap();
    let (mark, real) = (site.scratch.path("home/mark"), aside.display());
    std::fs::write(&program, format!("#!/bin/sh\necho x >>{}\nexec {real} \"$@\"\n", mark.display())).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    each("21 False");
    assert_eq!(std::fs::read_to_string(&mark).unwrap().lines().count(), all.len());
    std::fs::rename(&aside, &program).unwrap();

    let mut pip = Command::new(python::python());
    pip.args(["-m", "pip", "--disable-pip-version-check", "--python"]).arg(&python).args([
        "uninstall",
        "--yes",
        "--quiet",
        "jupyter-vault",
    ]);
    succeed(&mut pip);
    assert!(!program.exists());
    let requests = site.relay.seen().len();
    each("0 False");
    assert_eq!(site.relay.seen().len(), requests, "a program that was uninstalled asks Vault for nothing");
    let notice = launch(&site, &in_place, 0).stderr;
    for part in ["is no longer installed (the command is started without secrets)", "unwrap vaulted"] {
        assert!(notice.contains(part), "{notice}");
    }
    // An option that this program does not know, as a later version may have it.
    let edited = std::fs::read_to_string(in_place.join("kernel.json")).unwrap();
    std::fs::write(in_place.join("kernel.json"), edited.replace("\"--config\"", "\"--later\",\"--config\"")).unwrap();
    each("0 False");
    std::fs::write(in_place.join("kernel.json"), edited).unwrap();
    // The command that the log shows removes the launcher from each place, and leaves nothing.
    for (folder, name) in [(&in_place, "vaulted"), (&own, "own"), (&copy, "theirs")] {
        let stand_by = folder.join("jupyter-vault-launcher");
        let mut wrap = Command::new(&stand_by);
        run(environment(&mut wrap, &site.scratch).args(["wrap", name])).is_error(64, &["install jupyter-vault again"]);
        let mut unwrap = Command::new(&stand_by);
        succeed(environment(&mut unwrap, &site.scratch).args(["unwrap", name]));
    }
    assert_eq!(std::fs::read(in_place.join("kernel.json")).unwrap(), before);
    assert!(!copy.exists());
    for folder in [&in_place, &own] {
        assert_eq!(files_below(folder), BTreeSet::from([folder.join("kernel.json")]).into_iter().collect::<Vec<_>>());
    }
    assert!(launch(&site, &own, 0).stdout.starts_with(b"0 True"), "as without us");
}

#[test]
fn the_line_of_the_docs_chooses_the_provisioner_if_it_is_installed() {
    let site = Site::new("signal");
    let docs = include_str!("../docs/kernelspecs.md");
    let line = docs.lines().find(|line| line.contains("&& export JUPYTER_DEFAULT_PROVISIONER_NAME")).expect("the line");
    let starts = |expected: &str| {
        let script = format!("{}/tests/support/front_end.py", env!("CARGO_MANIFEST_DIR"));
        let mut shell = site.program("python", &[]);
        let path = format!("{}:/usr/bin:/bin", site.venv.join("bin").display());
        let mut shell_with_line = Command::new("/bin/sh");
        shell_with_line.args(["-c", &format!("{line}\nexec python {script}")]);
        shell_with_line.envs(shell.env("PATH", path).get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell_with_line.env_remove("JUPYTER_DEFAULT_PROVISIONER_NAME").current_dir(site.scratch.path("home"));
        let mut front_end = Dialogue::with(&mut shell_with_line);
        front_end.ask("start", json!({"kernel": "vaulted"}));
        front_end.ask("ready", json!({}));
        let look = "import os; print(len(os.environ.get('KERNEL_SECRET', '')))";
        assert_eq!(cell(&mut front_end, look).printed(), expected);
    };
    starts("21");
    let mut pip = Command::new(python::python());
    pip.args(["-m", "pip", "--disable-pip-version-check", "--python"]).arg(site.venv.join("bin/python"));
    succeed(pip.args(["uninstall", "--yes", "--quiet", "jupyter-vault"]));
    starts("0");
}

#[test]
#[cfg(all(feature = "inject", target_os = "linux"))]
fn a_notebook_shows_its_secrets_requests_new_ones_and_helps_with_missing_ones() {
    let site = Site::new("signal");
    let server = Server::shared();
    server.put("magic", &json!({"API_KEY": "canary-one", "DB_URL": "canary-two"}));
    site.scratch.file("config/vault.toml", config(&server.address(), "magic"));
    let mut front_end = site.front_end();
    front_end.ask("start", json!({"kernel": "vaulted", "name": "kernel-magic.json"}));
    front_end.ask("ready", json!({}));
    let says = |front_end: &mut Dialogue, code: &str| {
        let said = cell(front_end, code).printed();
        assert!(!said.contains("canary"), "{said}");
        said
    };
    // Nothing of it exists before it is loaded.
    assert!(says(&mut front_end, "%secrets").contains("not found"));
    assert_eq!(says(&mut front_end, "%load_ext jupyter_vault"), "");
    let table = says(&mut front_end, "%secrets");
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..3], ["API_KEY", "secret/magic", "1"], "{table}");
    assert_eq!((rows[2][0], rows.len()), ("DB_URL", 3), "{table}");
    assert!(table.ends_with("by launch"), "{table}");
    for (code, hint) in [
        ("import os; os.environ['API_KEYS']", "Did you mean API_KEY?"),
        ("os.environ['NEW_ONE']", "jupyter-vault secrets set NEW_ONE"),
        ("def f(): return os.environ['NEW_ONE']\nf()", "jupyter-vault secrets set NEW_ONE"),
    ] {
        let seen = cell(&mut front_end, code);
        assert_eq!(seen.error(), "KeyError");
        assert!(seen.printed().contains(hint), "{}", seen.printed());
    }
    for code in ["{}['NEW_ONE']", "os.environ['PYTHONWARNINGS']"] {
        let seen = cell(&mut front_end, code);
        assert_eq!((seen.error(), seen.printed().contains("secret")), ("KeyError", false), "{}", seen.printed());
    }
    assert!(!table.contains("expires at"), "a token without an end: {table}");
    let refused = says(&mut front_end, "%secrets refresh");
    assert!(refused.contains("nothing was requested") && refused.contains("jupyter-vault inject magic"), "{refused}");

    let ready = site.scratch.path("ready");
    let mut watch = site.program("jupyter-vault", &["watch", "--interval", "600", "--ready-file"]);
    let mut watch = watch.arg(&ready).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("it watches", || ready.exists());
    assert!(says(&mut front_end, "%secrets refresh").starts_with("Requested."));
    eventually("the answer", || says(&mut front_end, "%secrets").contains("nothing is new in Vault"));
    server.put("magic", &json!({"API_KEY": "canary-three", "NEW_ONE": "canary-four"}));
    assert!(says(&mut front_end, "%secrets refresh").starts_with("Requested."));
    eventually("the new one", || says(&mut front_end, "print('NEW_ONE' in os.environ)") == "True");
    eventually("the answer", || says(&mut front_end, "%secrets").ends_with(": done"));
    let table = says(&mut front_end, "%secrets");
    assert!(table.contains(": API_KEY, NEW_ONE; unset: DB_URL") && table.contains("by inject"), "{table}");
    let seen = cell(&mut front_end, "os.environ['DB_URL']").printed();
    assert!(seen.contains("DB_URL was unset"), "{seen}");

    // A launch that knows when the token expires records it.
    let noted = site.scratch.path("runtime/jupyter-vault/kernels/kernel-magic.json");
    let before: Value = serde_json::from_slice(&std::fs::read(&noted).unwrap()).unwrap();
    for (seconds, is_said) in [(3600, true), (72 * 3600, false)] {
        let end = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
        let mut record = before.clone();
        record["credential_ends"] = json!(humantime::format_rfc3339_seconds(end).to_string());
        std::fs::write(&noted, record.to_string()).unwrap();
        let table = says(&mut front_end, "%secrets");
        assert_eq!(table.contains("The login for new kernels expires at"), is_said, "{table}");
    }

    let pid = nix::unistd::Pid::from_raw(watch.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(support::launcher::wait(&mut watch).success());
    assert!(says(&mut front_end, "%secrets refresh").contains("nothing was requested"));
    // A kernel whose sidecar can't see its process: the record contains its session id.
    let mut script = site.script("front_end.py");
    let mut other = Dialogue::with(script.env("JUPYTER_DEFAULT_PROVISIONER_NAME", "local-provisioner"));
    other.ask("start", json!({"kernel": "vaulted"}));
    other.ask("ready", json!({}));
    assert_eq!(says(&mut other, "%load_ext jupyter_vault"), "");
    assert!(says(&mut other, "%secrets").starts_with("This kernel has no secrets from Vault."));
    let session = says(&mut other, "print(get_ipython().kernel.session.session)");
    let noted = json!({"place": "x", "kernel": "x", "session": session, "variables": {"FAR": {"path": "secret/far", "version": 7}}});
    std::fs::create_dir_all(site.scratch.path("runtime/jupyter-vault/elsewhere")).unwrap();
    site.scratch.file("runtime/jupyter-vault/elsewhere/x.json", noted.to_string());
    let table = says(&mut other, "%secrets");
    assert!(table.lines().any(|line| line.starts_with("FAR   secret/far  7")), "{table}");

    assert_eq!(says(&mut front_end, "%unload_ext jupyter_vault"), "");
    assert!(says(&mut front_end, "%secrets").contains("not found"));
}
