//! AWS: a signed GetCallerIdentity request to STS. Vault, not this program, sends it to STS, whose answer names the
//! signer.
//!
//! The signature is version 4, with ring's HMAC: each crate that makes such signatures brings another HTTP library.
//! <https://developer.hashicorp.com/vault/api-docs/auth/aws#login>,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use ring::{digest, hmac};
use serde_json::{Map, Value, json};

use super::aws_keys::keys;
use crate::config::cloud::{Aws, AwsKeys, sts};
use crate::error::{Error, Kind, Result};
use crate::net::deadline::Deadline;

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The region for which requests to the global STS endpoint are signed.
const USUAL_REGION: &str = "us-east-1";

pub(super) async fn login(aws: &Aws, role: Option<&str>, deadline: Deadline) -> Result<Value> {
    let keys = keys(&aws.source, deadline).await?;
    let url = sts(aws.region.as_deref());
    let region = aws.region.as_deref().unwrap_or(USUAL_REGION);
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(['-', ':'], "");
    let headers = signed_headers(&keys, &url, region, aws.header_value.as_deref(), &now)?;
    let headers: Map<_, _> = headers.into_iter().map(|(name, value)| (name.to_owned(), json!([value]))).collect();
    let mut login = json!({
        "iam_http_request_method": "POST",
        "iam_request_url": STANDARD.encode(&url),
        "iam_request_body": STANDARD.encode(BODY),
        "iam_request_headers": STANDARD.encode(Value::from(headers).to_string()),
    });
    if let Some(role) = role {
        login["role"] = role.into();
    }
    Ok(login)
}

/// The request's headers, including the signature. `now` is in AWS's format: `20261128T172642Z`.
fn signed_headers(
    keys: &AwsKeys,
    url: &str,
    region: &str,
    header_value: Option<&str>,
    now: &str,
) -> Result<Vec<(&'static str, String)>> {
    let not_text = || Error::new(Kind::Credential, "the AWS keys are not text", "correct AWS_SECRET_ACCESS_KEY");
    let secret = keys.secret.expose_text().ok_or_else(not_text)?;
    let uri: Uri = url.parse().map_err(|_| not_text())?;
    // Sorted by name, as the signature requires.
    let mut headers = vec![
        ("Content-Length", BODY.len().to_string()),
        ("Content-Type", TYPE.to_owned()),
        ("Host", uri.host().unwrap_or_default().to_owned()),
        ("X-Amz-Date", now.to_owned()),
    ];
    if let Some(session) = &keys.session {
        headers.push(("X-Amz-Security-Token", session.expose_text().ok_or_else(not_text)?.to_owned()));
    }
    if let Some(value) = header_value {
        headers.push(("X-Vault-Aws-Iam-Server-Id", value.trim().to_owned()));
    }
    let names = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect::<Vec<_>>().join(";");
    let mut canonical = "POST\n/\n\n".to_owned();
    for (name, value) in &headers {
        let _ = writeln!(canonical, "{}:{value}", name.to_ascii_lowercase());
    }
    let _ = write!(canonical, "\n{names}\n{}", hex(digest::digest(&digest::SHA256, BODY.as_bytes()).as_ref()));
    let day = now.get(..8).unwrap_or(now);
    let scope = format!("{day}/{region}/sts/aws4_request");
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashed}");
    let mut key = mac(format!("AWS4{secret}").as_bytes(), day);
    for part in [region, "sts", "aws4_request"] {
        key = mac(key.as_ref(), part);
    }
    let signature = hex(mac(key.as_ref(), &to_sign).as_ref());
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", keys.id);
    headers.push(("Authorization", authorization));
    Ok(headers)
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
