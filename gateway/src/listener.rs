//! Accepts connections and hands them to workers; each worker does the rest on one core.

mod accept;
mod connection;
mod drain;
mod front_door;
mod tls;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use thiserror::Error;

pub use accept::Listener;
pub use worker::StartError;

use crate::api::Registry;
use crate::chain::Shared;
use crate::config::Config;
use crate::control::Reload;
use crate::error::Pages;
use crate::store::Opened;

/// What all workers share.
pub struct Gateway {
    /// The settings.
    pub config: Config,
    /// The APIs that are served now.
    pub registry: ArcSwap<Registry>,
    /// How errors look.
    pub pages: Pages,
    /// Where sessions and counters live.
    pub store: Opened,
    /// What the chains of all APIs share.
    pub shared: Shared,
    /// Loads policies and APIs anew.
    pub reload: Reload,
    draining: AtomicBool,
}

/// Why the gateway cannot listen.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody else has the port.
    #[error("{0} is in use by another process; stop it, or choose another port with --port or listen_port in tyk.conf")]
    InUse(SocketAddr),
    /// Any other reason.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl Gateway {
    /// Everything that serving needs but sockets.
    pub fn new(
        config: Config,
        registry: Registry,
        pages: Pages,
        store: Opened,
        shared: Shared,
        reload: Reload,
    ) -> Arc<Self> {
        Arc::new(Self {
            config,
            registry: ArcSwap::from_pointee(registry),
            pages,
            store,
            shared,
            reload,
            draining: AtomicBool::new(false),
        })
    }

    /// Tells readiness probes that no more requests are wanted.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the gateway is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
