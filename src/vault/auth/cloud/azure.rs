//! Azure: a token of the managed identity, and the machine's own identity.
//! <https://developer.hashicorp.com/vault/api-docs/auth/azure#login>

use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::question::{NEAR, Question, encoded, parsed};
use crate::config::cloud::Azure;
use crate::error::Result;
use crate::net::deadline::Deadline;

const WHOM: &str = "Azure's metadata service";
const ADVICE: &str =
    "the login method azure needs a managed identity of Azure; check `resource` and `client_id` under [auth]";

#[derive(Deserialize)]
struct Token {
    access_token: Zeroizing<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    subscription_id: String,
    resource_group_name: String,
    name: String,
    #[serde(default)]
    vm_scale_set_name: String,
}

pub(super) async fn login(azure: &Azure, role: &str, deadline: Deadline) -> Result<Value> {
    let mut query = format!("resource={}", encoded(&azure.resource));
    if let Some(client) = &azure.client_id {
        query = format!("{query}&client_id={}", encoded(client));
    }
    let (url, header) = match &azure.app_secret {
        Some(secret) => (
            format!("{}?api-version=2019-08-01&{query}", azure.url),
            ("x-identity-header", secret.expose_text().unwrap_or_default()),
        ),
        None => (
            format!("{}/metadata/identity/oauth2/token?api-version=2018-02-01&{query}", azure.url),
            ("metadata", "true"),
        ),
    };
    let answer = Question::get(WHOM, &url, vec![header]).ask(deadline, NEAR, ADVICE).await?;
    let token: Token = parsed(&answer, WHOM, ADVICE)?;
    let mut login = json!({ "role": role, "jwt": token.access_token.as_str() });
    // An App Service has no VM name: its role is bound only to the identity.
    if azure.app_secret.is_none() {
        let url = format!("{}/metadata/instance/compute?api-version=2021-02-01&format=json", azure.url);
        let answer = Question::get(WHOM, &url, vec![("metadata", "true")]).ask(deadline, NEAR, ADVICE).await?;
        let machine: Machine = parsed(&answer, WHOM, ADVICE)?;
        login["subscription_id"] = machine.subscription_id.into();
        login["resource_group_name"] = machine.resource_group_name.into();
        // A VM in a scale set is identified by the set.
        if machine.vm_scale_set_name.is_empty() {
            login["vm_name"] = machine.name.into();
        } else {
            login["vmss_name"] = machine.vm_scale_set_name.into();
        }
    }
    Ok(login)
}
