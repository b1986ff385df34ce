//! A named plugin server: its endpoints, and which of them gets a call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::Authority;

use super::connector::resolve;
use super::endpoint::Endpoint;
use super::unary::UnaryMethod;
use crate::config::{Address, PluginServer};

/// How long the addresses of a name are trusted.
const FRESH: Duration = Duration::from_secs(30);

/// The methods of a plugin server.
#[derive(Clone, Copy)]
pub(super) enum Method {
    Dispatch,
    DispatchEvent,
}

/// A plugin server as one worker sees it.
pub(super) struct Server {
    dispatch: UnaryMethod,
    dispatch_event: UnaryMethod,
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
        let authority = authority(config);
        Self {
            dispatch: method(&authority, "/coprocess.Dispatcher/Dispatch"),
            dispatch_event: method(&authority, "/coprocess.Dispatcher/DispatchEvent"),
            name,
            round_robin: config.round_robin || config.endpoints.len() > 1,
            next: AtomicUsize::new(0),
            endpoints: Mutex::new(Endpoints { list, resolved: None }),
        }
    }

    pub(super) fn method(&self, method: Method) -> &UnaryMethod {
        match method {
            Method::Dispatch => &self.dispatch,
            Method::DispatchEvent => &self.dispatch_event,
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

    /// The next call looks the name up, and tries each endpoint that was away.
    pub(super) fn reload(&self) {
        let mut endpoints = self.lock();
        endpoints.resolved = None;
        endpoints.list.iter().for_each(|endpoint| endpoint.reload());
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

/// The configured authority, else the one that the first address implies.
fn authority(config: &PluginServer) -> Authority {
    let implied = || config.endpoints.first().map(Address::authority).unwrap_or_default();
    let authority = config.authority.clone().unwrap_or_else(implied);
    Authority::try_from(authority).unwrap_or_else(|_| Authority::from_static("localhost"))
}

fn method(authority: &Authority, path: &'static str) -> UnaryMethod {
    let uri = Uri::builder().scheme("http").authority(authority.clone()).path_and_query(path).build();
    UnaryMethod::new(uri.expect("its parts are valid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server whose name was looked up just now, and led to an address that it has no longer.
    fn moved() -> (Server, Arc<Endpoint>) {
        let config = PluginServer {
            endpoints: vec![Address::Dns { host: "localhost".into(), port: 5555 }],
            authority: None,
            round_robin: false,
        };
        let gone = Arc::new(Endpoint::new(Address::Tcp { host: "192.0.2.1".into(), port: 5555 }));
        let server = Server::new(&config);
        *server.lock() = Endpoints { list: [Arc::clone(&gone)].into(), resolved: Some(Instant::now()) };
        (server, gone)
    }

    #[tokio::test]
    async fn a_reload_makes_the_next_call_look_the_name_up() {
        let (server, gone) = moved();
        assert!(Arc::ptr_eq(&server.candidates().await[0], &gone));
        server.reload();
        let found = server.candidates().await;
        assert!(!found.is_empty() && !found.iter().any(|endpoint| Arc::ptr_eq(endpoint, &gone)));
    }
}
