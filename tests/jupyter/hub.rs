//! A real JupyterHub with the configuration in `examples/jupyterhub`: two users log in, and each one's kernels
//! have that user's secrets.
#![cfg(feature = "inject")]

use crate::support::front_end::{ipykernel, kernelspec};
use crate::support::launcher::{Outcome, Scratch, binary, eventually, run};
use crate::support::openbao::Server;
use crate::support::policies::{hub_role, two_secrets};
use crate::support::python;
use crate::support::server::{JupyterServer, Kind, User};
use serde_json::{Value, json};

const LOOK: &str = "import os, json; print(json.dumps({'own': os.environ.get('OWN'), \
    'credentials': [n for n in os.environ if 'VAULT' in n and 'TOKEN' in n]}))";

/// The hub's configuration for this machine, in addition to the example.
fn configuration(scratch: &Scratch) -> String {
    let singleuser = python::jupyterhub().join("bin/jupyterhub-singleuser");
    let folder = |name: &str| scratch.path(name).display().to_string();
    format!(
        "load_subconfig({example:?})\n\
         c.JupyterHub.authenticator_class = 'dummy'\n\
         c.Authenticator.allow_all = True\n\
         c.JupyterHub.spawner_class = 'simple'\n\
         c.JupyterHub.db_url = 'sqlite:///{runtime}/hub.sqlite'\n\
         c.JupyterHub.cookie_secret_file = '{runtime}/cookie-secret'\n\
         c.ConfigurableHTTPProxy.pid_file = '{runtime}/proxy.pid'\n\
         c.SimpleLocalProcessSpawner.home_dir_template = '{home}/{{username}}'\n\
         c.Spawner.cmd = [{singleuser:?}]\n\
         c.Spawner.args = ['--allow-root', '--ServerApp.jpserver_extensions=jupyter_vault.section=True', \
                           '--VaultSection.launcher={launcher}']\n\
         c.Spawner.http_timeout = 60\n\
         c.Spawner.environment = {{'JUPYTER_PATH': '{home}', 'PYTHONPATH': '{python}', 'JUPYTER_PLATFORM_DIRS': '1', 'NO_PROXY': '*'}}\n",
        example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/jupyterhub/jupyterhub_config.py"),
        python = concat!(env!("CARGO_MANIFEST_DIR"), "/python"),
        launcher = binary().display(),
        home = folder("home"),
        runtime = folder("runtime"),
    )
}

/// How many tokens there are.
fn tokens(server: &Server) -> usize {
    server.api("LIST", "auth/token/accessors", None).1["data"]["keys"].as_array().map_or(0, Vec::len)
}

/// `inject KERNEL` through `of`'s server behind the hub, with `who`'s hub token.
/// A hub, its Vault, and the folder of both.
#[derive(Clone, Copy)]
struct Site<'a> {
    scratch: &'a Scratch,
    vault: &'a Server,
    hub: &'a JupyterServer,
}

fn inject(Site { scratch, vault, hub }: Site<'_>, of: &str, who: &str, kernel: &str) -> Outcome {
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", vault.address()).env("VAULT_TOKEN", "root").arg("inject").arg(kernel);
    command.args(["--url", &format!("{}/user/{of}/", hub.address()), "--secrets", "secret/hubbed"]);
    run(command.arg("--token-file").arg(scratch.path(&format!("runtime/token-of-{who}"))))
}

/// The user's kernel can be reached by its notebook and by its id; another user can't reach it.
fn reached_through_the_hub(site: Site<'_>, name: &str, user: &mut User, id: &str) {
    let Site { scratch, vault, .. } = site;
    vault.put("hubbed", &json!({"HUBBED": format!("canary-of-{name}")}));
    user.ask("keep_token", json!({"to": scratch.path(&format!("runtime/token-of-{name}"))}));
    user.ask("open_notebook", json!({"path": "work/one.ipynb", "kernel": "one"}));
    let said = |kernel: &str| {
        let outcome = inject(site, name, name, kernel);
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        String::from_utf8(outcome.stdout).unwrap()
    };
    assert_eq!(said("work/one.ipynb"), format!("{id}: set HUBBED\n"));
    assert_eq!(user.cell("import os; print(os.environ['HUBBED'])").printed(), format!("canary-of-{name}"));
    for kernel in [id, &id[..8], "one"] {
        assert_eq!(said(kernel), format!("{id}: nothing to do, it already has the same versions\n"));
    }
    let other = if name == "ada" { "bert" } else { "ada" };
    inject(site, other, name, id).is_error(84, &["refuses the token"]);
}

#[test]
fn two_users_of_a_hub_have_their_own_secrets_and_their_tokens_end_with_their_servers() {
    let server = Server::start();
    two_secrets(&server);
    hub_role(&server);

    let scratch = Scratch::new();
    let vault = include_str!("../../examples/jupyterhub/vault.toml");
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    kernelspec(&scratch, &vault.replace("https://vault.example.org:8200", &server.address()), &[], &command);
    scratch.file("config/jupyterhub_config.py", configuration(&scratch));
    let token_file = scratch.file("runtime/hub-token", server.token(&["jupyterhub"], &json!({})));
    let address = server.address();
    let variables = [("VAULT_ADDR", address.as_str()), ("HUB_VAULT_TOKEN_FILE", token_file.to_str().unwrap())];
    let before = tokens(&server);
    let hub = JupyterServer::start(Kind::JupyterHub, &scratch, &variables);
    let site = Site { scratch: &scratch, vault: &server, hub: &hub };

    let mut users = ["ada", "bert"].map(|name| (name, User::of_hub(&hub, name, "any")));
    assert_eq!(tokens(&server), before + 2);
    for (name, user) in &mut users {
        let id = user.ask("launch", json!({}))["id"].as_str().unwrap().to_owned();
        let cell = user.cell(LOOK);
        let seen: Value = serde_json::from_str(&cell.printed()).unwrap_or_else(|_| panic!("{cell:?} {}", hub.log()));
        assert_eq!((&seen["own"], &seen["credentials"]), (&json!(name), &json!([])), "{seen}");
        user.ask("restart", json!({}));
        assert!(user.cell(LOOK).printed().contains(&format!("\"own\": \"{name}\"")));
        let other = if *name == "ada" { "bert" } else { "ada" };
        let elsewhere = format!("{}/user/{other}", hub.address());
        assert_eq!(user.ask("status", json!({"at": elsewhere, "path": "api/kernels"}))["status"], 403);
        // The Secrets section answers its own user (nothing is set up there), and not another one.
        let section = |of: &str| json!({"at": format!("{}/user/{of}", hub.address()), "path": "jupyter-vault/secrets"});
        assert_eq!(user.ask("status", section(name))["status"], 422);
        assert_eq!(user.ask("status", section(other))["status"], 403);
        reached_through_the_hub(site, name, user, &id);
    }
    for (name, user) in &mut users {
        user.ask("delete", json!({}));
        user.ask("leave_hub", json!({"at": hub.address(), "user": *name}));
    }
    inject(site, "ada", "ada", "any").is_error(85, &["is not started", "start it and"]);
    eventually("the users' tokens are revoked", || tokens(&server) == before);
    let log = hub.log();
    assert!(!log.contains("Traceback"), "{log}");
}
