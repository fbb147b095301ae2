//! Reports which files were found, which settings apply, the origin of each, and what it overrides.
//!
//! An error in a file is reported, and the rest of the file still counts. A value that may contain a password (a
//! proxy's URL, an address) or be half a credential (a role id) is reported as set, but not shown.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::report::{Report, Status};
use super::super::time::shown;
use crate::config::auth::login;
use crate::config::credential::path_setting;
use crate::config::env::Environment;
use crate::config::file;
use crate::config::keys::{KEYS, Key};
use crate::config::layer::Layer;
use crate::config::locations::Locations;
use crate::config::lock;
use crate::config::login::Login;
use crate::config::origin::Origin;
use crate::config::plan::{DEFAULT_BUDGET, Plan, no_source};
use crate::config::server::Server;
use crate::config::source::SourceSpec;
use crate::config::value::Value;
use crate::error::{Error, Result};
use crate::launch::Request;
use crate::net::address::Address;
use crate::sys::file::group_writes;

/// The settings that apply.
pub(super) struct Configured {
    /// The plan, if there is an address.
    pub(super) plan: Option<Plan>,
    /// Whether its login is the configured one, and not a stand-in for an invalid one.
    pub(super) login_works: bool,
    /// Whether the configuration has no error, so that a launch would contact Vault.
    pub(super) whole: bool,
}

/// Reads and reports the whole configuration, and makes the plan as far as possible.
pub(super) fn check(request: &Request, parent: &Environment, report: &mut Report) -> Configured {
    report.section("configuration");
    let before = report.count(Status::Failed);
    let mut layers = vec![flags(request, report)];
    layers.push(parent.layer_leniently(&mut |problem| {
        report.fail(&problem);
    }));
    files(&Locations::new(request.config.as_deref(), parent), &mut layers, report);
    trust(&layers, report);
    report.section("settings");
    for key in KEYS {
        setting(key, &layers, report);
    }
    let layer = match merged(layers, &request.allow) {
        Ok(layer) => layer,
        Err(error) => {
            report.fail(&error).fact("key", "vault");
            return Configured { plan: None, login_works: false, whole: false };
        }
    };
    readable_by_others(&layer, parent, report);
    let server = kept(Server::new(&layer, parent), "vault", report);
    let login = server.as_ref().and_then(|server| kept(login(&layer, parent, &server.address), "auth", report));
    if layer.sources().unwrap_or_default().is_empty() {
        report.fail(&no_source()).fact("key", "source");
    }
    Configured {
        login_works: login.is_some(),
        plan: server.map(|server| {
            let plan = Plan::with(&layer, parent, server, login.unwrap_or(Login::Agent));
            Plan { by_user: true, ..plan }
        }),
        whole: report.count(Status::Failed) == before,
    }
}

/// The value, or a failure with the table of vault.toml that it concerns.
fn kept<T>(outcome: Result<T>, table: &str, report: &mut Report) -> Option<T> {
    outcome.map_err(|error| report.fail(&error).fact("key", table)).ok()
}

/// The layer of the command line, as for exec.
fn flags(request: &Request, report: &mut Report) -> Layer {
    let mut layer = Layer::default();
    if let Some(timeout) = request.timeout {
        layer.set("vault.timeout", Value::Duration(timeout), Origin::Flag("--timeout"));
    }
    if !request.secrets.is_empty() {
        let mut sources = Vec::new();
        for spec in &request.secrets {
            match SourceSpec::from_spec(spec, &Origin::Flag("--secrets")) {
                Ok(source) => sources.push(source),
                Err(error) => {
                    report.fail(&error);
                }
            }
        }
        layer.set_sources(sources);
    }
    layer
}

fn files(locations: &Locations, layers: &mut Vec<Layer>, report: &mut Report) {
    let named = locations.named.iter().map(|path| (path, true));
    for (path, named) in named.chain(locations.usual.iter().map(|path| (path, false))) {
        let shown = path.display().to_string();
        let mut problems: Vec<Error> = Vec::new();
        match file::read_leniently(path, &mut |problem| problems.push(problem)) {
            Ok(Some(layer)) => {
                report.add(Status::Ok, format!("{shown} is read")).fact("file", shown.clone()).fact("read", true);
                layers.push(layer);
            }
            Ok(None) if named => problems.push(file::missing(path)),
            Ok(None) => {
                report
                    .add(Status::Note, format!("{shown} does not exist"))
                    .fact("file", shown.clone())
                    .fact("read", false);
            }
            Err(error) => problems.push(error),
        }
        for problem in problems {
            report.fail(&problem).fact("file", shown.clone());
        }
    }
}

/// Whether variables may override a file with a login.
fn trust(layers: &[Layer], report: &mut Report) {
    let file = |layer: &Layer| layer.origins().find_map(Origin::file).map(|path| path.display().to_string());
    for (layer, shown) in layers.iter().filter_map(|layer| Some((layer, file(layer)?))) {
        if group_writes(Path::new(&shown)) {
            report
                .add(Status::Warning, format!("{shown} is writable by its group"))
                .advise(format!("users who can write it control where secrets come from: chmod g-w {shown}"))
                .fact("file", shown.clone());
        }
        if layer.is_locked() {
            let what = format!("{shown} is locked: variables can't override its settings");
            report.add(Status::Ok, what).fact("file", shown).fact("locked", true);
        } else if layer.has_table("auth") {
            report
                .add(Status::Note, format!("{shown} has a login and is not locked: variables may override its other settings"))
                .advise("if a gateway starts kernels, set locked = true under [vault], and pass no VAULT_*, BAO_*, JUPYTER_VAULT_* or *_PROXY through")
                .fact("file", shown)
                .fact("locked", false);
        }
    }
    let locked = layers.iter().find(|layer| layer.is_locked() && layer.text("vault.address").is_some());
    let Some(locked) = locked.and_then(file) else { return };
    for origin in layers.iter().flat_map(Layer::origins).filter(|origin| origin.is_variable()) {
        report.add(Status::Note, format!("{origin} has no effect: {locked} sets that and is locked"));
    }
}

/// Reports one setting that applies, with its origin.
fn setting(key: &Key, layers: &[Layer], report: &mut Report) {
    let mut made = layers.iter().filter_map(|layer| layer.get(key.name));
    let Some(setting) = made.next() else {
        let default = match key.name {
            "vault.timeout" => shown(DEFAULT_BUDGET),
            "environment.override" => "true".to_owned(),
            _ => return,
        };
        let what = format!("{} = {default} (the default)", key.name);
        report.add(Status::Note, what).fact("key", key.name).fact("value", default);
        return;
    };
    let value = displayed(key, &setting.value);
    let lower: Vec<_> = made.map(|setting| setting.origin.to_string()).collect();
    let wins = if lower.is_empty() { String::new() } else { format!("; overrides {}", lower.join(", ")) };
    let text = value.as_deref().unwrap_or("is set, but not shown");
    let equals = if value.is_some() { "= " } else { "" };
    let finding = report.add(Status::Ok, format!("{} {equals}{text} ({}{wins})", key.name, setting.origin));
    finding.fact("key", key.name).fact("value", value).fact("origin", setting.origin.to_string());
    if !lower.is_empty() {
        finding.fact("wins_over", lower);
    }
}

/// The value to show; `None` if it may be secret.
fn displayed(key: &Key, value: &Value) -> Option<String> {
    match (key.name, value) {
        ("vault.proxy" | "vault.ca_cert_bytes" | "auth.role_id", _) => None,
        ("vault.address" | "vault.agent_address", Value::Text(text)) => {
            Address::parse(text, key.name).ok().map(|address| address.to_string())
        }
        (_, Value::Text(text)) => Some(text.clone()),
        (_, Value::Bool(flag)) => Some(flag.to_string()),
        (_, Value::Duration(time)) => Some(shown(*time)),
        (_, Value::Count(count)) => Some(count.to_string()),
        (_, Value::Names(names)) => Some(names.join(", ")),
    }
}

/// Merges all layers, and adds the names of `--allow`, as a launch does.
fn merged(layers: Vec<Layer>, allow: &[String]) -> Result<Layer> {
    let merged = lock::merge(layers)?;
    if allow.is_empty() {
        return Ok(merged);
    }
    let configured = merged.names("environment.allow").unwrap_or_default();
    let names = allow.iter().chain(configured).cloned().collect();
    let mut flags = Layer::default();
    flags.set("environment.allow", Value::Names(names), Origin::Flag("--allow"));
    Ok(flags.over(merged))
}

/// Warns of a credential that other users of the machine can read.
fn readable_by_others(layer: &Layer, parent: &Environment, report: &mut Report) {
    let files = [
        "auth.token_file",
        "auth.wrapped_token_file",
        "auth.jwt_file",
        "auth.secret_id_file",
        "auth.password_file",
        "vault.client_key",
    ];
    let settings = files.into_iter().filter_map(|key| Some((key, path_setting(layer, parent, key)?)));
    let home = parent.home().map(|home| ("the token of the command line", home.join(".vault-token")));
    for (key, path) in settings.chain(home) {
        let Some(mode) = mode_of(&path) else { continue };
        if mode & 0o044 != 0 && !is_mounted(&path) {
            let what = format!("{} ({key}) is readable by other users of this machine ({mode:04o})", path.display());
            let advice = format!("restrict it: chmod 600 {}", path.display());
            report.add(Status::Warning, what).advise(advice).fact("file", path.display().to_string());
        }
    }
}

fn mode_of(path: &PathBuf) -> Option<u32> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|found| found.permissions().mode() & 0o777)
}

/// Whether an orchestrator mounts credentials there. It sets their mode, and only the container can see the folder.
fn is_mounted(path: &Path) -> bool {
    path.starts_with("/var/run/secrets") || path.starts_with("/run/secrets")
}
