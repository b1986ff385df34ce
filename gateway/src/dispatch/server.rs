//! A named plugin server: its endpoints, and which of them gets a call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::Authority;

use super::connector::resolve;
use super::endpoint::Endpoint;
use crate::config::{Address, PluginServer};

/// How long the addresses of a name are trusted.
const FRESH: Duration = Duration::from_secs(30);

/// A plugin server as one worker sees it.
pub(super) struct Server {
    /// What the calls carry as scheme and `:authority`.
    pub(super) origin: Uri,
    name: Option<(String, u16)>,
    round_robin: bool,
    next: AtomicUsize,
    endpoints: Mutex<Endpoints>,
}

struct Endpoints {
    list: Arc<[Arc<Endpoint>]>,
    resolved: Option<Instant>,
}

impl Server {
    pub(super) fn new(config: &PluginServer) -> Self {
        let name = match config.endpoints.as_slice() {
            [Address::Dns { host, port }] => Some((host.clone(), *port)),
            _ => None,
        };
        let list = config.endpoints.iter().cloned().map(|address| Arc::new(Endpoint::new(address))).collect();
        Self {
            origin: origin(config),
            name,
            round_robin: config.round_robin || config.endpoints.len() > 1,
            next: AtomicUsize::new(0),
            endpoints: Mutex::new(Endpoints { list, resolved: None }),
        }
    }

    /// The endpoints in the order in which this call should try them.
    pub(super) async fn candidates(&self) -> Vec<Arc<Endpoint>> {
        self.refresh().await;
        let list = self.lock().list.clone();
        let first = if self.round_robin { self.next.fetch_add(1, Ordering::Relaxed) % list.len().max(1) } else { 0 };
        let (later, sooner) = list.split_at(first);
        let mut order: Vec<_> = sooner.iter().chain(later).cloned().collect();
        if !self.round_robin {
            order.sort_by_key(|endpoint| !endpoint.is_connected());
        }
        order
    }

    /// The only endpoint, where there is no choice.
    pub(super) fn only(&self) -> Option<Arc<Endpoint>> {
        match (&self.name, &*self.lock().list) {
            (None, [only]) => Some(Arc::clone(only)),
            _ => None,
        }
    }

    /// Looks a name up when its addresses are not fresh; keeps the connections of those that stay.
    async fn refresh(&self) {
        let Some((host, port)) = &self.name else { return };
        if self.lock().resolved.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let found = match resolve(host, *port).await {
            Ok(found) if !found.is_empty() => found,
            Ok(_) => return,
            Err(error) => return tracing::warn!(%error, host, "a plugin server's name cannot be resolved"),
        };
        let mut endpoints = self.lock();
        let keep = |address: Address| {
            let known = endpoints.list.iter().find(|endpoint| *endpoint.address() == address);
            known.cloned().unwrap_or_else(|| Arc::new(Endpoint::new(address)))
        };
        let list =
            found.into_iter().map(|at| keep(Address::Tcp { host: at.ip().to_string(), port: at.port() })).collect();
        *endpoints = Endpoints { list, resolved: Some(Instant::now()) };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Endpoints> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `http://` and the configured authority, else the one that the first address implies.
fn origin(config: &PluginServer) -> Uri {
    let implied = || config.endpoints.first().map(Address::authority).unwrap_or_default();
    let authority = config.authority.clone().unwrap_or_else(implied);
    let authority = Authority::try_from(authority).unwrap_or_else(|_| Authority::from_static("localhost"));
    Uri::builder().scheme("http").authority(authority).path_and_query("/").build().unwrap_or_default()
}
