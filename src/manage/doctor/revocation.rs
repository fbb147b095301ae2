//! Checks whether a database role would leave its users behind when their leases end.
//!
//! PostgreSQL does not drop a role that owns an object, and a notebook's `CREATE TABLE` makes its user an owner. Then
//! the lease can't be revoked, and the user remains. The role's revocation statements show whether that can happen.
//! Most users may not read the role; then nothing is reported.

use serde::Deserialize;

use super::super::report::{Report, Status};
use crate::vault::body::Answer;
use crate::vault::client::{Client, Raw};
use crate::vault::error::Operation;

/// The parts of a role that are read.
#[derive(Debug, Default, Deserialize)]
struct Role {
    #[serde(default)]
    creation_statements: Option<Vec<String>>,
    #[serde(default)]
    revocation_statements: Option<Vec<String>>,
}

/// The path of the role of the credentials at `path`, if they can be a database's.
pub(super) fn role_of(path: &str) -> Option<String> {
    path.rsplit_once("/creds/").map(|(mount, name)| format!("{mount}/roles/{name}"))
}

/// Checks the role at `at`.
pub(super) async fn check(client: &Client, at: &str, report: &mut Report) {
    let Ok(reply) = client.call(&Raw::get(at), Operation::Read(at, at)).await else { return };
    let data = Answer::parse(&reply, at).and_then(|answer| answer.data(at));
    let Some(role) = data.ok().and_then(|data| serde_json::from_str::<Role>(data.get()).ok()) else { return };
    let Some(why) = leaves_behind(&role) else { return };
    report
        .add(Status::Warning, format!("the role {at} may leave users behind in the database: {why}"))
        .advise("give it the revocation_statements of examples/databases/postgres-revocation.sql")
        .fact("role", at);
}

/// Why the user of a PostgreSQL role may remain after its lease.
fn leaves_behind(role: &Role) -> Option<&'static str> {
    let text = |statements: &Option<Vec<String>>| {
        let joined = statements.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ").to_lowercase();
        joined.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let (made, ended) = (text(&role.creation_statements), text(&role.revocation_statements));
    let quoted = ["\"{{name}}\"", "\"{{username}}\""].iter().any(|name| made.contains(name));
    if !quoted || !(made.contains("create role") || made.contains("create user")) {
        return None;
    }
    if ended.is_empty() {
        return Some("it has no revocation_statements, and Vault's default ones can't drop a user who owns a table");
    }
    if !(ended.contains("drop role") || ended.contains("drop user")) {
        return Some("its revocation_statements do not drop the role");
    }
    if !(ended.contains("reassign owned") || ended.contains("drop owned")) {
        return Some(
            "its revocation_statements can't drop a user who owns a table, such as one that a notebook created",
        );
    }
    if !ended.contains("pg_terminate_backend") {
        return Some("its revocation_statements do not end the user's sessions, which may hold locks");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_leave_a_user_behind_are_recognised() {
        let why = |made: &str, ended: &[&str]| {
            let ended = ended.iter().map(|text| (*text).to_owned()).collect();
            leaves_behind(&Role {
                creation_statements: Some(vec![made.to_owned()]),
                revocation_statements: Some(ended),
            })
        };
        let made = "create  ROLE \"{{name}}\" with login";
        assert!(why(made, &[]).unwrap().contains("no revocation_statements"));
        assert!(why(made, &["REVOKE ALL"]).unwrap().contains("do not drop the role"));
        assert!(why(made, &["DROP ROLE \"{{name}}\""]).unwrap().contains("owns a table"));
        assert!(why(made, &["DROP OWNED BY x;", "DROP\nROLE x"]).unwrap().contains("session"));
        let shipped = include_str!("../../../examples/databases/postgres-revocation.sql");
        let shipped: Vec<_> = shipped.lines().filter(|line| !line.starts_with("--")).collect();
        assert_eq!(why(made, &shipped), None);
        assert_eq!(why("CREATE USER '{{name}}'@'%'", &[]), None, "MySQL");
    }
}
