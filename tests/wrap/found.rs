//! Where kernelspecs are found: the result must match `jupyter kernelspec list`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::kernelspecs::{IPYKERNEL, bare_venv, jupyter, listed, spec, succeed, tree, user, vault};
use crate::support::launcher::{Scratch, run};

/// What `wrap --all --dry-run` would change: name to folder, like Jupyter's list.
#[track_caller]
fn found(command: &mut Command) -> BTreeMap<String, PathBuf> {
    let outcome = succeed(command.args(["wrap", "--all", "--dry-run"]));
    let text = String::from_utf8(outcome.stdout).unwrap();
    let files = text.lines().filter_map(|line| line.strip_prefix("--- ")).map(|file| Path::new(file.trim_end()));
    let specs = files.filter(|file| file.ends_with("kernel.json")).map(|file| file.parent().unwrap().to_owned());
    // Jupyter's native kernel is in ipykernel's folder of logos.
    let name =
        |folder: &Path| folder.file_name().unwrap().to_str().unwrap().to_lowercase().replace("resources", "python3");
    specs.map(|folder| (name(&folder), folder)).collect()
}

/// Checks that Jupyter and this program find the same kernelspecs with these variables; returns them.
#[track_caller]
fn agree(scratch: &Scratch, venv: &Path, variables: &[(&str, &str)]) -> BTreeMap<String, PathBuf> {
    let path = format!("{}:/usr/bin:/bin", venv.join("bin").display());
    let mut judge = Command::new(venv.join("bin/jupyter"));
    jupyter(&mut judge, scratch)
        .env("PATH", &path)
        .env_remove("JUPYTER_PREFER_ENV_PATH")
        .envs(variables.iter().copied());
    let mut ours = vault(scratch, &[]);
    ours.env("PATH", &path).env_remove("JUPYTER_PREFER_ENV_PATH").envs(variables.iter().copied());
    let (expected, seen) = (listed(&mut judge), found(&mut ours));
    assert_eq!(seen, expected, "with {variables:?}");
    seen
}

#[test]
fn kernelspecs_are_found_where_jupyter_finds_them_and_the_first_of_a_name_wins() {
    let scratch = Scratch::new();
    let venv = bare_venv(&scratch);
    let text = |path: &str| scratch.path(path).to_str().unwrap().to_owned();
    // The same name in every place, and a different name in each.
    for (number, place) in [
        "one",
        "two",
        "home/.local/share/jupyter",
        "data",
        "xdg/jupyter",
        "site/jupyter",
        "venv/share/jupyter",
        "ipython",
        "userbase/share/jupyter",
        "home/own",
    ]
    .iter()
    .enumerate()
    {
        spec(&scratch.path(&format!("{place}/kernels")), "everywhere", IPYKERNEL);
        spec(&scratch.path(&format!("{place}/kernels")), &format!("only{number}"), IPYKERNEL);
    }
    let both = format!("{}/:{}", text("one"), text("two"));
    let cases: [&[(&str, &str)]; 15] = [
        &[],
        &[("JUPYTER_PREFER_ENV_PATH", "0")],
        &[("JUPYTER_PREFER_ENV_PATH", "1")],
        &[("JUPYTER_PATH", &both)],
        &[("JUPYTER_PATH", "")],
        &[("JUPYTER_DATA_DIR", &text("data")), ("JUPYTER_PREFER_ENV_PATH", "0")],
        &[("JUPYTER_DATA_DIR", &text("data")), ("JUPYTER_PATH", &both), ("JUPYTER_PREFER_ENV_PATH", "no")],
        &[("XDG_DATA_HOME", &text("xdg")), ("JUPYTER_PREFER_ENV_PATH", "0")],
        &[("JUPYTER_PLATFORM_DIRS", "1"), ("XDG_DATA_DIRS", &text("site"))],
        &[
            ("JUPYTER_PLATFORM_DIRS", "1"),
            ("XDG_DATA_HOME", &text("xdg")),
            ("XDG_DATA_DIRS", &text("site")),
            ("JUPYTER_PREFER_ENV_PATH", "off"),
        ],
        &[("IPYTHONDIR", &text("ipython"))],
        &[("IPYTHONDIR", "~/own")],
        &[("PYTHONUSERBASE", &text("userbase"))],
        // An active environment that is not Jupyter's does not count.
        &[("VIRTUAL_ENV", &text("two")), ("CONDA_PREFIX", &text("one"))],
        &[("HOME", &text("two"))],
    ];
    let mut winners = std::collections::BTreeSet::new();
    for variables in cases {
        let seen = agree(&scratch, &venv, variables);
        winners.insert(seen["everywhere"].clone());
        assert!(seen.contains_key("python3"), "the one that Jupyter makes up: {seen:?}");
    }
    // The cases are not all the same.
    assert!(winners.len() >= 5, "{winners:?}");
}

#[test]
fn names_and_folders_follow_jupyters_rules() {
    let scratch = Scratch::new();
    let venv = bare_venv(&scratch);
    let root = user(&scratch);
    spec(&root, "Python3", IPYKERNEL);
    spec(&root, "UPPER.Case_1-2", IPYKERNEL);
    spec(&root, "my kernel", IPYKERNEL);
    spec(&root, ".hidden", IPYKERNEL);
    spec(&root, "Ünïcode", IPYKERNEL);
    spec(&root, "broken", "{\"argv\": [");
    spec(&root, "words", &IPYKERNEL.replace("\"python\"", "3"));
    std::fs::create_dir_all(root.join("empty")).unwrap();
    std::fs::create_dir_all(root.join("folder/kernel.json")).unwrap();
    std::fs::write(root.join("file"), IPYKERNEL).unwrap();
    let elsewhere = spec(&scratch.path("elsewhere"), "linked", IPYKERNEL);
    std::os::unix::fs::symlink(&elsewhere, root.join("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.join("dangling")).unwrap();
    let mut seen = agree(&scratch, &venv, &[]);
    // Kernelspecs of the machine itself are ignored.
    seen.retain(|_, folder| folder.starts_with(scratch.path("")));
    for name in ["python3", "upper.case_1-2", "my kernel", ".hidden", "ünïcode", "link"] {
        assert!(seen.contains_key(name), "{name}: {seen:?}");
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    // Two names that differ only in case: one of them counts, the same for both.
    spec(&root, "TWICE", IPYKERNEL);
    spec(&root, "twice", IPYKERNEL);
    agree(&scratch, &venv, &[]);
    let outcome = run(&mut vault(&scratch, &["wrap", "twice"]));
    assert_eq!(outcome.code(), Some(0));
    assert!(outcome.stderr.contains("have the same name for Jupyter"), "{}", outcome.stderr);
}

#[test]
fn kernelspecs_that_jupyters_configuration_excludes_are_excluded() {
    let scratch = Scratch::new();
    let venv = bare_venv(&scratch);
    for name in ["one", "two", "Three"] {
        spec(&user(&scratch), name, IPYKERNEL);
    }
    let names = |file: &str, text: &str| {
        let file = scratch.file(&format!("config/{file}"), text);
        let seen = agree(&scratch, &venv, &[]);
        std::fs::remove_file(file).unwrap();
        let ours = seen.into_iter().filter(|(_, folder)| folder.starts_with(scratch.path("")));
        ours.map(|(name, _)| name).filter(|name| name != "python3").collect::<Vec<_>>().join(" ")
    };
    let allowed = "c.KernelSpecManager.allowed_kernelspecs = ";
    assert_eq!(names("jupyter_config.py", &format!("{allowed}{{'one', 'three', 'nowhere'}}\n")), "one three");
    assert_eq!(names("jupyter_config.py", &format!("{allowed}{{'Three', 'two'}}\n")), "two");
    assert_eq!(names("jupyter_config.json", r#"{"KernelSpecManager": {"whitelist": ["two"]}}"#), "two");
    assert_eq!(names("jupyter_config.py", &format!("{allowed}set()\n")), "one three two");
    assert_eq!(names("jupyter_config.py", "c.KernelSpecManager.ensure_native_kernel = False\n"), "one three two");
    assert_eq!(names("jupyter_config.py", "this is no Python\n"), "one three two");
    // Another program's configuration does not count.
    assert_eq!(names("jupyter_server_config.py", &format!("{allowed}{{'one'}}\n")), "one three two");

    // Other output of Jupyter is not taken for the answer.
    scratch.file("config/jupyter_config.py", format!("print('noise')\n{allowed}{{'one'}}\n"));
    let path = format!("{}:/usr/bin:/bin", venv.join("bin").display());
    let ours = |arguments: &[&str]| run(vault(&scratch, arguments).env("PATH", &path));
    ours(&["wrap", "two"])
        .is_error(64, &["Jupyter's configuration does not allow the kernel two", "allowed_kernelspecs"]);
    // If Jupyter itself can't read its configuration, every kernelspec counts.
    scratch.file("config/jupyter_config.py", format!("{allowed}3\n"));
    assert_eq!(ours(&["wrap", "two"]).code(), Some(0));
    // A wrapped kernelspec that is excluded later can still be unwrapped.
    scratch.file("config/jupyter_config.py", format!("{allowed}{{'one'}}\n"));
    let outcome = ours(&["unwrap", "--all"]);
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("two: unwrapped"), "{outcome:?}");
}

#[test]
fn without_any_python_the_users_kernelspecs_are_still_found() {
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "mine", &IPYKERNEL.replace("\"python\"", "\"/opt/kernel\""));
    let nothing = scratch.path("config").display().to_string();
    let seen = found(vault(&scratch, &[]).env("PATH", nothing));
    assert_eq!(seen["mine"], folder);
}

#[test]
fn an_environment_is_chosen_by_flag_and_written_to() {
    let scratch = Scratch::new();
    let venv = bare_venv(&scratch);
    let share = venv.join("share/jupyter/kernels");
    let (mine, its) = (spec(&user(&scratch), "one", IPYKERNEL), spec(&share, "one", IPYKERNEL));
    spec(&user(&scratch), "two", IPYKERNEL);
    let prefix = venv.display().to_string();
    // The named environment is searched first, with its own Python, and kernelspecs from elsewhere are copied.
    succeed(&mut vault(&scratch, &["wrap", "one", "two", "--prefix", &prefix]));
    let text = std::fs::read_to_string(its.join("kernel.json")).unwrap();
    assert!(text.contains(&format!("\"{prefix}/bin/python3\"")), "{text}");
    assert_eq!(std::fs::read_to_string(mine.join("kernel.json")).unwrap(), IPYKERNEL);
    assert!(share.join("two/vault.toml").exists() && share.join("two/logo-64x64.png").exists());
    succeed(&mut vault(&scratch, &["unwrap", "--all", "--prefix", &prefix]));
    assert_eq!(std::fs::read_to_string(its.join("kernel.json")).unwrap(), IPYKERNEL);
    assert!(!share.join("two").exists());
    // The environment of Jupyter.
    let path = format!("{prefix}/bin:/usr/bin:/bin");
    let own = |arguments: &[&str]| run(vault(&scratch, arguments).env("PATH", &path));
    let outcome = own(&["wrap", "two", "--sys-prefix"]);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert!(share.join("two/vault.toml").exists());
    assert!(outcome.stderr.contains("is hidden by"), "the user's comes first here: {}", outcome.stderr);
    run(&mut vault(&scratch, &["wrap", "one", "--user", "--sys-prefix"])).is_error(64, &["cannot be used with"]);
}

/// The program under another name.
fn renamed(scratch: &Scratch, arguments: &[&str]) -> Command {
    let program = scratch.path("jv");
    if !program.exists() {
        // A copy can't be executed while another thread's child has it open for writing.
        let linked = std::fs::hard_link(crate::support::launcher::binary(), &program);
        linked.or_else(|_| std::fs::copy(crate::support::launcher::binary(), &program).map(|_| ())).unwrap();
    }
    let plain = scratch.launcher();
    let mut command = Command::new(program);
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).args(arguments);
    command.env("JUPYTER_DATA_DIR", scratch.path("home/data"));
    command
}

fn own_spec(scratch: &Scratch, name: &str, text: &str) -> PathBuf {
    let folder = scratch.path("home/data/kernels").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("kernel.json"), text).unwrap();
    folder
}

const SPEC: &str = "{\"argv\": [\"/bin/cat\", \"-u\"], \"display_name\": \"K\", \"language\": \"x\"}\n";

fn argv_of(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("kernel.json")).unwrap();
    serde_json::from_value(serde_json::from_str::<serde_json::Value>(&text).unwrap()["argv"].clone()).unwrap()
}

fn config_of(scratch: &Scratch) -> String {
    let text = "[vault]\naddress = \"http://127.0.0.1:1\"\n[[source]]\nkv = \"secret/x\"\nversion = 2\n";
    scratch.file("v.toml", text).display().to_string()
}

#[test]
fn a_renamed_program_wraps_once_and_restores_the_argv() {
    let scratch = Scratch::new();
    let folder = own_spec(&scratch, "k", SPEC);
    let config = config_of(&scratch);
    for _ in 0..3 {
        succeed(&mut renamed(&scratch, &["wrap", "k", "--config", &config]));
        assert_eq!(argv_of(&folder).iter().filter(|word| *word == "exec").count(), 1, "{:?}", argv_of(&folder));
    }
    let doctor = run(&mut renamed(&scratch, &["doctor", "--config", &config]));
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("k is wrapped"), "{:?}", doctor.stdout);
    // A program with another name unwraps it too.
    let mut unwrap = scratch.launcher();
    succeed(unwrap.env("JUPYTER_DATA_DIR", scratch.path("home/data")).args(["unwrap", "k"]));
    assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), SPEC);
    assert!(!folder.join("vault.toml").exists() && !folder.join("jupyter-vault.json").exists());
}

#[test]
fn an_argv_without_the_launcher_that_wrap_wrote_keeps_the_record() {
    let scratch = Scratch::new();
    let folder = own_spec(&scratch, "k", SPEC);
    succeed(&mut renamed(&scratch, &["wrap", "k", "--config", &config_of(&scratch)]));
    let edited = "{\"argv\": [\"/opt/other\", \"run\", \"/bin/cat\"], \"display_name\": \"K\", \"language\": \"x\"}\n";
    std::fs::write(folder.join("kernel.json"), edited).unwrap();
    for command in ["unwrap", "wrap"] {
        run(&mut renamed(&scratch, &[command, "k"])).is_error(78, &["no longer in its argv", "jupyter-vault.json"]);
        assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), edited);
        assert!(folder.join("jupyter-vault.json").exists() && folder.join("vault.toml").exists());
    }
}

#[test]
fn a_missing_kernel_json_is_restored() {
    for all in [false, true] {
        let scratch = Scratch::new();
        let folder = own_spec(&scratch, "k", SPEC);
        succeed(&mut renamed(&scratch, &["wrap", "k", "--config", &config_of(&scratch)]));
        std::fs::remove_file(folder.join("kernel.json")).unwrap();
        let outcome = succeed(&mut renamed(&scratch, &["unwrap", if all { "--all" } else { "k" }]));
        assert!(String::from_utf8_lossy(&outcome.stdout).contains("kernel.json was missing; restored"), "{outcome:?}");
        assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), SPEC);
        assert!(!folder.join("vault.toml").exists() && !folder.join("jupyter-vault.json").exists());
    }
}

#[test]
fn an_endless_record_or_settings_file_blocks_nothing() {
    for name in ["jupyter-vault.json", "vault.toml"] {
        let scratch = Scratch::new();
        let folder = own_spec(&scratch, "k", SPEC);
        nix::unistd::mkfifo(&folder.join(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
        run(&mut renamed(&scratch, &["wrap", "k", "--config", &config_of(&scratch)]))
            .is_error(78, &[name, "is not a plain file"]);
        assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), SPEC);
    }
    let scratch = Scratch::new();
    let folder = own_spec(&scratch, "k", SPEC);
    nix::unistd::mkfifo(&folder.join("jupyter-vault.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_ne!(run(&mut renamed(&scratch, &["unwrap", "k"])).code(), Some(0));
}

#[test]
fn two_names_for_one_kernel_json_each_get_a_launcher_and_both_are_restored() {
    let scratch = Scratch::new();
    let first = own_spec(&scratch, "first", SPEC);
    let second = scratch.path("home/data/kernels/second");
    std::fs::create_dir(&second).unwrap();
    std::os::unix::fs::symlink(first.join("kernel.json"), second.join("kernel.json")).unwrap();
    std::os::unix::fs::symlink(&first, scratch.path("home/data/kernels/third")).unwrap();
    let outcome = succeed(&mut renamed(&scratch, &["wrap", "--all", "--config", &config_of(&scratch)]));
    assert!(!String::from_utf8_lossy(&outcome.stdout).contains("added by hand"), "{outcome:?}");
    for folder in [&first, &second] {
        assert_eq!(argv_of(folder).iter().filter(|word| *word == "exec").count(), 1);
        assert!(folder.join("vault.toml").exists());
    }
    succeed(&mut renamed(&scratch, &["unwrap", "--all"]));
    assert_eq!(std::fs::read_to_string(first.join("kernel.json")).unwrap(), SPEC);
    assert_eq!(std::fs::read_link(second.join("kernel.json")).unwrap(), first.join("kernel.json"));
    assert!(!second.join("vault.toml").exists());
}

#[test]
fn a_kernel_on_another_host_is_wrapped_with_a_warning() {
    let scratch = Scratch::new();
    own_spec(&scratch, "far", &SPEC.replace("\"/bin/cat\", \"-u\"", "\"ssh\", \"host\", \"python\""));
    let outcome = succeed(&mut renamed(&scratch, &["wrap", "far", "--config", &config_of(&scratch)]));
    assert!(outcome.stderr.contains("elsewhere: the environment may not be passed on"), "{}", outcome.stderr);
}

/// A Python environment's own kernelspec, its Python, and whether the package is installed there.
fn environments_own(scratch: &Scratch, has_package: bool) -> (PathBuf, String) {
    let prefix = scratch.path("venv");
    std::fs::create_dir_all(prefix.join("bin")).unwrap();
    let python = prefix.join("bin/python3");
    std::os::unix::fs::symlink(python_of_the_tests(), &python).unwrap();
    let package = prefix.join("lib/python3.11/site-packages/jupyter_vault");
    if has_package {
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("__main__.py"), "").unwrap();
    }
    let folder = prefix.join("share/jupyter/kernels/own");
    std::fs::create_dir_all(&folder).unwrap();
    let python = python.display().to_string();
    let text =
        SPEC.replace("\"/bin/cat\", \"-u\"", &format!("\"{python}\", \"-m\", \"tool\", \"exec\", \"--\", \"kern\""));
    std::fs::write(folder.join("kernel.json"), text).unwrap();
    (folder, python)
}

fn python_of_the_tests() -> PathBuf {
    crate::support::python::python()
}

fn in_environment(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = renamed(scratch, arguments);
    command.env("JUPYTER_PATH", scratch.path("venv/share/jupyter"));
    command
}

#[test]
fn a_kernels_own_exec_and_dashes_are_not_taken_for_the_launchers() {
    let scratch = Scratch::new();
    let (folder, python) = environments_own(&scratch, true);
    let before = std::fs::read_to_string(folder.join("kernel.json")).unwrap();
    succeed(&mut in_environment(&scratch, &["wrap", "own", "--config", &config_of(&scratch)]));
    assert_eq!(argv_of(&folder)[..3], [python.as_str(), "{resource_dir}/jupyter-vault-launcher.py", "exec"]);
    // Restored by hand, and then edited.
    let restored = before.replace("\"K\"", "\"Mine\"");
    std::fs::write(folder.join("kernel.json"), &restored).unwrap();
    succeed(&mut in_environment(&scratch, &["unwrap", "own"]));
    assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), restored);
    // Wrapped with other options, it is restored completely.
    succeed(&mut in_environment(&scratch, &["wrap", "own", "--config", &config_of(&scratch)]));
    let text = std::fs::read_to_string(folder.join("kernel.json")).unwrap();
    std::fs::write(folder.join("kernel.json"), text.replace("\"--config\"", "\"--timeout\", \"5\", \"--config\""))
        .unwrap();
    succeed(&mut in_environment(&scratch, &["unwrap", "own"]));
    assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), restored);
}

#[test]
fn wrap_and_doctor_say_when_an_editor_would_drop_the_launcher() {
    for has_package in [false, true] {
        let scratch = Scratch::new();
        let (folder, python) = environments_own(&scratch, has_package);
        let config = config_of(&scratch);
        let wrapped = succeed(&mut in_environment(&scratch, &["wrap", "own", "--config", &config]));
        let doctor = run(&mut in_environment(&scratch, &["doctor", "--config", &config]));
        let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
        for text in [&wrapped.stderr, &doctor] {
            assert_eq!(
                text.contains(&format!("own: VS Code replaces the launcher by {python}")),
                !has_package,
                "{text}"
            );
            assert_eq!(text.contains("-m pip install jupyter-vault"), !has_package, "{text}");
        }
        assert_eq!(argv_of(&folder)[0] == python, has_package);
        // In the user's own folder, no front end replaces a word.
        own_spec(
            &scratch,
            "mine",
            &format!("{{\"argv\": [\"{python}\", \"-m\", \"k\"], \"display_name\": \"M\", \"language\": \"x\"}}\n"),
        );
        let wrapped = succeed(&mut in_environment(&scratch, &["wrap", "mine", "--config", &config]));
        assert!(!wrapped.stderr.contains("VS Code"), "{}", wrapped.stderr);
    }
}

#[test]
fn doctor_reports_what_else_starts_a_kernel() {
    let scratch = Scratch::new();
    let own = ", \"metadata\": {\"kernel_provisioner\": {\"provisioner_name\": \"slurm\"}}}";
    own_spec(&scratch, "batch", &SPEC.replace('}', own));
    own_spec(&scratch, "far", &SPEC.replace("\"/bin/cat\", \"-u\"", "\"env\", \"A=1\", \"ssh\", \"host\""));
    own_spec(&scratch, "plain", SPEC);
    let doctor = run(&mut renamed(&scratch, &["doctor", "--config", &config_of(&scratch)]));
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    for word in ["batch names its own provisioner, slurm", "ssh runs far elsewhere: the environment may not"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("plain names") && !said.contains("plain runs"), "{said}");
}

#[test]
fn a_byte_order_mark_is_reported_as_one() {
    let scratch = Scratch::new();
    own_spec(&scratch, "marked", &format!("\u{feff}{SPEC}"));
    run(&mut renamed(&scratch, &["wrap", "marked", "--config", &config_of(&scratch)]))
        .is_error(78, &["byte order mark"]);
}

#[test]
fn a_suffix_marks_a_wrapped_kernel_is_kept_by_wrap_and_removed_by_unwrap() {
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    let before = tree(&folder);
    let shown = || {
        let mut list = Command::new(crate::support::python::environment().join("bin/jupyter"));
        let outcome = succeed(jupyter(&mut list, &scratch).args(["kernelspec", "list", "--json"]));
        let listed: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
        listed["kernelspecs"]["vaulted"]["spec"]["display_name"].as_str().unwrap().to_owned()
    };
    for (flags, expected) in [
        (&["--suffix"][..], "Python 3 (ipykernel) (secrets)"),
        (&[], "Python 3 (ipykernel) (secrets)"),
        (&["--suffix= with \"secrets\""], "Python 3 (ipykernel) with \"secrets\""),
        (&["--suffix="], "Python 3 (ipykernel)"),
        (&["--suffix"], "Python 3 (ipykernel) (secrets)"),
    ] {
        succeed(&mut vault(&scratch, &[&["wrap", "vaulted"], flags].concat()));
        assert_eq!(shown(), expected, "{flags:?}");
    }
    succeed(&mut vault(&scratch, &["unwrap", "vaulted"]));
    assert_eq!(tree(&folder), before);
    // A name that was edited since then stays.
    succeed(&mut vault(&scratch, &["wrap", "vaulted", "--suffix"]));
    let file = folder.join("kernel.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("Python 3 (ipykernel) (secrets)", "Mine")).unwrap();
    succeed(&mut vault(&scratch, &["unwrap", "vaulted"]));
    assert_eq!(shown(), "Mine");
}
