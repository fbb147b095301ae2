//! The examples for Kubernetes and Docker: their manifests against Kubernetes' schemas, their logins on a real
//! server, and a Dockerfile's changes to Enterprise Gateway's image, made to the gateway's files.

mod support;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use support::containers::{Cluster, Image};
use support::faults::{Faults, Reply};
use support::front_end::config;
use support::jwt::signed_jwt;
use support::launcher::{Scratch, binary, eventually, run};
use support::openbao::Server;
use support::policies::{load, two_users};
use support::python;
use support::ready::{Place, install};
use support::remote;
use support::server::{JupyterServer, Kind, User};

/// The examples, checked and parsed.
fn checked() -> Value {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new(python::manifests());
    command.arg(format!("{root}/tests/support/check_manifests.py")).arg(format!("{root}/examples"));
    let outcome = run(&mut command);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    serde_json::from_slice(&outcome.stdout).unwrap()
}

/// The document of that kind and name.
fn document<'a>(seen: &'a Value, kind: &str, name: &str) -> &'a Value {
    let documents = seen["documents"].as_array().unwrap();
    documents.iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name).expect("a document")
}

#[test]
fn the_manifests_meet_kubernetes_schemas_and_fit_each_other() {
    let seen = checked();
    assert!(seen["documents"].as_array().unwrap().len() >= 7, "{seen}");
    let pod = &document(&seen, "Pod", "jupyter-ada")["spec"];
    document(&seen, "ServiceAccount", pod["serviceAccountName"].as_str().unwrap());
    let volumes = pod["volumes"].as_array().unwrap();
    for mount in pod["containers"][0]["volumeMounts"].as_array().unwrap() {
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
    }
    let token = &volumes.iter().find(|volume| volume["name"] == "token").unwrap()["projected"]["sources"][0];
    assert_eq!(token["serviceAccountToken"]["audience"], "vault");
    // The schemas reject a wrong manifest.
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("kubernetes")).unwrap();
    scratch.file("kubernetes/wrong.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {container: []}\n");
    let mut command = Command::new(python::manifests());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/check_manifests.py")).arg(scratch.path(""));
    assert_ne!(run(&mut command).code(), Some(0));
}

#[test]
fn service_accounts_log_in_as_the_manifest_says_and_each_reads_its_own() {
    let server = Server::start();
    let review = Faults::start(|request, _| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let token = body["spec"]["token"].as_str().unwrap();
        let claims = token.split('.').nth(1).unwrap();
        let who = if claims.contains(ADA) { "ada" } else { "bert" };
        let user = json!({"username": format!("system:serviceaccount:jupyter:{who}"), "uid": who, "groups": []});
        let status = json!({"authenticated": true, "user": user, "audiences": ["vault"]});
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status});
        Reply::json(201, &review.to_string())
    });
    server.enable_auth("kubernetes", "kubernetes");
    load(&server, "jupyter-kubernetes", "kubernetes.hcl", "kubernetes/");
    let ca = std::fs::read_to_string(server.certificates.cert("ca")).unwrap();
    let config = json!({"kubernetes_host": review.address(), "disable_local_ca_jwt": true, "kubernetes_ca_cert": ca});
    server.must("POST", "auth/kubernetes/config", &config);
    let role = json!({
        "audience": "vault", "token_policies": "jupyter-kubernetes", "token_ttl": "5m",
        "bound_service_account_namespaces": "jupyter", "bound_service_account_names": "*",
    });
    server.must("POST", "auth/kubernetes/role/jupyter", &role);
    let seen = checked();
    let toml = document(&seen, "ConfigMap", "jupyter-vault")["data"]["vault.toml"].as_str().unwrap();
    let toml = toml.replace("https://vault.example.org:8200", &server.address());
    for (own, other) in [("ada", "bert"), ("bert", "ada")] {
        server.put(&format!("users/jupyter/{own}"), &json!({ "OWN": own }));
        let claims = json!({
            "iss": "https://kubernetes.default.svc", "sub": format!("system:serviceaccount:jupyter:{own}"), "aud": ["vault"],
            "iat": 1_700_000_000_u64, "nbf": 1_700_000_000_u64, "exp": 4_000_000_000_u64,
            "kubernetes.io": {"namespace": "jupyter", "serviceaccount": {"name": own, "uid": own}},
        });
        let scratch = Scratch::new();
        let file = scratch.file("runtime/token", signed_jwt(&server, &claims).1);
        let launch = |toml: &str| {
            let toml = toml.replace("/var/run/secrets/vault/token", file.to_str().unwrap());
            scratch.file("config/vault.toml", toml);
            run(scratch.launcher().args(["exec", "--", "sh", "-c", "printf %s \"$OWN\""]))
        };
        let outcome = launch(&toml);
        assert_eq!(outcome.stdout, own.as_bytes(), "{}", outcome.stderr);
        launch(&toml.replace("{metadata.service_account_name}", other)).is_error(77, &["forbid"]);
    }
}

/// The beginning of the claims in the token of the service account `ada`, in base64.
const ADA: &str = "YWRh";

/// The gateway's own start script for a kernel's container, edited like in the example's Dockerfile.
fn bootstrap(scratch: &Scratch, vault_toml: &str) -> PathBuf {
    let seen = checked();
    let steps = seen["dockerfiles"]["enterprise-gateway.Dockerfile"].as_array().unwrap();
    assert_eq!(steps.iter().rfind(|step| step["do"] == "USER").unwrap()["value"], "jovyan");
    let edit = steps.iter().find(|step| step["do"] == "RUN").unwrap()["value"].as_str().unwrap();
    let script = scratch.path("home/bootstrap-kernel.sh");
    let whole = python::enterprise_gateway_files().join("kernel-launchers/bootstrap/bootstrap-kernel.sh");
    std::fs::copy(whole, &script).unwrap();
    let edit = edit.replace("/usr/local/bin/bootstrap-kernel.sh", script.to_str().unwrap());
    let edit = edit.replace("/etc/jupyter/vault.toml", vault_toml);
    assert_eq!(run(Command::new("sh").args(["-c", &edit])).code(), Some(0));
    script
}

/// The `PATH` of the image.
fn path() -> String {
    let python = python::remote_kernel();
    format!("{}:{}:/usr/bin:/bin", binary().parent().unwrap().display(), python.parent().unwrap().display())
}

#[test]
fn the_gateways_image_starts_its_kernel_through_the_launcher_and_logs_no_secret() {
    let seen = checked();
    let wraps = seen["dockerfiles"]["notebook.Dockerfile"].as_array().unwrap();
    assert!(wraps.iter().any(|step| step["value"].as_str().unwrap().starts_with("jupyter-vault wrap --all")));

    let server = Server::shared();
    server.put("image", &json!({"OWN": "canary-of-21-letters!"}));
    let scratch = Scratch::new();
    scratch.file("config/token", "root");
    let toml = scratch.file("config/vault.toml", config(&server.address(), "image"));
    let bootstrap = bootstrap(&scratch, toml.to_str().unwrap());

    // The distributed process proxy starts what a container would run.
    let start = format!(
        "PATH={} KERNEL_ID={{kernel_id}} RESPONSE_ADDRESS={{response_address}} PUBLIC_KEY={{public_key}} \
         PORT_RANGE={{port_range}} KERNEL_LAUNCHERS_DIR={} exec bash {}",
        path(),
        python::enterprise_gateway_files().join("kernel-launchers").display(),
        bootstrap.display()
    );
    let spec = json!({
        "argv": ["sh", "-c", start], "display_name": "Image", "language": "python",
        "metadata": {"process_proxy": {"class_name": remote::DISTRIBUTED}},
    });
    std::fs::create_dir_all(scratch.path("home/kernels/vaulted")).unwrap();
    scratch.file("home/kernels/vaulted/kernel.json", spec.to_string());
    let logs = scratch.path("runtime").display().to_string();
    let gateway = JupyterServer::start(Kind::EnterpriseGateway, &scratch, &[("EG_KERNEL_LOG_DIR", logs.as_str())]);
    let mut user = User::of(&gateway);
    let id = user.ask("launch", json!({"env": {"KERNEL_USERNAME": "ada"}}))["id"].as_str().unwrap().to_owned();
    let log = || std::fs::read_to_string(scratch.path(&format!("runtime/kernel-{id}.log"))).unwrap_or_default();
    let cell = user.cell("import os; print(len(os.environ['OWN']))");
    assert_eq!(cell.printed(), "21", "{cell:?} {}", log());
    assert!(log().contains(" env: ") && log().contains("KERNEL_USERNAME=ada"), "{}", log());
    assert!(!log().contains("canary"), "{}", log());
    user.ask("delete", json!({}));
}

/// Ada and Bert use a ready-made kernelspec whose kernel runs in a container; `adapt` makes the changes that this
/// machine needs, besides other paths. Returns what the cluster was asked for.
fn runs_in_a_container(name: &str, adapt: impl Fn(&mut Value, &Cluster, &Scratch)) -> Vec<Value> {
    let server = Server::start();
    two_users(&server);
    let scratch = Scratch::new();
    let toml = format!(
        "[vault]\naddress = \"{}\"\n[auth]\nfrom_request = true\n\
         [[source]]\nkv = \"secret/users/{{metadata.username}}\"\nversion = 2\n",
        server.address()
    );
    let toml = scratch.file("config/vault.toml", toml);
    let log = scratch.path("containers.log");
    let launchers = python::enterprise_gateway_files().join("kernel-launchers");
    let cluster = Cluster::start(Image {
        entry: vec!["bash".to_owned(), bootstrap(&scratch, toml.to_str().unwrap()).display().to_string()],
        variables: vec![
            ("PATH", path()),
            ("HOME", scratch.path("home").display().to_string()),
            ("KERNEL_LAUNCHERS_DIR", launchers.display().to_string()),
        ],
        log: log.clone(),
    });
    let python = python::enterprise_gateway().join("bin/python").display().to_string();
    let kind = name.strip_prefix("python_").unwrap();
    let spec = install(
        &scratch,
        &format!("enterprise-gateway/{name}"),
        &[
            Place::Text("/opt/conda/bin/python", python),
            Place::Folder(if kind == "docker" {
                "/usr/local/share/jupyter/kernels/python_docker"
            } else {
                "/usr/local/share/jupyter/kernels/python_kubernetes"
            }),
            Place::Scripts(launchers.join(kind).join("scripts")),
        ],
    );
    let mut text: Value = serde_json::from_slice(&std::fs::read(spec.join("kernel.json")).unwrap()).unwrap();
    adapt(&mut text, &cluster, &scratch);
    std::fs::write(spec.join("kernel.json"), text.to_string()).unwrap();
    let engine = format!("tcp://127.0.0.1:{}", cluster.port());
    let logs = scratch.path("runtime").display().to_string();
    let variables = [
        ("DOCKER_HOST", engine.as_str()),
        // The launch script asks the engine too, whose socket is at its default path elsewhere.
        ("EG_INHERITED_ENVS", "DOCKER_HOST"),
        ("EG_KERNEL_LAUNCH_TIMEOUT", "60"),
        ("EG_KERNEL_LOG_DIR", logs.as_str()),
    ];
    let gateway = JupyterServer::start(Kind::EnterpriseGateway, &scratch, &variables);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    for user in ["ada", "bert"] {
        let mut client = User::of(&gateway);
        let login = json!({"password": format!("{user}'s")});
        let token = server.wrapped(&format!("auth/userpass/login/{user}"), &login);
        client.ask("launch", json!({"env": {"KERNEL_USERNAME": user, "KERNEL_VAULT_WRAPPED_TOKEN": token}}));
        let cell = client.shown("import os; print(os.environ['OWN'], [n for n in os.environ if 'VAULT' in n])");
        assert_eq!(cell.printed(), format!("{user} []"), "{cell:?} {}", said());
        client.ask("delete", json!({}));
        // The cluster stores the request's credential, which is used up.
        let asked = cluster.asked().pop().unwrap().to_string();
        assert!(asked.contains(&token) && !asked.contains("\"OWN\""), "{asked}");
        let (status, _) = server.api_with(&[("X-Vault-Token", &token)], "POST", "sys/wrapping/unwrap", None);
        assert!(status >= 400, "{status}");
    }
    eventually("the containers end", || cluster.running() == 0);
    cluster.asked()
}

#[test]
fn python_docker_runs_in_a_container_that_the_gateway_asks_for() {
    let asked = runs_in_a_container("python_docker", |_, _, _| {});
    for (service, user) in asked.iter().zip(["ada-", "bert-"]) {
        assert!(service["Name"].as_str().unwrap().starts_with(user), "{service}");
        let container = &service["TaskTemplate"]["ContainerSpec"];
        assert_eq!(container["Image"], "registry.example.org/kernel-py-vault:3.3.0", "{service}");
        // The image's own start command is not replaced.
        assert!(container["Command"].is_null() && container["Args"].is_null(), "{service}");
    }
    assert_eq!(asked.len(), 2);
}

/// The gateway's Kubernetes process proxy starts only in a pod. Its distributed one does here what that does
/// before and after its launch script, and the kernelspec does what it passes to that.
#[test]
fn python_kubernetes_runs_in_a_pod_that_the_launch_script_asks_for() {
    let asked = runs_in_a_container("python_kubernetes", |spec, cluster, scratch| {
        let place = format!("http://127.0.0.1:{}", cluster.port());
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": place}}], "users": [{"name": "us", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "us"}}],
        });
        let kubeconfig = scratch.file("config/kubeconfig", kubeconfig.to_string());
        let image = spec["metadata"]["process_proxy"]["config"]["image_name"].clone();
        spec["metadata"]["process_proxy"] = json!({"class_name": remote::DISTRIBUTED});
        spec["env"] = json!({
            "KUBECONFIG": kubeconfig, "KERNEL_IMAGE": image, "KERNEL_POD_NAME": "kernel", "KERNEL_NAMESPACE": "jupyter",
            "KERNEL_SERVICE_ACCOUNT_NAME": "jupyter-ada", "KERNEL_UID": "1000", "KERNEL_GID": "100",
        });
    });
    assert_eq!(asked.len(), 2);
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("kubernetes")).unwrap();
    for pod in &asked {
        scratch.file("kubernetes/pod.yaml", pod.to_string());
        let mut command = Command::new(python::manifests());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/check_manifests.py")).arg(scratch.path(""));
        let outcome = run(&mut command);
        assert_eq!(outcome.code(), Some(0), "{} {pod}", outcome.stderr);
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["image"], "registry.example.org/kernel-py-vault:3.3.0", "{pod}");
        assert!(container["command"].is_null() && container["args"].is_null(), "{pod}");
        assert_eq!(pod["spec"]["serviceAccountName"], "jupyter-ada");
    }
}
