//! The addresses of Vault: a cluster without a load balancer has several.
//!
//! They are tried in the order of the configuration, and the first one that answers is used for all requests of a
//! launch. The choice is not stored: the next launch starts with the first address again. A single address has no extra
//! cost.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::server::Server;
use crate::error::Result;
use crate::net::ServerKind;
use crate::net::address::Address;
use crate::net::connect::Connector;

/// The state before an address is chosen.
const NONE: usize = usize::MAX;

/// One address, and how to connect to it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) connector: Connector,
}

/// All addresses of the configuration.
#[derive(Debug)]
pub(super) struct Nodes {
    all: Vec<Node>,
    chosen: AtomicUsize,
}

impl Nodes {
    /// The addresses of `server`, in the configured order.
    pub(super) fn of(server: &Server) -> Result<Self> {
        let node = |address: &Address| {
            let connector = Connector::new(ServerKind::Vault, address, &server.tls, &server.proxy)?;
            Ok(Node { address: address.clone(), connector })
        };
        let all: Vec<_> = server.addresses().map(node).collect::<Result<_>>()?;
        let chosen = AtomicUsize::new(if all.len() == 1 { 0 } else { NONE });
        Ok(Self { all, chosen })
    }

    /// The chosen address, or the first if none is chosen yet.
    pub(super) fn current(&self) -> &Node {
        let chosen = self.chosen.load(Ordering::Relaxed);
        self.all.get(chosen).unwrap_or(&self.all[0])
    }

    /// Whether an address is chosen.
    pub(super) fn has_choice(&self) -> bool {
        self.chosen.load(Ordering::Relaxed) != NONE
    }

    /// Chooses the address at `index`.
    pub(super) fn choose(&self, index: usize) {
        self.chosen.store(index, Ordering::Relaxed);
    }

    /// Drops the choice if there are several addresses, so that the next request chooses again.
    pub(super) fn forget_choice(&self) {
        if self.all.len() > 1 {
            self.choose(NONE);
        }
    }

    /// The number of addresses.
    pub(super) const fn count(&self) -> usize {
        self.all.len()
    }
}
