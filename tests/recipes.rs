//! docs/recipes.md: each recipe as it stands there, on a real server.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unnecessary_debug_formatting,
    clippy::needless_raw_string_hashes,
    clippy::too_many_lines,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "manage", target_os = "linux"))]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use support::launcher::{Outcome, Scratch, eventually, run};
use support::openbao::Server;
use support::policies::accessor;
use support::postgres::Postgres;

const RECIPES: &str = include_str!("../docs/recipes.md");

/// A recipe with its policy loaded for `ada` and `bert`, and a home to run it in.
struct Recipe {
    server: Server,
    scratch: Scratch,
}

impl Recipe {
    fn of(heading: &str) -> Self {
        let server = Server::start();
        let text = RECIPES.split("\n## ").find(|part| part.starts_with(&format!("{heading}\n"))).expect("a recipe");
        let block = |language: &str| {
            let begin = format!("```{language}\n");
            text.split(&begin).nth(1).expect("a block").split("```").next().unwrap().to_owned()
        };
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
        Self { server, scratch }
    }

    fn launch(&self, variables: &[(&str, &str)]) -> Outcome {
        let mut command = self.scratch.launcher();
        run(command.envs(variables.iter().copied()).args(["exec", "--", "/usr/bin/env", "-0"]))
    }

    /// What a kernel gets, less what its parent had.
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
fn a_team_shares_a_folder_and_ones_own_wins() {
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
        // What else a request claims does not count.
        let given = recipe.gives(&[("KERNEL_VAULT_TOKEN", &token), ("KERNEL_USERNAME", "root")]);
        assert_eq!(given["OWN"], user);
    }
    let ada = recipe.token("ada");
    assert_eq!(recipe.launch(&[("VAULT_TOKEN", &ada)]).code(), Some(78));
}

#[test]
fn the_token_that_a_login_in_a_browser_left_is_taken() {
    let recipe = Recipe::of("Single sign-on");
    recipe.launch(&[]).is_error(78, &["needs a token", "`jupyter-vault login`"]);
    let left = recipe.scratch.file("home/.vault-token", recipe.token("bert"));
    std::fs::set_permissions(left, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(recipe.gives(&[])["OWN"], "bert");
    let mut doctor = recipe.scratch.launcher();
    let said = String::from_utf8(run(doctor.arg("doctor")).stdout).unwrap();
    assert!(said.contains("it lives for "), "{said}");
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
