//! Runs each recipe of docs/recipes.md on a real server, as it is written there.
#![cfg(all(feature = "manage", target_os = "linux"))]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};
use support::launcher::{Outcome, Scratch, eventually, finish, run};
use support::openbao::{Server, free_ports};
use support::policies::accessor;
use support::postgres::Postgres;

const RECIPES: &str = include_str!("../docs/recipes.md");

/// A recipe with its policy loaded for `ada` and `bert`, and a home folder to run it in.
struct Recipe {
    server: Server,
    scratch: Scratch,
    text: &'static str,
}

/// The block of that language in a recipe.
fn block(text: &str, language: &str) -> String {
    text.split(&format!("```{language}\n")).nth(1).expect("a block").split("```").next().unwrap().to_owned()
}

impl Recipe {
    fn of(heading: &str) -> Self {
        let server = Server::start();
        let text = RECIPES.split("\n## ").find(|part| part.starts_with(&format!("{heading}\n"))).expect("a recipe");
        let block = |language: &str| block(text, language);
        server.enable_auth("userpass", "userpass");
        server.policy("recipe", &block("hcl").replace("ACCESSOR", &accessor(&server, "userpass/")));
        for user in ["ada", "bert"] {
            let account = json!({"password": "right", "token_policies": "recipe"});
            server.must("POST", &format!("auth/userpass/users/{user}"), &account);
            server.put(&format!("users/{user}"), &json!({ "OWN": user, "BOTH": "own" }));
        }
        let scratch = Scratch::new();
        let settings = block("toml").replace("https://vault.example.org:8200", &server.address());
        scratch.file("config/vault.toml", settings);
        let password = scratch.file("config/password", "right\n");
        std::fs::set_permissions(password, PermissionsExt::from_mode(0o600)).unwrap();
        Self { server, scratch, text }
    }

    fn block(&self, language: &str) -> String {
        block(self.text, language)
    }

    fn launch(&self, variables: &[(&str, &str)]) -> Outcome {
        let mut command = self.scratch.launcher();
        run(command.envs(variables.iter().copied()).args(["exec", "--", "/usr/bin/env", "-0"]))
    }

    /// What a kernel gets, without its parent's variables.
    #[track_caller]
    fn gives(&self, variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut environment = self.launch(variables).environment();
        environment.retain(|name, _| !matches!(name.as_str(), "PATH" | "HOME") && !name.starts_with("JUPYTER_"));
        environment.retain(|name, _| !variables.iter().any(|(known, _)| known == name));
        environment
    }

    fn token(&self, user: &str) -> String {
        let answer = self.server.must("POST", &format!("auth/userpass/login/{user}"), &json!({"password": "right"}));
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }
}

fn names(environment: &BTreeMap<String, String>) -> Vec<&str> {
    environment.keys().map(String::as_str).collect()
}

#[test]
fn a_notebook_gets_its_own_secrets_and_one_without_any_starts_too() {
    let recipe = Recipe::of("Secrets of one notebook");
    recipe.server.put("notebooks/ada/report", &json!({"REPORT_KEY": "1"}));
    let session = |name: &'static str| [("JPY_SESSION_NAME", name)];
    assert_eq!(names(&recipe.gives(&session("/home/ada/report.ipynb"))), ["BOTH", "OWN", "REPORT_KEY"]);
    assert_eq!(names(&recipe.gives(&session("/home/ada/other.ipynb"))), ["BOTH", "OWN"]);
}

#[test]
fn a_team_shares_a_folder_and_a_users_own_secret_wins() {
    let recipe = Recipe::of("Secrets of a team");
    for name in ["TEAM_KEY", "BOTH"] {
        recipe.server.put(&format!("teams/research/{name}"), &json!({"value": "team"}));
    }
    let given = recipe.gives(&[]);
    assert_eq!(names(&given), ["BOTH", "OWN", "TEAM_KEY"]);
    assert_eq!((given["BOTH"].as_str(), given["TEAM_KEY"].as_str()), ("own", "team"));
}

#[test]
fn a_kernel_gets_a_database_role_that_ends_with_it() {
    let recipe = Recipe::of("A database");
    let postgres = Postgres::start();
    postgres.serve(&recipe.server, "database", "1h", "2h");
    let given = recipe.gives(&[]);
    assert_eq!(names(&given), ["DATABASE_URL"]);
    let url = &given["DATABASE_URL"];
    assert!(url.starts_with("postgresql://v-") && url.ends_with("@db.internal/analytics"), "{}", url.len());
    eventually("the role is gone", || postgres.roles().is_empty());
}

#[test]
fn a_hubs_token_gives_its_users_secrets_and_no_others() {
    let recipe = Recipe::of("A hub");
    for user in ["ada", "bert"] {
        assert_eq!(recipe.gives(&[("VAULT_TOKEN", &recipe.token(user))])["OWN"], user);
    }
    recipe.launch(&[]).is_error(78, &["needs a token"]);
}

#[test]
fn on_a_shared_server_each_request_brings_its_users_credential() {
    let recipe = Recipe::of("A shared server");
    for user in ["ada", "bert"] {
        let token = recipe.token(user);
        // Other claims in a request do not count.
        let given = recipe.gives(&[("KERNEL_VAULT_TOKEN", &token), ("KERNEL_USERNAME", "root")]);
        assert_eq!(given["OWN"], user);
    }
    let ada = recipe.token("ada");
    assert_eq!(recipe.launch(&[("VAULT_TOKEN", &ada)]).code(), Some(78));
}

#[test]
fn the_token_of_a_browser_login_is_used() {
    let recipe = Recipe::of("Single sign-on");
    recipe.launch(&[]).is_error(78, &["needs a token", "`jupyter-vault login`"]);
    // OpenBao is the provider too, with the users of userpass.
    let server = &recipe.server;
    let [port] = free_ports();
    server.policy("provider", "path \"identity/oidc/provider/*\" { capabilities = [\"read\", \"update\"] }");
    let account = json!({"password": "right", "token_policies": "provider"});
    server.must("POST", "auth/userpass/users/bert", &account);
    let session = recipe.token("bert");
    let name = format!("{{{{identity.entity.aliases.{}.name}}}}", accessor(server, "userpass/"));
    let scope = json!({"template": format!("{{\"preferred_username\": {name}}}")});
    server.must("POST", "identity/oidc/scope/profile", &scope);
    server.must("POST", "identity/oidc/key/sso", &json!({"allowed_client_ids": "*"}));
    let (usual, back) = ("localhost:8250", format!("localhost:{port}"));
    let role = recipe.block("json").replace(usual, &back);
    let role: Value = serde_json::from_str(&role).unwrap();
    let client = json!({"redirect_uris": role["allowed_redirect_uris"], "assignments": ["allow_all"], "key": "sso"});
    server.must("POST", "identity/oidc/client/jupyter", &client);
    let client = &server.api("GET", "identity/oidc/client/jupyter", None).1["data"];
    let provider = json!({
        "allowed_client_ids": client["client_id"], "issuer": server.address(), "scopes_supported": ["profile"],
    });
    server.must("POST", "identity/oidc/provider/company", &provider);
    server.enable_auth("oidc", "oidc");
    let config = json!({
        "oidc_discovery_url": format!("{}/v1/identity/oidc/provider/company", server.address()),
        "oidc_client_id": client["client_id"], "oidc_client_secret": client["client_secret"], "default_role": "user",
    });
    server.must("POST", "auth/oidc/config", &config);
    server.must("POST", "auth/oidc/role/user", &role);
    server.policy("recipe", &recipe.block("hcl").replace("ACCESSOR", &accessor(server, "oidc/")));

    let mut login = recipe.scratch.launcher();
    login.args(["login", "--no-browser", "--json", "--port", &port.to_string()]);
    let mut login = login.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(login.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = serde_json::from_str::<Value>(&line).unwrap()["sign_in"].as_str().unwrap().to_owned();
    // What the provider's page does in a signed-in browser.
    let query = address.split_once('?').unwrap().1;
    let path = format!("identity/oidc/provider/company/authorize?{query}");
    let (status, said) = server.api_with(&[("X-Vault-Token", &session)], "GET", &path, None);
    assert_eq!(status, 200, "{said}");
    let [code, state] = ["code", "state"].map(|key| said[key].as_str().unwrap());
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    agent.get(format!("http://{back}/oidc/callback?code={code}&state={state}")).call().unwrap();
    assert_eq!(finish(login).code(), Some(0));

    assert_eq!(recipe.gives(&[])["OWN"], "bert");
    let mut doctor = recipe.scratch.launcher();
    let said = String::from_utf8(run(doctor.arg("doctor")).stdout).unwrap();
    assert!(said.contains("it expires in "), "{said}");
}

#[test]
fn every_recipe_is_run() {
    let source = include_str!("recipes.rs");
    let headings: Vec<_> = RECIPES.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(headings.len() >= 6);
    for heading in headings {
        assert!(source.contains(&format!("Recipe::of(\"{heading}\")")), "{heading}");
    }
}
