//! The Secrets section's server side: a real Jupyter server with the wheel, and a real OpenBao.
#![cfg(all(feature = "manage", target_os = "linux"))]

mod support;

use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use support::front_end::{config, ipykernel, plain_kernelspec};
use support::launcher::{Scratch, eventually, run};
use support::openbao::Server;
use support::python;
use support::server::{JupyterServer, Kind, TOKEN};
use support::wheel;

/// A Jupyter server in an environment with only the wheel.
struct Site {
    scratch: Scratch,
    server: JupyterServer,
}

/// A server's answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    cookies: Vec<String>,
    cache: String,
    text: String,
}

impl Answer {
    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.cache, "no-store");
        serde_json::from_str(&self.text).unwrap()
    }
}

const PROGRAM: [(&str, &str); 1] = [("Content-Type", "application/json")];

impl Site {
    /// A server whose vault.toml, in the user's configuration folder, has one secret as its source.
    fn new(path: &str) -> Self {
        Self::with(&config(&Server::shared().address(), path), &[])
    }

    fn with(config: &str, options: &[&str]) -> Self {
        let scratch = Scratch::new();
        scratch.file("config/vault.toml", config);
        scratch.file("config/token", "root\n");
        plain_kernelspec(&scratch, &ipykernel());
        let venv = wheel::install(&scratch);
        let variables = [("VIRTUAL_ENV", venv.to_str().unwrap())];
        let server = JupyterServer::start_with(Kind::JupyterServer, &scratch, &variables, options);
        Self { scratch, server }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(&format!("{}/{path}", self.server.address()), method, headers, body)
    }

    fn act(&self, action: &str, content: &Value) -> Answer {
        self.post(action, &content.to_string())
    }

    fn post(&self, action: &str, body: &str) -> Answer {
        let token = format!("token {TOKEN}");
        let headers = [PROGRAM[0], ("Authorization", &token)];
        let answer = self.send("POST", &format!("jupyter-vault/{action}"), &headers, body);
        assert!(!answer.text.contains("canary"), "{}", answer.text);
        answer
    }

    fn get(&self, what: &str) -> Answer {
        let token = format!("token {TOKEN}");
        let answer = self.send("GET", &format!("jupyter-vault/{what}"), &[("Authorization", &token)], "");
        assert!(!answer.text.contains("canary"), "{}", answer.text);
        answer
    }

    fn list(&self) -> Answer {
        self.get("secrets")
    }

    fn names(&self) -> Vec<String> {
        let list = self.list().ok();
        let rows = list["secrets"].as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    }
}

fn send(url: &str, method: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = if method == "GET" {
        agent.run(request.body(()).unwrap()).unwrap()
    } else {
        agent.run(request.body(body.to_owned()).unwrap()).unwrap()
    };
    let header = |name: &str| {
        let values = response.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let cookies = header("set-cookie").iter().map(|cookie| cookie.split(';').next().unwrap().to_owned()).collect();
    let cache = header("cache-control").join(", ");
    Answer {
        status: response.status().as_u16(),
        cookies,
        cache,
        text: response.body_mut().read_to_string().unwrap_or_default(),
    }
}

#[test]
fn a_secret_is_added_listed_replaced_described_removed_and_restored() {
    let site = Site::new("section/whole");
    assert_eq!(site.names(), [""; 0]);
    let several = "canary line 1\nzwölf \"quotes\" \\ $HOME\n";
    let said = json!({"name": "ONE", "value": several, "description": "--for tests", "kind": "token"});
    assert_eq!(site.act("set", &said).ok()["done"], "added");
    let list = site.list().ok();
    let row = &list["secrets"][0];
    assert_eq!(
        (&row["name"], &row["description"], &row["kind"]),
        (&json!("ONE"), &json!("--for tests"), &json!("token"))
    );
    let place = &list["places"][0];
    assert_eq!(place["source"], "secret/section/whole");
    assert!(["default", "versions", "writable"].iter().all(|is| place[is] == true), "{list}");

    let given = || run(site.scratch.launcher().args(["exec", "--", "env", "-0"])).environment();
    assert_eq!(given()["ONE"], several, "the value is taken as it is");
    let place = &row["place"];
    assert_eq!(site.act("set", &json!({"name": "ONE", "value": "canary-2", "to": place})).ok()["done"], "replaced");
    assert_eq!(given()["ONE"], "canary-2");
    site.act("describe", &json!({"name": "ONE", "description": "other"})).ok();
    assert_eq!(site.list().ok()["secrets"][0]["description"], "other");

    site.act("remove", &json!({"name": "ONE"})).ok();
    assert_eq!(site.names(), [""; 0]);
    site.act("restore", &json!({"name": "ONE"})).ok();
    assert_eq!(given()["ONE"], "canary-2");
    let versions = site.act("versions", &json!({"name": "ONE"})).ok();
    assert!(versions["versions"].as_array().unwrap().len() >= 3, "{versions}");
    site.act("restore", &json!({"name": "ONE", "version": 1})).ok();
    assert_eq!(given()["ONE"], several);
    assert!(!site.server.log().contains("canary"), "{}", site.server.log());
}

#[test]
fn an_import_shows_its_changes_first() {
    let site = Site::new("section/import");
    let file = json!({"content": "A=canary-a\nB='canary b'\n", "format": "env", "dry_run": true});
    assert_eq!(site.act("import", &file).ok()["changes"][1], json!({"name": "B", "change": "add"}));
    assert_eq!(site.names(), [""; 0]);
    site.act("import", &json!({"content": "A=canary-a\nB='canary b'\n"})).ok();
    assert_eq!(site.names(), ["A", "B"]);
    let wrong = site.act("import", &json!({"content": "A=b\nthis canary is no line"}));
    assert_eq!(wrong.status, 422, "{wrong:?}");
    assert!(wrong.text.contains("line 2"), "{wrong:?}");
}

#[test]
fn a_refusal_has_the_programs_two_lines_and_its_code() {
    let site = Site::new("section/refused");
    let refused = site.act("set", &json!({"name": "PYTHONPATH", "value": "canary"}));
    assert_eq!(refused.status, 422);
    let said: Value = serde_json::from_str(&refused.text).unwrap();
    assert!(said["message"].as_str().unwrap().contains("PYTHONPATH"), "{said}");
    assert!(!said["advice"].as_str().unwrap().is_empty() && said["code"].as_u64().unwrap() >= 64, "{said}");
    // A name that looks like an option is a name.
    assert_eq!(site.act("set", &json!({"name": "--config=/etc", "value": "x"})).status, 422);
    for wrong in
        [json!([]), json!({"name": "A"}), json!({"name": "A", "value": 1}), json!({"name": "A", "value": "a\0b"})]
    {
        assert_eq!(site.act("set", &wrong).status, 400, "{wrong}");
    }
    // A lone surrogate, nesting that no parser accepts, a number that is not a version.
    let half = r#"{"name": "\ud800", "value": "canary"}"#.to_owned();
    let deep = format!("{{\"name\": {}", "[".repeat(200_000));
    let number = format!(r#"{{"name": "A", "value": "canary", "expect_version": {}}}"#, "9".repeat(400));
    for body in [half.clone(), half.replace("name", "to"), deep, number] {
        assert_eq!(site.post("set", &body).status, 400, "{}", &body[..40]);
    }
    let long = site.act("set", &json!({"name": "A".repeat(140_000), "value": "canary"}));
    assert!(
        long.status == 422 && long.text.contains("too long"),
        "{}",
        long.text.chars().take(300).collect::<String>()
    );
    let malformed = site.act("import", &json!({"content": "canary", "dry_run": true}));
    assert!(malformed.text.contains("the input, line 1"), "{}", malformed.text);
    assert_eq!(site.act("exec", &json!({})).status, 404);
    // Browsers get no values, unless the site enables that.
    assert_eq!(site.act("connector/list", &json!({"namespace": "x"})).status, 404);
    assert_eq!(site.act("apply", &json!({"kernel": "none"})).status, 404);
}

#[test]
fn without_the_token_or_the_xsrf_cookie_nothing_is_said_or_done() {
    let site = Site::new("section/strangers");
    let action = json!({"name": "A", "value": "canary"}).to_string();
    assert_eq!(site.send("GET", "jupyter-vault/secrets", &[], "").status, 403);
    let wrong = [PROGRAM[0], ("Authorization", "token wrong")];
    assert_eq!(site.send("POST", "jupyter-vault/set", &PROGRAM, &action).status, 403);
    assert_eq!(site.send("POST", "jupyter-vault/set", &wrong, &action).status, 403);

    // A browser that is logged in by cookie, like any page's requests to this host.
    let entry = site.send("GET", &format!("tree?token={TOKEN}"), &[], "");
    let login = site.send("GET", &format!("api/status?token={TOKEN}"), &[], "");
    let cookies: Vec<_> = entry.cookies.iter().chain(&login.cookies).cloned().collect();
    assert!(!cookies.is_empty(), "{entry:?} {login:?}");
    let cookie = cookies.join("; ");
    let by_cookie = site.send("GET", "api/sessions", &[("Cookie", &cookie)], "");
    assert_eq!(by_cookie.status, 200, "the cookie is a login: {by_cookie:?}");
    let refused = site.send("POST", "jupyter-vault/set", &[PROGRAM[0], ("Cookie", &cookie)], &action);
    assert_eq!(refused.status, 403, "without an XSRF header: {refused:?}");
    let form = [("Content-Type", "text/plain"), ("Cookie", &cookie)];
    assert_eq!(site.send("POST", "jupyter-vault/set", &form, &action).status, 415, "a form of another page");
    let token = format!("token {TOKEN}");
    let rebound = [PROGRAM[0], ("Authorization", &token), ("Host", "evil.example.org")];
    assert_eq!(site.send("POST", "jupyter-vault/set", &rebound, &action).status, 403, "DNS rebinding");
    let foreign = [PROGRAM[0], ("Authorization", &token), ("Origin", "http://evil.example.org")];
    assert_eq!(site.send("POST", "jupyter-vault/set", &foreign, &action).status, 404, "another page's, with the token");
    assert_eq!(site.names(), [""; 0]);
    assert!(!site.server.log().contains("canary"));
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let site = Site::new("section/large");
    let token = format!("token {TOKEN}");
    let headers = [PROGRAM[0], ("Authorization", &token)];
    let large = "x".repeat((6 << 20) + 1);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let mut request = agent.post(format!("{}/jupyter-vault/set", site.server.address()));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    // The server may close the connection before everything is sent.
    if let Ok(answer) = request.send(large) {
        assert_eq!(answer.status(), 413);
    }
    assert_eq!(site.names(), [""; 0], "the server goes on");
}

#[test]
fn a_running_kernel_gets_the_secret_and_the_list_says_its_version() {
    let site = Site::new("section/apply");
    site.act("set", &json!({"name": "APPLIED", "value": "canary"})).ok();
    let token = format!("token {TOKEN}");
    let headers = [PROGRAM[0], ("Authorization", &token)];
    let started = site.send("POST", "api/kernels", &headers, &json!({"name": "plain"}).to_string());
    let kernel: Value = serde_json::from_str(&started.text).unwrap();
    let id = kernel["id"].as_str().unwrap();
    eventually("the kernel listens and takes it", || site.act("apply", &json!({ "kernel": id })).status == 200);
    let list = site.list().ok();
    assert_eq!(list["secrets"][0]["kernels"], json!([{"kernel": format!("kernel-{id}"), "version": 1}]), "{list}");
    let ended = site.send("DELETE", &format!("api/kernels/{id}"), &headers, "");
    assert_eq!(ended.status, 204);
}

#[test]
fn a_value_that_was_changed_since_it_was_seen_is_not_replaced() {
    let site = Site::new("section/expected");
    let set = |value: &str, version: Option<u64>| {
        site.act("set", &json!({"name": "ONE", "value": value, "expect_version": version}))
    };
    set("canary-1", Some(0)).ok();
    set("canary-2", Some(1)).ok();
    for late in [0, 1] {
        let refused = set("canary-3", Some(late));
        assert_eq!(refused.status, 422, "{refused:?}");
        assert_eq!(serde_json::from_str::<Value>(&refused.text).unwrap()["code"], 87, "{refused:?}");
    }
    set("canary-3", Some(2)).ok();
    assert_eq!(site.act("set", &json!({"name": "ONE", "value": "x", "expect_version": "2"})).status, 400);
}

#[test]
fn a_user_logs_in_and_the_answer_says_who_and_never_the_token() {
    let vault = Server::shared();
    vault.enable_auth("userpass", "userpass");
    let user = json!({"password": "canary pw", "policies": "default", "token_ttl": "20h"});
    vault.must("POST", "auth/userpass/users/sectioned", &user);
    let site = Site::new("section/login");
    let token = site.scratch.path("config/token");
    std::fs::remove_file(&token).unwrap();
    let status = || site.get("login_status").ok();
    assert_eq!((&status()["logged_in"], &status()["state"]), (&json!(false), &json!("none")));
    let with = |method: &str, who: &str, password: &str| {
        site.act("login", &json!({"method": method, "username": who, "password": password}))
    };
    assert_eq!(with("userpass", "sectioned", "canary wrong").status, 422);
    assert_eq!(with("approle", "sectioned", "canary pw").status, 400);
    assert_eq!(with("userpass", "--config=/etc/passwd", "canary pw").status, 422);
    let said = with("userpass", "sectioned", "canary pw").ok();
    assert_eq!(said["user"], "sectioned", "{said}");
    let kept = std::fs::read_to_string(&token).unwrap();
    assert!(!said.to_string().contains(kept.trim()) && !kept.trim().is_empty());
    let now = status();
    assert_eq!((&now["logged_in"], &now["ends_soon"]), (&json!(true), &json!(true)), "{now}");
    assert!(!now.to_string().contains(kept.trim()));
    assert!(!site.server.log().contains("canary") && !site.server.log().contains(kept.trim()));
    let again = with("token", "", "root");
    assert_eq!(again.ok()["logged_in"], true);
    assert_eq!(std::fs::read_to_string(&token).unwrap().trim(), "root");
}

#[test]
fn a_notebooks_path_is_the_one_its_kernel_gets() {
    let site = Site::new("section/switch");
    site.act("set", &json!({"name": "ONE", "value": "canary"})).ok();
    std::fs::create_dir(site.scratch.path("home/work")).unwrap();
    let switch = |path: &str, on: bool| site.act("switch", &json!({"path": path, "name": "ONE", "on": on}));
    let done = switch("work/a b.ipynb", false).ok();
    let whole =
        site.scratch.path("home/work/a b.ipynb").canonicalize().unwrap_or(site.scratch.path("home/work/a b.ipynb"));
    assert_eq!(done["notebook"], json!(whole), "{done}");
    let list = site.list().ok();
    assert_eq!(list["notebooks"], json!([{"notebook": whole, "without": ["ONE"]}]));
    assert_eq!(list["root"], json!(site.scratch.path("home")));
    // The variable that jupyter_server sets for a kernel of that notebook.
    let token = format!("token {TOKEN}");
    let headers = [PROGRAM[0], ("Authorization", token.as_str())];
    let session =
        json!({"path": "work/a b.ipynb", "name": "a b.ipynb", "type": "notebook", "kernel": {"name": "plain"}});
    let started = site.send("POST", "api/sessions", &headers, &session.to_string());
    let started: Value = serde_json::from_str(&started.text).unwrap();
    let id = started["kernel"]["id"].as_str().unwrap();
    eventually("the kernel listens", || site.act("apply", &json!({ "kernel": id })).status == 200);
    assert_eq!(site.list().ok()["secrets"][0]["kernels"], json!([]), "it goes without");
    switch("work/a b.ipynb", true).ok();
    site.act("apply", &json!({ "kernel": id })).ok();
    assert_eq!(site.list().ok()["secrets"][0]["kernels"][0]["version"], 1);
    assert_eq!(site.send("DELETE", &format!("api/kernels/{id}"), &headers, "").status, 204);
    assert_eq!(switch("work/", false).status, 422);
}

#[test]
fn data_sources_are_listed_with_the_kernels_that_have_them() {
    let address = Server::shared().address();
    let own = config(&address, "section/with-sources")
        + "optional = true\n[[source]]\ndata_sources = \"secret/section/data-sources\"\noptional = true\n";
    let site = Site::with(&own, &[]);
    assert_eq!(site.get("sources").ok()["data_sources"], json!([]));
    let fields = json!({"kind": "clickhouse", "host": "db.example.org", "user": "ada", "password": "canary"});
    Server::shared().put("section/data-sources/events", &fields);
    Server::shared().put("section/data-sources/broken", &json!({"kind": "nothing", "password": "canary"}));
    let token = format!("token {TOKEN}");
    let headers = [PROGRAM[0], ("Authorization", token.as_str())];
    let started = site.send("POST", "api/kernels", &headers, &json!({"name": "plain"}).to_string());
    let kernel: Value = serde_json::from_str(&started.text).unwrap();
    let id = kernel["id"].as_str().unwrap();
    let broken = site.get("sources").ok();
    let row = |name: &str| {
        let rows = site.get("sources").ok()["data_sources"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{broken}"))
    };
    assert!(row("broken")["error"]["what"].is_string());
    assert_eq!(row("events")["kernels"], json!([]));
    site.act("source_remove", &json!({"name": "broken"})).ok();
    eventually("the kernel listens and takes it", || site.act("apply", &json!({ "kernel": id })).status == 200);
    let held = json!([{"kernel": format!("kernel-{id}"), "leases": 0, "renewed": false}]);
    assert_eq!(row("events")["kernels"], held);
    assert_eq!(site.get("sources").ok()["data_sources"].as_array().unwrap().len(), 1);
    assert_eq!(site.send("DELETE", &format!("api/kernels/{id}"), &headers, "").status, 204);
}

#[test]
fn a_source_that_can_not_be_read_is_listed_with_its_error_beside_the_others() {
    let vault = Server::shared();
    vault.put("section/readable", &json!({"SHOWN": "canary"}));
    vault.put("section/denied", &json!({"HIDDEN": "canary"}));
    vault.policy("half", "path \"secret/data/section/readable\" { capabilities = [\"read\"] }");
    let token = vault.must("POST", "auth/token/create", &json!({"policies": ["half"]}))["auth"]["client_token"].clone();
    let both = config(&vault.address(), "section/denied") + "[[source]]\nkv = \"secret/section/readable\"\n";
    let site = Site::with(&both, &[]);
    site.scratch.file("config/token", format!("{}\n", token.as_str().unwrap()));
    assert_eq!(site.names(), ["SHOWN"]);
    let list = site.list().ok();
    let error = &list["places"][0]["error"];
    assert!(error["what"].as_str().unwrap().contains("secret/section/denied"), "{list}");
    assert!(error["advice"].as_str().unwrap().contains("capabilities"), "{list}");
    assert!(list["places"][1].get("error").is_none(), "{list}");
}

#[test]
fn without_the_wheel_ui_says_what_to_install() {
    let scratch = Scratch::new();
    let page = |arguments: &[&str], path: &str| run(scratch.launcher().arg("ui").args(arguments).env("PATH", path));
    page(&[], "/nonexistent").is_error(78, &["no Python with the Secrets page was found", "pip install jupyter-vault"]);
    // An environment with Python, but without the wheel.
    let folder = python::environment().join("bin");
    page(&[], folder.to_str().unwrap()).is_error(78, &["no Python with the Secrets page was found", "bin/python3"]);
    page(&["--idle", "0"], "/nonexistent").is_error(64, &["--idle", "not a duration"]);
    page(&["--port", "1", "--socket", "x"], "/nonexistent").is_error(64, &["--socket"]);
}

/// How many processes of that program run.
fn processes(program: &Path) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    all.filter(|entry| std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program)).count()
}

#[test]
fn a_hanging_vault_blocks_four_requests_and_not_the_server() {
    // It accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let options = ["--VaultSection.timeout=20", "--VaultSection.queue_timeout=3"];
    // The program itself would wait longer.
    let patient = config(&address, "never").replacen("[vault]\n", "[vault]\ntimeout = \"60s\"\n", 1);
    let site = Site::with(&patient, &options);
    let program = site.scratch.path("venv/bin/jupyter-vault").canonicalize().unwrap();
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..40).map(|_| scope.spawn(|| site.list())).collect();
        eventually("four processes run", || processes(&program) == 4);
        let token = format!("token {TOKEN}");
        for _ in 0..20 {
            assert_eq!(site.send("GET", "api/status", &[("Authorization", &token)], "").status, 200);
            assert!(processes(&program) <= 4);
        }
        assert_eq!(processes(&program), 4, "the server answers while it waits for them");
        let answers: Vec<_> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
        let told = |text: &str| answers.iter().filter(|answer| answer.text.contains(text)).count();
        assert_eq!(told("within 20 s"), 4, "{answers:?}");
        assert_eq!(told("are under way"), 32, "{answers:?}");
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
        assert!(
            refused.len() == 4 && refused.iter().all(|answer| answer.text.contains("are already waiting for Vault"))
        );
        assert_eq!(answers.iter().filter(|answer| answer.status == 503).count(), 36, "{answers:?}");
    });
    eventually("no process is left", || processes(&program) == 0);
}
