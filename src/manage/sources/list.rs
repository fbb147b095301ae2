//! Lists the data sources of all folders: name, kind and address, never a value of a secret field.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::folder::{Folder, folders};
use crate::datasource::DataSource;
use crate::error::{Error, Result, one_line};
use crate::manage::Outcome;
use crate::manage::report::SCHEMA;
use crate::manage::secrets::Common;
use crate::manage::secrets::session::with;

/// One data source, or why it can't be used.
struct Row {
    folder: String,
    name: String,
    found: Result<(DataSource, Option<u64>)>,
}

pub(super) fn run(common: &Common) -> Result<Outcome> {
    let rows = with(common, async |session| {
        let mut rows = Vec::new();
        for folder in folders(session).await? {
            for name in folder.names(session).await? {
                let found = match folder.read(session, &name).await {
                    Ok(None) => continue,
                    Ok(Some(found)) => Ok(found),
                    Err(error) => Err(error),
                };
                rows.push(Row { folder: path(&folder), name, found });
            }
        }
        Ok(rows)
    })?;
    let text = if common.json { format!("{:#}\n", as_json(&rows)) } else { text(&rows) };
    Ok(Outcome { text, code: rows.iter().find_map(|row| row.found.as_ref().err()).map_or(0, |e| e.kind().exit_code()) })
}

fn path(folder: &Folder) -> String {
    folder.path.clone()
}

fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    let widest = rows.iter().map(|row| one_line(&row.name).chars().count()).max().unwrap_or(0);
    let mut folder = None;
    for Row { folder: own, name, found } in rows {
        if folder != Some(own) {
            folder = Some(own);
            let _ = writeln!(text, "{}", one_line(own));
        }
        let name = one_line(name);
        let _ = match found {
            Ok((source, _)) => {
                let by =
                    source.credentials.as_ref().map_or_else(String::new, |path| format!("  by {}", one_line(path)));
                let is_default = if source.is_default { "  (default)" } else { "" };
                let at = source.reach().unwrap_or_default();
                writeln!(text, "  {name:widest$}  {:10}  {}{by}{is_default}", source.kind.name, one_line(&at))
            }
            Err(error) => writeln!(text, "  {name:widest$}  can't be used: {}", one_line(error.what())),
        };
    }
    let _ = writeln!(text, "data sources: {}", rows.len());
    text
}

fn as_json(rows: &[Row]) -> Value {
    let trouble = |error: &Error| json!({ "what": error.what(), "advice": error.advice() });
    let object = |row: &Row| match &row.found {
        Ok((source, version)) => {
            let variables: Vec<_> = source.variables().into_iter().map(|(name, _)| name).collect();
            json!({
                "name": row.name, "source": row.folder, "kind": source.kind.name, "at": source.reach(),
                "credentials": source.credentials, "default": source.is_default, "prefix": source.prefix,
                "version": version, "variables": variables,
            })
        }
        Err(error) => json!({ "name": row.name, "source": row.folder, "error": trouble(error) }),
    };
    json!({ "schema": SCHEMA, "data_sources": rows.iter().map(object).collect::<Vec<_>>() })
}
