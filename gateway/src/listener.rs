//! Accepts connections and hands them to workers; each worker does the rest on one core.

mod accept;
mod admission;
mod answers;
mod batch;
mod complaint;
mod connection;
mod doors;
mod drain;
mod entrance;
mod files;
mod front_door;
mod message;
mod serve;
mod tls;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use thiserror::Error;

pub use accept::Listener;
pub use doors::{Arrange, Sockets};
pub use serve::serve;
pub use worker::StartError;

use self::doors::Arrangements;
use crate::api::Registry;
use crate::chain::Shared;
use crate::config::Config;
use crate::control::{Health, Reload};
use crate::dispatch::Dispatchers;
use crate::store::Opened;

/// What all workers share.
pub struct Gateway {
    /// The settings.
    pub config: Config,
    /// The APIs that are served now.
    pub registry: ArcSwap<Registry>,
    /// Where sessions and counters live.
    pub store: Opened,
    /// What the chains of all APIs share.
    pub shared: Shared,
    /// Loads policies and APIs anew.
    pub reload: Reload,
    /// Whether what it depends on is well.
    pub health: Health,
    /// What calls plugins.
    pub dispatchers: Dispatchers,
    /// Opens and closes the ports of APIs.
    pub arrange: Arrange,
    arrangements: Mutex<Option<Arrangements>>,
    draining: AtomicBool,
}

/// Why the gateway cannot listen.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody else has the port.
    #[error("{0} is in use")]
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
    pub fn new(config: Config, registry: Registry, store: Opened, shared: Shared, reload: Reload) -> Arc<Self> {
        let (arrange, arrangements) = Arrange::new();
        Arc::new(Self {
            arrange,
            arrangements: Mutex::new(Some(arrangements)),
            config,
            registry: ArcSwap::from_pointee(registry),
            store,
            shared,
            reload,
            health: Health::default(),
            dispatchers: Dispatchers::default(),
            draining: AtomicBool::new(false),
        })
    }

    /// What is asked of the ports; nothing the second time.
    pub(crate) fn arrangements(&self) -> Arrangements {
        let taken = self.arrangements.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.unwrap_or_else(|| Arrange::new().1)
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
