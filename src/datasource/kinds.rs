//! Every kind of data source: the one place to add another.
//!
//! A row's templates are those of [`super::template`]; `{name}` is the data source's own name. A variable whose name
//! begins with `_` is prefixed with that name: `_URL` of `warehouse` is `WAREHOUSE_URL`. A section goes into one file
//! with the sections of the other data sources of that variable. Passwords are in files if the client reads one at
//! each connect, and in variables only if it reads nothing else. Of each row's `clients`, the first that the kernel's
//! Python has is used for a test.

use super::field::{Field, Shape};
use super::kind::{KernelVariable, Kind, TestClient, VariableForm, file, process, section, variable};

/// The fields of a `database` role's answer.
const LOGIN: &[(&str, &str)] = &[("username", "user"), ("password", "password")];

const HOST: Field = Field::new("host", "the server's name or address", Shape::Host);
const DATABASE: Field = Field::new("database", "the database", Shape::Line);
const USER: Field = Field::new("user", "the user", Shape::Line);
const PASSWORD: Field = Field::secret("password", "the password", Shape::Line);
const DRIVER: Field = Field::new("driver", "SQLAlchemy's driver, if not its usual one", Shape::Word).optional();
const SCHEMA: Field = Field::new("schema", "the schema", Shape::Line).optional();

const fn port(usual: &'static str) -> Field {
    Field::new("port", "the port", Shape::Port).usually(usual)
}

const SERVICE: &str = "[{name}]\nhost={host|bare}\nport={port}\ndbname={database}\nuser={user}\npassword={password}\n<sslmode={sslmode}\n><sslrootcert={sslrootcert}\n>";
/// A client that connects with SQLAlchemy; `package` contains the driver.
const fn by_url(package: &'static str) -> TestClient {
    TestClient {
        module: "sqlalchemy",
        package,
        hello: "sqlalchemy.create_engine(url).connect().execute(sqlalchemy.text('select 1')).fetchall()",
    }
}
const BY_SERVICE: TestClient = TestClient {
    module: "psycopg",
    package: "psycopg[binary]",
    hello: "psycopg.connect(service=name, connect_timeout=seconds).execute('select 1').fetchall()",
};
const BY_SERVICE_2: TestClient = TestClient {
    module: "psycopg2",
    package: "psycopg2-binary",
    hello: "psycopg2.connect(service=name, connect_timeout=seconds).cursor().execute('select 1')",
};

/// All kinds, in the order of the documentation.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "postgres",
        fields: &[
            Field::new("host", "the server's name or address", Shape::HostOrFolder),
            port("5432"),
            DATABASE,
            USER,
            PASSWORD,
            Field::new("sslmode", "libpq's sslmode, such as verify-full", Shape::Word).optional(),
            Field::new("sslrootcert", "the file of the CA, or `system`", Shape::Line).optional(),
            DRIVER,
        ],
        either: &[],
        dynamic: LOGIN,
        reach: "{host}:{port}",
        gives: &[
            section("PGSERVICEFILE", SERVICE),
            variable("PGSERVICE", "{name}"),
            variable("_URL", "postgresql<+{driver}>:///?service={name|url}"),
        ],
        clients: &[BY_SERVICE, BY_SERVICE_2, by_url("sqlalchemy psycopg2-binary")],
    },
    Kind {
        name: "redshift",
        fields: &[
            HOST,
            port("5439"),
            DATABASE,
            USER,
            PASSWORD,
            Field::new("sslmode", "libpq's sslmode, such as verify-full", Shape::Word).optional(),
            Field::new("sslrootcert", "the file of the CA, or `system`", Shape::Line).optional(),
        ],
        either: &[],
        dynamic: LOGIN,
        reach: "{host}:{port}",
        gives: &[
            section("PGSERVICEFILE", SERVICE),
            variable("_SERVICE", "{name}"),
            variable("_URL", "redshift+redshift_connector://{user|url}:{password|url}@{host}:{port}/{database|url}"),
        ],
        clients: &[
            BY_SERVICE,
            BY_SERVICE_2,
            TestClient {
                module: "redshift_connector",
                package: "redshift-connector",
                hello: "from urllib.parse import urlsplit, unquote\nu = urlsplit(url)\nredshift_connector.connect(host=u.hostname, port=u.port, user=unquote(u.username), password=unquote(u.password), database=unquote(u.path[1:]), timeout=seconds).cursor().execute('select 1')",
            },
        ],
    },
    Kind {
        name: "mysql",
        fields: &[
            HOST,
            port("3306"),
            DATABASE.optional(),
            USER,
            PASSWORD,
            Field::new("driver", "SQLAlchemy's driver", Shape::Word).usually("pymysql"),
        ],
        either: &[],
        dynamic: LOGIN,
        reach: "{host}:{port}",
        gives: &[
            file(
                "_OPTION_FILE",
                "[client]\nhost = \"{host|bare}\"\nport = {port}\nuser = {user|option}\npassword = {password|option}\n<database = {database|option}\n>",
            ),
            variable("_URL", "mysql+{driver}://{user|url}:{password|url}@{host}:{port}/<{database|url}>"),
        ],
        clients: &[
            TestClient {
                module: "pymysql",
                package: "pymysql",
                hello: "pymysql.connect(read_default_file=os.environ[stem + '_OPTION_FILE'], connect_timeout=seconds).cursor().execute('select 1')",
            },
            TestClient {
                module: "MySQLdb",
                package: "mysqlclient",
                hello: "MySQLdb.connect(read_default_file=os.environ[stem + '_OPTION_FILE'], connect_timeout=seconds).cursor().execute('select 1')",
            },
            by_url("sqlalchemy pymysql"),
        ],
    },
    Kind {
        name: "athena",
        fields: &[
            Field::new("region", "the AWS region", Shape::Word),
            Field::new("staging", "where results go: s3://BUCKET/FOLDER", Shape::Begins("s3://")),
            Field::new("workgroup", "the workgroup", Shape::Line).optional(),
            Field::new("schema", "the schema", Shape::Line).usually("default"),
            Field::secret("access_key", "the access key", Shape::Line),
            Field::secret("secret_key", "the secret key", Shape::Line),
            Field::secret("session_token", "the session token", Shape::Line).optional(),
        ],
        either: &[],
        dynamic: &[
            ("access_key", "access_key"),
            ("secret_key", "secret_key"),
            ("security_token", "session_token"),
            ("session_token", "session_token"),
        ],
        reach: "athena.{region}.amazonaws.com:443",
        gives: &[
            section(
                "AWS_SHARED_CREDENTIALS_FILE",
                "[{name}]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n<aws_session_token = {session_token}\n>",
            ),
            process(
                "AWS_CONFIG_FILE",
                "AccessKeyId={access_key}\nSecretAccessKey={secret_key}\n<SessionToken={session_token}\n>",
            ),
            variable("AWS_PROFILE", "{name}"),
            variable("AWS_DEFAULT_REGION", "{region}"),
            variable("AWS_ATHENA_S3_STAGING_DIR", "{staging}"),
            variable("AWS_ATHENA_WORK_GROUP", "{workgroup}"),
            variable(
                "_URL",
                "awsathena+rest://@athena.{region}.amazonaws.com:443/{schema|url}?s3_staging_dir={staging|url}<&work_group={workgroup|url}>",
            ),
        ],
        clients: &[
            TestClient {
                module: "pyathena",
                package: "pyathena",
                hello: "pyathena.connect().cursor().execute('select 1').fetchall()",
            },
            TestClient {
                module: "boto3",
                package: "boto3",
                hello: "boto3.client('athena').list_work_groups(MaxResults=1)",
            },
        ],
    },
    Kind {
        name: "bigquery",
        fields: &[
            Field::new("project", "the project", Shape::Line),
            Field::new("dataset", "the dataset", Shape::Line).optional(),
            Field::secret("key", "the service account's key, a JSON file", Shape::Json),
        ],
        either: &[],
        dynamic: &[],
        reach: "bigquery.googleapis.com:443",
        gives: &[
            file("GOOGLE_APPLICATION_CREDENTIALS", "{key}"),
            variable("GOOGLE_CLOUD_PROJECT", "{project}"),
            variable("_URL", "bigquery://{project|url}</{dataset|url}>"),
        ],
        clients: &[TestClient {
            module: "google.cloud.bigquery",
            package: "google-cloud-bigquery",
            hello: "google.cloud.bigquery.Client().query('select 1').result(timeout=seconds)",
        }],
    },
    Kind {
        name: "snowflake",
        fields: &[
            Field::new("account", "the account, as ORGANISATION-ACCOUNT", Shape::Word),
            USER,
            PASSWORD.optional(),
            Field::secret("private_key", "the private key, a PEM file", Shape::Key).optional(),
            Field::new("warehouse", "the warehouse", Shape::Line).optional(),
            DATABASE.optional(),
            SCHEMA,
            Field::new("role", "Snowflake's role", Shape::Line).optional(),
        ],
        either: &[&["password"], &["private_key"]],
        dynamic: &[("username", "user"), ("password", "password"), ("private_key", "private_key")],
        reach: "{account}.snowflakecomputing.com:443",
        gives: &[
            KernelVariable {
                variable: "SNOWFLAKE_HOME",
                form: VariableForm::SectionIn("connections.toml"),
                template: "[{name}]\naccount = {account|toml}\nuser = {user|toml}\n<password = {password|toml}\n><authenticator = \"SNOWFLAKE_JWT\"\nprivate_key = \"{private_key|pem}\"\n><warehouse = {warehouse|toml}\n><database = {database|toml}\n><schema = {schema|toml}\n><role = {role|toml}\n>",
            },
            variable("SNOWFLAKE_DEFAULT_CONNECTION_NAME", "{name}"),
            variable(
                "_URL",
                "snowflake://{user|url}<:{password|url}>@{account}/<{database|url}></{schema|url}>?<warehouse={warehouse|url}&><role={role|url}&>application=jupyter",
            ),
        ],
        clients: &[TestClient {
            module: "snowflake.connector",
            package: "snowflake-connector-python",
            hello: "snowflake.connector.connect(connection_name=name, login_timeout=seconds).cursor().execute('select 1')",
        }],
    },
    Kind {
        name: "databricks",
        fields: &[
            HOST,
            Field::new("http_path", "the warehouse's HTTP path", Shape::Begins("/")),
            Field::secret("token", "the access token", Shape::Line),
            Field::new("catalog", "the catalog", Shape::Line).optional(),
            SCHEMA,
        ],
        either: &[],
        dynamic: &[],
        reach: "{host}:443",
        gives: &[
            variable("DATABRICKS_HOST", "https://{host}"),
            variable("DATABRICKS_SERVER_HOSTNAME", "{host}"),
            variable("DATABRICKS_HTTP_PATH", "{http_path}"),
            variable("DATABRICKS_TOKEN", "{token}"),
            variable(
                "_URL",
                "databricks://token:{token|url}@{host}?http_path={http_path|url}<&catalog={catalog|url}><&schema={schema|url}>",
            ),
        ],
        clients: &[
            TestClient {
                module: "databricks.sql",
                package: "databricks-sql-connector",
                hello: "databricks.sql.connect(os.environ['DATABRICKS_SERVER_HOSTNAME'], os.environ['DATABRICKS_HTTP_PATH'], os.environ['DATABRICKS_TOKEN']).cursor().execute('select 1')",
            },
            by_url("databricks-sqlalchemy"),
        ],
    },
    Kind {
        name: "trino",
        fields: &[
            HOST,
            port("443"),
            USER,
            PASSWORD.optional(),
            Field::new("catalog", "the catalog", Shape::Line),
            SCHEMA,
        ],
        either: &[],
        dynamic: LOGIN,
        reach: "{host}:{port}",
        gives: &[
            variable("TRINO_HOST", "{host|bare}"),
            variable("TRINO_PORT", "{port}"),
            variable("TRINO_USER", "{user}"),
            variable("TRINO_PASSWORD", "{password}"),
            variable("TRINO_CATALOG", "{catalog}"),
            variable("_URL", "trino://{user|url}<:{password|url}>@{host}:{port}/{catalog|url}</{schema|url}>"),
        ],
        clients: &[by_url("trino[sqlalchemy]")],
    },
    Kind {
        name: "clickhouse",
        fields: &[HOST, port("8443"), USER, PASSWORD, DATABASE.optional()],
        either: &[],
        dynamic: LOGIN,
        reach: "{host}:{port}",
        gives: &[
            variable("CLICKHOUSE_HOST", "{host|bare}"),
            variable("CLICKHOUSE_PORT", "{port}"),
            variable("CLICKHOUSE_USER", "{user}"),
            variable("CLICKHOUSE_PASSWORD", "{password}"),
            variable("CLICKHOUSE_DATABASE", "{database}"),
            variable("_URL", "clickhousedb://{user|url}:{password|url}@{host}:{port}/<{database|url}>"),
        ],
        clients: &[
            TestClient {
                module: "clickhouse_connect",
                package: "clickhouse-connect",
                hello: "e = lambda key: os.environ['CLICKHOUSE_' + key]\nclickhouse_connect.get_client(host=e('HOST'), port=int(e('PORT')), username=e('USER'), password=e('PASSWORD'), secure=e('PORT') in ('443', '8443'), connect_timeout=seconds).command('select 1')",
            },
            by_url("clickhouse-connect sqlalchemy"),
        ],
    },
    Kind {
        name: "splunk",
        fields: &[
            HOST,
            port("8089"),
            Field::secret("token", "the access token", Shape::Line).optional(),
            USER.optional(),
            PASSWORD.optional(),
        ],
        either: &[&["token"], &["user", "password"]],
        dynamic: LOGIN,
        reach: "{host}:{port}",
        gives: &[
            variable("SPLUNK_HOST", "{host|bare}"),
            variable("SPLUNK_PORT", "{port}"),
            variable("SPLUNK_TOKEN", "{token}"),
            variable("SPLUNK_USERNAME", "{user}"),
            variable("SPLUNK_PASSWORD", "{password}"),
        ],
        clients: &[TestClient {
            module: "splunklib.client",
            package: "splunk-sdk",
            hello: "e = lambda key: os.environ.get('SPLUNK_' + key)\nsplunklib.client.connect(host=e('HOST'), port=int(e('PORT')), splunkToken=e('TOKEN'), username=e('USERNAME'), password=e('PASSWORD')).info",
        }],
    },
    Kind {
        name: "mssentinel",
        fields: &[
            Field::new("workspace", "the Log Analytics workspace's id", Shape::Word),
            Field::new("tenant", "the tenant's id", Shape::Word),
            Field::new("client", "the application's id", Shape::Word),
            Field::secret("client_secret", "the application's secret", Shape::Line),
        ],
        either: &[],
        dynamic: &[("client_id", "client"), ("client_secret", "client_secret")],
        reach: "api.loganalytics.azure.com:443",
        gives: &[
            variable("AZURE_TENANT_ID", "{tenant}"),
            variable("AZURE_CLIENT_ID", "{client}"),
            variable("AZURE_CLIENT_SECRET", "{client_secret}"),
            variable("MSSENTINEL_WORKSPACE_ID", "{workspace}"),
        ],
        clients: &[TestClient {
            module: "azure.identity",
            package: "azure-identity",
            hello: "azure.identity.ClientSecretCredential(os.environ['AZURE_TENANT_ID'], os.environ['AZURE_CLIENT_ID'], os.environ['AZURE_CLIENT_SECRET']).get_token('https://api.loganalytics.io/.default')",
        }],
    },
    Kind {
        name: "oracle",
        fields: &[HOST, port("1521"), Field::new("service", "the service's name", Shape::Line), USER, PASSWORD],
        either: &[],
        dynamic: LOGIN,
        reach: "{host}:{port}",
        gives: &[variable(
            "_URL",
            "oracle+oracledb://{user|url}:{password|url}@{host}:{port}/?service_name={service|url}",
        )],
        clients: &[TestClient {
            module: "sqlalchemy",
            package: "sqlalchemy oracledb",
            hello: "sqlalchemy.create_engine(url).connect().execute(sqlalchemy.text('select 1 from dual')).fetchall()",
        }],
    },
    Kind {
        name: "mssql",
        fields: &[
            HOST,
            port("1433"),
            DATABASE,
            USER,
            PASSWORD,
            Field::new("driver", "SQLAlchemy's driver", Shape::Word).usually("pymssql"),
            Field::new("odbc_driver", "the ODBC driver, for pyodbc", Shape::Line).optional(),
        ],
        either: &[],
        dynamic: LOGIN,
        reach: "{host}:{port}",
        gives: &[variable(
            "_URL",
            "mssql+{driver}://{user|url}:{password|url}@{host}:{port}/{database|url}<?driver={odbc_driver|url}>",
        )],
        clients: &[by_url("sqlalchemy pymssql")],
    },
];
