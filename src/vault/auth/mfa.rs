//! A login's second factor. Vault answers a correct password with a request for another factor, and gives the token
//! once that is confirmed.
//! <https://openbao.org/docs/auth/login-mfa/>, <https://openbao.org/api-docs/system/mfa/validate/>
//!
//! It may ask for several (one constraint each), and offer more than one way for each of them. A passcode (TOTP) is
//! asked of the user; another method, such as a push to a phone, is only waited for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::super::body::{Answer, malformed};
use super::super::client::{Client, Raw};
use super::super::error::Operation;
use super::authenticated::Authenticated;
use super::exchange::use_login_token;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// What a login asks for, in Vault's own form.
#[derive(Deserialize)]
struct Requirement {
    mfa_request_id: String,
    #[serde(default)]
    mfa_constraints: BTreeMap<String, Constraint>,
}

#[derive(Deserialize)]
struct Constraint {
    any: Vec<Factor>,
}

/// One way to confirm a login.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Factor {
    /// Its kind: totp, duo, okta, pingid.
    #[serde(rename = "type")]
    kind: String,
    id: String,
    /// The name that an administrator gave it.
    #[serde(default)]
    name: Option<String>,
    /// Whether the user has a passcode to give.
    #[serde(default)]
    pub(crate) uses_passcode: bool,
}

impl Factor {
    /// The name by which the user knows it.
    pub(crate) fn shown(&self) -> &str {
        self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.kind)
    }
}

/// The second factors that Vault requires after a correct password.
pub(crate) struct SecondFactor {
    request: String,
    /// One factor for each constraint of Vault's.
    pub(crate) factors: Vec<Factor>,
}

impl SecondFactor {
    /// Reads the constraints. Where one offers several methods, the first with a passcode is taken, or else the first.
    pub(crate) fn read(requirement: &RawValue) -> Option<Self> {
        let Requirement { mfa_request_id, mfa_constraints } = serde_json::from_str(requirement.get()).ok()?;
        let one = |constraint: Constraint| {
            let ways = constraint.any;
            ways.iter().find(|way| way.uses_passcode).or_else(|| ways.first()).cloned()
        };
        let factors: Option<Vec<_>> = mfa_constraints.into_values().map(one).collect();
        Some(Self { request: mfa_request_id, factors: factors.filter(|factors| !factors.is_empty())? })
    }

    /// Whether all factors are passcodes, so that no phone is waited for.
    pub(crate) fn is_typed(&self) -> bool {
        self.factors.iter().all(|factor| factor.uses_passcode)
    }

    /// Whether one is a passcode, which may have been mistyped.
    pub(crate) fn has_passcode(&self) -> bool {
        self.factors.iter().any(|factor| factor.uses_passcode)
    }

    /// Gives the passcodes, in the order of the factors, for the token.
    pub(crate) async fn confirm(
        &self,
        client: &mut Client,
        passcodes: &[Option<SecretValue>],
    ) -> Result<Authenticated> {
        let what = "confirming the login";
        let given = self.factors.iter().zip(passcodes);
        let payload: BTreeMap<_, Vec<_>> = given
            .map(|(factor, passcode)| {
                let text = passcode.iter().map(|passcode| String::from_utf8_lossy(passcode.expose()));
                (&factor.id, text.collect())
            })
            .collect();
        let body = serde_json::json!({ "mfa_request_id": self.request, "mfa_payload": payload }).to_string();
        let body = Zeroizing::new(body.into_bytes());
        let raw = Raw::post("sys/mfa/validate", body.to_vec());
        let reply =
            client.call(&raw, Operation::Login("second factor", None)).await.map_err(|error| match error.kind() {
                Kind::LoginRefused => {
                    let advice = if self.has_passcode() {
                        "enter the next passcode, as each is valid once and for half a minute; or log in again"
                    } else {
                        "it was refused on your device, or not confirmed in time: log in again"
                    };
                    Error::new(Kind::LoginRefused, "Vault rejected the second factor", advice)
                }
                _ => error,
            })?;
        let auth = Answer::parse(&reply, what)?.auth.ok_or_else(|| malformed(what))?;
        use_login_token(client, auth.get(), what, "the confirmed login")
    }
}
