//! A hundred kernels at once through one gateway, from a Vault that is slow and limits its rate: each starts or
//! says why it did not, within its time limit.
#![cfg(all(feature = "diagnose", target_os = "linux"))]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use support::faults::delayed;
use support::front_end::{Cell, config, kernelspec};
use support::kernels::command;
use support::launcher::Scratch;
use support::openbao::Server;
use support::server::{JupyterServer, Kind, User};

const CROWD: usize = 100;
/// A message that a kernel may show while it waits.
const LATER: &[&str] = &["too many requests (429)", "within"];
/// What a busy machine may add to a launch's time, in seconds: a hundred processes start at once.
const BUSY: f64 = 15.0;

/// Logs when a launch begins, and when it reports a failure. The launcher keeps the pid.
const TIMED: &str = r#"
exec 2> >(while IFS= read -r line; do
    [[ $line != "jupyter-vault: "* ]] || printf 'said %s %s %s\n' $$ "$EPOCHREALTIME" "$line"
done >>"${0%/*}/times")
printf 'began %s %s\n' $$ "$EPOCHREALTIME" >>"${0%/*}/times"
exec "$@"
"#;
/// Logs when the launcher has become this program, and becomes the kernel.
const STARTED: &str = r#"printf 'started %s %s\n' $$ "$EPOCHREALTIME" >>"$0"; exec "$@""#;

/// The events of one launch, each with its time in seconds, and its messages.
type Launches = BTreeMap<String, Vec<(String, f64, String)>>;

fn launches(times: &Path) -> Launches {
    let mut launches = Launches::new();
    for line in std::fs::read_to_string(times).unwrap().lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let what =
            (words[0].to_owned(), words[2].parse().unwrap(), words.get(3).copied().unwrap_or_default().to_owned());
        launches.entry(words[1].to_owned()).or_default().push(what);
    }
    launches
}

/// Checks that each launch became its kernel, or said in time why it did not; returns how many did either at
/// first.
fn in_time(launches: &Launches, budget: f64) -> (usize, usize) {
    let (mut started, mut refused, mut longest) = (0, 0, 0.0_f64);
    for (pid, told) in launches {
        let when = |what: &str| told.iter().find(|(word, ..)| word == what);
        let (_, began, _) = when("began").expect("it began");
        let first = told.iter().filter(|(word, ..)| word != "began").min_by(|one, other| one.1.total_cmp(&other.1));
        let (word, end, said) = first.unwrap_or_else(|| panic!("{pid} neither started nor said why: {told:?}"));
        longest = longest.max(end - began);
        assert!(end - began <= budget + BUSY, "{pid} took {} s of {budget} s: {told:?}", end - began);
        if word == "started" {
            started += 1;
        } else {
            refused += 1;
            assert!(LATER.iter().any(|words| said.contains(words)), "{said}");
        }
    }
    println!("{started} started, {refused} said why; the longest took {longest:.1} s of {budget} s");
    (started, refused)
}

/// The server tells refused clients how long to wait.
fn says_when_to_come_again(server: &Server) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let address = format!("{}/v1/secret/data/load", server.address());
    let refused = (0..1000).find_map(|_| {
        let answer = agent.get(&address).header("X-Vault-Token", "root").call().unwrap();
        (answer.status() == 429).then(|| answer.headers().get("retry-after").cloned())
    });
    assert!(refused.expect("a limit").is_some(), "no Retry-After");
}

/// How many of a crowd started at once, and how many reported that Vault asked to retry later; any other outcome
/// fails.
fn crowd(rate: u32, budget: u32) -> (usize, usize) {
    // Two crowds at once would be a different test.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start();
    server.put("load", &json!({"LOAD_SECRET": "canary-of-21-letters!"}));
    server.must("POST", "sys/quotas/config", &json!({"enable_rate_limit_response_headers": true}));
    server.must("POST", "sys/quotas/rate-limit/load", &json!({"path": "secret/", "rate": rate, "interval": "1s"}));
    says_when_to_come_again(&server);
    let scratch = Scratch::new();
    let times = scratch.path("home/kernels/vaulted/times");
    // A small kernel: a hundred large ones would measure this machine.
    let kernel = command("xpython-raw");
    let mut command = vec!["/bin/bash", "-c", STARTED, times.to_str().unwrap()];
    command.extend(kernel.iter().map(String::as_str));
    let port = delayed(server.port(), Duration::from_millis(300), 100 * CROWD);
    let seconds = budget.to_string();
    let options = ["--timeout", &seconds];
    let spec = kernelspec(&scratch, &config(&format!("http://127.0.0.1:{port}"), "load"), &options, &command);
    std::fs::write(spec.join("token"), "root").unwrap();
    std::fs::write(spec.join("timed.sh"), TIMED).unwrap();
    let mut json: Value = serde_json::from_slice(&std::fs::read(spec.join("kernel.json")).unwrap()).unwrap();
    let argv = json["argv"].as_array_mut().unwrap();
    argv.splice(0..0, ["/bin/bash", "{resource_dir}/timed.sh"].map(Value::from));
    std::fs::write(spec.join("kernel.json"), json.to_string()).unwrap();
    let gateway = JupyterServer::start(Kind::KernelGateway, &scratch, &[]);
    let mut user = User::of(&gateway);
    let look = json!({"count": CROWD, "code": "import os; print(len(os.environ['LOAD_SECRET']))"});
    let seen = user.ask("crowd", look);
    for cell in seen.as_array().unwrap() {
        let cell = Cell(cell.clone());
        let why = cell.0["reply"]["evalue"].as_str().unwrap_or_default();
        match cell.error() {
            _ if cell.printed() == "21" => {}
            // It was a diagnostic kernel until its cell came, or shortly before: now the kernel runs.
            "SecretsReady" => {}
            "SecretsUnavailable" => assert!(LATER.iter().any(|words| why.contains(words)), "{why}"),
            _ => panic!("{cell:?}"),
        }
    }
    assert!(!gateway.log().contains("died"), "{}", gateway.log());
    let launches = launches(&times);
    assert_eq!(launches.len(), CROWD, "each kernel is one process, started once");
    in_time(&launches, f64::from(budget))
}

#[test]
fn with_time_enough_all_of_a_hundred_start() {
    // Twenty per second: a hundred reads, and the refused attempts, fit into half a minute.
    assert_eq!(crowd(20, 30), (CROWD, 0));
}

#[test]
fn with_too_little_time_each_of_a_hundred_starts_or_says_why() {
    let (started, refused) = crowd(2, 3);
    assert_eq!(started + refused, CROWD);
    assert!(refused > CROWD / 4, "the limit was none: {started} started");
}
