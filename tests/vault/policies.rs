//! The policies in `examples/policies`, loaded into a real server and tested with two users.

use crate::support::launcher::{Outcome, Scratch, run};
use crate::support::openbao::Server;
use crate::support::policies::{hub_role, log_in, two_secrets, two_users};
use serde_json::json;

const PRINT: &[&str] = &["sh", "-c", "printf %s \"$OWN\""];

/// A launch with that token and one source.
fn read(server: &Server, token: &str, source: &str) -> Outcome {
    let scratch = Scratch::new();
    let config = scratch.file("vault.toml", format!("[[source]]\n{source}\nversion = 2\n"));
    run(&mut scratch.exec(&server.address(), token, &["--config", config.to_str().unwrap()], PRINT))
}

#[test]
fn a_user_reads_their_own_path_and_no_other() {
    let server = Server::start();
    two_users(&server);
    for (own, other) in [("ada", "bert"), ("bert", "ada")] {
        let token = log_in(&server, own);
        let kv = |path: &str| read(&server, &token, &format!("kv = \"secret/{path}\""));
        assert_eq!(kv(&format!("users/{own}")).stdout, own.as_bytes());
        kv(&format!("users/{other}")).is_error(77, &[&format!("secret/users/{other}"), "forbid"]);
        kv("users").is_error(77, &["forbid"]);
        // Below it too, and as a folder.
        server.put(&format!("users/{own}/OWN"), &json!({"value": "deep", "OWN": "deep"}));
        assert_eq!(kv(&format!("users/{own}/OWN")).stdout, b"deep");
        kv(&format!("users/{other}/OWN")).is_error(77, &["forbid"]);
        let folder = |whose: &str| read(&server, &token, &format!("kv_folder = \"secret/users/{whose}\""));
        assert_eq!(folder(own).stdout, b"deep");
        folder(other).is_error(77, &["forbid"]);
    }
}

#[test]
fn jupyterhubs_token_makes_tokens_for_one_user_each_and_reads_nothing() {
    let server = Server::start();
    two_secrets(&server);
    hub_role(&server);
    let hub = server.token(&["jupyterhub"], &json!({"no_default_policy": true}));
    read(&server, &hub, "kv = \"secret/users/ada\"").is_error(77, &["forbid"]);
    let make = |path: &str, body| server.api_with(&[("X-Vault-Token", &hub)], "POST", path, Some(&body));
    for (own, other) in [("ada", "bert"), ("bert", "ada")] {
        let (status, made) =
            make("auth/token/create/jupyterhub", json!({"entity_alias": own, "meta": {"username": own}}));
        assert_eq!(status, 200, "{made}");
        let token = made["auth"]["client_token"].as_str().unwrap();
        assert_eq!(read(&server, token, "kv = \"secret/users/{metadata.username}\"").stdout, own.as_bytes());
        read(&server, token, &format!("kv = \"secret/users/{other}\"")).is_error(77, &["forbid"]);
    }
    // No other policy, no other role.
    for (path, body) in [
        ("auth/token/create/jupyterhub", json!({"entity_alias": "ada", "policies": ["root"]})),
        ("auth/token/create/jupyterhub", json!({"entity_alias": "ada", "policies": ["jupyterhub"]})),
        ("auth/token/create", json!({"policies": ["jupyter-user"]})),
    ] {
        assert!(make(path, body).0 >= 400, "{path}");
    }
}
