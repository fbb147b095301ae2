//! `wrap` and `unwrap` killed at each system call that changes a file system: there is always the old kernelspec
//! or the new one, the next run continues, and unwrap restores every byte. And two at once.

#[path = "../support/trace.rs"]
mod trace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::faults::{Faults, relay_to};
use crate::support::kernelspecs::{IPYKERNEL, spec, succeed, tree, user, vault};
use crate::support::launcher::{Scratch, run};
use crate::support::openbao::Server;
use nix::libc;
use trace::Stopped;

/// The calls that create, change, move or remove files, by number.
const CALLS: [i64; 8] = [
    libc::SYS_rename,
    libc::SYS_fsync,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_mkdir,
    libc::SYS_fchmod,
    libc::SYS_write,
    libc::SYS_symlink,
];

type Tree = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// What a kernelspec that Jupyter finds may look like at any moment.
fn is_whole(folder: &Path, texts: &[&Vec<u8>]) {
    let text = std::fs::read(folder.join("kernel.json")).expect("there is a kernel.json at any moment");
    assert!(texts.contains(&&text), "{}", String::from_utf8_lossy(&text));
}

/// Kills `arguments` at each call in turn, each time after `prepare`, and passes on what is left.
fn killed_everywhere(scratch: &Scratch, arguments: &[&str], prepare: impl Fn(), check: impl Fn(usize)) -> usize {
    let mut kills = 0;
    for call in CALLS {
        for nth in 0.. {
            prepare();
            let mut command = vault(scratch, arguments);
            command.env("VAULT_ADDR", "http://127.0.0.1:9");
            let Some(stopped) = Stopped::try_at(&mut command, call, nth) else { break };
            drop(stopped);
            check(kills);
            kills += 1;
        }
    }
    kills
}

#[test]
fn a_crash_anywhere_leaves_the_old_or_the_new_kernelspec_and_the_next_run_continues() {
    let scratch = Scratch::new();
    let root = user(&scratch);
    let folder = root.join("python3");
    let reset = || {
        let _ = std::fs::remove_dir_all(&root);
        spec(&root, "python3", IPYKERNEL);
    };
    let wrap = || succeed(vault(&scratch, &["wrap", "python3"]).env("VAULT_ADDR", "http://127.0.0.1:9"));
    let unwrap = || run(&mut vault(&scratch, &["unwrap", "python3"]));
    reset();
    let before: Tree = tree(&root);
    wrap();
    let after: Tree = tree(&root);
    let kernel_json = folder.join("kernel.json");
    let texts = [&before[&kernel_json].1, &after[&kernel_json].1];
    assert_ne!(texts[0], texts[1]);

    let kills = killed_everywhere(&scratch, &["wrap", "python3"], reset, |kill| {
        is_whole(&folder, &texts);
        if kill % 2 == 0 {
            wrap();
            assert_eq!(tree(&root), after, "after kill {kill} and wrap");
        }
        // If there is nothing to unwrap, that is an error; only the remains matter here.
        unwrap();
        assert_eq!(tree(&root), before, "after kill {kill} and unwrap");
    });
    assert!(kills >= 9, "a record, a vault.toml and a kernel.json, each written, synced, renamed: {kills}");

    let wrapped = || {
        reset();
        wrap();
    };
    let kills = killed_everywhere(&scratch, &["unwrap", "python3"], wrapped, |kill| {
        is_whole(&folder, &texts);
        if kill % 2 == 0 {
            wrap();
            assert_eq!(tree(&root), after, "after kill {kill} and wrap");
        }
        unwrap();
        assert_eq!(tree(&root), before, "after kill {kill} and unwrap");
    });
    assert!(kills >= 5, "{kills}");
}

#[test]
fn a_copy_is_complete_or_absent_after_a_crash_anywhere() {
    let scratch = Scratch::new();
    let data = scratch.path("home/.local/share/jupyter");
    let site = scratch.path("site/jupyter/kernels");
    spec(&site, "mine", IPYKERNEL);
    let command = |arguments: &[&str]| {
        let mut command = vault(&scratch, arguments);
        command.env("VAULT_ADDR", "http://127.0.0.1:9").env("JUPYTER_PLATFORM_DIRS", "1");
        command.env("XDG_DATA_DIRS", scratch.path("site"));
        command
    };
    let reset = || {
        let _ = std::fs::remove_dir_all(&data);
    };
    succeed(&mut command(&["wrap", "mine", "--user"]));
    let (original, after) = (tree(&site), tree(&data));
    let copied = data.join("kernels/mine");
    let text = &after[&copied.join("kernel.json")].1;
    let mut kills = 0;
    for arguments in [["wrap", "mine", "--user"].as_slice(), &["unwrap", "mine"]] {
        for call in CALLS {
            for nth in 0.. {
                reset();
                if arguments[0] == "unwrap" {
                    succeed(&mut command(&["wrap", "mine", "--user"]));
                }
                let Some(stopped) = Stopped::try_at(&mut command(arguments), call, nth) else { break };
                drop(stopped);
                kills += 1;
                if copied.exists() {
                    is_whole(&copied, &[text]);
                    assert_eq!(tree(&copied), {
                        let mut whole = after.clone();
                        whole.retain(|path, _| path.starts_with(&copied) && *path != copied);
                        whole
                    });
                }
                if nth % 2 == 0 {
                    succeed(&mut command(&["wrap", "mine", "--user"]));
                    assert_eq!(tree(&data), after);
                }
                run(&mut command(&["unwrap", "mine"]));
                let left = tree(&data);
                assert!(left.keys().all(|path| *path == data.join("kernels")), "{left:?}");
                assert_eq!(tree(&site), original);
            }
        }
    }
    assert!(kills >= 20, "{kills}");
}

#[test]
fn a_concurrent_wrap_is_noticed_and_can_be_undone() {
    let scratch = Scratch::new();
    let root = user(&scratch);
    spec(&root, "python3", IPYKERNEL);
    let before: Tree = tree(&root);
    let other = |arguments: &[&str]| {
        let mut other = vault(&scratch, arguments);
        other.env("VAULT_ADDR", "http://127.0.0.1:9");
        let other = Mutex::new(other);
        let vault_itself = relay_to(Server::shared().port());
        Faults::start(move |request, nth| {
            if nth == 0 {
                succeed(&mut other.lock().unwrap());
            }
            vault_itself(request, nth)
        })
    };
    scratch.file("home/.vault-token", "root");
    let wrap = |relay: &Faults, config: &[&str]| {
        let arguments = [&["wrap", "python3", "--user"], config].concat();
        let mut asking = vault(&scratch, &arguments);
        succeed(asking.env("VAULT_ADDR", relay.address()).env("JUPYTER_VAULT_SECRETS", "secret/x"));
        let settings = std::fs::read_to_string(root.join("python3/vault.toml")).unwrap();
        assert!(String::from_utf8_lossy(&tree(&root)[&root.join("python3/kernel.json")].1).contains("\"exec\""));
        settings
    };
    let relay = other(&["wrap", "python3", "--user"]);
    let settings = wrap(&relay, &[]);
    assert!(!relay.seen().is_empty() && settings.contains("http://127.0.0.1:9"), "the first to end wins: {settings}");
    succeed(&mut vault(&scratch, &["unwrap", "python3"]));
    assert_eq!(tree(&root), before);

    // And the changes of an unwrap.
    succeed(vault(&scratch, &["wrap", "python3", "--user"]).env("VAULT_ADDR", "http://127.0.0.1:9"));
    let relay = other(&["unwrap", "python3"]);
    let text = format!("[vault]\naddress = \"{}\"\n[[source]]\nkv = \"secret/x\"\n", relay.address());
    let config = scratch.file("team.toml", text).display().to_string();
    wrap(&relay, &["--config", &config]);
    assert!(!relay.seen().is_empty());
    succeed(&mut vault(&scratch, &["unwrap", "python3"]));
    assert_eq!(tree(&root), before);
}

#[test]
fn an_unwrap_that_waited_for_a_wrap_undoes_what_that_did() {
    let scratch = Scratch::new();
    let root = user(&scratch);
    let folder = spec(&root, "python3", IPYKERNEL);
    let before: Tree = tree(&root);
    let wrap = || succeed(vault(&scratch, &["wrap", "python3", "--user"]).env("VAULT_ADDR", "http://127.0.0.1:9"));
    // As an interrupted wrap leaves it.
    wrap();
    std::fs::write(folder.join("kernel.json"), IPYKERNEL).unwrap();
    let waiting = Stopped::at(&mut vault(&scratch, &["unwrap", "python3"]), libc::SYS_flock, 0);
    wrap();
    waiting.end();
    assert_eq!(tree(&root), before);
}
