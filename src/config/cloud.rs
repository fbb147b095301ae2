//! Finds the identity that AWS, Google Cloud or Azure gives a machine, in the same places as their SDKs.
//!
//! Variables and files are read here. A metadata service is only asked at the login (`vault/auth/cloud`); the SDKs'
//! own variables can set its address.

use std::fmt;
use std::path::Path;

use super::credential::Credential;
use super::env::Environment;
use super::server::proxies;
use crate::error::{Error, Kind, Result};
use crate::net::options::Proxy;
use crate::secret::SecretValue;

/// An identity in a cloud, and its source.
#[derive(Debug)]
pub enum Cloud {
    /// Keys of AWS, with which a request is signed.
    Aws(Box<Aws>),
    /// A token that Google's metadata service signs.
    Gcp(Gcp),
    /// A token of a managed identity of Azure.
    Azure(Azure),
}

/// Shown as the origin of the credential.
impl fmt::Display for Cloud {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(aws) => match &aws.source {
                AwsSource::Keys(_) => out.write_str("AWS_ACCESS_KEY_ID"),
                AwsSource::WebIdentity(WebIdentity { token, role, .. }) => {
                    write!(out, "the web identity in {} for {role}", token.origin)
                }
                AwsSource::Container { url, .. } => write!(out, "the container's role at {url}"),
                AwsSource::Machine { url } => write!(out, "the machine's role at {url}"),
            },
            Self::Gcp(gcp) => write!(out, "the service account {} at {}", gcp.service_account, gcp.url),
            Self::Azure(azure) => write!(out, "the managed identity at {}", azure.url),
        }
    }
}

/// Keys of AWS.
#[derive(Debug)]
pub struct AwsKeys {
    pub id: String,
    pub secret: SecretValue,
    /// Their session, if they are temporary.
    pub session: Option<SecretValue>,
}

/// The sources of AWS keys, in the order of AWS's SDKs. The shared files of the SDKs are not read: they belong to
/// users, while a machine has one of these sources.
#[derive(Debug)]
pub enum AwsSource {
    /// Variables.
    Keys(AwsKeys),
    /// A cluster's token, which STS exchanges for keys of a role.
    WebIdentity(WebIdentity),
    /// A container's service.
    Container { url: String, authorization: Option<SecretValue> },
    /// The machine's metadata service.
    Machine { url: String },
}

/// A cluster's token, and the role that STS gives keys of for it.
#[derive(Debug)]
pub struct WebIdentity {
    pub token: Credential,
    pub role: String,
    /// The name of the session with STS.
    pub session: String,
    /// STS's address.
    pub sts: String,
    pub proxy: Proxy,
}

/// The parts of a login at `auth/aws`.
#[derive(Debug)]
pub struct Aws {
    pub source: AwsSource,
    /// The region whose STS the request is signed for; `None`: the one for all regions.
    pub region: Option<String>,
    /// The value that the method expects in X-Vault-AWS-IAM-Server-ID.
    pub header_value: Option<String>,
}

/// The parts of a login at `auth/gcp`.
#[derive(Debug)]
pub struct Gcp {
    pub url: String,
    pub service_account: String,
}

/// The parts of a login at `auth/azure`.
#[derive(Debug)]
pub struct Azure {
    /// The address that gives tokens.
    pub url: String,
    /// The header that App Service expects; the machine's own service expects none.
    pub app_secret: Option<SecretValue>,
    pub resource: String,
    pub client_id: Option<String>,
}

/// Hosts that may be asked for a container's credentials in plain HTTP, because they are on the machine.
const CONTAINER_HOSTS: [&str; 6] =
    ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "127.0.0.1", "[::1]", "localhost"];

impl AwsKeys {
    /// A copy of the keys.
    pub fn copy(&self) -> Self {
        let again = |value: &SecretValue| SecretValue::new(value.expose().to_vec());
        Self { id: self.id.clone(), secret: again(&self.secret), session: self.session.as_ref().map(again) }
    }
}

impl Aws {
    /// The identity that the environment has, with the settings of `[auth]`.
    pub(super) fn of(environment: &Environment, region: Option<&str>, header_value: Option<&str>) -> Result<Self> {
        let is_region = |region: &str| region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if region.is_some_and(|region| !is_region(region)) {
            let what = "`region` under [auth] is not an AWS region";
            return Err(Error::new(Kind::Config, what, "write it like region = \"eu-central-1\""));
        }
        let source = AwsSource::of(environment)?;
        Ok(Self { source, region: region.map(str::to_owned), header_value: header_value.map(str::to_owned) })
    }
}

/// The address of STS.
pub fn sts(region: Option<&str>) -> String {
    match region {
        None => "https://sts.amazonaws.com/".to_owned(),
        Some(region) if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn/"),
        Some(region) => format!("https://sts.{region}.amazonaws.com/"),
    }
}

impl AwsSource {
    fn of(environment: &Environment) -> Result<Self> {
        let text = |name: &str| environment.text(name).map(|text| text.map(str::to_owned));
        let secret = |name: &str| environment.text(name).map(|text| text.map(secret_of));
        if let Some(id) = text("AWS_ACCESS_KEY_ID")? {
            let secret_key = secret("AWS_SECRET_ACCESS_KEY")?.ok_or_else(|| {
                let what = "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY";
                Error::new(Kind::Credential, what, "set both, or neither")
            })?;
            return Ok(Self::Keys(AwsKeys { id, secret: secret_key, session: secret("AWS_SESSION_TOKEN")? }));
        }
        if let (Some(file), Some(role)) = (environment.path("AWS_WEB_IDENTITY_TOKEN_FILE"), text("AWS_ROLE_ARN")?) {
            let region = text("AWS_REGION")?.or(text("AWS_DEFAULT_REGION")?);
            let own = text("AWS_ENDPOINT_URL_STS")?.or(text("AWS_ENDPOINT_URL")?);
            return Ok(Self::WebIdentity(WebIdentity {
                token: Credential::read(&file)?,
                role,
                session: text("AWS_ROLE_SESSION_NAME")?.unwrap_or_else(|| "jupyter-vault".to_owned()),
                sts: own.unwrap_or_else(|| sts(region.as_deref())),
                proxy: proxies(environment)?,
            }));
        }
        let relative =
            text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")?.map(|path| format!("http://169.254.170.2{path}"));
        if let Some(url) = relative.or(text("AWS_CONTAINER_CREDENTIALS_FULL_URI")?) {
            let host = url.strip_prefix("http://").map(|rest| rest.split(['/', '?']).next().unwrap_or(rest));
            let is_near = |host: &str| CONTAINER_HOSTS.iter().any(|near| host.strip_prefix(near).is_some_and(is_port));
            if !url.starts_with("https://") && !host.is_some_and(is_near) {
                let what = "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither an https:// URL nor a local one";
                return Err(Error::new(Kind::Credential, what, "correct it, or unset it"));
            }
            let authorization = match environment.path("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
                Some(file) => Some(Credential::read(Path::new(&file))?.value),
                None => secret("AWS_CONTAINER_AUTHORIZATION_TOKEN")?,
            };
            return Ok(Self::Container { url, authorization });
        }
        if text("AWS_EC2_METADATA_DISABLED")?.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            let what = "there is no AWS credential in the environment, and AWS_EC2_METADATA_DISABLED is set";
            let advice = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod or task a role";
            return Err(Error::new(Kind::Credential, what, advice));
        }
        let own = text("AWS_EC2_METADATA_SERVICE_ENDPOINT")?;
        let url = own.unwrap_or_else(|| "http://169.254.169.254".to_owned());
        Ok(Self::Machine { url: url.trim_end_matches('/').to_owned() })
    }
}

fn secret_of(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec())
}

/// Whether `rest` may follow a host: it is empty, or a port.
fn is_port(rest: &str) -> bool {
    rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Gcp {
    pub(super) fn of(environment: &Environment, service_account: Option<&str>) -> Result<Self> {
        let host = environment.text("GCE_METADATA_HOST")?.unwrap_or("metadata.google.internal");
        let service_account = service_account.unwrap_or("default").to_owned();
        Ok(Self { url: format!("http://{host}"), service_account })
    }
}

impl Azure {
    pub(super) fn of(environment: &Environment, resource: Option<&str>, client_id: Option<&str>) -> Result<Self> {
        let secret = environment.text("IDENTITY_HEADER")?.map(secret_of);
        let app = environment.text("IDENTITY_ENDPOINT")?.filter(|_| secret.is_some());
        let machine = environment.text("AZURE_POD_IDENTITY_AUTHORITY_HOST")?.unwrap_or("http://169.254.169.254");
        Ok(Self {
            url: app.unwrap_or(machine).trim_end_matches('/').to_owned(),
            app_secret: secret.filter(|_| app.is_some()),
            resource: resource.unwrap_or("https://management.azure.com/").to_owned(),
            client_id: client_id.map(str::to_owned),
        })
    }
}
