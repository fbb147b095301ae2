//! A test's own database, its engine, and a launch that gets a role there.

use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::faults::Seen;
use super::launcher::{Scratch, binary, eventually, wait};
use super::openbao::Server;
use super::postgres::Postgres;

/// A test's own database, its engine, and a launch that logs in by userpass and gets a role there.
pub struct Site {
    pub postgres: Postgres,
    pub server: &'static Server,
    pub scratch: Scratch,
    pub name: String,
}

impl Site {
    pub fn new(name: &str, keeper: &str, ttl: &str, max: &str) -> Self {
        Self::at(Server::shared(), name, keeper, ttl, max)
    }

    pub fn at(server: &'static Server, name: &str, keeper: &str, ttl: &str, max: &str) -> Self {
        let postgres = Postgres::start();
        let mount = format!("db-{name}");
        postgres.serve(server, &mount, ttl, max);
        server.enable_auth("userpass", &mount);
        server.policy(&mount, &format!("path \"{mount}/creds/kernel\" {{ capabilities = [\"read\"] }}"));
        server.must("POST", &format!("auth/{mount}/users/ada"), &json!({"password": "right", "token_policies": mount}));
        let scratch = Scratch::new();
        scratch.file("password", "right");
        let site = Self { postgres, server, scratch, name: mount };
        site.configure(&site.login(), keeper);
        site
    }

    pub fn configure(&self, login: &str, keeper: &str) {
        self.give(login, keeper, "name = \"DATABASE_URL\"");
    }

    /// The same, with the URL as `form` says: `name = "NAME"` or `file = "NAME"`.
    pub fn give(&self, login: &str, keeper: &str, form: &str) {
        let text = format!(
            "[vault]\naddress = \"{}\"\n{login}[keeper]\n{keeper}[[source]]\ndatabase = \"{}/creds/kernel\"\n\
             {form}\nurl = \"postgresql://{{username}}:{{password}}@127.0.0.1:{}/postgres\"\n",
            self.server.address(),
            self.name,
            self.postgres.port(),
        );
        self.scratch.file("keeper.toml", text);
    }

    /// The login by userpass, with the password in a file.
    pub fn login(&self) -> String {
        let password = self.scratch.path("password");
        format!(
            "[auth]\nmethod = \"userpass\"\nmount = \"{}\"\nusername = \"ada\"\npassword_file = \"{}\"\n",
            self.name,
            password.display()
        )
    }

    /// Whether a client can log in with that URL.
    pub fn opens(&self, url: &str) -> bool {
        let mut psql = Command::new(self.postgres.psql());
        let psql = psql.args(["-X", "-q", "-A", "-t", url, "-c", "select 1"]).env("PGCONNECT_TIMEOUT", "5");
        psql.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    /// How old the lease was when it was last renewed.
    pub fn oldest_renewal(&self) -> Duration {
        let path = format!("{}/creds/kernel", self.name);
        let keys = self.server.api("LIST", &format!("sys/leases/lookup/{path}"), None).1["data"]["keys"].clone();
        let ages = keys.as_array().into_iter().flatten().map(|key| {
            let id = format!("{path}/{}", key.as_str().expect("a lease"));
            let lease = self.server.must("POST", "sys/leases/lookup", &json!({ "lease_id": id }))["data"].clone();
            let time = |name: &str| humantime::parse_rfc3339(lease[name].as_str()?).ok();
            time("last_renewal")?.duration_since(time("issue_time")?).ok()
        });
        ages.flatten().max().unwrap_or_default()
    }

    /// How many credentials and logins the server gave, by the requests through `relay`.
    pub fn asked(seen: &[Seen], end: &str) -> usize {
        seen.iter().filter(|seen| seen.path.ends_with(end)).count()
    }

    pub fn command(&self, argv: &[&str]) -> Command {
        let mut command = self.scratch.launcher();
        command.args(["exec", "--config"]).arg(self.scratch.path("keeper.toml")).arg("--").args(argv);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A kernel that sleeps, in its own process group, with its role in the database.
    pub fn kernel(&self) -> Kernel {
        use std::os::unix::process::CommandExt;
        let before = self.postgres.roles();
        let kernel = Kernel::of(self.command(&SLEEPS).process_group(0).spawn().unwrap());
        assert_eq!(self.postgres.roles().len(), before.len() + 1);
        kernel
    }

    pub fn ends(&self, when: &str) {
        eventually(&format!("the role is gone: {when}"), || self.postgres.roles().is_empty());
        eventually(&format!("the keeper is gone: {when}"), || keepers().iter().all(|keeper| is_needed(*keeper)));
    }
}

/// A kernel that sleeps. If the tests run in the background, SIGINT is ignored, and kernels would inherit that.
pub const SLEEPS: [&str; 4] = ["/usr/bin/env", "--default-signal", "/bin/sleep", "600"];

pub struct Kernel {
    pub child: Child,
    pub pid: Pid,
}

impl Drop for Kernel {
    /// Ends the kernel of a failed test, with its keeper.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Kernel {
    /// Waits until a launch has become its command.
    pub fn of(child: Child) -> Self {
        let kernel = Self { pid: Pid::from_raw(i32::try_from(child.id()).unwrap()), child };
        let exe = format!("/proc/{}/exe", kernel.pid);
        let ours = [binary().to_owned(), std::env::current_exe().unwrap()];
        eventually("the kernel runs", || !ours.contains(&std::fs::read_link(&exe).unwrap()));
        kernel
    }

    /// The value of a variable that it was started with; for a moment after execve, a process has none.
    pub fn variable(&self, name: &str) -> String {
        let (path, begin) = (format!("/proc/{}/environ", self.pid), format!("{name}="));
        let mut found = None;
        eventually(&format!("the kernel has {name}"), || {
            let variables = std::fs::read(&path).unwrap();
            let variables = String::from_utf8_lossy(&variables).into_owned();
            found = variables.split('\0').find_map(|entry| entry.strip_prefix(&begin)).map(str::to_owned);
            found.is_some()
        });
        found.unwrap()
    }

    pub fn end(mut self, signal: Signal) {
        kill(self.pid, signal).unwrap();
        wait(&mut self.child);
    }
}

/// When a process began, in the system's ticks; `None` if it has exited.
fn began(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()
}

/// The keepers of this program: neither those that only start one (`keep first`), which exit at once, nor those
/// of an earlier test process, whose server may be gone.
pub fn keepers() -> Vec<i32> {
    let own = began(i32::try_from(std::process::id()).unwrap());
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_one = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_ours = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == binary());
        is_ours && line.windows(11).any(|words| words == b"keep\0alone\0") && began(*pid) >= own
    };
    pids.filter(is_one).collect()
}

/// The keepers of that kernel.
pub fn keepers_of(kernel: i32) -> Vec<i32> {
    keepers().into_iter().filter(|keeper| kernels_of(*keeper).contains(&kernel)).collect()
}

/// The kernels that a keeper's command line names.
fn kernels_of(keeper: i32) -> Vec<i32> {
    let line = std::fs::read_to_string(format!("/proc/{keeper}/cmdline")).unwrap_or_default();
    let last = line.trim_end_matches('\0').rsplit('\0').next().unwrap_or_default().to_owned();
    last.split(',').filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether a kernel of that keeper runs.
fn is_needed(keeper: i32) -> bool {
    kernels_of(keeper).iter().any(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
}

/// One test at a time, so that it does not count the keepers of another.
static ALONE: LazyLock<std::sync::Mutex<()>> = LazyLock::new(std::sync::Mutex::default);

pub fn alone() -> std::sync::MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    eventually("the keepers of other tests are gone", || keepers().is_empty());
    alone
}

/// The whole writable memory of a process, as text.
pub fn memory(pid: i32) -> String {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let file = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with("rw")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut part = vec![0; usize::try_from(to - from).unwrap()];
        if file.read_exact_at(&mut part, from).is_ok() {
            all.extend(part);
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}
