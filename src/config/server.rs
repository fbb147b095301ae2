//! How to reach Vault, as a plan says.

use std::path::Path;

use super::credential::path_setting;
use super::env::Environment;
use super::layer::Layer;
use super::lock;
use crate::error::{Error, Kind, Result};
use crate::net::address::Address;
use crate::net::options::{Proxy, Tls};
use crate::net::proxy;

/// How to reach Vault.
#[derive(Debug, Clone)]
pub struct Server {
    /// Vault's address, or the agent's.
    pub address: Address,
    /// Vault's further addresses, tried in order if the first does not answer.
    pub others: Vec<Address>,
    /// The namespace of every request.
    pub namespace: Option<String>,
    /// Trust and client certificate.
    pub tls: Tls,
    /// The proxy.
    pub proxy: Proxy,
    /// The most retries of one request; `None`: as many as the time allows.
    pub max_retries: Option<u64>,
}

impl Server {
    /// Makes it from the merged settings.
    pub fn new(layer: &Layer, environment: &Environment) -> Result<Self> {
        let key = if layer.get("vault.agent_address").is_some() { "vault.agent_address" } else { "vault.address" };
        let text = layer.text(key).ok_or_else(|| {
            let advice = "run `jupyter-vault setup`, or set VAULT_ADDR, or `address` under [vault] in vault.toml";
            Error::new(Kind::Config, "no address of Vault is configured", advice)
        })?;
        let path = |key| path_setting(layer, environment, key);
        // A proxy can see the traffic, so a locked file's own proxy is final.
        let takes_proxies = !(layer.is_locked() && layer.get(key).is_some_and(|set| set.origin.file().is_some()));
        let owned = |key| layer.text(key).map(str::to_owned);
        let (first, others) = match text.split_once(',') {
            Some((first, others)) if key == "vault.address" => (first, Some(others)),
            _ => (text, None),
        };
        let others = others.into_iter().flat_map(|others| others.split(','));
        let server = Self {
            address: Address::parse(first, &layer.origin(key))?,
            others: others.map(|text| Address::parse(text, &layer.origin(key))).collect::<Result<_>>()?,
            namespace: owned("vault.namespace")
                .map(|name| name.trim().trim_matches('/').to_owned())
                .filter(|name| !name.is_empty()),
            tls: Tls {
                ca_cert: path("vault.ca_cert"),
                ca_cert_bytes: owned("vault.ca_cert_bytes"),
                ca_path: path("vault.ca_path"),
                client_cert: path("vault.client_cert"),
                client_key: path("vault.client_key"),
                server_name: owned("vault.tls_server_name"),
                skip_verify: layer.flag("vault.skip_verify").unwrap_or(false),
            },
            proxy: Proxy {
                for_vault: owned("vault.proxy"),
                ..if takes_proxies { proxies(environment)? } else { Proxy::default() }
            },
            max_retries: layer.count("vault.max_retries"),
        };
        server.check_proxy(layer, key).map(|()| server)
    }

    /// All addresses, in their order.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.address).chain(&self.others)
    }

    /// Refuses a proxy from a variable if it could read a locked file's login: over plain HTTP, or with a certificate
    /// that a variable makes trusted.
    fn check_proxy(&self, layer: &Layer, address: &str) -> Result<()> {
        const TRUST: [&str; 5] =
            ["vault.ca_cert", "vault.ca_cert_bytes", "vault.ca_path", "vault.tls_server_name", "vault.skip_verify"];
        let is_of_file = |key: &str| layer.get(key).is_some_and(|set| set.origin.file().is_some());
        let is_of_variable = |key: &&&str| layer.get(key).is_some_and(|set| set.origin.is_variable());
        if !is_of_file(address) || is_of_file("vault.proxy") || !lock::credentials(layer).any(is_of_file) {
            return Ok(());
        }
        if layer.is_locked() {
            return Ok(());
        }
        let trust = TRUST.iter().find(is_of_variable).map(|trust| layer.origin(trust));
        let why = |address: &Address| match (address, &trust) {
            (Address::Tcp(tcp), _) if !tcp.https => Some("in plain HTTP".to_owned()),
            (_, Some(trust)) => Some(format!("and {trust} sets the trusted CAs")),
            _ => None,
        };
        let mut proxied = self.addresses().filter(|address| proxy::is_used(address, &self.proxy));
        let Some(why) = proxied.find_map(why) else { return Ok(()) };
        let file = layer.get(address).and_then(|set| set.origin.file()).unwrap_or_else(|| Path::new("vault.toml"));
        let proxy =
            if layer.get("vault.proxy").is_some() { layer.origin("vault.proxy") } else { "a variable".to_owned() };
        let what = format!(
            "the login of {} would be sent through the proxy that {proxy} names, {why}; nothing was sent",
            file.display()
        );
        Err(Error::new(Kind::Config, what, "write `proxy` (and `ca_cert`) into that file, or unset the variables"))
    }
}

/// The proxies from the usual variables. As in Go, the upper-case name takes precedence over the lower-case one.
pub fn proxies(environment: &Environment) -> Result<Proxy> {
    let first = |names: [&str; 2]| -> Result<Option<String>> {
        for name in names {
            if let Some(text) = environment.text(name)?.filter(|text| !text.is_empty()) {
                return Ok(Some(text.to_owned()));
            }
        }
        Ok(None)
    };
    Ok(Proxy {
        for_vault: None,
        http: first(["HTTP_PROXY", "http_proxy"])?,
        https: first(["HTTPS_PROXY", "https_proxy"])?,
        none: first(["NO_PROXY", "no_proxy"])?,
    })
}
