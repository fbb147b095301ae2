//! The channels of a kernel, and the endpoints where they listen.

use std::path::PathBuf;

/// One of a kernel's five sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Requests in order.
    Shell,
    /// Requests that do not wait for shell: shutdown, interrupt.
    Control,
    /// The kernel's input requests.
    Stdin,
    /// Output and status, for every client.
    IoPub,
    /// Bytes that the kernel sends back unchanged.
    Heartbeat,
}

impl Channel {
    /// All five channels.
    pub const ALL: [Self; 5] = [Self::Shell, Self::Control, Self::Stdin, Self::IoPub, Self::Heartbeat];

    /// The key of its port in a connection file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Shell => "shell_port",
            Self::Control => "control_port",
            Self::Stdin => "stdin_port",
            Self::IoPub => "iopub_port",
            Self::Heartbeat => "hb_port",
        }
    }
}

/// Where one channel listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A host (a name, an address, or `*` for all) and a port.
    Tcp(String, u16),
    /// A socket file.
    Ipc(PathBuf),
}

impl Endpoint {
    /// The endpoint of a port at the `ip` of a connection file; an IPv6 address may have brackets.
    pub fn tcp(ip: &str, port: u16) -> Self {
        let inner = ip.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        Self::Tcp(inner.unwrap_or(ip).to_owned(), port)
    }

    /// The port, where it has one.
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(_, port) => Some(*port),
            Self::Ipc(_) => None,
        }
    }
}

/// The host at which a listener on `host` is reached from this machine: loopback if it listens on every address.
pub fn reached_at(host: &str) -> &str {
    match host {
        "" | "*" | "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        named => named,
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(out, "{host}:{port}"),
            Self::Ipc(path) => write!(out, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_is_shown_in_brackets_however_it_was_written() {
        let shown = |ip| Endpoint::tcp(ip, 80).to_string();
        assert_eq!([shown("::1"), shown("[::1]")], ["[::1]:80", "[::1]:80"]);
        assert_eq!([shown("*"), shown("127.0.0.1"), shown("[x")], ["*:80", "127.0.0.1:80", "[x:80"]);
    }
}
