//! Data sources: stored by the real program in a real OpenBao, used by real clients of a real PostgreSQL.
#![cfg(all(feature = "manage", target_os = "linux"))]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::launcher::{Outcome, Scratch, eventually, finish, run};
use support::leases::Kernel;
use support::mariadb::MariaDb;
use support::openbao::{Server, free_ports};
use support::postgres::Postgres;
use support::python::clients;
use support::terminal::Terminal;
use support::valkey::Valkey;
use support::waiting::timed;

/// A user with a folder of data sources, and a separate login.
struct User {
    server: &'static Server,
    scratch: Scratch,
    name: String,
}

impl User {
    fn new(name: &str) -> Self {
        let server = Server::shared();
        let mount = format!("sources-{name}");
        server.enable_auth("userpass", &mount);
        let all = "capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"]";
        let policy = format!(
            "path \"secret/+/sources/{name}/*\" {{ {all} }}\npath \"db-{name}/*\" {{ capabilities = [\"read\"] }}"
        );
        server.policy(&mount, &policy);
        server.must("POST", &format!("auth/{mount}/users/{name}"), &json!({"password": "pw", "token_policies": mount}));
        let scratch = Scratch::new();
        scratch.file("config/password", "pw");
        let password = scratch.path("config/password");
        let text = format!(
            "[vault]\naddress = \"{}\"\n[auth]\nmethod = \"userpass\"\nmount = \"{mount}\"\nusername = \"{name}\"\n\
             password_file = {password:?}\n[[source]]\ndata_sources = \"secret/sources/{{metadata.username}}/data\"\n",
            server.address()
        );
        scratch.file("config/vault.toml", text);
        Self { server, scratch, name: name.to_owned() }
    }

    fn ran_with(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        let mut command = self.scratch.launcher();
        command.arg("sources").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // If the command line is refused, standard input is not read.
        let _ = child.stdin.take().unwrap().write_all(input);
        let outcome = finish(child);
        let text = String::from_utf8_lossy(&outcome.stdout).into_owned() + &outcome.stderr;
        assert!(!text.contains("canary"), "{text}");
        outcome
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str], input: &[u8]) -> String {
        let outcome = self.ran_with(arguments, input);
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        String::from_utf8(outcome.stdout).unwrap()
    }

    fn stored(&self, name: &str) -> Value {
        self.server.api("GET", &format!("secret/data/sources/{}/data/{name}", self.name), None).1["data"]["data"]
            .clone()
    }

    fn exec(&self, argv: &[&str]) -> Command {
        let mut command = self.scratch.launcher();
        command.args(["exec", "--"]).args(argv);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a kernel gets: its variables, with the content of files instead of their names.
    #[track_caller]
    fn launched(&self) -> BTreeMap<String, String> {
        let show = "import os, json; w = lambda p: open(p).read() if os.path.isfile(p) else \
                    open(p + '/' + os.listdir(p)[0]).read() if os.path.isdir(p) else p; \
                    print(json.dumps({k: w(v) if v.startswith(os.environ['JUPYTER_RUNTIME_DIR']) else v for k, v in os.environ.items() if not k.startswith('JUPYTER_')}))";
        let outcome = run(&mut self.exec(&[clients().to_str().unwrap(), "-c", show]));
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        let mut all: BTreeMap<String, String> = serde_json::from_slice(&outcome.stdout).unwrap();
        all.retain(|name, _| !["PATH", "HOME", "LC_CTYPE"].contains(&name.as_str()) && !name.starts_with("JUPYTER_"));
        all
    }

    /// Stores a data source directly, as its address can't be reached.
    #[track_caller]
    fn add(&self, line: &str, input: &str) -> String {
        let mut words = vec!["add", "--unchecked"];
        words.extend(line.split(' '));
        self.ok(&words, input.as_bytes())
    }
}

const CONNECT: &str = "import psycopg; print(psycopg.connect().execute('select current_user').fetchone()[0])";

#[test]
fn a_database_with_a_stored_password_is_added_tried_used_listed_and_removed() {
    let (user, postgres) = (User::new("static"), Postgres::start());
    postgres.query("create role ada login password 'p@ss ''\"\\canary'").unwrap();
    let port = format!("port={}", postgres.port());
    let add = ["add", "warehouse", "postgres", "host=127.0.0.1", &port, "database=postgres", "user=ada", "--default"];
    let said = user.ok(&add, b"p@ss '\"\\canary\n");
    assert!(said.contains("added warehouse (postgres)") && said.contains("PGSERVICEFILE, PGSERVICE"), "{said}");
    assert_eq!(user.stored("warehouse")["password"], "p@ss '\"\\canary");
    // A kernel connects, and its variables contain no secret.
    let python = clients();
    let connected = run(&mut user.exec(&[python.to_str().unwrap(), "-c", CONNECT]));
    assert_eq!(String::from_utf8_lossy(&connected.stdout), "ada\n", "{}", connected.stderr);
    let by_url = "import sqlalchemy as s, os; print(s.create_engine(os.environ['DATABASE_URL'].replace('postgresql:', 'postgresql+psycopg:')).connect().execute(s.text('select current_user')).scalar())";
    let connected = run(&mut user.exec(&[python.to_str().unwrap(), "-c", by_url]));
    assert_eq!(String::from_utf8_lossy(&connected.stdout), "ada\n", "{}", connected.stderr);
    let variables = run(&mut user.exec(&["env", "-0"])).environment();
    assert_eq!(variables["WAREHOUSE_URL"], "postgresql:///?service=warehouse");
    assert_eq!(variables["PGSERVICE"], "warehouse");
    assert!(variables.values().all(|value| !value.contains("canary")), "{variables:?}");
    // Tested with the Python's client.
    let said = user.ok(&["test", "warehouse", "--python", python.to_str().unwrap()], b"");
    assert!(said.contains("accepted a connection by psycopg 3."), "{said}");
    let listed = user.ok(&["list"], b"");
    assert!(listed.contains(&format!("warehouse  postgres    127.0.0.1:{}  (default)", postgres.port())), "{listed}");
    let listed: Value = serde_json::from_str(&user.ok(&["list", "--json"], b"")).unwrap();
    assert_eq!(listed["data_sources"][0]["kind"], "postgres");
    // A wrong password is reported without showing it.
    let mut again = add.to_vec();
    again.push("--replace");
    user.ok(&again, b"wrong-canary");
    let failed = user.ran_with(&["test", "warehouse", "--python", python.to_str().unwrap()], b"");
    failed.is_error(69, &["psycopg can't connect to the data source warehouse at 127.0.0.1", "--replace"]);
    user.ok(&["rm", "warehouse"], b"");
    assert!(user.stored("warehouse").is_null());
    assert!(!run(&mut user.exec(&["env", "-0"])).environment().contains_key("PGSERVICE"));
    user.ran_with(&["rm", "warehouse"], b"").is_error(66, &["there is no data source warehouse", "sources list"]);
    // Restored with the wrong password, and again to the one before.
    user.ran_with(&["restore", "nothing"], b"").is_error(66, &["there is no data source nothing"]);
    let said = user.ok(&["restore", "warehouse"], b"");
    assert!(said.contains("restored warehouse from version 2"), "{said}");
    assert_eq!(user.stored("warehouse")["password"], "wrong-canary");
    let said = user.ok(&["restore", "warehouse"], b"");
    assert!(said.contains("restored warehouse from version 1") && said.contains("version 3"), "{said}");
    user.ok(&["test", "warehouse", "--python", python.to_str().unwrap()], b"");
    user.ran_with(&["restore", "warehouse", "--version", "9"], b"").is_error(66, &["version 9 of the data source"]);
    // Removed, while another one uses its names.
    user.ok(&["rm", "warehouse"], b"");
    user.add("other postgres host=a database=d user=u", "canary");
    user.ran_with(&["restore", "warehouse"], b"").is_error(64, &["warehouse and other would both give PGSERVICE"]);
    assert!(user.stored("warehouse").is_null());
}

#[test]
fn a_database_whose_user_vault_makes_lives_as_long_as_the_kernel() {
    let (user, postgres) = (User::new("dynamic"), Postgres::start());
    postgres.serve(user.server, "db-dynamic", "1h", "24h");
    let (port, python) = (format!("port={}", postgres.port()), clients());
    let add = [
        "add",
        "warehouse",
        "postgres",
        "host=127.0.0.1",
        &port,
        "database=postgres",
        "--credentials",
        "db-dynamic/creds/kernel",
    ];
    user.ok(&add, b"");
    assert_eq!(user.stored("warehouse")["credentials"], "db-dynamic/creds/kernel");
    let connected = run(&mut user.exec(&[python.to_str().unwrap(), "-c", CONNECT]));
    assert!(connected.stdout.starts_with(b"v-"), "{}", connected.stderr);
    eventually("the role is gone with the kernel", || postgres.roles().is_empty());
    let said = user.ok(&["test", "warehouse", "--python", python.to_str().unwrap()], b"");
    assert!(said.contains("accepted a connection by psycopg"), "{said}");
    eventually("the role is gone after the test", || postgres.roles().is_empty());
    // With a given token, which may not revoke leases, the lease ends anyway.
    let token = user.server.token(&["sources-dynamic", "default"], &json!({"meta": {"username": "dynamic"}}));
    let mut given = user.scratch.launcher();
    given.args(["sources", "test", "warehouse", "--python", python.to_str().unwrap(), "--config"]);
    let config = format!(
        "[vault]\naddress = \"{}\"\n[[source]]\ndata_sources = \"secret/sources/dynamic/data\"\n",
        user.server.address()
    );
    given.arg(user.scratch.file("given.toml", config)).env("VAULT_TOKEN", &token);
    given.env("JUPYTER_CONFIG_DIR", user.scratch.path("home"));
    let tried = run(&mut given);
    assert_eq!(tried.code(), Some(0), "{}", tried.stderr);
    eventually("the role is gone after a test with a given token", || postgres.roles().is_empty());
    assert!(user.server.is_alive(&token));
    // doctor creates no lease, and reports that the role would leave its user behind.
    let checked = run(user.scratch.launcher().arg("doctor"));
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains("may leave users behind in the database") && text.contains("WAREHOUSE_URL"), "{text}");
    assert!(postgres.roles().is_empty());
    postgres.use_shipped_statements(user.server, "db-dynamic", "1h", "24h");
    let checked = run(user.scratch.launcher().arg("doctor"));
    assert!(!String::from_utf8_lossy(&checked.stdout).contains("may leave users behind"));
}

/// The user of a client that reads now how to connect. One that is slower than the grace of a second reads again.
fn at_once(connect: impl Fn() -> Option<String>) -> String {
    loop {
        let (user, took) = timed(&connect);
        if let Some(user) = user {
            return user;
        }
        assert!(took >= Duration::from_secs(1), "a client that connects now gets in");
    }
}

/// A kernel that sleeps, the file that `name` names, and settings that replace a credential soon.
fn kernel_with_file(user: &User, name: &str) -> (Kernel, PathBuf) {
    let config = std::fs::read_to_string(user.scratch.path("config/vault.toml")).unwrap();
    user.scratch.file("config/vault.toml", config.replace("[[source]]", "[keeper]\ngrace = \"1s\"\n[[source]]"));
    let kernel = Kernel::of(user.exec(&["/bin/sleep", "600"]).spawn().unwrap());
    let file = PathBuf::from(kernel.variable(name));
    (kernel, file)
}

#[test]
#[ignore = "needs mariadb-server-core and mariadb-client-core"]
fn every_connection_with_mariadbs_option_file_succeeds_and_its_user_ends_with_the_kernel() {
    let user = User::new("maria");
    let maria = MariaDb::start();
    maria.serve(user.server, "db-maria", "6s", "9s");
    let python = clients();
    let port = maria.port();
    user.add(&format!("sales mysql host=127.0.0.1 port={port} database=sales --credentials db-maria/creds/kernel"), "");
    for client in ["pymysql", "sqlalchemy"] {
        let code = "import os, pymysql, sqlalchemy, sys
if sys.argv[1] == 'pymysql':
    cursor = pymysql.connect(read_default_file=os.environ['SALES_OPTION_FILE']).cursor()
    cursor.execute('select user()')
    print(cursor.fetchone()[0])
else:
    print(sqlalchemy.create_engine(os.environ['SALES_URL']).connect().execute(sqlalchemy.text('select user()')).scalar())";
        let connected = run(&mut user.exec(&[python.to_str().unwrap(), "-c", code, client]));
        assert!(connected.stdout.starts_with(b"v-"), "{client}: {}", connected.stderr);
    }
    let said = user.ok(&["test", "sales", "--python", python.to_str().unwrap()], b"");
    assert!(said.contains("accepted a connection by pymysql"), "{said}");
    eventually("the users of ended kernels are gone", || maria.users().is_empty());
    let (kernel, file) = kernel_with_file(&user, "SALES_OPTION_FILE");
    let mut seen = BTreeSet::new();
    eventually("the user is replaced", || {
        seen.insert(at_once(|| MariaDb::user_by(&file)));
        seen.len() > 2
    });
    kernel.end(Signal::SIGKILL);
    eventually("the user is gone", || maria.users().is_empty());
}

#[test]
#[ignore = "needs valkey, or redis before Debian 13"]
fn valkeys_user_is_replaced_in_a_file_and_goes_with_the_kernel() {
    let user = User::new("valkey");
    let valkey = Valkey::start();
    valkey.serve(user.server, "db-valkey", "6s", "9s");
    let config = std::fs::read_to_string(user.scratch.path("config/vault.toml")).unwrap();
    let source = format!(
        "[[source]]\ndatabase = \"db-valkey/creds/kernel\"\nfile = \"CACHE_FILE\"\nurl = \"{}\"\n",
        valkey.url("{username}", "{password}")
    );
    user.scratch.file("config/vault.toml", format!("{}{source}", config.split("[[source]]").next().unwrap()));
    let (kernel, file) = kernel_with_file(&user, "CACHE_FILE");
    let mut seen = BTreeSet::new();
    eventually("the user is replaced", || {
        let user = || Valkey::asked(&std::fs::read_to_string(&file).unwrap(), &["acl", "whoami"]);
        seen.insert(at_once(user));
        seen.len() > 2
    });
    assert!(
        seen.iter().all(|user| user.to_lowercase().starts_with("v_") || user.to_lowercase().starts_with("v-")),
        "{seen:?}"
    );
    kernel.end(Signal::SIGKILL);
    eventually("the user is gone", || valkey.users().is_empty());
}

#[test]
fn an_error_is_reported_before_anything_is_stored() {
    let user = User::new("wrong");
    let [closed] = free_ports();
    let closed = format!("port={closed}");
    let whole = ["host=127.0.0.1", &closed, "database=d", "user=u"];
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["x", "postgress"], 64, &["\"postgress\", is unknown", "did you mean postgres?", "snowflake"]),
        (&["x", "postgres", "hots=a"], 64, &["has no field \"hots\"", "host, port, database"]),
        (&["X!", "postgres"], 64, &["can't be the name of a data source", "lowercase letters"]),
        (&["x", "postgres", "port=0", "host=a", "database=d", "user=u"], 64, &["the field port of", "1 to 65535"]),
        (&["x", "postgres", "host=https://db"], 64, &["the field host of", "without scheme"]),
        (&["x", "postgres", "host=a"], 64, &["has no database and no user and no password", "nothing was stored"]),
        (&["x", "postgres", "password=canary"], 64, &["the field password is secret", "standard input"]),
        (&["x", "postgres", "canary"], 64, &["not FIELD=VALUE"]),
        (
            &["x", "postgres", "user=u", "--credentials", "db/creds/r", "host=a", "database=d"],
            64,
            &["user of the data source x is given twice"],
        ),
        (
            &["x", "bigquery", "project=p", "--credentials", "gcp/key/r"],
            64,
            &["no engine makes credentials for the kind bigquery"],
        ),
        (&["x", "bigquery", "project=p"], 64, &["the field key of", "JSON object"]),
    ];
    for (arguments, code, fragments) in cases {
        let mut words = vec!["add"];
        words.extend_from_slice(arguments);
        user.ran_with(&words, b"canary").is_error(*code, fragments);
    }
    let mut words = vec!["add", "x", "postgres"];
    words.extend_from_slice(&whole);
    user.ran_with(&words, b"canary")
        .is_error(69, &["can't be reached at 127.0.0.1:", "nothing listens", "--unchecked"]);
    assert!(user.stored("x").is_null());
    user.add("x postgres host=a database=d user=u", "canary");
    user.ran_with(&["add", "x", "postgres", "host=a", "database=d", "user=u", "--unchecked"], b"canary")
        .is_error(64, &["already", "--replace"]);
    user.ran_with(&["add", "y", "postgres", "host=a", "database=d", "user=u", "--unchecked"], b"canary")
        .is_error(64, &["y and x would both give PGSERVICE", "--prefix Y_"]);
    user.ran_with(&["test", "nothing"], b"").is_error(64, &["kernel python3", "--python"]);
    user.ran_with(&["test", "x", "--python", "/usr/bin/true"], b"").is_error(71, &["did not answer"]);
}

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n";

/// One data source.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Each kind with its arguments, its secrets, and each variable that it sets (for a file: the file's name).
const KINDS: &[Case] = &[
    (
        "sales postgres host=db database=d user=u port=1 sslmode=require driver=psycopg",
        "p@canary",
        &[("PGSERVICE", "sales"), ("SALES_URL", "postgresql+psycopg:///?service=sales")],
    ),
    (
        "more-sales postgres host=db2 database=d user=u --prefix MORE_",
        "canary",
        &[("MORE_PGSERVICE", "more-sales"), ("MORE_SALES_URL", "postgresql:///?service=more-sales")],
    ),
    (
        "rs redshift host=c.redshift.amazonaws.com database=d user=u",
        "p@canary",
        &[
            ("RS_SERVICE", "rs"),
            ("RS_URL", "redshift+redshift_connector://u:p%40canary@c.redshift.amazonaws.com:5439/d"),
            (
                "PGSERVICEFILE",
                "[more-sales]\nhost=db2\nport=5432\ndbname=d\nuser=u\npassword=canary\n\n\
                 [rs]\nhost=c.redshift.amazonaws.com\nport=5439\ndbname=d\nuser=u\npassword=p@canary\n\n\
                 [sales]\nhost=db\nport=1\ndbname=d\nuser=u\npassword=p@canary\nsslmode=require\n",
            ),
        ],
    ),
    (
        "my mysql host=db database=d user=u",
        "p@\"canary",
        &[
            (
                "MY_OPTION_FILE",
                "[client]\nhost = \"db\"\nport = 3306\nuser = \"u\"\npassword = \"p@\"canary\"\ndatabase = \"d\"\n",
            ),
            ("MY_URL", "mysql+pymysql://u:p%40%22canary@db:3306/d"),
        ],
    ),
    (
        "lake athena region=eu-west-1 staging=s3://b/x workgroup=w",
        "{\"access_key\": \"AK\", \"secret_key\": \"canary/+\"}",
        &[
            ("AWS_SHARED_CREDENTIALS_FILE", "[lake]\naws_access_key_id = AK\naws_secret_access_key = canary/+\n"),
            ("AWS_PROFILE", "lake"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ATHENA_S3_STAGING_DIR", "s3://b/x"),
            ("AWS_ATHENA_WORK_GROUP", "w"),
            (
                "LAKE_URL",
                "awsathena+rest://@athena.eu-west-1.amazonaws.com:443/default?s3_staging_dir=s3%3A%2F%2Fb%2Fx&work_group=w",
            ),
        ],
    ),
    (
        "bq bigquery project=p dataset=d",
        "{\"private_key\": \"canary\"}",
        &[
            ("GOOGLE_APPLICATION_CREDENTIALS", "{\"private_key\": \"canary\"}"),
            ("GOOGLE_CLOUD_PROJECT", "p"),
            ("BQ_URL", "bigquery://p/d"),
        ],
    ),
    (
        "snow snowflake account=o-a user=u warehouse=w database=d schema=s",
        "c\"anary",
        &[
            ("SNOWFLAKE_DEFAULT_CONNECTION_NAME", "snow"),
            ("SNOW_URL", "snowflake://u:c%22anary@o-a/d/s?warehouse=w&application=jupyter"),
            (
                "SNOWFLAKE_HOME",
                "[snow]\naccount = \"o-a\"\nuser = \"u\"\npassword = \"c\\\"anary\"\nwarehouse = \"w\"\ndatabase = \"d\"\nschema = \"s\"\n",
            ),
        ],
    ),
    (
        "bricks databricks host=x.cloud.databricks.com http_path=/sql/1.0/w catalog=c",
        "dapi-canary",
        &[
            ("DATABRICKS_HOST", "https://x.cloud.databricks.com"),
            ("DATABRICKS_SERVER_HOSTNAME", "x.cloud.databricks.com"),
            ("DATABRICKS_HTTP_PATH", "/sql/1.0/w"),
            ("DATABRICKS_TOKEN", "dapi-canary"),
            (
                "BRICKS_URL",
                "databricks://token:dapi-canary@x.cloud.databricks.com?http_path=%2Fsql%2F1.0%2Fw&catalog=c",
            ),
        ],
    ),
    (
        "tri trino host=t user=u catalog=c",
        "",
        &[
            ("TRINO_HOST", "t"),
            ("TRINO_PORT", "443"),
            ("TRINO_USER", "u"),
            ("TRINO_CATALOG", "c"),
            ("TRI_URL", "trino://u@t:443/c"),
        ],
    ),
    (
        "house clickhouse host=h user=u",
        "canary",
        &[
            ("CLICKHOUSE_HOST", "h"),
            ("CLICKHOUSE_PORT", "8443"),
            ("CLICKHOUSE_USER", "u"),
            ("CLICKHOUSE_PASSWORD", "canary"),
            ("HOUSE_URL", "clickhousedb://u:canary@h:8443/"),
        ],
    ),
    ("logs splunk host=s", "canary", &[("SPLUNK_HOST", "s"), ("SPLUNK_PORT", "8089"), ("SPLUNK_TOKEN", "canary")]),
    (
        "alerts mssentinel workspace=w-1 tenant=t-1 client=c-1",
        "canary",
        &[
            ("AZURE_TENANT_ID", "t-1"),
            ("AZURE_CLIENT_ID", "c-1"),
            ("AZURE_CLIENT_SECRET", "canary"),
            ("MSSENTINEL_WORKSPACE_ID", "w-1"),
        ],
    ),
    (
        "ora oracle host=o service=s.example user=u",
        "c/anary",
        &[("ORA_URL", "oracle+oracledb://u:c%2Fanary@o:1521/?service_name=s.example")],
    ),
    (
        "ms mssql host=m database=d user=u --default",
        "c anary",
        &[("MS_URL", "mssql+pymssql://u:c%20anary@m:1433/d"), ("DATABASE_URL", "mssql+pymssql://u:c%20anary@m:1433/d")],
    ),
];

#[test]
fn every_kind_gives_the_settings_that_its_clients_read() {
    let user = User::new("kinds");
    let mut expected = BTreeMap::new();
    for (line, secrets, gives) in KINDS {
        let said = user.add(line, secrets);
        let own = gives.iter().filter(|(name, _)| said.contains(name)).count();
        assert_eq!(own, gives.len(), "{said}");
        expected.extend(gives.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    assert_eq!(user.launched(), expected);
    let known: Vec<_> = KINDS.iter().map(|(line, _, _)| line.split(' ').nth(1).unwrap()).collect();
    for kind in jupyter_vault::internals::KINDS {
        assert!(known.contains(&kind.name), "{} has no case", kind.name);
    }
    // What clients say hello with is Python.
    let hello: Vec<_> =
        jupyter_vault::internals::KINDS.iter().flat_map(|kind| kind.clients).map(|one| one.hello).collect();
    let compiles = "import json, sys; [compile(code, '', 'exec') for code in json.loads(sys.argv[1])]";
    let compiled = run(Command::new(clients()).args(["-c", compiles, &json!(hello).to_string()]));
    assert_eq!(compiled.code(), Some(0), "{}", compiled.stderr);
    // The client libraries read the settings.
    let read = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/read_settings.py");
    let outcome = run(&mut user.exec(&[clients().to_str().unwrap(), read]));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let folder = String::from_utf8(outcome.stdout).unwrap();
    // The next launch that has files removes its remains.
    user.launched();
    assert!(!std::path::Path::new(folder.trim()).exists());
}

#[test]
fn snowflake_takes_a_key_and_athena_takes_keys_that_an_engine_makes() {
    let user = User::new("keys");
    let key = user.scratch.file("key.pem", KEY);
    user.add(&format!("snow snowflake account=o-a user=u --file private_key={}", key.display()), "");
    user.add("lake athena region=eu-west-1 staging=s3://b/ --credentials db-keys/creds/lake", "");
    // Any engine that answers with these fields works.
    user.server.mount_kv("db-keys", 1);
    let made = json!({"access_key": "AK", "secret_key": "canary", "security_token": null});
    user.server.must("POST", "db-keys/creds/lake", &made);
    let given = user.launched();
    assert_eq!(
        given["SNOWFLAKE_HOME"],
        "[snow]\naccount = \"o-a\"\nuser = \"u\"\nauthenticator = \"SNOWFLAKE_JWT\"\nprivate_key = \"Y2FuYXJ5\"\n"
    );
    // No key is in a file: a client asks for it.
    assert!(given["AWS_CONFIG_FILE"].starts_with("[profile lake]\ncredential_process = "), "{given:?}");
    assert_eq!((&given["AWS_SHARED_CREDENTIALS_FILE"][..], &given["AWS_PROFILE"][..]), ("", "lake"));
    let asks = "import boto3; c = boto3.Session().get_credentials(); print(c.access_key, c.secret_key, c.token)";
    let asked = run(&mut user.exec(&[clients().to_str().unwrap(), "-c", asks]));
    assert_eq!(String::from_utf8_lossy(&asked.stdout), "AK canary None\n", "{}", asked.stderr);
    user.server.must("POST", "db-keys/creds/lake", &json!({"access_key": "AK"}));
    run(&mut user.exec(&["env"])).is_error(66, &["db-keys/creds/lake gives no secret_key for the data source lake"]);
}

#[test]
fn a_malformed_data_source_is_reported_at_the_start_and_can_be_removed() {
    let user = User::new("broken");
    user.server.put("sources/broken/data/x", &json!({"kind": "postgres", "host": "a b"}));
    run(&mut user.exec(&["env"]))
        .is_error(65, &["the field host of the data source x", "secret/sources/broken/data/x"]);
    let listed = user.ran_with(&["list"], b"");
    assert_eq!(listed.code(), Some(65));
    assert!(String::from_utf8(listed.stdout).unwrap().contains("x  can't be used: the field host"));
    user.server.put("sources/broken/data/x", &json!({"API_KEY": "canary"}));
    run(&mut user.exec(&["env"])).is_error(66, &["secret/sources/broken/data/x is not a data source"]);
    user.ok(&["rm", "x"], b"");
    assert_eq!(run(&mut user.exec(&["true"])).code(), Some(0));
}

#[test]
fn on_a_terminal_missing_fields_are_prompted_for_and_secret_ones_not_shown() {
    let user = User::new("asked");
    let mut command = user.scratch.launcher();
    command.args(["sources", "add", "warehouse", "postgres", "host=db", "--unchecked"]);
    let mut terminal = Terminal::start(&command);
    terminal.answer("the database: ", "sales");
    terminal.answer("the user: ", "ada");
    terminal.answer_unseen("the password (not shown): ", "canary");
    let (code, stdout, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(stdout.contains("added warehouse") && !shown.contains("canary"), "{stdout}{shown}");
    assert_eq!(user.stored("warehouse")["password"], "canary");
    // A key of several lines can't be typed at a prompt.
    let mut command = user.scratch.launcher();
    command.args(["sources", "add", "reports", "bigquery", "project=p", "--unchecked"]);
    let (code, _, shown) = Terminal::start(&command).end();
    assert!(code == 64 && shown.contains("with --file key=FILE"), "{code} {shown}");
}

#[test]
fn for_a_python_without_a_client_test_says_what_to_install() {
    let user = User::new("client");
    user.add("logs splunk host=s", "canary");
    let python = support::python::python();
    let tried = user.ran_with(&["test", "logs", "--python", python.to_str().unwrap()], b"");
    tried.is_error(78, &["no client for splunk is installed in", "-m pip install splunk-sdk`"]);
    // SQLAlchemy is installed, but not its dialect or driver.
    user.add("house clickhouse host=127.0.0.1 port=1 user=u", "canary");
    user.add("ora oracle host=127.0.0.1 port=1 service=s user=u", "canary");
    for (name, package) in [("house", "pip install clickhouse-connect`"), ("ora", "pip install sqlalchemy oracledb`")] {
        let tried = user.ran_with(&["test", name, "--python", clients().to_str().unwrap()], b"");
        tried.is_error(78, &["no client for", package]);
    }
}

#[test]
fn a_host_may_be_an_address_of_ipv6_and_postgresqls_the_folder_of_its_socket() {
    let user = User::new("six");
    user.add("six postgres host=::1 database=d user=u", "canary");
    user.add("seven mysql host=[::1] database=d user=u", "canary");
    user.add("eight trino host=fe80::1 user=u catalog=c", "");
    let given = user.launched();
    assert!(given["PGSERVICEFILE"].contains("host=::1\nport=5432\n"), "{given:?}");
    assert!(given["SEVEN_OPTION_FILE"].contains("host = \"::1\"\n"), "{given:?}");
    assert_eq!(given["SEVEN_URL"], "mysql+pymysql://u:canary@[::1]:3306/d");
    assert_eq!((&given["TRINO_HOST"][..], &given["EIGHT_URL"][..]), ("fe80::1", "trino://u@[fe80::1]:443/c"));
    let folder = user.scratch.path("");
    let socket = ["add", "near", "postgres", &format!("host={}", folder.display()), "port=7", "database=d", "user=u"];
    let socket = [&socket[..], &["--prefix", "NEAR_"]].concat();
    user.ran_with(&socket, b"canary").is_error(69, &["can't be reached at /", "nothing was stored"]);
    let _listening = std::os::unix::net::UnixListener::bind(user.scratch.path(".s.PGSQL.7")).unwrap();
    user.ok(&socket, b"canary");
    assert!(user.launched()["PGSERVICEFILE"].contains(&format!("host={}\n", folder.display())));
}
