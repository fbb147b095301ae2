//! `NO_PROXY`: addresses that need no proxy, by the rules of Go, in which Vault's own client is written.
//!
//! Rules: <https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config>. An entry is `*`, a CIDR block, an IP address,
//! or a domain; the last two may have a port. A domain matches itself and its subdomains; with a dot (or `*.`) before
//! it, only its subdomains. A name with non-ASCII letters counts as its ASCII form (IDNA).

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::ascii;

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    All,
    Block(IpNet),
    Address(IpAddr, Option<String>),
    /// A domain with a leading dot, and whether it also matches the domain itself.
    Domain {
        below: String,
        itself: bool,
        port: Option<String>,
    },
}

/// The entries of `NO_PROXY`.
#[derive(Debug)]
pub(super) struct NoProxy(Vec<Entry>);

impl NoProxy {
    pub fn parse(text: &str) -> Self {
        Self(text.split(',').filter_map(|entry| parse(&entry.trim().to_lowercase())).collect())
    }

    /// Whether `host` needs no proxy.
    pub fn excepts(&self, host: &str, port: u16) -> bool {
        let host = ascii(&host.to_lowercase()).into_owned();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let is_port = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| *wanted == port.to_string());
        self.0.iter().any(|entry| match entry {
            Entry::All => true,
            Entry::Block(block) => address.is_some_and(|address| block.contains(&address)),
            Entry::Address(wanted, at) => address == Some(*wanted) && is_port(at),
            Entry::Domain { below, itself, port } => {
                (host.ends_with(below.as_str()) || *itself && host == below[1..]) && is_port(port)
            }
        })
    }
}

fn parse(entry: &str) -> Option<Entry> {
    if entry == "*" {
        return Some(Entry::All);
    }
    if let Ok(block) = entry.parse() {
        return Some(Entry::Block(block));
    }
    let (host, port) = match split_port(entry) {
        Some(("", _)) => return None,
        // A colon without a port matches any port.
        Some((host, port)) => (host, Some(port.to_owned()).filter(|port| !port.is_empty())),
        None => (entry, None),
    };
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(Entry::Address(address.to_canonical(), port));
    }
    let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
    match host.strip_prefix('.') {
        _ if host.is_empty() => None,
        Some(domain) => Some(Entry::Domain { below: format!(".{}", ascii(domain)), itself: false, port }),
        None => Some(Entry::Domain { below: format!(".{}", ascii(host)), itself: true, port }),
    }
}

/// Host and port of `host:port` or `[address]:port`. An IPv6 address without brackets has no port.
fn split_port(entry: &str) -> Option<(&str, &str)> {
    let (host, port) = entry.rsplit_once(':')?;
    // As in Go, brackets need a port: an address in brackets without one is a domain, which matches no host.
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => Some((host, port)),
        None => (!host.contains([':', '['])).then_some((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::NoProxy;

    /// The results of Go's httpproxy: `NO_PROXY`, host, port, whether the proxy is bypassed.
    const CASES: &[(&str, &str, u16, bool)] = &[
        ("", "vault.example.org", 8200, false),
        ("*", "vault.example.org", 8200, true),
        ("*", "192.0.2.1", 8200, true),
        ("other.org,*", "vault.example.org", 8200, true),
        ("vault.example.org", "vault.example.org", 8200, true),
        ("VAULT.Example.ORG", "vault.example.org", 8200, true),
        ("vault.example.org", "VAULT.example.org", 8200, true),
        (" vault.example.org , x", "vault.example.org", 8200, true),
        ("example.org", "vault.example.org", 8200, true),
        ("example.org", "a.b.example.org", 8200, true),
        ("example.org", "example.org", 8200, true),
        ("example.org", "notexample.org", 8200, false),
        ("example.org", "example.org.evil.net", 8200, false),
        (".example.org", "vault.example.org", 8200, true),
        (".example.org", "example.org", 8200, false),
        ("*.example.org", "vault.example.org", 8200, true),
        ("*.example.org", "a.b.example.org", 8200, true),
        ("*.example.org", "example.org", 8200, false),
        ("*example.org", "vault.example.org", 8200, false),
        ("vault.example.org:8200", "vault.example.org", 8200, true),
        ("vault.example.org:8200", "vault.example.org", 443, false),
        ("example.org:8200", "vault.example.org", 8200, true),
        ("*.example.org:8200", "vault.example.org", 8200, true),
        ("*.example.org:8200", "vault.example.org", 80, false),
        (".example.org:8200", "vault.example.org", 8200, true),
        (":8200", "vault.example.org", 8200, false),
        ("192.0.2.1", "192.0.2.1", 8200, true),
        ("192.0.2.1", "192.0.2.10", 8200, false),
        ("192.0.2.1:8200", "192.0.2.1", 8200, true),
        ("192.0.2.1:8200", "192.0.2.1", 443, false),
        ("192.0.2.0/24", "192.0.2.200", 8200, true),
        ("192.0.2.77/24", "192.0.2.200", 8200, true),
        ("192.0.2.0/24", "192.0.3.1", 8200, false),
        ("192.0.2.0/24", "vault.example.org", 8200, false),
        ("192.0.2", "192.0.2.1", 8200, false),
        ("2001:db8::1", "2001:db8::1", 8200, true),
        ("[2001:db8::1]", "2001:db8::1", 8200, false),
        ("[2001:db8::1]:", "2001:db8::1", 8200, true),
        ("example.org:", "vault.example.org", 8200, true),
        ("192.0.2.1:", "192.0.2.1", 443, true),
        ("example.org", "vault.example.org.", 8200, false),
        ("[2001:db8::1]:8200", "2001:db8::1", 8200, true),
        ("[2001:db8::1]:8200", "2001:db8::1", 443, false),
        ("2001:db8::/32", "2001:db8:1::5", 8200, true),
        ("2001:db8:0::1", "2001:db8::1", 8200, true),
        ("::ffff:192.0.2.1", "192.0.2.1", 8200, true),
        (",,", "vault.example.org", 8200, false),
        ("b\u{fc}cher.example", "xn--bcher-kva.example", 8200, true),
        ("B\u{dc}CHER.example:8200", "vault.xn--bcher-kva.example", 8200, true),
        ("b\u{fc}cher\u{3002}example", "xn--bcher-kva.example", 8200, true),
        ("xn--bcher-kva.example", "b\u{fc}cher.example", 8200, true),
        (".b\u{fc}cher.example", "xn--bcher-kva.example", 8200, false),
        ("*.b\u{fc}cher.example", "vault.xn--bcher-kva.example", 8200, true),
        ("bucher.example", "xn--bcher-kva.example", 8200, false),
        ("b\u{fc}cher.example", "vault.example", 8200, false),
        ("fa\u{df}.example", "xn--fa-hia.example", 8200, true),
        ("\u{4f8b}\u{3048}.jp", "vault.xn--r8jz45g.jp", 443, true),
        ("a.org,b.org,vault.example.org", "vault.example.org", 8200, true),
    ];

    #[cfg(feature = "manage")]
    #[test]
    fn names_are_unicode_normalised() {
        for (text, host) in
            [("bu\u{308}cher.example", "xn--bcher-kva.example"), ("\u{ff45}xample.org", "vault.example.org")]
        {
            assert!(NoProxy::parse(text).excepts(host, 8200), "{text}");
        }
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        for (text, host, port, left_out) in CASES {
            assert_eq!(NoProxy::parse(text).excepts(host, *port), *left_out, "{text:?} for {host}:{port}");
        }
    }
}
