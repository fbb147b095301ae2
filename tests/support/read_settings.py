"""Reads the settings of data sources as their client libraries do, and prints the folder of their files."""

import os
import pathlib
import stat
import tomllib

import botocore.session
import psycopg  # noqa: F401
import pymysql.optionfile
import sqlalchemy

keys = botocore.session.Session().get_credentials().get_frozen_credentials()
assert (keys.access_key, keys.secret_key) == ("AK", "canary/+"), keys
options = pymysql.optionfile.Parser()
options.read(os.environ["MY_OPTION_FILE"])
assert options.get("client", "password") == 'p@"canary'
home = tomllib.loads(pathlib.Path(os.environ["SNOWFLAKE_HOME"], "connections.toml").read_text())
assert home["snow"]["password"] == 'c"anary'
passwords = {"MY": 'p@"canary', "SNOW": 'c"anary', "ORA": "c/anary", "MS": "c anary", "RS": "p@canary"}
for name, password in passwords.items():
    assert sqlalchemy.make_url(os.environ[name + "_URL"]).password == password, name
folder = pathlib.Path(os.environ["PGSERVICEFILE"]).parent
assert stat.S_IMODE(folder.stat().st_mode) == 0o700
files = list(folder.rglob("*"))
assert len(files) == 6, files
for path in files:
    assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
print(folder)
