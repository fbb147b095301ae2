//! The kernelspecs in `kernelspecs/`: each is valid, and those that can run here do, with only the names replaced
//! that refer to another machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::front_end::{FrontEnd, environment};
use crate::support::launcher::{Scratch, binary, run};
use crate::support::openbao::Server;
use crate::support::policies::{log_in, two_users};
use crate::support::python;
use crate::support::ready::{Place, files_below, install};
use crate::support::server::{JupyterServer, Kind, User};
use serde_json::json;

#[test]
fn every_kernelspec_and_every_vault_toml_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernelspecs");
    let files = files_below(&root);
    let named = |name: &str| files.iter().filter(|file| file.ends_with(name)).cloned().collect::<Vec<_>>();
    let specs = named("kernel.json");
    assert_eq!(specs.len(), 10, "{specs:?}");
    let mut command = Command::new(python::python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/check_kernelspecs.py")).args(&specs);
    let outcome = run(environment(&mut command, &Scratch::new()));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, format!("checked {}\n", specs.len()).into_bytes());
    let configurations = named("vault.toml");
    assert!(configurations.len() >= 8, "{configurations:?}");
    for file in configurations {
        let scratch = Scratch::new();
        // A copy, as the files of a work tree may belong to another user.
        let copy = scratch.file("vault.toml", std::fs::read(&file).unwrap());
        let layer = jupyter_vault::internals::read_config(&copy).unwrap().expect("a file");
        assert!(layer.sources().is_some_and(|sources| !sources.is_empty()), "{}", file.display());
    }
    for script in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sh")) {
        let outcome = run(Command::new("bash").arg("-n").arg(script));
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(script).unwrap().permissions());
        assert_eq!(mode & 0o111, 0o111, "{} can be executed", script.display());
    }
}

/// Runs one of the ready-made kernelspecs with `program` as its kernel; `code` prints the variable.
fn runs(name: &str, program: &Path, code: &str) {
    let server = Server::shared();
    server.put("ready", &json!({"READY_SECRET": "canary-of-21-letters!"}));
    let scratch = Scratch::new();
    let vault = format!(
        "[vault]\naddress = \"{}\"\n[auth]\ntoken_file = \"token\"\n[[source]]\nkv = \"secret/ready\"\nversion = 2\n",
        server.address()
    );
    let spec = install(&scratch, name, &[Place::Program(program.to_owned())]);
    std::fs::write(spec.join("vault.toml"), vault).unwrap();
    std::fs::write(spec.join("token"), "root").unwrap();
    let mut front_end = FrontEnd::new(&scratch);
    front_end.start(json!({}));
    let cell = front_end.cell(code);
    let mut printed = cell.printed();
    if cell.status() == "ok" && printed.is_empty() {
        // Deno prints after `idle`, at some time.
        let late = front_end.ask("broadcast", json!({"kind": "stream"}));
        late["content"]["text"].as_str().unwrap().trim().clone_into(&mut printed);
    }
    assert_eq!(printed, "canary-of-21-letters!", "{cell:?}");
}

#[test]
fn the_python3_kernel_runs_with_a_secret() {
    runs("python3", &python::python(), "import os; print(os.environ['READY_SECRET'])");
}

#[test]
fn the_bash_kernel_runs_with_a_secret() {
    runs("bash", &python::kernels().join("bin/python"), "printf '%s\\n' \"$READY_SECRET\"");
}

#[test]
fn the_deno_kernel_runs_with_a_secret() {
    runs("deno", &python::kernels().join("bin/deno"), "console.log(Deno.env.get('READY_SECRET'))");
}

#[test]
#[ignore = "needs R: Debian's r-cran-irkernel"]
fn the_ir_kernel_runs_with_a_secret() {
    runs("ir", Path::new("/usr/bin/R"), "cat(Sys.getenv('READY_SECRET'))");
}

/// The output of the kernels, shown when a test fails.
struct KernelLogs(PathBuf);

impl Drop for KernelLogs {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for file in files_below(&self.0).iter().filter(|file| file.extension().is_some_and(|end| end == "log")) {
                eprintln!("{}: {}", file.display(), std::fs::read_to_string(file).unwrap_or_default());
            }
        }
    }
}

/// Ada and Bert use a kernelspec for Enterprise Gateway: each has their own secret, by `code`.
fn runs_under_the_gateway(name: &str, places: &[Place], variables: &[(&str, &str)], code: &str, printed: &str) {
    let server = Server::start();
    two_users(&server);
    let scratch = Scratch::new();
    let spec = install(&scratch, &format!("enterprise-gateway/{name}"), places);
    let file = spec.join("vault.toml");
    let vault = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, vault.replace("https://vault.example.org:8200", &server.address())).unwrap();
    let logs = scratch.path("runtime").display().to_string();
    let mut all = vec![("EG_KERNEL_LOG_DIR", logs.as_str()), ("EG_KERNEL_LAUNCH_TIMEOUT", "60")];
    all.extend(variables);
    let gateway = JupyterServer::start(Kind::EnterpriseGateway, &scratch, &all);
    let _logs = KernelLogs(scratch.path("runtime"));
    for user in ["ada", "bert"] {
        let mut client = User::of(&gateway);
        let token = log_in(&server, user);
        client.ask("launch", json!({"env": {"KERNEL_USERNAME": user, "KERNEL_VAULT_TOKEN": token, "KERNEL_EXTRA_SPARK_OPTS": "--conf spark.note=$(id)"}}));
        let cell = client.shown(code);
        assert_eq!(cell.printed(), printed.replace("OWN", user), "{cell:?} {}", gateway.log());
        client.ask("delete", json!({}));
    }
}

/// The path of the gateway's own launcher for Python kernels.
fn launcher() -> PathBuf {
    python::enterprise_gateway_files().join("kernel-launchers/python/scripts")
}

const OWN: &str = "import os; print(os.environ['OWN'])";

#[test]
fn python_local() {
    let places = [Place::Text("/opt/conda/bin/python", python::python().display().to_string())];
    runs_under_the_gateway("python_local", &places, &[], OWN, "OWN");
}

#[test]
fn python_distributed() {
    let places = [
        Place::Text("/opt/conda/bin/python", python::remote_kernel().display().to_string()),
        Place::Folder("/usr/local/share/jupyter/kernels/python_distributed"),
        Place::Scripts(launcher()),
    ];
    runs_under_the_gateway("python_distributed", &places, &[], OWN, "OWN");
}

/// A cell that shows the variable in Spark's driver and in the Python of an executor.
const SPARK: &str = "import os; from pyspark.sql import SparkSession; spark = SparkSession.builder.getOrCreate(); \
    there = spark.sparkContext.parallelize([0], 1).map(lambda _: __import__('os').environ.get('OWN')).collect()[0]; \
    conf = spark.sparkContext.getConf(); shown = [v for _, v in conf.getAll() if v in ('ada', 'bert')]; \
    print(os.environ.get('OWN'), there, shown, conf.get('spark.note', 'none'))";

fn spark_places() -> Vec<Place> {
    let spark = python::spark().join("lib").read_dir().unwrap().next().unwrap().unwrap().path();
    vec![
        Place::Text("/opt/conda/bin/python", python::spark().join("bin/python").display().to_string()),
        Place::Text("/opt/spark", spark.join("site-packages/pyspark").display().to_string()),
        Place::Text("\"SPARK_MASTER\": \"yarn\"", "\"SPARK_MASTER\": \"local[1]\"".to_owned()),
        Place::Folder("/usr/local/share/jupyter/kernels/spark_python_yarn_client"),
        Place::Scripts(launcher()),
    ]
}

#[test]
#[ignore = "needs Java"]
fn spark_in_client_mode_has_the_secrets_in_the_driver_and_in_executors_on_its_host() {
    // `$(id)` in the request's options is text for run.sh, and Spark treats it as text.
    let spark = spark_places();
    runs_under_the_gateway(
        "spark_python_yarn_client",
        &spark,
        &[("SPARK_LOCAL_IP", "127.0.0.1")],
        SPARK,
        "OWN OWN [] $(id)",
    );
}

/// What is passed on with a job in cluster mode, beside a job in local mode whose driver was not launched.
#[test]
#[ignore = "needs Java"]
fn in_cluster_mode_each_python_of_spark_fetches_its_own_secrets() {
    let server = Server::shared();
    server.put("spark/jobs", &json!({"OWN": "canary-of-21-letters!"}));
    server.policy("spark", "path \"secret/data/spark/jobs\" { capabilities = [\"read\"] }");
    server.enable_auth("approle", "approle");
    server.must("POST", "auth/approle/role/spark", &json!({"token_policies": "spark"}));
    let scratch = Scratch::new();
    let id = |what: &str, field: &str, method: &str| {
        let answer = server.api(method, &format!("auth/approle/role/spark/{what}"), Some(&json!({}))).1;
        scratch.file(&format!("runtime/{what}"), answer["data"][field].as_str().expect("an id"))
    };
    let (role, secret) = (id("role-id", "role_id", "GET"), id("secret-id", "secret_id", "POST"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernelspecs/enterprise-gateway/spark_python_yarn_cluster");
    let toml = std::fs::read_to_string(folder.join("vault.toml")).unwrap();
    let toml = toml.replace("https://vault.example.org:8200", &server.address());
    let toml = toml.replace("/etc/jupyter/vault-role-id", role.to_str().unwrap());
    scratch.file("home/vault.toml", toml.replace("/etc/jupyter/vault-secret-id", secret.to_str().unwrap()));
    std::fs::copy(folder.join("bin/python.sh"), scratch.path("home/python.sh")).unwrap();
    std::os::unix::fs::symlink(binary(), scratch.path("home/jupyter-vault")).unwrap();
    let job = scratch.file("home/job.py", SPARK);
    let python = python::spark().join("bin/python");
    let mut submit = Command::new(python::spark().join("bin/spark-submit"));
    submit.args(["--master", "local[1]", "--conf", "spark.pyspark.python=./python.sh", "--conf"]);
    submit.arg(format!("spark.pyspark.driver.python={}", python.display())).arg(job);
    environment(&mut submit, &scratch).env("VAULTED_PYTHON", &python).env("SPARK_LOCAL_IP", "127.0.0.1");
    // spark-submit needs a `python3` to find Spark's home.
    let path = format!("{}:/usr/bin:/bin", python.parent().unwrap().display());
    let outcome = run(submit.env("PATH", path).current_dir(scratch.path("home")));
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(said.contains("None canary-of-21-letters! [] none"), "{said} {}", outcome.stderr);
    assert!(!outcome.stderr.contains("canary"), "{}", outcome.stderr);
}
