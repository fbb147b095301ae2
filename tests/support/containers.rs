//! Stand-ins for a container engine and a Kubernetes API server, as far as Enterprise Gateway and its launch
//! scripts use them: neither is available to the tests. They start a real process with the requested variables; only
//! the image is this machine.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::faults::{Faults, Reply, Seen};

/// An image: the command that it starts, and its variables, which take precedence here.
pub struct Image {
    pub entry: Vec<String>,
    pub variables: Vec<(&'static str, String)>,
    /// The folder for the containers' output.
    pub log: PathBuf,
}

struct Container {
    id: String,
    name: String,
    child: Child,
}

impl Container {
    /// Starts the image's command, with `variables`.
    fn start(image: &Image, variables: &[(String, String)], name: &Value) -> Self {
        let log = File::options().create(true).append(true).open(&image.log).expect("the log");
        let mut command = Command::new(&image.entry[0]);
        command.args(&image.entry[1..]).env_clear().envs(variables.iter().cloned());
        command.envs(image.variables.iter().cloned()).process_group(0).stdin(Stdio::null());
        let child = command.stderr(log.try_clone().expect("the log")).stdout(log).spawn().expect("it starts");
        let id = variables.iter().find(|(name, _)| name == "KERNEL_ID").expect("a kernel's id").1.clone();
        Self { id, name: name.as_str().expect("a name").to_owned(), child }
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    fn end(mut self) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

#[derive(Default)]
struct State {
    containers: Vec<Container>,
    asked: Vec<Value>,
}

/// Both stand-ins, on one port.
pub struct Cluster {
    faults: Faults,
    state: Arc<Mutex<State>>,
}

impl Cluster {
    pub fn start(image: Image) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let faults = Faults::start(move |request, _| answer(request, &image, &mut shared.lock().expect("a lock")));
        Self { faults, state }
    }

    /// The port of both.
    pub fn port(&self) -> u16 {
        self.faults.port()
    }

    /// The services or pods that were requested.
    pub fn asked(&self) -> Vec<Value> {
        self.state.lock().expect("a lock").asked.clone()
    }

    /// How many containers run.
    pub fn running(&self) -> usize {
        self.state.lock().expect("a lock").containers.iter_mut().filter_map(|one| one.runs().then_some(())).count()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock() {
            state.containers.drain(..).for_each(Container::end);
        }
    }
}

fn answer(request: &Seen, image: &Image, state: &mut State) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    if segments[0].starts_with("v1.") {
        segments.remove(0);
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let service = |one: &Container| json!({"ID": one.id, "Version": {"Index": 1}, "Spec": {"Name": one.name}});
    match (request.method.as_str(), &segments[..]) {
        ("GET", ["version"]) => {
            let version = json!({"ApiVersion": "1.44", "MinAPIVersion": "1.24", "Version": "by hand"});
            Reply::json(200, &version.to_string())
        }
        ("POST", ["services", "create"]) => {
            let variables = body["TaskTemplate"]["ContainerSpec"]["Env"].as_array().expect("a list").iter();
            let variables = variables.map(|entry| {
                let (name, value) = entry.as_str().expect("text").split_once('=').expect("an entry");
                (name.to_owned(), value.to_owned())
            });
            let started = Container::start(image, &variables.collect::<Vec<_>>(), &body["Name"]);
            let reply = Reply::json(201, &json!({ "ID": started.id }).to_string());
            state.containers.push(started);
            state.asked.push(body);
            reply
        }
        // A filter contains the kernel's id, which is in the service's name.
        ("GET", ["services"]) => {
            let found: Vec<_> = state.containers.iter().filter(|one| query.contains(&one.id)).map(service).collect();
            Reply::json(200, &json!(found).to_string())
        }
        ("GET", ["tasks"]) => {
            let running = state.containers.iter_mut().filter(|one| query.contains(&one.id)).filter_map(|one| {
                let task = json!({
                    "ID": one.id, "Status": {"State": "running"}, "NetworksAttachments": [{"Addresses": ["127.0.0.1/8"]}],
                });
                one.runs().then_some(task)
            });
            let running: Vec<_> = running.collect();
            Reply::json(200, &json!(running).to_string())
        }
        (method @ ("GET" | "DELETE"), ["services", id]) => {
            let Some(place) = state.containers.iter().position(|one| one.id == *id) else {
                return Reply::json(404, r#"{"message": "no such service"}"#);
            };
            let reply = Reply::json(200, &service(&state.containers[place]).to_string());
            if method == "DELETE" {
                state.containers.remove(place).end();
            }
            reply
        }
        ("POST", ["api", "v1", "namespaces", _, "pods"]) => {
            let variables = body["spec"]["containers"][0]["env"].as_array().expect("a list").iter();
            let text = |entry: &Value, key: &str| entry[key].as_str().expect("text").to_owned();
            let variables: Vec<_> = variables.map(|entry| (text(entry, "name"), text(entry, "value"))).collect();
            state.containers.push(Container::start(image, &variables, &body["metadata"]["name"]));
            let mut created = body.clone();
            created["metadata"]["uid"] = json!("by-hand");
            state.asked.push(body);
            Reply::json(201, &created.to_string())
        }
        _ => Reply::json(404, r#"{"message": "nothing is there"}"#),
    }
}
