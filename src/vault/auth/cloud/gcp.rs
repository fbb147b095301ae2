//! Google Cloud: a token of the machine's service account, signed by the metadata service for one Vault role.
//! <https://developer.hashicorp.com/vault/docs/auth/gcp#gce-login>

use serde_json::{Value, json};

use super::question::{NEAR, Question, encoded, line};
use crate::config::cloud::Gcp;
use crate::error::Result;
use crate::net::deadline::Deadline;

const WHOM: &str = "Google Cloud's metadata service";
const ADVICE: &str = "the login method gcp works on Google Cloud (GCE, GKE); check `service_account` under [auth]";

pub(super) async fn login(gcp: &Gcp, role: &str, deadline: Deadline) -> Result<Value> {
    let url = format!(
        "{}/computeMetadata/v1/instance/service-accounts/{}/identity?audience={}&format=full",
        gcp.url,
        encoded(&gcp.service_account),
        encoded(&format!("http://vault/{role}")),
    );
    let answer = Question::get(WHOM, &url, vec![("metadata-flavor", "Google")]).ask(deadline, NEAR, ADVICE).await?;
    Ok(json!({ "role": role, "jwt": line(&answer, WHOM, ADVICE)? }))
}
