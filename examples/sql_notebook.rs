//! SQL cells in a real notebook. Vault creates a database user for the kernel and replaces it while the kernel runs,
//! with JupySQL, a real PostgreSQL and OpenBao's database engine. At the end PostgreSQL has the roles that it had
//! before.
//!
//! `cargo run --release --example sql_notebook [-- --picture FILE.png]`

#[path = "../tests/support/certificates.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod certificates;
mod common;
#[path = "../tests/support/inner_cargo.rs"]
mod inner_cargo;
#[path = "../tests/support/openbao.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod openbao;
#[path = "../tests/support/postgres.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod postgres;
#[path = "../tests/support/python.rs"]
mod python;
#[path = "../tests/support/waiting.rs"]
mod waiting;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{create_dir_all, write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Stopper, build_launcher, step};
use serde_json::{Value, json};

/// How long a database user lives at most; in production, a day or a month.
const MAX_TTL: &str = "9s";

/// How long the notebook works, in seconds: longer than two such users live.
const GOES_ON: u64 = 20;

/// The notebook, as a user would write it, with no password in it.
const CELLS: [&str; 4] = [
    "%load_ext sql\n%load_ext jupyter_vault\n%config SqlMagic.feedback = 0\n%config SqlMagic.displaycon = False",
    "%%sql\nselect station, count(*) as readings, round(avg(celsius)::numeric, 1) as mean from readings group by station order by station",
    "%sqlplot histogram --table readings --column celsius --bins 30",
    "%sql insert into visits values (current_user)\nusers = %sql select current_user\nprint(users[0][0])",
];

const READINGS: &str = "create table readings as
  select station, hour, round((10 + base + 6 * sin(hour / 4.0) + (hour * 7919 % 13) / 4.0)::numeric, 1)::float as celsius
  from (values ('harbour', 2), ('hill', -3), ('airport', 0)) as stations(station, base), generate_series(0, 239) as hour";

fn main() -> ExitCode {
    common::main("sql_notebook", run, || {
        python::environment();
        python::postgres();
        python::sql();
    })
}

fn run(stopper: &Stopper) -> Result<(), Box<dyn Error>> {
    let launcher = build_launcher(stopper)?;
    step("Python environments with OpenBao, PostgreSQL and JupySQL (downloaded once, into target/)");
    stopper.environment()?;
    step("PostgreSQL with a table, on a loopback port");
    let postgres = postgres::Postgres::start();
    step("OpenBao with its database engine");
    let server = openbao::Server::start();
    postgres.serve(&server, "database", MAX_TTL, MAX_TTL);
    postgres.use_shipped_statements(&server, "database", MAX_TTL, MAX_TTL);
    let visits = "create table visits as select current_user::text as visitor limit 0";
    for sql in [READINGS, visits, "grant select on readings to notebooks", "grant insert on visits to notebooks"] {
        postgres.query(sql).ok_or("PostgreSQL refuses the table")?;
    }
    let before = roles(&postgres)?;

    let folder = tempfile::tempdir()?;
    let config = kernelspec(folder.path(), &launcher, &server)?;
    step("jupyter-vault sources add warehouse postgres … --credentials database/creds/kernel --default");
    let mut add = Command::new(&launcher);
    add.args(["sources", "add", "warehouse", "postgres", "host=127.0.0.1", "database=postgres", "driver=psycopg"]);
    add.arg(format!("port={}", postgres.port())).args(["--credentials", "database/creds/kernel", "--default"]);
    stopper.run(add.arg("--config").arg(&config))?;

    step("a notebook with SQL cells, run by nbclient");
    let start = Instant::now();
    let mut cells: Vec<Value> = CELLS.iter().map(|cell| json!(cell)).collect();
    cells[3] = json!([CELLS[3], GOES_ON]);
    let seen = common::notebook(stopper, &python::python(), folder.path(), &json!(cells))?;
    let (took, ended) = (start.elapsed().as_secs(), Instant::now());
    let end = ended + Duration::from_secs(10);
    while roles(&postgres)? != before {
        if Instant::now() > end {
            return Err("a role of the kernel's is left in PostgreSQL".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let gone = ended.elapsed().as_millis();

    let output = |number: usize| seen["outputs"][number].as_str().unwrap_or_default();
    println!("In [2]: {}\n{}", CELLS[1].replace('\n', "\n        "), output(1));
    let picture = STANDARD.decode(seen["pictures"][0].as_str().ok_or("the third cell drew no picture")?)?;
    println!("In [3]: {}\n        → a picture of {} bytes", CELLS[2], picture.len());
    if let Some(file) = picture_file() {
        write(file, &picture)?;
    }
    let users: Vec<_> = output(3).lines().map(str::to_owned).collect();
    let different: BTreeSet<_> = users.iter().collect();
    println!("In [4]: {}", CELLS[3].replace('\n', "\n        "));
    println!(
        "        → run {} times in {GOES_ON} seconds; {} users one after the other, each of whom lives {MAX_TTL}",
        users.len(),
        different.len()
    );
    if different.len() < 2 {
        return Err("the user was not replaced".into());
    }
    if postgres.query("select visitor from visits").unwrap_or_default() != users {
        return Err("an insert was lost".into());
    }
    println!("no cell failed, and the kernel was never restarted ({took} s)");
    println!("pg_roles is as before, {gone} ms after the notebook's end");
    Ok(())
}

/// All roles of the database.
fn roles(postgres: &postgres::Postgres) -> Result<Vec<String>, Box<dyn Error>> {
    Ok(postgres.query("select rolname from pg_roles order by rolname").ok_or("PostgreSQL does not answer")?)
}

/// Writes the wrapped kernelspec `vaulted` for a user who logs in by password; returns the path of its vault.toml.
fn kernelspec(folder: &Path, launcher: &Path, server: &openbao::Server) -> Result<PathBuf, Box<dyn Error>> {
    server.enable_auth("userpass", "userpass");
    server.policy(
        "notebooks",
        "path \"database/creds/kernel\" { capabilities = [\"read\"] }\n\
         path \"secret/+/users/ada/*\" { capabilities = [\"create\", \"read\", \"update\", \"patch\", \"list\"] }",
    );
    server.must("POST", "auth/userpass/users/ada", &json!({"password": "right", "token_policies": "notebooks"}));
    let spec = folder.join("kernels/vaulted");
    create_dir_all(&spec)?;
    let config = spec.join("vault.toml");
    let text = format!(
        "[vault]\naddress = \"{}\"\n\n[auth]\nmethod = \"userpass\"\nusername = \"ada\"\npassword_file = \"password\"\n\n\
         [keeper]\ngrace = \"2s\"\n\n[[source]]\ndata_sources = \"secret/users/ada/data-sources\"\nversion = 2\n",
        server.address()
    );
    write(&config, text)?;
    write(spec.join("password"), "right")?;
    std::fs::set_permissions(spec.join("password"), PermissionsExt::from_mode(0o600))?;
    // The wheel has `jupyter_vault`; JupySQL's usage reports are switched off.
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let env = json!({"PYTHONPATH": package, "PLOOMBER_STATS_ENABLED": "false"});
    write(spec.join("kernel.json"), common::kernel_json(launcher, &python::sql(), &env)?)?;
    Ok(config)
}

/// Where to store the picture, if requested.
fn picture_file() -> Option<PathBuf> {
    let mut words = std::env::args().skip_while(|word| word != "--picture").skip(1);
    words.next().map(PathBuf::from)
}
