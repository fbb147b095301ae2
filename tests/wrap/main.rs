//! `wrap` and `unwrap` on real kernelspecs: what they write, what they leave alone, and that the kernels start.

mod crash;
mod found;
mod kernelspecs;
#[path = "../support/mod.rs"]
mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::faults::{Faults, relay_to};
use support::kernelspecs::{IPYKERNEL, bare_venv, jupyter, listed, spec, succeed, tree, user, vault};
use support::launcher::{Scratch, binary, run};
use support::openbao::Server;
use support::python::{environment, python};

/// The argv of the kernel.json in `folder`.
#[track_caller]
fn argv(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("kernel.json")).unwrap();
    let spec: Value = serde_json::from_str(&text).unwrap();
    spec["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The text of a vault.toml for `secret/PATH`, with its token beside it.
fn config_text(address: &str, path: &str) -> String {
    format!(
        "# ours\n[vault]\naddress = \"{address}\"\n[auth]\ntoken_file = \"token\" # there\n[[source]]\nkv = \"secret/{path}\"\n"
    )
}

/// Such a file.
fn config(scratch: &Scratch, address: &str, path: &str) -> String {
    scratch.file("token", "root\n");
    scratch.file("team.toml", config_text(address, path)).display().to_string()
}

#[test]
fn a_wrapped_kernel_starts_with_its_secrets_asks_once_and_is_unwrapped_byte_for_byte() {
    let server = Server::shared();
    server.put("wrapped", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
    let relay = Faults::start(relay_to(server.port()));
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    let before = tree(&folder);
    let config = config(&scratch, &relay.address(), "wrapped");
    succeed(&mut vault(&scratch, &["wrap", "vaulted", "--config", &config]));

    let text = std::fs::read_to_string(folder.join("kernel.json")).unwrap();
    let launcher = binary().display();
    let python = environment().canonicalize().unwrap().join("bin/python");
    let python = python.display();
    let words = format!(
        "  \"{launcher}\",\n  \"exec\",\n  \"--config\",\n  \"{{resource_dir}}/vault.toml\",\n  \"--\",\n  \"{python}\","
    );
    assert_eq!(text, IPYKERNEL.replace("  \"python\",", &words));
    let settings = std::fs::read_to_string(folder.join("vault.toml")).unwrap();
    assert!(settings.contains("[[mount]]\npath = \"secret\"\nversion = 2\n"), "{settings}");
    assert!(settings.starts_with("# ours\n") && settings.contains(" # there\n"), "{settings}");

    let asked = relay.seen().len();
    let mut command = Command::new(crate::support::python::python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kernel.py"));
    let seen: Value = serde_json::from_slice(&succeed(jupyter(&mut command, &scratch)).stdout).unwrap();
    assert_eq!((&seen["first"]["length"], &seen["second"]["length"]), (&json!(21), &json!(21)), "{seen}");
    assert_eq!(seen["interrupted"], "KeyboardInterrupt", "{seen}");
    // Started and restarted: one request each, because the KV version was written to the file.
    assert_eq!(relay.seen().len() - asked, 2, "{:?}", relay.seen());

    succeed(&mut vault(&scratch, &["unwrap", "vaulted"]));
    assert_eq!(tree(&folder), before);
}

#[test]
fn a_second_wrap_changes_nothing_and_asks_nothing() {
    let relay = Faults::start(relay_to(Server::shared().port()));
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    scratch.file("config/vault.toml", config_text(&relay.address(), "settings"));
    scratch.file("config/token", "root\n");
    succeed(&mut vault(&scratch, &["wrap", "vaulted"]));
    let stamps = || {
        let files = ["kernel.json", "vault.toml", "jupyter-vault.json"];
        files.map(|name| std::fs::metadata(folder.join(name)).unwrap().modified().unwrap())
    };
    let (before, then, asked) = (tree(&folder), stamps(), relay.seen().len());
    assert_eq!(asked, 1, "{:?} the mount, once", relay.seen());
    for arguments in [["wrap", "vaulted"].as_slice(), &["wrap", "VAULTED", "vaulted"]] {
        let outcome = succeed(&mut vault(&scratch, arguments));
        assert!(String::from_utf8_lossy(&outcome.stdout).contains("vaulted: already wrapped"), "{outcome:?}");
        assert_eq!((tree(&folder), stamps()), (before.clone(), then));
    }
    assert_eq!(relay.seen().len(), asked);
    succeed(&mut vault(&scratch, &["unwrap", "--all"]));
    succeed(&mut vault(&scratch, &["unwrap", "--all"]));
    run(&mut vault(&scratch, &["unwrap", "vaulted"])).is_error(64, &["was not wrapped", "jupyter-vault.json"]);
}

#[test]
fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    let before = tree(&folder);
    let said = |arguments: &[&str]| {
        let outcome = succeed(vault(&scratch, arguments).env("VAULT_ADDR", "http://127.0.0.1:9"));
        String::from_utf8(outcome.stdout).unwrap()
    };
    let shown = said(&["wrap", "vaulted", "--dry-run"]);
    assert_eq!(tree(&folder), before);
    let file = folder.join("kernel.json").display().to_string();
    let head = format!(
        "--- {file}\n+++ {file}\n@@ -1,6 +1,11 @@\n {{\n  \"argv\": [\n-  \"python\",\n+  \"{}\",\n",
        binary().display()
    );
    assert!(shown.starts_with(&head), "{shown}");
    let settings = format!("--- /dev/null\n+++ {}\n", folder.join("vault.toml").display());
    assert!(shown.contains(&settings) && shown.contains("+address = \"http://127.0.0.1:9\"\n"), "{shown}");
    // The diff shows what is then done, and undone.
    said(&["wrap", "vaulted"]);
    let wrapped = tree(&folder);
    let shown = said(&["unwrap", "vaulted", "--dry-run"]);
    assert!(shown.contains("+  \"python\",\n") && shown.contains("+++ /dev/null"), "{shown}");
    assert_eq!(tree(&folder), wrapped);
}

#[test]
fn a_difference_can_be_given_to_patch() {
    let scratch = Scratch::new();
    let text = "{\r \"argv\": [\"k\"],\n \"display_name\": \"x\", \"language\": \"x\"}";
    let file = spec(&user(&scratch), "my kernel", text).join("kernel.json");
    let outcome = succeed(&mut vault(&scratch, &["wrap", "my kernel", "--dry-run"]));
    let shown = String::from_utf8(outcome.stdout).unwrap();
    // A name with a space ends at a tab, and a line at a line feed.
    let head =
        format!("--- {0}\t\n+++ {0}\t\n@@ -1,2 +1,2 @@\n-{{\r \"argv\": [\"k\"],\n+{{\r \"argv\": [", file.display());
    assert!(shown.starts_with(&head), "{shown:?}");
    assert!(
        shown
            .contains("\n  \"display_name\": \"x\", \"language\": \"x\"}\n\\ No newline at end of file\n--- /dev/null")
    );
}

#[test]
fn every_valid_kernelspec_can_be_wrapped_and_restored() {
    let scratch = Scratch::new();
    let root = user(&scratch);
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let odd = [("range", "1e999"), ("half", "\"\\ud83d\""), ("deep", deep.as_str())];
    for (name, value) in odd {
        spec(&root, name, &IPYKERNEL.replace("\"debugger\": true", &format!("\"debugger\": {value}")));
    }
    let before = tree(&root);
    // Its answer contains things that a strict JSON parser refuses, so it is treated as text.
    let judge = || {
        let mut list = Command::new(environment().join("bin/jupyter"));
        let outcome = succeed(jupyter(&mut list, &scratch).args(["kernelspec", "list", "--json"]));
        let text = String::from_utf8(outcome.stdout).unwrap();
        odd.map(|(name, _)| text.contains(&format!("\"resource_dir\": \"{}\"", root.join(name).display())))
    };
    assert_eq!(judge(), [true; 3]);
    for (name, _) in odd {
        succeed(&mut vault(&scratch, &["wrap", name]));
        let text = std::fs::read_to_string(root.join(name).join("kernel.json")).unwrap();
        assert!(text.contains("\"{resource_dir}/vault.toml\",\n"), "{text}");
    }
    assert_eq!(judge(), [true; 3]);
    succeed(&mut vault(&scratch, &["unwrap", "--all"]));
    assert_eq!(tree(&root), before);
}

#[test]
fn a_kernels_other_python_version_is_still_the_one_that_is_started() {
    let scratch = Scratch::new();
    let venv = bare_venv(&scratch);
    let other = venv.join("bin/python3.0");
    std::fs::copy("/bin/sh", &other).unwrap();
    let path = format!("{}:/usr/bin:/bin", venv.join("bin").display());
    let folder = spec(&user(&scratch), "other", &IPYKERNEL.replace("\"python\"", "\"python3.0\""));
    succeed(vault(&scratch, &["wrap", "other"]).env("PATH", &path));
    assert_eq!(argv(&folder)[5], other.display().to_string());
}

#[test]
#[ignore = "needs root, or a user with two groups"]
fn files_keep_their_groups_and_other_groups_get_no_more_rights_than_others() {
    use std::os::unix::fs::{MetadataExt, chown};
    let root = nix::unistd::geteuid().is_root();
    let own = nix::unistd::getegid().as_raw();
    let more = nix::unistd::getgroups().unwrap().into_iter().map(nix::unistd::Gid::as_raw);
    let group = more.chain(root.then_some(4321)).find(|group| *group != own).expect("root, or a user with two groups");
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "shared", IPYKERNEL);
    std::fs::write(folder.join("vault.toml"), config_text(&Server::shared().address(), "settings")).unwrap();
    std::fs::write(folder.join("token"), "root").unwrap();
    let groups = || ["kernel.json", "vault.toml"].map(|name| folder.join(name).metadata().unwrap().gid());
    let close = |name: &str| {
        std::fs::set_permissions(folder.join(name), Permissions::from_mode(0o640)).unwrap();
        chown(folder.join(name), None, Some(group)).unwrap();
    };
    // Each file separately: vault.toml is rewritten with its mount.
    close("vault.toml");
    succeed(&mut vault(&scratch, &["wrap", "shared"]));
    assert!(std::fs::read_to_string(folder.join("vault.toml")).unwrap().contains("[[mount]]"));
    assert_eq!(groups(), [own, group]);
    succeed(&mut vault(&scratch, &["unwrap", "shared"]));
    assert_eq!(groups(), [own, group]);
    close("kernel.json");
    succeed(&mut vault(&scratch, &["wrap", "shared"]));
    assert_eq!(groups(), [group, group]);
    succeed(&mut vault(&scratch, &["unwrap", "shared"]));
    if root {
        let mut helpless = Command::new("setpriv");
        let own = vault(&scratch, &["wrap", "shared"]);
        helpless.arg("--bounding-set=-chown").arg(own.get_program()).args(own.get_args());
        succeed(jupyter(&mut helpless, &scratch));
        assert_eq!(tree(&folder)[&folder.join("kernel.json")].0 & 0o777, 0o600);
        assert_eq!(tree(&folder)[&folder.join("logo-64x64.png")].0 & 0o077, 0o044);
    }
}

#[test]
fn settings_of_the_environment_are_written_and_credentials_are_not() {
    let server = Server::shared();
    server.put("settings", &json!({"KERNEL_SECRET": "canary"}));
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    scratch.file("config/vault.toml", "[vault]\nnamespace = \"\"\ntimeout = \"7s\"\n");
    let mut wrap = vault(&scratch, &["wrap", "vaulted"]);
    wrap.env("VAULT_ADDR", server.address())
        .env("VAULT_TOKEN", "root")
        .env("JUPYTER_VAULT_SECRETS", "secret/settings#KERNEL_SECRET=OTHER");
    wrap.env("JUPYTER_VAULT_ROLE_ID", "canary-role").env("VAULT_HTTP_PROXY", "").env("VAULT_CACERT", "ca.pem");
    wrap.env("JUPYTER_VAULT_TIMEOUT", "3").env("JUPYTER_VAULT_ALLOW", "PYTHONPATH,ENV").env("VAULT_SKIP_VERIFY", "F");
    let outcome = succeed(&mut wrap);
    assert_eq!(outcome.stderr, "");
    let text = std::fs::read_to_string(folder.join("vault.toml")).unwrap();
    let expected = format!(
        "\n[vault]\nlocked = true\naddress = \"{}\"\nca_cert = \"{}\"\nskip_verify = false\n\n[environment]\nallow = [\"PYTHONPATH\", \"ENV\"]\n\n\
         [[source]]\nkv = \"secret/settings\"\nfield = \"KERNEL_SECRET\"\nname = \"OTHER\"\n\n[[mount]]\npath = \"secret\"\nversion = 2\n",
        server.address(),
        scratch.path("home").canonicalize().unwrap().join("ca.pem").display(),
    );
    assert!(text.ends_with(&expected), "{text}\n--\n{expected}");
    for (path, (_, content)) in tree(&folder) {
        let content = String::from_utf8_lossy(&content).into_owned();
        assert!(path.extension().is_some_and(|end| end == "png") || !content.contains("canary"), "{path:?}: {content}");
        assert!(!content.contains("\"root\""), "{path:?}: {content}");
    }
}

#[test]
fn if_vault_does_not_answer_the_kernel_is_wrapped_with_a_warning() {
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    let config = config(&scratch, "http://127.0.0.1:9", "settings");
    let outcome = succeed(&mut vault(&scratch, &["wrap", "vaulted", "--config", &config]));
    assert!(outcome.stderr.contains("wrapped anyway") && outcome.stderr.lines().count() == 2, "{}", outcome.stderr);
    let settings = || std::fs::read_to_string(folder.join("vault.toml")).unwrap();
    assert!(!settings().contains("[[mount]]"));
    // Once Vault runs, wrapping again adds the KV versions, which stay when it is gone again.
    let config = self::config(&scratch, &Server::shared().address(), "settings");
    succeed(&mut vault(&scratch, &["wrap", "vaulted", "--config", &config]));
    assert!(settings().contains("[[mount]]"));
    let config = self::config(&scratch, "http://127.0.0.1:9", "settings");
    succeed(&mut vault(&scratch, &["wrap", "vaulted", "--config", &config]));
    assert!(settings().contains("[[mount]]") && settings().contains("127.0.0.1:9\""), "{}", settings());
}

#[test]
fn later_edits_survive_unwrap() {
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    succeed(&mut vault(&scratch, &["wrap", "vaulted"]));
    let edit = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(folder.join(name), text.replacen(from, to, 1)).unwrap();
    };
    edit("kernel.json", "Python 3 (ipykernel)", "Mine");
    edit("kernel.json", "\"-m\"", "\"-X\", \"dev\", \"-m\"");
    edit("vault.toml", "#", "[environment]\noverride = false\n#");
    // Wrapping again keeps the edits and adds no second launcher.
    succeed(&mut vault(&scratch, &["wrap", "vaulted"]));
    assert_eq!(argv(&folder).iter().filter(|word| word.ends_with("jupyter-vault")).count(), 1);
    let outcome = succeed(&mut vault(&scratch, &["unwrap", "vaulted"]));
    assert!(
        String::from_utf8_lossy(&outcome.stdout).contains("vault.toml was edited since then, and is kept"),
        "{outcome:?}"
    );
    let expected = IPYKERNEL.replace("Python 3 (ipykernel)", "Mine").replace("\"-m\"", "\"-X\", \"dev\", \"-m\"");
    assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), expected);
    assert!(std::fs::read_to_string(folder.join("vault.toml")).unwrap().contains("override = false"));
    assert!(!folder.join("jupyter-vault.json").exists());
}

#[test]
fn an_existing_vault_toml_is_kept_and_restored() {
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    let own = format!("# mine\n{}", config_text(&Server::shared().address(), "settings")).trim_end().to_owned();
    std::fs::write(folder.join("vault.toml"), &own).unwrap();
    std::fs::write(folder.join("token"), "root").unwrap();
    std::fs::set_permissions(folder.join("vault.toml"), Permissions::from_mode(0o600)).unwrap();
    let before = tree(&folder);
    succeed(&mut vault(&scratch, &["wrap", "vaulted"]));
    let text = std::fs::read_to_string(folder.join("vault.toml")).unwrap();
    let locked = own.replace("[vault]\n", "[vault]\nlocked = true\n");
    assert_eq!(text, format!("{locked}\n\n[[mount]]\npath = \"secret\"\nversion = 2\n"));
    let mode = |name: &str| tree(&folder)[&folder.join(name)].0 & 0o777;
    assert_eq!((mode("vault.toml"), mode("jupyter-vault.json")), (0o600, 0o600), "no more may read it than before");
    succeed(&mut vault(&scratch, &["unwrap", "vaulted"]));
    assert_eq!(tree(&folder), before);
}

#[test]
fn links_and_read_only_files_come_back_as_they_were() {
    let scratch = Scratch::new();
    let root = user(&scratch);
    let store = scratch.path("store");
    spec(&store, "kept", IPYKERNEL);
    // A kernel.json that is a link, as dotfile managers create it; a folder that is one; a file that is read-only.
    let linked = spec(&root, "linked", "");
    std::fs::remove_file(linked.join("kernel.json")).unwrap();
    std::os::unix::fs::symlink("../../../../../../store/kept/kernel.json", linked.join("kernel.json")).unwrap();
    spec(&store, "behind", IPYKERNEL);
    std::os::unix::fs::symlink(store.join("behind"), root.join("folder")).unwrap();
    let locked = spec(&root, "locked", IPYKERNEL);
    std::fs::set_permissions(locked.join("kernel.json"), Permissions::from_mode(0o444)).unwrap();
    let before = (tree(&root), tree(&store));
    succeed(&mut vault(&scratch, &["wrap", "linked", "folder", "locked"]));
    for folder in [&linked, &store.join("behind"), &locked] {
        assert_eq!(argv(folder)[0], binary().to_str().unwrap());
    }
    assert_eq!(std::fs::read_to_string(store.join("kept/kernel.json")).unwrap(), IPYKERNEL, "what it leads to stays");
    assert_eq!(tree(&root)[&locked.join("kernel.json")].0 & 0o777, 0o444);
    succeed(&mut vault(&scratch, &["unwrap", "--all"]));
    assert_eq!((tree(&root), tree(&store)), before);
}

#[test]
fn kernelspecs_that_must_not_be_wrapped_are_skipped_with_a_warning() {
    let scratch = Scratch::new();
    let root = user(&scratch);
    spec(&root, "broken", "{\"argv\": [\"python\"");
    let open = spec(&root, "open", IPYKERNEL);
    std::fs::set_permissions(open.join("kernel.json"), Permissions::from_mode(0o666)).unwrap();
    let proxy = "\"metadata\": {\"process_proxy\": {\"class_name\": \"enterprise_gateway.services.processproxies.k8s.KubernetesProcessProxy\"}, ";
    spec(&root, "pod", &IPYKERNEL.replace("\"metadata\": {", proxy));
    let distributed = proxy.replace("k8s.KubernetesProcessProxy", "distributed.DistributedProcessProxy");
    spec(&root, "remote", &IPYKERNEL.replace("\"metadata\": {", &distributed));
    let by_hand = IPYKERNEL.replacen(
        "\"python\"",
        "\"env\", \"A=1\", \"/opt/bin/jupyter-vault\", \"exec\", \"--\", \"python\"",
        1,
    );
    spec(&root, "hand", &by_hand);
    let by_shell = "\"sh\", \"-c\", \"exec /opt/bin/jupyter-vault exec -- $0 $@\", \"python\"";
    spec(&root, "shell", &IPYKERNEL.replacen("\"python\"", by_shell, 1));
    spec(&root, "good", IPYKERNEL);
    let before = tree(&root);
    let outcome = succeed(&mut vault(&scratch, &["wrap", "--all", "--yes", "--user"]));
    let said = outcome.stderr.clone();
    for word in
        ["broken/kernel.json is not a valid kernelspec: line", "every user can write", "KubernetesProcessProxy starts"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    let said = String::from_utf8(outcome.stdout).unwrap();
    assert!(said.contains("hand: already has a launcher") && said.contains("good: wrapped in place"), "{said}");
    assert!(said.contains("shell: already has a launcher"), "{said}");
    assert!(said.contains("remote: wrapped in place"), "{said}");
    let mut after = tree(&root);
    after.retain(|path, _| before.contains_key(path));
    let changed: Vec<_> = after.iter().filter(|(path, content)| before.get(*path) != Some(content)).collect();
    let names: Vec<_> = changed.iter().map(|(path, _)| path.strip_prefix(&root).unwrap()).collect();
    assert_eq!(names, [Path::new("good/kernel.json"), Path::new("remote/kernel.json")]);
    // Named explicitly, each of them is an error.
    run(&mut vault(&scratch, &["wrap", "broken"])).is_error(78, &["it is not JSON"]);
    run(&mut vault(&scratch, &["wrap", "open"])).is_error(78, &["chmod o-w"]);
    run(&mut vault(&scratch, &["wrap", "pod"])).is_error(78, &["image"]);
    run(&mut vault(&scratch, &["wrap", "goot"])).is_error(64, &["did you mean good?"]);
    run(&mut vault(&scratch, &["unwrap", "hand"])).is_error(64, &["by hand"]);
    run(&mut vault(&scratch, &["unwrap", "nowhere"])).is_error(64, &["no kernel called nowhere"]);
    run(&mut vault(&scratch, &["wrap"])).is_error(64, &["use --all, or choose from: "]);
}

#[test]
fn an_upgraded_kernelspec_is_wrapped_again_and_restored() {
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    succeed(&mut vault(&scratch, &["wrap", "vaulted"]));
    let newer = IPYKERNEL.replace("\"-m\"", "\"-Xfrozen_modules=off\",\n  \"-m\"");
    std::fs::write(folder.join("kernel.json"), &newer).unwrap();
    succeed(&mut vault(&scratch, &["wrap", "vaulted"]));
    assert!(argv(&folder).contains(&"-Xfrozen_modules=off".to_owned()) && argv(&folder)[1] == "exec");
    succeed(&mut vault(&scratch, &["unwrap", "vaulted"]));
    assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), newer);
    assert!(!folder.join("vault.toml").exists());
}

#[test]
fn a_bare_program_becomes_the_one_that_jupyter_would_start_and_the_rest_stays() {
    let scratch = Scratch::new();
    let root = user(&scratch);
    let python = environment().canonicalize().unwrap().join("bin/python").display().to_string();
    let launcher = scratch.path("bin/jupyter-vault");
    std::fs::create_dir(scratch.path("bin")).unwrap();
    std::os::unix::fs::symlink(binary(), &launcher).unwrap();
    let path = format!("{}:{}/bin:/usr/bin:/bin", scratch.path("bin").display(), environment().display());
    for (word, expected, more) in [
        ("python", python.as_str(), ""),
        ("python3", &python, ""),
        ("env", "/usr/bin/env", ""),
        ("env", "env", "\"env\": {\"PATH\": \"/opt/bin\"}, "),
        ("no-such-program", "no-such-program", ""),
        ("/opt/kernel", "/opt/kernel", ""),
        ("bin/kernel", "bin/kernel", ""),
        ("{prefix}/bin/python", "{prefix}/bin/python", ""),
        ("{resource_dir}/run.sh", "{resource_dir}/run.sh", ""),
    ] {
        let _ = std::fs::remove_dir_all(root.join("vaulted"));
        let text = format!(
            "{{{more}\"argv\": [\"{word}\", \"{{connection_file}}\"], \"display_name\": \"x\", \"language\": \"x\"}}\r\n"
        );
        let folder = spec(&root, "vaulted", &text);
        succeed(vault(&scratch, &["wrap", "vaulted"]).env("PATH", &path));
        let words = argv(&folder);
        assert_eq!(words[5], expected, "{word}");
        // The path by which it was called survives an upgrade of its target.
        assert_eq!(words[0], launcher.display().to_string());
        succeed(vault(&scratch, &["unwrap", "vaulted"]).env("PATH", &path));
        assert_eq!(std::fs::read_to_string(folder.join("kernel.json")).unwrap(), text);
    }
}

#[test]
fn a_recorded_mount_works_for_a_deep_path_and_is_corrected_if_wrong() {
    let server = Server::shared();
    let (status, answer) =
        server.api("POST", "sys/mounts/deep/kv", Some(&json!({"type": "kv", "options": {"version": "1"}})));
    assert_eq!(status, 204, "{answer}");
    assert_eq!(server.api("POST", "deep/kv/ada", Some(&json!({"DEEP": "found"}))).0, 204);
    let relay = Faults::start(relay_to(server.port()));
    let scratch = Scratch::new();
    scratch.file("token", "root\n");
    let text = config_text(&relay.address(), "x").replace("secret/x", "deep/kv/ada");
    let launch = |mounts: &str| {
        let config = scratch.file("deep.toml", format!("{text}{mounts}"));
        let before = relay.seen().len();
        let mut command = scratch.launcher();
        command.args(["exec", "--config", config.to_str().unwrap(), "--", "env", "-0"]);
        assert_eq!(run(&mut command).environment().get("DEEP").map(String::as_str), Some("found"));
        relay.seen().len() - before
    };
    assert_eq!(launch("\n[[mount]]\npath = \"deep/kv\"\nversion = 1\n"), 1);
    assert_eq!(launch(""), 2, "not told, it asks");
    assert_eq!(launch("\n[[mount]]\npath = \"deep/kv\"\nversion = 2\n"), 3, "told wrong, it asks and reads again");
    assert!(launch("\n[[mount]]\npath = \"deep\"\nversion = 1\n") >= 1);
    let wrong = |mounts: &str, words: &[&str]| {
        let config = scratch.file("deep.toml", format!("{text}{mounts}"));
        let mut command = scratch.launcher();
        run(command.args(["exec", "--config", config.to_str().unwrap(), "--", "env"])).is_error(78, words);
    };
    wrong("[[mount]]\npath = \"deep\"\n", &["deep.toml:", "a mount needs a `path` and a `version`"]);
    wrong("[[mount]]\npaht = \"deep\"\n", &["did you mean `path`?"]);
    wrong("[mount]\n", &["write [[mount]]"]);
}

/// As a user who does not own `site`: root drops the capability to ignore permissions.
fn unprivileged(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = vault(scratch, arguments);
    if nix::unistd::geteuid().is_root() {
        let own = command;
        command = Command::new("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search,-fowner").arg(own.get_program());
        jupyter(command.args(own.get_args()), scratch);
    }
    command.env("JUPYTER_PLATFORM_DIRS", "1").env("XDG_DATA_DIRS", scratch.path("site"));
    command
}

#[test]
fn a_kernelspec_that_is_not_writable_is_copied_for_its_user_with_its_logos() {
    let scratch = Scratch::new();
    let site = spec(
        &scratch.path("site/jupyter/kernels"),
        "systems",
        &IPYKERNEL.replace("\"python\"", "\"{resource_dir}/run.sh\""),
    );
    std::fs::create_dir(site.join("more")).unwrap();
    std::fs::write(site.join("more/readme"), "more").unwrap();
    std::os::unix::fs::symlink("logo-64x64.png", site.join("logo-svg.png")).unwrap();
    let script = format!("#!/bin/sh\nexec {} -m ipykernel_launcher \"$3\" \"$4\"\n", python().display());
    std::fs::write(site.join("run.sh"), script).unwrap();
    std::fs::set_permissions(site.join("run.sh"), Permissions::from_mode(0o755)).unwrap();
    let close = |mode| {
        for folder in [&site, &site.join("more"), &scratch.path("site/jupyter/kernels"), &scratch.path("site/jupyter")]
        {
            std::fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
        }
    };
    close(0o555);
    let before = tree(&scratch.path("site"));
    let said = |arguments: &[&str]| String::from_utf8(succeed(&mut unprivileged(&scratch, arguments)).stdout).unwrap();
    let text = said(&["wrap", "systems"]);
    let copy = user(&scratch).join("systems");
    assert!(text.contains("wrapped as a copy") && text.contains(copy.to_str().unwrap()), "{text}");
    for file in ["logo-64x64.png", "logo-svg.png", "more/readme", "run.sh"] {
        assert_eq!(std::fs::read(copy.join(file)).unwrap(), std::fs::read(site.join(file)).unwrap(), "{file}");
    }
    assert_eq!(tree(&copy)[&copy.join("run.sh")].0 & 0o777, 0o755);
    assert_eq!(tree(&scratch.path("site")), before);
    let mut judge = Command::new(environment().join("bin/jupyter"));
    jupyter(&mut judge, &scratch).env("JUPYTER_PLATFORM_DIRS", "1").env("XDG_DATA_DIRS", scratch.path("site"));
    assert_eq!(listed(&mut judge)["systems"], copy, "Jupyter finds the copy first");
    assert!(said(&["wrap", "systems"]).contains("already wrapped"));
    // Wrapping again applies the package's changes to the copy, and keeps its own settings.
    let settings = std::fs::read(copy.join("vault.toml")).unwrap();
    close(0o755);
    let newer = std::fs::read_to_string(site.join("kernel.json")).unwrap().replace("Python 3 (ipykernel)", "Newer");
    std::fs::write(site.join("kernel.json"), &newer).unwrap();
    std::fs::remove_file(site.join("more/readme")).unwrap();
    close(0o555);
    let before = tree(&scratch.path("site"));
    assert!(said(&["wrap", "systems", "--dry-run"]).contains("+ \"display_name\": \"Newer\","));
    assert!(said(&["wrap", "systems"]).contains("wrapped as a copy"));
    assert!(std::fs::read_to_string(copy.join("kernel.json")).unwrap().contains("Newer"));
    assert_eq!(std::fs::read(copy.join("vault.toml")).unwrap(), settings);
    assert!(!copy.join("more/readme").exists() && said(&["wrap", "systems"]).contains("already wrapped"));
    // Removed again completely.
    assert!(said(&["unwrap", "systems"]).contains("removed the copy"));
    assert!(!copy.exists());
    assert_eq!(tree(&scratch.path("site")), before);
    // A copy that its user has edited stays, without the launcher.
    said(&["wrap", "systems"]);
    std::fs::write(copy.join("notes"), "mine").unwrap();
    assert!(said(&["unwrap", "systems"]).contains("is kept without the launcher"));
    assert_eq!(argv(&copy)[0], "{resource_dir}/run.sh");
    assert!(copy.join("notes").exists() && !copy.join("vault.toml").exists());
    // If no folder comes earlier for Jupyter, that is an error.
    let path = scratch.path("site/jupyter").display().to_string();
    let home = user(&scratch);
    std::fs::remove_dir_all(&copy).unwrap();
    std::fs::set_permissions(&home, Permissions::from_mode(0o555)).unwrap();
    let refused = run(&mut unprivileged(&scratch, &["wrap", "systems", "--user"]));
    refused.is_error(71, &["is not writable, so no kernelspec can be put there", "make it writable", "--sys-prefix"]);
    assert!(!refused.stderr.contains("--user"), "advice that fails too: {}", refused.stderr);
    std::fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
    let outcome = run(unprivileged(&scratch, &["wrap", "systems"]).env("JUPYTER_PATH", path));
    outcome.is_error(71, &["is not writable, nor is any folder that Jupyter searches before it"]);
    close(0o755);
}

#[test]
fn jupyters_native_kernel_is_wrapped_as_a_copy_with_a_kernel_json() {
    let scratch = Scratch::new();
    let venv = bare_venv(&scratch);
    let path = format!("{}:/usr/bin:/bin", venv.join("bin").display());
    let own = |arguments: &[&str]| succeed(vault(&scratch, arguments).env("PATH", &path));
    own(&["wrap", "python3"]);
    let copy = user(&scratch).join("python3");
    assert_eq!(argv(&copy)[5..7], [venv.join("bin/python").display().to_string(), "-m".to_owned()]);
    assert!(copy.join("logo-64x64.png").exists());
    let mut judge = Command::new(venv.join("bin/jupyter"));
    assert_eq!(listed(jupyter(&mut judge, &scratch).env("PATH", &path))["python3"], copy);
    own(&["unwrap", "python3"]);
    assert!(!copy.exists());
}
