//! AWS keys, from the places that the environment names.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>

use http::Method;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::question::{NEAR, Question, encoded, line, parsed};
use crate::config::cloud::{AwsKeys, AwsSource, WebIdentity};
use crate::error::{Error, Kind, Result};
use crate::net::deadline::Deadline;
use crate::secret::SecretValue;

const STS: &str = "AWS's STS";
const CONTAINER: &str = "AWS's container credential service";
const MACHINE: &str = "AWS's metadata service";
const ROLE: &str = "give the pod, task or machine an AWS role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// The response of a container's and of a machine's service.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    #[serde(default)]
    token: Zeroizing<String>,
}

impl Answer {
    fn keys(self) -> AwsKeys {
        let Self { access_key_id: id, secret_access_key, token } = self;
        let session = Some(token).filter(|token| !token.is_empty()).map(SecretValue::from);
        AwsKeys { id, secret: SecretValue::from(secret_access_key), session }
    }
}

/// The keys from `source`.
pub(super) async fn keys(source: &AwsSource, deadline: Deadline) -> Result<AwsKeys> {
    match source {
        AwsSource::Keys(keys) => Ok(keys.copy()),
        AwsSource::WebIdentity(identity) => web_identity(identity, deadline).await,
        AwsSource::Container { url, authorization } => {
            let authorization = authorization.as_ref().and_then(SecretValue::expose_text);
            let headers = authorization.map(|value| ("authorization", value)).into_iter().collect();
            let answer = Question::get(CONTAINER, url, headers).ask(deadline, NEAR, ROLE).await?;
            parsed(&answer, CONTAINER, ROLE).map(Answer::keys)
        }
        AwsSource::Machine { url } => machine(url, deadline).await,
    }
}

/// The keys from version 2 of the machine's service. It requires a token first, which server-side
/// request forgery (SSRF) can't obtain.
async fn machine(url: &str, deadline: Deadline) -> Result<AwsKeys> {
    let tokens = format!("{url}/latest/api/token");
    let lifetime = vec![("x-aws-ec2-metadata-token-ttl-seconds", "60")];
    let begin = Question { method: Method::PUT, ..Question::get(MACHINE, &tokens, lifetime) };
    let token = begin.ask(deadline, NEAR, ROLE).await?;
    let header = || line(&token, MACHINE, ROLE).map(|token| vec![("x-aws-ec2-metadata-token", token)]);
    let roles = Question::get(MACHINE, &format!("{url}{ROLES}"), header()?).ask(deadline, NEAR, ROLE).await?;
    // One role per line; a machine has one role.
    let first = roles.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let role = encoded(line(first, MACHINE, ROLE)?);
    let answer = Question::get(MACHINE, &format!("{url}{ROLES}{role}"), header()?).ask(deadline, NEAR, ROLE).await?;
    parsed(&answer, MACHINE, ROLE).map(Answer::keys)
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
async fn web_identity(identity: &WebIdentity, deadline: Deadline) -> Result<AwsKeys> {
    let WebIdentity { token, role, session, sts, proxy } = identity;
    let body = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}&WebIdentityToken={}",
        encoded(role),
        encoded(session),
        encoded(token.text()?)
    );
    let advice = format!("check that {role} trusts the token in {}, and that it has not expired", token.origin);
    let question = Question {
        method: Method::POST,
        headers: vec![("content-type", "application/x-www-form-urlencoded")],
        body: body.into_bytes(),
        proxy: proxy.clone(),
        ..Question::get(STS, sts, Vec::new())
    };
    let answer = question.ask(deadline, deadline.remaining(), &advice).await?;
    let text = std::str::from_utf8(&answer).unwrap_or_default();
    let part = |name: &str| {
        let rest = text.split_once(&format!("<{name}>"))?.1;
        Some(rest.split_once(&format!("</{name}>"))?.0.trim()).filter(|part| !part.is_empty())
    };
    let secret = |text: &str| SecretValue::new(text.as_bytes().to_vec());
    match (part("AccessKeyId"), part("SecretAccessKey"), part("SessionToken")) {
        (Some(id), Some(key), Some(session)) => {
            Ok(AwsKeys { id: id.to_owned(), secret: secret(key), session: Some(secret(session)) })
        }
        _ => Err(Error::new(Kind::Malformed, format!("{STS} answered in an unknown format"), advice)),
    }
}
