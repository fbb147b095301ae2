//! Every login method, against a real OpenBao: the login, what happens to its token, and whose secrets it gets.

mod support;

use serde_json::json;
use support::agent::Agent;
use support::faults::{Faults, Reply, Seen, relay_to};
use support::jwt::signed_jwt;
use support::launcher::{Outcome, Scratch, eventually, run};
use support::openbao::Server;

const ENV: &[&str] = &["/usr/bin/env", "-0"];
const SOURCE: &str = "\n[[source]]\nkv = \"secret/auth\"\nversion = 2\n";

/// The shared server with a secret `AUTH=yes` and a policy that reads it.
fn prepared() -> &'static Server {
    let server = Server::shared();
    server.put("auth", &json!({"AUTH": "yes"}));
    server.policy("auth", "path \"secret/data/auth\" { capabilities = [\"read\"] }");
    server
}

fn launch(server: &Server, scratch: &Scratch, auth: &str) -> Outcome {
    launch_at(&server.address(), scratch, auth, &[])
}

fn launch_at(address: &str, scratch: &Scratch, config: &str, variables: &[(&str, &str)]) -> Outcome {
    scratch.file("config/vault.toml", format!("{config}{SOURCE}"));
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", address).args(["exec", "--timeout", "5", "--"]).args(ENV);
    run(command.envs(variables.iter().copied()))
}

/// Logs in through a relay; returns the token that read the secret.
fn token_used(server: &Server, scratch: &Scratch, auth: &str) -> String {
    let relay = Faults::start(relay_to(server.port()));
    let outcome = launch_at(&relay.address(), scratch, auth, &[]);
    assert_eq!(outcome.environment()["AUTH"], "yes");
    let read = relay.seen().into_iter().find(|request| request.path.contains("/data/auth")).unwrap();
    read.header("x-vault-token").unwrap().to_owned()
}

/// Checks that a launch with this vault.toml and these variables uses this token.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn a_given_token_comes_from_its_places_in_order_and_is_never_revoked() {
    let server = prepared();
    let token = |name: &str| server.token(&["auth"], &json!({"display_name": name}));
    let (cli, vault, bao, file) = (token("cli"), token("vault"), token("bao"), token("file"));
    let scratch = Scratch::new();
    scratch.file("home/.vault-token", format!("{cli}\n"));
    let named = scratch.file("token", format!("\n\t {file} \r\n"));
    let with_file = format!("[auth]\ntoken_file = {named:?}\n");
    let cases: &[Case<'_>] = &[
        ("", &[], &cli),
        ("", &[("VAULT_TOKEN", &vault)], &vault),
        ("", &[("VAULT_TOKEN", &vault), ("BAO_TOKEN", &bao)], &bao),
        ("", &[("VAULT_TOKEN", &vault), ("BAO_TOKEN", "")], &vault),
        (&with_file, &[("VAULT_TOKEN", &vault)], &file),
        ("[auth]\nmethod = \"token\"\n", &[], &cli),
    ];
    for (config, variables, expected) in cases {
        let relay = Faults::start(relay_to(server.port()));
        assert_eq!(launch_at(&relay.address(), &scratch, config, variables).environment()["AUTH"], "yes");
        assert_eq!(relay.seen()[0].header("x-vault-token"), Some(*expected));
        assert_eq!(relay.seen()[0].header("x-vault-request"), Some("true"));
        assert!(!relay.seen().iter().any(|request| request.path.contains("revoke")));
        assert!(server.is_alive(expected));
    }
}

#[test]
fn a_token_is_trimmed_and_one_with_line_breaks_is_refused_without_showing_it() {
    let server = prepared();
    let token = server.token(&["auth"], &json!({}));
    let scratch = Scratch::new();
    let padded = format!("  {token}\n");
    assert_eq!(launch_at(&server.address(), &scratch, "", &[("VAULT_TOKEN", &padded)]).environment()["AUTH"], "yes");
    for broken in ["canary\ncanary", "canary canary", "canär", "\"canary\u{7f}\""] {
        launch_at(&server.address(), &scratch, "", &[("VAULT_TOKEN", broken)])
            .is_error(78, &["VAULT_TOKEN", "characters"]);
    }
    launch_at(&server.address(), &scratch, "", &[("VAULT_TOKEN", " \n")]).is_error(78, &["no credential"]);
}

#[test]
fn batch_tokens_and_tokens_with_a_number_of_uses_work() {
    let server = prepared();
    let scratch = Scratch::new();
    for more in [json!({"type": "batch"}), json!({"num_uses": 1})] {
        let token = server.token(&["auth"], &more);
        assert_eq!(launch_at(&server.address(), &scratch, "", &[("VAULT_TOKEN", &token)]).environment()["AUTH"], "yes");
    }
    server.enable_auth("approle", "approle-batch");
    for (role, kind, uses) in [("batch", "batch", 0), ("uses", "service", 1)] {
        let body = json!({"token_policies": "auth", "token_type": kind, "token_num_uses": uses, "bind_secret_id": false, "secret_id_bound_cidrs": [], "token_bound_cidrs": ["127.0.0.0/8"]});
        server.must("POST", &format!("auth/approle-batch/role/{role}"), &body);
        let id = server.api("GET", &format!("auth/approle-batch/role/{role}/role-id"), None).1;
        let config =
            format!("[auth]\nmethod = \"approle\"\nmount = \"approle-batch\"\nrole_id = {}\n", id["data"]["role_id"]);
        let outcome = launch(server, &scratch, &config);
        assert_eq!(outcome.environment()["AUTH"], "yes");
        assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
    }
}

#[test]
fn a_wrapped_token_works_for_one_start_and_then_the_error_says_so() {
    let server = prepared();
    let wrap = || server.wrapped("auth/token/create", &json!({"policies": ["auth"], "ttl": "5m"}));
    let scratch = Scratch::new();
    let file = scratch.file("wrapped", format!("{}\n", wrap()));
    let config = format!("[auth]\nmethod = \"wrapped\"\nwrapped_token_file = {file:?}\n");
    let token = token_used(server, &scratch, &config);
    assert!(!server.is_alive(&token), "it was made for us, and is revoked");
    launch(server, &scratch, &config).is_error(77, &["already used", "each restart, needs a new"]);
    let altered = format!("{}x", wrap());
    launch_at(&server.address(), &scratch, "", &[("VAULT_WRAPPED_TOKEN", &altered)])
        .is_error(77, &["was altered", "VAULT_WRAPPED_TOKEN"]);
    let by_variable = launch_at(&server.address(), &scratch, "", &[("VAULT_WRAPPED_TOKEN", &wrap())]);
    assert!(!by_variable.environment().contains_key("VAULT_WRAPPED_TOKEN"));
    // A launch must not revoke a token that another program wrapped.
    let given = server.token(&["auth"], &json!({}));
    let wrapped = server.wrapped("sys/wrapping/wrap", &json!({ "token": given }));
    assert_eq!(
        launch_at(&server.address(), &scratch, "", &[("VAULT_WRAPPED_TOKEN", &wrapped)]).environment()["AUTH"],
        "yes"
    );
    assert!(server.is_alive(&given));
}

#[test]
fn approle_reads_a_plain_or_wrapped_secret_id_from_a_file_and_revokes_its_token() {
    let server = prepared();
    server.enable_auth("approle", "approle");
    server.must("POST", "auth/approle/role/jupyter", &json!({"token_policies": "auth"}));
    let role_id =
        server.api("GET", "auth/approle/role/jupyter/role-id", None).1["data"]["role_id"].as_str().unwrap().to_owned();
    let secret_id = || {
        server.must("POST", "auth/approle/role/jupyter/secret-id", &json!({}))["data"]["secret_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let scratch = Scratch::new();
    let file = scratch.file("secret-id", format!("{}\n", secret_id()));
    let id_file = scratch.file("role-id", format!("{role_id}\n"));
    let said = format!("[auth]\nmethod = \"approle\"\nrole_id = \"{role_id}\"\nsecret_id_file = {file:?}\n");
    assert!(!server.is_alive(&token_used(server, &scratch, &said)));
    let by_file = format!("[auth]\nmethod = \"approle\"\nrole_id_file = {id_file:?}\nsecret_id_file = {file:?}\n");
    assert!(!server.is_alive(&token_used(server, &scratch, &by_file)));
    scratch.file("secret-id", server.wrapped("auth/approle/role/jupyter/secret-id", &json!({})));
    let wrapped = format!("{said}secret_id_wrapped = true\n");
    assert!(!server.is_alive(&token_used(server, &scratch, &wrapped)));
    launch(server, &scratch, &wrapped).is_error(77, &["wrapping token", "already used"]);
    let secret_id = secret_id();
    let variables = [("VAULT_ROLE_ID", role_id.as_str()), ("VAULT_SECRET_ID", secret_id.as_str())];
    let environment =
        launch_at(&server.address(), &scratch, "[auth]\nmethod = \"approle\"\n", &variables).environment();
    assert!(
        environment["AUTH"] == "yes" && !environment.values().any(|value| *value == role_id || *value == secret_id)
    );
    scratch.file("secret-id", "canary");
    launch(server, &scratch, &said).is_error(77, &["refused the login at auth/approle"]);
}

#[test]
fn userpass_logs_in_and_ldap_does_under_its_own_mount() {
    let server = prepared();
    let scratch = Scratch::new();
    let password = scratch.file("password", "pw-canary\n");
    for mount in ["userpass", "team/ldap"] {
        server.enable_auth("userpass", mount);
        server.must("POST", &format!("auth/{mount}/users/ada"), &json!({"password": "pw-canary", "policies": "auth"}));
    }
    let userpass = format!("[auth]\nmethod = \"userpass\"\nusername = \"ada\"\npassword_file = {password:?}\n");
    assert!(!server.is_alive(&token_used(server, &scratch, &userpass)));
    // LDAP's login request is the same at another mount; the server behind it is userpass.
    let ldap = format!(
        "[auth]\nmethod = \"ldap\"\nmount = \"auth/team/ldap/\"\nusername = \"ada\"\npassword_file = {password:?}\n"
    );
    assert!(!server.is_alive(&token_used(server, &scratch, &ldap)));
    scratch.file("password", "wrong-canary");
    // The error names the login, the file to correct, and another way.
    let from = format!("of ada with the password in {}", password.display());
    let how = "have `jupyter-vault setup --force` ask for it";
    launch(server, &scratch, &userpass).is_error(77, &["refused the login at auth/userpass", &from, how]);
    launch(server, &scratch, "[auth]\nmethod = \"userpass\"\n").is_error(78, &["username"]);
    launch(server, &scratch, &userpass.replace("userpass", "userpas"))
        .is_error(78, &["userpas", "did you mean", "vault.toml:2"]);
    launch(server, &scratch, &format!("{userpass}mount = \"no-such\"\n")).is_error(77, &["auth/no-such"]);
}

#[test]
fn a_jwt_from_a_file_logs_in_and_its_user_fills_the_path() {
    let server = prepared();
    let (public, jwt) = signed_jwt(
        server,
        &json!({"sub": "ada", "aud": "vault", "iat": 1_700_000_000_u64, "nbf": 1_700_000_000_u64, "exp": 4_000_000_000_u64}),
    );
    server.enable_auth("jwt", "jwt");
    server.must("POST", "auth/jwt/config", &json!({"jwt_validation_pubkeys": [public], "default_role": "jupyter"}));
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": "auth", "claim_mappings": {"sub": "user"}});
    server.must("POST", "auth/jwt/role/jupyter", &role);
    let scratch = Scratch::new();
    let file = scratch.file("jwt", format!("{jwt}\n"));
    for role in ["role = \"jupyter\"\n", ""] {
        let config = format!("[auth]\nmethod = \"jwt\"\njwt_file = {file:?}\n{role}");
        assert!(!server.is_alive(&token_used(server, &scratch, &config)));
    }
    let from_request = "[auth]\nfrom_request = true\n";
    let environment = launch_at(&server.address(), &scratch, from_request, &[("KERNEL_VAULT_JWT", &jwt)]).environment();
    assert!(environment["AUTH"] == "yes" && !environment.contains_key("KERNEL_VAULT_JWT"));
    scratch.file("jwt", "canary.canary.canary");
    let config = format!("[auth]\nmethod = \"jwt\"\njwt_file = {file:?}\n");
    launch(server, &scratch, &config).is_error(77, &["refused the login at auth/jwt"]);
}

#[test]
fn a_name_with_capitals_is_lowered_in_a_path_that_says_so() {
    let server = prepared();
    let times = json!({"sub": "ADA.L", "aud": "vault", "iat": 1_700_000_000_u64, "exp": 4_000_000_000_u64});
    let (public, jwt) = signed_jwt(server, &times);
    server.enable_auth("jwt", "jwt-capitals");
    server.must("POST", "auth/jwt-capitals/config", &json!({"jwt_validation_pubkeys": [public]}));
    server.policy("capitals", "path \"secret/data/capitals/ada.l\" { capabilities = [\"read\"] }");
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "token_policies": "capitals", "claim_mappings": {"sub": "username"}});
    server.must("POST", "auth/jwt-capitals/role/jupyter", &role);
    server.put("capitals/ada.l", &json!({"LOWER": "yes"}));
    let scratch = Scratch::new();
    let file = scratch.file("jwt", format!("{jwt}\n"));
    let start = |path: &str| {
        let text = format!(
            "[vault]\naddress = \"{}\"\n[auth]\nmethod = \"jwt\"\nmount = \"jwt-capitals\"\nrole = \"jupyter\"\n\
             jwt_file = {file:?}\n[[source]]\nkv = \"{path}\"\nversion = 2\n",
            server.address()
        );
        let config = scratch.file("capitals.toml", text);
        let mut command = scratch.launcher();
        run(command.args(["exec", "--config"]).arg(config).args(["--", "/usr/bin/env", "-0"]))
    };
    assert_eq!(start("secret/capitals/{metadata.username|lower}").environment()["LOWER"], "yes");
    let refused = start("secret/capitals/{metadata.username}");
    refused.is_error(77, &["secret/capitals/ADA.L", "{metadata.username|lower} writes", "has capitals"]);
    start("secret/capitals/{metadata.username|upper}").is_error(78, &["|lower"]);
}

#[test]
fn a_kubernetes_service_account_logs_in() {
    // OpenBao's kubernetes method has a Kubernetes API server review the token; a stand-in does that here.
    let server = prepared();
    let review = Faults::start(|request: &Seen, _| {
        let good = String::from_utf8_lossy(&request.body).contains("eyJ");
        Reply::json(
            201,
            &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {
            "authenticated": good, "user": {"username": "system:serviceaccount:hub:ada", "uid": "u-1", "groups": []}}})
            .to_string(),
        )
    });
    let claims = json!({"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:hub:ada", "iat": 1_700_000_000_u64, "nbf": 1_700_000_000_u64, "exp": 4_000_000_000_u64,
        "kubernetes.io": {"namespace": "hub", "serviceaccount": {"name": "ada", "uid": "u-1"}}});
    let (public, jwt) = signed_jwt(server, &claims);
    let ca = std::fs::read_to_string(server.certificates.cert("ca")).unwrap();
    server.enable_auth("kubernetes", "k8s");
    let config = json!({"kubernetes_host": review.address(), "pem_keys": [public], "disable_local_ca_jwt": true, "kubernetes_ca_cert": ca, "disable_iss_validation": true});
    server.must("POST", "auth/k8s/config", &config);
    let role = json!({"bound_service_account_names": "ada", "bound_service_account_namespaces": "hub", "token_policies": "auth"});
    server.must("POST", "auth/k8s/role/jupyter", &role);
    let scratch = Scratch::new();
    let file = scratch.file("sa-token", jwt);
    let config = format!("[auth]\nmethod = \"kubernetes\"\nmount = \"k8s\"\nrole = \"jupyter\"\njwt_file = {file:?}\n");
    assert!(!server.is_alive(&token_used(server, &scratch, &config)));
    launch(server, &scratch, &config.replace("role = \"jupyter\"\n", "")).is_error(78, &["kubernetes needs `role`"]);
    let no_file = "[auth]\nmethod = \"kubernetes\"\nrole = \"x\"\n";
    launch(server, &scratch, no_file).is_error(78, &["/var/run/secrets/kubernetes.io/serviceaccount/token"]);
}

#[test]
fn a_client_certificate_logs_in() {
    let server = prepared();
    server.enable_auth("cert", "cert");
    let certificates = &server.certificates;
    let ca = std::fs::read_to_string(certificates.cert("ca")).unwrap();
    server.must("POST", "auth/cert/certs/jupyter", &json!({"certificate": ca, "token_policies": "auth"}));
    server.must("POST", "auth/cert/certs/other", &json!({"certificate": ca, "allowed_common_names": "nobody"}));
    let scratch = Scratch::new();
    let config = |role: &str| {
        format!(
            "[vault]\nca_cert = {:?}\nclient_cert = {:?}\nclient_key = {:?}\n[auth]\nmethod = \"cert\"\n{role}",
            certificates.cert("ca"),
            certificates.cert("client"),
            certificates.key("client")
        )
    };
    let address = server.tls_address("good");
    for role in ["role = \"jupyter\"\n", ""] {
        assert_eq!(launch_at(&address, &scratch, &config(role), &[]).environment()["AUTH"], "yes");
    }
    launch_at(&address, &scratch, &config("role = \"other\"\n"), &[]).is_error(77, &["refused the login at auth/cert"]);
    launch_at(&address, &scratch, "[auth]\nmethod = \"cert\"\n", &[]).is_error(78, &["client_cert"]);
    let wrong_key =
        config("").replace(certificates.key("client").to_str().unwrap(), certificates.key("good").to_str().unwrap());
    launch_at(&address, &scratch, &wrong_key, &[]).is_error(78, &["good-key.pem"]);
}

#[test]
fn an_agent_on_a_unix_socket_or_a_port_adds_the_token() {
    let server = prepared();
    let scratch = Scratch::new();
    let agent = Agent::start(server, &scratch, "agent-role", "auth");
    let by_socket = agent.by_socket();
    assert_eq!(launch_at(&by_socket, &scratch, "", &[]).environment()["AUTH"], "yes");
    let by_port = agent.by_port();
    let variables = [("VAULT_AGENT_ADDR", by_port.as_str())];
    assert_eq!(launch_at("http://127.0.0.1:1", &scratch, "", &variables).environment()["AUTH"], "yes");
    let config = format!("[vault]\naddress = \"{by_socket}\"\n[auth]\nmethod = \"agent\"\n");
    assert_eq!(launch_at("", &scratch, &config, &[]).environment()["AUTH"], "yes");
    drop(agent);
    launch_at("unix:///no/such/agent.sock", &scratch, "", &[]).is_error(69, &["/no/such/agent.sock"]);
    let dead = scratch.path("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    launch_at(&format!("unix://{}", dead.display()), &scratch, "", &[])
        .is_error(69, &["nothing listens on the socket"]);
}

#[test]
fn a_namespace_is_sent_with_every_request() {
    let server = prepared();
    if server.has_namespaces() {
        server.must("POST", "sys/namespaces/team-a", &json!({}));
    }
    let inside = [("X-Vault-Token", "root"), ("X-Vault-Namespace", "team-a")];
    server.api_with(&inside, "POST", "sys/mounts/kv", Some(&json!({"type": "kv", "options": {"version": "2"}})));
    eventually("the mount is ready", || {
        server.api_with(&inside, "POST", "kv/data/x", Some(&json!({"data": {"TEAM": "a"}}))).0 == 200
    });
    server.api_with(
        &inside,
        "POST",
        "sys/policies/acl/x",
        Some(&json!({"policy": "path \"kv/data/x\" { capabilities = [\"read\"] }"})),
    );
    server.api_with(&inside, "POST", "sys/auth/team-userpass", Some(&json!({"type": "userpass"})));
    server.api_with(
        &inside,
        "POST",
        "auth/team-userpass/users/ada",
        Some(&json!({"password": "pw-canary", "policies": "x"})),
    );
    // Only a server with namespaces keeps them apart; other servers read the root namespace.
    assert_eq!(server.api("GET", "kv/data/x", None).0 == 200, !server.has_namespaces());
    let scratch = Scratch::new();
    let password = scratch.file("password", "pw-canary");
    let config = format!(
        "[auth]\nmethod = \"userpass\"\nmount = \"team-userpass\"\nusername = \"ada\"\npassword_file = {password:?}\n[[source]]\nkv = \"kv/x\"\n"
    );
    scratch.file("config/vault.toml", config);
    for (variable, value) in [("VAULT_NAMESPACE", "team-a"), ("BAO_NAMESPACE", "/team-a/")] {
        let mut command = scratch.launcher();
        command.env("VAULT_ADDR", server.address()).env(variable, value).args(["exec", "--"]).args(ENV);
        assert_eq!(run(&mut command).environment()["TEAM"], "a");
    }
}

#[test]
fn a_requests_credentials_are_used_only_with_from_request_and_then_exclusively() {
    let server = prepared();
    let own = server.token(&["auth"], &json!({}));
    let gateway = server.token(&["auth"], &json!({}));
    let scratch = Scratch::new();
    let relay = || Faults::start(relay_to(server.port()));
    let used = |config: &str, variables: &[(&str, &str)]| {
        let relay = relay();
        launch_at(&relay.address(), &scratch, config, variables).environment();
        relay.seen()[0].header("x-vault-token").unwrap().to_owned()
    };
    let both = [("KERNEL_VAULT_TOKEN", own.as_str()), ("VAULT_TOKEN", gateway.as_str())];
    assert_eq!(used("", &both), gateway);
    assert_eq!(used("[auth]\nfrom_request = true\n", &both), own);
    launch_at(&server.address(), &scratch, "[auth]\nfrom_request = true\n", &both[1..])
        .is_error(78, &["kernel request", "KERNEL_VAULT_TOKEN"]);
    let wrapped = server.wrapped("auth/token/create", &json!({"policies": ["auth"]}));
    let environment = launch_at(
        &server.address(),
        &scratch,
        "[auth]\nfrom_request = true\n",
        &[("KERNEL_VAULT_WRAPPED_TOKEN", &wrapped)],
    )
    .environment();
    assert_eq!(environment["AUTH"], "yes");
}

#[test]
fn a_login_that_asks_for_a_second_factor_or_gives_no_token_is_an_error() {
    let scratch = Scratch::new();
    let jwt = scratch.file("jwt", "a.b.c");
    let config = format!("[auth]\nmethod = \"jwt\"\njwt_file = {jwt:?}\n");
    for (answer, code, fragment) in [
        (r#"{"auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"canary"}}}"#, 77, "second factor"),
        (r#"{"auth":{"client_token":""}}"#, 65, "in Vault's format"),
        (r#"{"auth":null}"#, 65, "in Vault's format"),
        (r#"{"auth":{"client_token":7}}"#, 65, "in Vault's format"),
    ] {
        let faults = Faults::start(move |_, _| Reply::json(200, answer));
        launch_at(&faults.address(), &scratch, &config, &[]).is_error(code, &[fragment]);
    }
    let refusing = Faults::start(|_, _| Reply::json(404, r#"{"errors":["no handler for route canary"]}"#));
    launch_at(&refusing.address(), &scratch, &config, &[]).is_error(66, &["no login method at auth/jwt"]);
}

#[test]
fn a_token_that_cannot_be_revoked_is_reported_and_the_kernel_starts() {
    let faults = Faults::start(|request: &Seen, _| match request.path.as_str() {
        "/v1/auth/jwt/login" => Reply::json(200, r#"{"auth":{"client_token":"s.tok","token_type":"service"}}"#),
        "/v1/auth/token/revoke-self" => Reply::json(500, "{}"),
        _ => Reply::json(200, r#"{"data":{"data":{"AUTH":"yes"},"metadata":{"version":1}}}"#),
    });
    let scratch = Scratch::new();
    let jwt = scratch.file("jwt", "a.b.c");
    let outcome =
        launch_at(&faults.address(), &scratch, &format!("[auth]\nmethod = \"jwt\"\njwt_file = {jwt:?}\n"), &[]);
    assert_eq!(outcome.environment()["AUTH"], "yes");
    assert!(outcome.stderr.contains("could not be revoked") && !outcome.stderr.contains("s.tok"), "{}", outcome.stderr);
}

#[test]
fn a_failed_launch_reports_the_cause_and_not_that_its_token_remains() {
    let faults = Faults::start(|request: &Seen, _| match request.path.as_str() {
        "/v1/auth/jwt/login" => Reply::json(200, r#"{"auth":{"client_token":"s.tok","token_type":"service"}}"#),
        "/v1/auth/token/revoke-self" => Reply::json(500, "{}"),
        _ => Reply::json(404, r#"{"errors":[]}"#),
    });
    let scratch = Scratch::new();
    let jwt = scratch.file("jwt", "a.b.c");
    let config = format!("[auth]\nmethod = \"jwt\"\njwt_file = {jwt:?}\n");
    launch_at(&faults.address(), &scratch, &config, &[]).is_error(66, &["no secret at secret/auth"]);
    assert_eq!(faults.seen().last().unwrap().path, "/v1/auth/token/revoke-self");
}

#[test]
fn a_failed_read_revokes_the_logins_token_too() {
    let server = prepared();
    server.enable_auth("userpass", "failing-users");
    server.must("POST", "auth/failing-users/users/ada", &json!({"password": "pw-canary", "policies": "default"}));
    let relay = Faults::start(relay_to(server.port()));
    let scratch = Scratch::new();
    let password = scratch.file("password", "pw-canary");
    let config = format!(
        "[auth]\nmethod = \"userpass\"\nmount = \"failing-users\"\nusername = \"ada\"\npassword_file = {password:?}\n"
    );
    launch_at(&relay.address(), &scratch, &config, &[]).is_error(77, &["policies", "the login at auth/failing-users"]);
    let token = relay.seen()[1].header("x-vault-token").unwrap().to_owned();
    assert!(!server.is_alive(&token));
}

#[test]
fn a_configured_proxy_is_used() {
    let server = prepared();
    let token = server.token(&["auth"], &json!({}));
    let scratch = Scratch::new();
    let proxy = Faults::start(relay_to(server.port()));
    let address = proxy.address().replace("http://", "http://ada:pw-canary@");
    let variables = [("VAULT_TOKEN", token.as_str()), ("VAULT_PROXY_ADDR", address.as_str())];
    assert_eq!(launch_at(&server.address(), &scratch, "", &variables).environment()["AUTH"], "yes");
    assert_eq!(proxy.seen()[0].path, format!("{}/v1/secret/data/auth", server.address()));
    assert!(proxy.seen()[0].header("proxy-authorization").unwrap().starts_with("Basic "));
    let refusing = Faults::start(|_, _| Reply::with(407, "", ""));
    let address = refusing.address();
    let variables = [("VAULT_TOKEN", token.as_str()), ("VAULT_HTTP_PROXY", address.as_str())];
    launch_at(&server.tls_address("good"), &scratch, "", &variables).is_error(69, &["proxy did not connect"]);
    assert_eq!(refusing.seen()[0].method, "CONNECT");
    let bypassing =
        [("VAULT_TOKEN", token.as_str()), ("HTTP_PROXY", address.as_str()), ("http_proxy", address.as_str())];
    assert_eq!(
        launch_at(&server.address(), &scratch, "", &bypassing).environment()["AUTH"],
        "yes",
        "loopback needs no proxy"
    );
}

#[test]
fn an_invalid_user_name_is_named_in_the_error() {
    let server = prepared();
    server.enable_auth("userpass", "names");
    let scratch = Scratch::new();
    let password = scratch.file("password", "pw-canary");
    let login = |mount: &str, name: &str| {
        let text = format!(
            "[auth]\nmethod = \"userpass\"\nmount = \"{mount}\"\nusername = '{name}'\npassword_file = {password:?}\n"
        );
        launch(server, &scratch, &text)
    };
    for name in ["ada@example.org", "ada lovelace", "CORP\\ada", ".ada"] {
        login("names", name).is_error(78, &["does not accept the user name", "auth/names", "`username`"]);
    }
}

/// What OpenBao's own client uses as its token, whichever server the tests run against.
fn bao_takes(scratch: &Scratch, variables: &[(&str, &str)]) -> String {
    let mut bao = std::process::Command::new(support::python::environment().join("bin/bao"));
    bao.args(["print", "token"]).env_clear().env("HOME", scratch.path("home")).envs(variables.iter().copied());
    String::from_utf8_lossy(&run(&mut bao).stdout).trim().to_owned()
}

#[test]
fn a_token_helper_is_run_as_vaults_client_runs_it() {
    let server = prepared();
    let [helped, left, given] =
        ["helped", "left", "given"].map(|name| server.token(&["auth"], &json!({"display_name": name})));
    let scratch = Scratch::new();
    scratch.file("home/.vault-token", &left);
    let script = |name: &str, text: &str| {
        let file = scratch.file(name, format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let seen = scratch.path("seen");
    let shown = seen.to_str().unwrap();
    let helper = script("helper", &format!("echo \"$*\" > {shown}; env >> {shown}; echo ' {helped} '"));
    let named = scratch.file("client.hcl", "").to_str().unwrap().to_owned();
    let used = |variables: &[(&str, &str)]| {
        let relay = Faults::start(relay_to(server.port()));
        let outcome = launch_at(&relay.address(), &scratch, "", variables);
        assert_eq!(outcome.environment()["AUTH"], "yes");
        relay.seen()[0].header("x-vault-token").unwrap().to_owned()
    };
    // Every place and format, as for OpenBao's client: its file in the home folder is ~/.bao, Vault's is ~/.vault.
    for text in [
        format!("token_helper = \"{helper}\""),
        format!("# a comment\ntoken_helper=\"{helper}\" // more\n"),
        format!("{{\"token_helper\": \"{helper}\"}}"),
        String::new(),
        "token_helper = \"\"\n".to_owned(),
    ] {
        scratch.file("client.hcl", &text);
        for name in ["BAO_CONFIG_PATH", "VAULT_CONFIG_PATH"] {
            assert_eq!(used(&[(name, &named)]), bao_takes(&scratch, &[(name, &named)]), "{name}: {text}");
        }
        scratch.file("home/.bao", &text);
        assert_eq!(used(&[]), bao_takes(&scratch, &[]), "{text}");
        std::fs::remove_file(scratch.path("home/.bao")).unwrap();
        scratch.file("home/.vault", &text);
        assert_eq!(used(&[]), if text.contains(&helper) { &*helped } else { &*left }, "{text}");
        std::fs::remove_file(scratch.path("home/.vault")).unwrap();
    }
    assert_eq!(
        used(&[("VAULT_CONFIG_PATH", "/no/such/file")]),
        bao_takes(&scratch, &[("VAULT_CONFIG_PATH", "/no/such/file")])
    );
    // It is called with `get`, has the address and no Vault credential; a token that is set takes precedence.
    scratch.file("client.hcl", format!("token_helper = \"{helper}\""));
    let text = format!("[vault]\naddress = \"{}\"\n[auth]\nmethod = \"token\"\n{SOURCE}", server.address());
    scratch.file("config/vault.toml", text);
    let mut command = scratch.launcher();
    command.env("VAULT_CONFIG_PATH", &named).env("VAULT_SECRET_ID", "canary").args(["exec", "--"]).args(ENV);
    assert_eq!(run(&mut command).environment()["AUTH"], "yes");
    let said = std::fs::read_to_string(&seen).unwrap();
    assert!(said.starts_with("get\n") && said.contains(&format!("VAULT_ADDR={}", server.address())), "{said}");
    assert!(said.contains("HOME=") && !said.contains("canary"), "{said}");
    std::fs::remove_file(&seen).unwrap();
    assert_eq!(used(&[("VAULT_CONFIG_PATH", &named), ("VAULT_TOKEN", &given)]), given);
    assert!(!seen.exists(), "no program runs for nothing");
    // A script without a shebang is run by a shell; `jupyter-vault login` would store a token that no launch uses.
    std::fs::write(&helper, format!("echo {helped}\n")).unwrap();
    assert_eq!(used(&[("VAULT_CONFIG_PATH", &named)]), helped);
    #[cfg(feature = "manage")]
    for (command, instead) in [("login", "`vault login`"), ("logout", "`vault token revoke -self`")] {
        let mut login = scratch.launcher();
        login.env("VAULT_ADDR", server.address()).env("VAULT_CONFIG_PATH", &named).arg(command);
        run(&mut login).is_error(78, &["the token helper", "client.hcl", instead, "token_file"]);
    }
    // With a locked file, a variable can't choose a program.
    let text =
        format!("[vault]\nlocked = true\naddress = \"{}\"\n[auth]\nmethod = \"token\"\n{SOURCE}", server.address());
    scratch.file("config/vault.toml", text);
    let mut command = scratch.launcher();
    command.env("VAULT_CONFIG_PATH", &named).args(["exec", "--"]).args(ENV);
    assert_eq!(run(&mut command).environment()["AUTH"], "yes");
    assert!(!seen.exists());
    // A ~/.vault of another program is ignored.
    for text in ["an Ansible password", "\u{0}\u{1}", "token_helper"] {
        scratch.file("home/.vault", text);
        assert_eq!(used(&[]), left, "{text:?}");
    }
    std::fs::remove_file(scratch.path("home/.vault")).unwrap();
    std::fs::create_dir(scratch.path("home/.vault")).unwrap();
    assert_eq!(used(&[]), left);
}

#[test]
fn a_token_helper_that_fails_hangs_floods_or_is_another_users_is_named() {
    let server = prepared();
    let scratch = Scratch::new();
    scratch.file("home/.vault-token", server.token(&["auth"], &json!({})));
    let named = scratch.file("client.hcl", "").to_str().unwrap().to_owned();
    let start = |helper: &str| {
        scratch.file("client.hcl", format!("token_helper = \"{helper}\""));
        launch_at(&server.address(), &scratch, "", &[("VAULT_CONFIG_PATH", &named)])
    };
    let mode = |file: &std::path::Path, mode: u32| {
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    for (text, why) in [
        ("echo canary; exit 3", "failed with exit code 3"),
        ("kill -9 $$", "was ended by a signal"),
        ("exit 0", "returned no token"),
        ("head -c 200000 /dev/zero | tr '\\0' c", "printed more than 64 KiB"),
        ("sleep 300 & echo $! > \"$0.pid\"; sleep 300", "did not exit within 5 seconds"),
    ] {
        let helper = scratch.file("helper", format!("#!/bin/sh\n{text}\n"));
        mode(&helper, 0o755);
        start(helper.to_str().unwrap()).is_error(78, &["the token helper", "helper", "client.hcl", why]);
    }
    let pid = std::fs::read_to_string(scratch.path("helper.pid")).unwrap();
    let gone =
        || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).map_or(true, |stat| stat.contains(") Z "));
    eventually("what it started ends with it", gone);
    let helper = scratch.file("helper", "#!/bin/sh\necho canary\n");
    mode(&helper, 0o644);
    start(helper.to_str().unwrap()).is_error(78, &["can't be started"]);
    mode(&helper, 0o757);
    start(helper.to_str().unwrap()).is_error(78, &["is writable by every user"]);
    start("helper").is_error(78, &["not an absolute path"]);
    start("/no/such/helper").is_error(78, &["/no/such/helper", "does not exist"]);
    mode(&helper, 0o755);
    scratch.file("client.hcl", format!("token_helper = \"{}\"", helper.display()));
    mode(&scratch.path("client.hcl"), 0o666);
    launch_at(&server.address(), &scratch, "", &[("VAULT_CONFIG_PATH", &named)])
        .is_error(78, &["client.hcl", "names a program to run", "writable by every user"]);
    mode(&scratch.path("client.hcl"), 0o600);
    scratch.file("client.hcl", "token_helper = 1");
    launch_at(&server.address(), &scratch, "", &[("VAULT_CONFIG_PATH", &named)])
        .is_error(78, &["client.hcl", "token_helper = "]);
    // doctor names the helper as the token's origin.
    let good = scratch.file("helper", format!("#!/bin/sh\necho {}\n", server.token(&["auth", "default"], &json!({}))));
    mode(&good, 0o755);
    scratch.file("client.hcl", format!("token_helper = \"{}\"", good.display()));
    scratch.file("config/vault.toml", SOURCE);
    let mut doctor = scratch.launcher();
    doctor.env("VAULT_ADDR", server.address()).env("VAULT_CONFIG_PATH", &named).arg("doctor");
    let said = String::from_utf8_lossy(&run(&mut doctor).stdout).into_owned();
    assert!(said.contains(&format!("the token from the token helper {}", good.display())), "{said}");
}

/// A launch with a method that OpenBao lacks: a stand-in answers the login, with a token of the real server.
struct Cloud {
    server: &'static Server,
    scratch: Scratch,
    vault: Faults,
}

impl Cloud {
    fn new(method: &'static str) -> Self {
        let server = prepared();
        let pass = relay_to(server.port());
        let vault = Faults::start(move |request, number| match request.path.strip_prefix("/v1/auth/") {
            Some(path) if path == format!("{method}/login") => {
                let token = server.token(&["auth"], &json!({}));
                let login = json!({"auth": {"client_token": token, "metadata": {}, "token_type": "service"}});
                Reply::json(200, &login.to_string())
            }
            _ => pass(request, number),
        });
        Self { server, scratch: Scratch::new(), vault }
    }

    fn start(&self, auth: &str, variables: &[(&str, &str)]) -> Outcome {
        launch_at(&self.vault.address(), &self.scratch, auth, variables)
    }

    /// The body of the last login, if its launch got the secret.
    fn login(&self, auth: &str, variables: &[(&str, &str)]) -> serde_json::Value {
        let outcome = self.start(auth, variables);
        assert_eq!(outcome.environment()["AUTH"], "yes", "{}", outcome.stderr);
        let seen = self.vault.seen();
        let login = seen.iter().rev().find(|request| request.path.ends_with("/login")).unwrap();
        serde_json::from_slice(&login.body).unwrap()
    }
}

fn verified(login: &serde_json::Value, keys: &serde_json::Value) -> serde_json::Value {
    let mut python = std::process::Command::new(support::python::clients());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/verify_aws_login.py");
    let outcome = run(python.arg(script).arg(login.to_string()).arg(keys.to_string()));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    serde_json::from_slice(&outcome.stdout).unwrap()
}

#[test]
fn an_aws_login_is_signed_with_keys_from_each_of_their_places() {
    let cloud = Cloud::new("aws");
    let auth = "[auth]\nmethod = \"aws\"\nrole = \"jupyter\"\n";
    // Variables, for the global STS; with a session token, for one region and with the method's own header.
    let keys = [("AWS_ACCESS_KEY_ID", "AKIA1"), ("AWS_SECRET_ACCESS_KEY", "wJalr/+canary")];
    let login = cloud.login(auth, &keys);
    assert_eq!(login["role"], "jupyter");
    let sent = verified(&login, &json!({"id": "AKIA1", "secret": "wJalr/+canary", "region": "us-east-1"}));
    assert_eq!(sent["url"], "https://sts.amazonaws.com/");
    assert_eq!(sent["body"], "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(sent["headers"].get("x-vault-aws-iam-server-id").is_none());
    let more = "region = \"eu-central-1\"\nheader_value = \"vault.example.org\"\n";
    let login =
        cloud.login(&auth.replace("role = \"jupyter\"\n", more), &[keys[0], keys[1], ("AWS_SESSION_TOKEN", "sess/+=")]);
    assert!(login.get("role").is_none());
    let sent = verified(
        &login,
        &json!({"id": "AKIA1", "secret": "wJalr/+canary", "session": "sess/+=", "region": "eu-central-1"}),
    );
    assert_eq!(sent["url"], "https://sts.eu-central-1.amazonaws.com/");
    assert_eq!(sent["headers"]["x-vault-aws-iam-server-id"], "vault.example.org");
    assert_eq!(sent["headers"]["x-amz-security-token"], "sess/+=");
    // A web identity: STS exchanges the token for keys.
    let token = cloud.scratch.file("web-token", "web.identity.canary\n");
    let answer = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA2</AccessKeyId>\
                  <SecretAccessKey>web/canary</SecretAccessKey><SessionToken>web-session</SessionToken></Credentials>\
                  </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    let sts = Faults::start(move |_, number| {
        Reply::with(if number == 0 { 200 } else { 403 }, "Content-Type: text/xml\r\n", answer)
    });
    let sts_at = sts.address();
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        ("AWS_ENDPOINT_URL_STS", &*sts_at),
    ];
    let keys = json!({"id": "ASIA2", "secret": "web/canary", "session": "web-session", "region": "us-east-1"});
    verified(&cloud.login(auth, &web), &keys);
    let asked = String::from_utf8(sts.seen()[0].body.clone()).unwrap();
    assert!(
        asked.contains("Action=AssumeRoleWithWebIdentity")
            && asked.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx")
    );
    assert!(asked.contains("WebIdentityToken=web%2Eidentity%2Ecanary"), "{asked}");
    cloud
        .start(auth, &web)
        .is_error(77, &["AWS's STS", "(403)", "arn:aws:iam::1:role/x trusts the token", "web-token"]);
    // The credential service of a container, and of a machine.
    let answer =
        r#"{"AccessKeyId": "ASIA3", "SecretAccessKey": "near/canary", "Token": "near-session", "Expiration": "x"}"#;
    let container = Faults::start(move |request, _| match request.header("authorization") {
        Some("let me") => Reply::json(200, answer),
        _ => Reply::json(403, "{}"),
    });
    let url = format!("{}/v2/credentials/x?y=1", container.address());
    let keys = || json!({"id": "ASIA3", "secret": "near/canary", "session": "near-session", "region": "us-east-1"});
    let near = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me")];
    verified(&cloud.login(auth, &near), &keys());
    assert_eq!(container.seen()[0].path, "/v2/credentials/x?y=1");
    for (far, whole) in [
        ("http://192.0.2.1/x", "neither an https:// URL nor"),
        ("http://127.0.0.1.evil.net/x", "neither an https:// URL nor"),
    ] {
        cloud.start(auth, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", far)]).is_error(78, &[whole]);
    }
    let machine = Faults::start(move |request, _| {
        let has_token = request.header("x-aws-ec2-metadata-token") == Some("imds-token");
        match (request.method.as_str(), request.path.as_str()) {
            ("PUT", "/latest/api/token") if request.header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
                Reply::with(200, "", "imds-token")
            }
            ("GET", "/latest/meta-data/iam/security-credentials/") if has_token => Reply::with(200, "", "the-role\n"),
            (
                "GET",
                "/latest/meta-data/iam/security-credentials/the%2Drole"
                | "/latest/meta-data/iam/security-credentials/the-role",
            ) if has_token => Reply::json(200, answer),
            _ => Reply::json(401, "{}"),
        }
    });
    let machine_at = machine.address();
    verified(&cloud.login(auth, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*machine_at)]), &keys());
    // No credential: the error names that quickly.
    let [port] = support::openbao::free_ports();
    let nowhere = format!("http://127.0.0.1:{port}");
    cloud
        .start(auth, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*nowhere)])
        .is_error(69, &["AWS's metadata service", "nothing listens", "AWS_ACCESS_KEY_ID"]);
    let silent = Faults::start(|_, _| Reply::Hang(Vec::new()));
    let silent_at = silent.address();
    cloud.start(auth, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*silent_at)]).is_error(69, &["no answer in time"]);
    cloud.start(auth, &[("AWS_EC2_METADATA_DISABLED", "true")]).is_error(78, &["no AWS credential"]);
    cloud.start(auth, &[("AWS_ACCESS_KEY_ID", "AKIA1")]).is_error(78, &["without AWS_SECRET_ACCESS_KEY"]);
    let odd = Faults::start(|_, _| Reply::json(200, "[]"));
    let odd_at = format!("{}/x", odd.address());
    cloud.start(auth, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*odd_at)]).is_error(65, &["an unknown format"]);
    assert!(cloud.server.is_alive("root"));
}

#[test]
fn gcp_and_azure_logins_use_tokens_from_the_metadata_service() {
    let gcp = Cloud::new("gcp");
    let metadata = Faults::start(|request, _| match request.header("metadata-flavor") {
        Some("Google") => Reply::with(200, "Content-Type: text/html\r\n", "ey.gcp.jwt"),
        _ => Reply::json(403, "{}"),
    });
    let host = metadata.address().replace("http://", "");
    let auth = "[auth]\nmethod = \"gcp\"\nrole = \"jupyter role\"\n";
    assert_eq!(gcp.login(auth, &[("GCE_METADATA_HOST", &*host)]), json!({"role": "jupyter role", "jwt": "ey.gcp.jwt"}));
    let asked = metadata.seen()[0].path.clone();
    assert!(asked.starts_with("/computeMetadata/v1/instance/service-accounts/default/identity?audience=http%3A%2F%2Fvault%2Fjupyter%20role"), "{asked}");
    assert!(asked.ends_with("&format=full"), "{asked}");
    gcp.start("[auth]\nmethod = \"gcp\"\n", &[]).is_error(78, &["needs `role`"]);
    let [port] = support::openbao::free_ports();
    let nowhere = format!("127.0.0.1:{port}");
    gcp.start(auth, &[("GCE_METADATA_HOST", &*nowhere)])
        .is_error(69, &["Google Cloud's metadata service", "service_account"]);

    let azure = Cloud::new("azure");
    let set = |machine: &'static str| {
        Faults::start(move |request, _| {
            let is_asked = request.header("metadata") == Some("true");
            match request.path.split('?').next().unwrap() {
                "/metadata/identity/oauth2/token" if is_asked => {
                    Reply::json(200, r#"{"access_token": "ey.azure.jwt"}"#)
                }
                "/metadata/instance/compute" if is_asked => Reply::json(200, machine),
                _ => Reply::json(400, "{}"),
            }
        })
    };
    let one = set(r#"{"subscriptionId": "sub", "resourceGroupName": "group", "name": "vm", "vmScaleSetName": ""}"#);
    let auth = "[auth]\nmethod = \"azure\"\nrole = \"jupyter\"\nclient_id = \"c-1\"\n";
    let at = one.address();
    assert_eq!(
        azure.login(auth, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &*at)]),
        json!({"role": "jupyter", "jwt": "ey.azure.jwt", "subscription_id": "sub", "resource_group_name": "group", "vm_name": "vm"})
    );
    let asked = one.seen()[0].path.clone();
    assert!(asked.contains("resource=https%3A%2F%2Fmanagement%2Eazure%2Ecom%2F&client_id=c%2D1"), "{asked}");
    let many =
        set(r#"{"subscriptionId": "sub", "resourceGroupName": "group", "name": "vm_7", "vmScaleSetName": "set"}"#);
    let at = many.address();
    let login = azure.login(auth, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &*at)]);
    assert_eq!((login["vmss_name"].as_str(), login.get("vm_name")), (Some("set"), None));
    let app = Faults::start(|request, _| match request.header("x-identity-header") {
        Some("app-canary") => Reply::json(200, r#"{"access_token": "ey.app.jwt"}"#),
        _ => Reply::json(401, "{}"),
    });
    let at = format!("{}/msi/token", app.address());
    let own = "[auth]\nmethod = \"azure\"\nrole = \"jupyter\"\nresource = \"api://vault\"\n";
    let login = azure.login(own, &[("IDENTITY_ENDPOINT", &*at), ("IDENTITY_HEADER", "app-canary")]);
    assert_eq!(login, json!({"role": "jupyter", "jwt": "ey.app.jwt"}));
    assert_eq!(app.seen()[0].path, "/msi/token?api-version=2019-08-01&resource=api%3A%2F%2Fvault");
    azure
        .start(own, &[("IDENTITY_ENDPOINT", &*at), ("IDENTITY_HEADER", "wrong")])
        .is_error(77, &["Azure's metadata service", "(401)"]);
}
