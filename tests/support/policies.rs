//! The users of `examples/policies`, on a real server.

use serde_json::{Value, json};

use super::openbao::Server;

/// Loads a file of `examples/policies` as policy `name`; `mount` is where its users log in.
pub fn load(server: &Server, name: &str, file: &str, mount: &str) {
    let text = std::fs::read_to_string(format!("{}/examples/policies/{file}", env!("CARGO_MANIFEST_DIR")))
        .expect("an example");
    server.policy(name, &text.replace("ACCESSOR", &accessor(server, mount)));
}

/// The accessor of a login mount.
pub fn accessor(server: &Server, mount: &str) -> String {
    let mounts = server.api("GET", "sys/auth", None).1;
    mounts["data"][mount]["accessor"].as_str().expect("an accessor").to_owned()
}

/// Ada and Bert each have their own secret, whose value is their name.
pub fn two_secrets(server: &Server) {
    for user in ["ada", "bert"] {
        server.put(&format!("users/{user}"), &json!({ "OWN": user }));
    }
}

/// The same, with logins by password.
pub fn two_users(server: &Server) {
    two_secrets(server);
    server.enable_auth("userpass", "userpass");
    load(server, "jupyter-user", "user.hcl", "userpass/");
    for user in ["ada", "bert"] {
        let account = json!({"password": format!("{user}'s"), "token_policies": "jupyter-user"});
        server.must("POST", &format!("auth/userpass/users/{user}"), &account);
    }
}

/// A token of that user.
pub fn log_in(server: &Server, user: &str) -> String {
    let answer: Value =
        server.must("POST", &format!("auth/userpass/login/{user}"), &json!({"password": format!("{user}'s")}));
    answer["auth"]["client_token"].as_str().expect("a token").to_owned()
}

/// The policies of a hub and its users, and the role with which the hub creates a token for each user.
pub fn hub_role(server: &Server) {
    load(server, "jupyterhub", "jupyterhub.hcl", "token/");
    load(server, "jupyter-user", "user.hcl", "token/");
    let role = json!({
        "allowed_policies": "jupyter-user", "disallowed_policies": "root", "allowed_entity_aliases": "*", "orphan": true,
        "renewable": false, "token_explicit_max_ttl": "12h",
    });
    server.must("POST", "auth/token/roles/jupyterhub", &role);
}
