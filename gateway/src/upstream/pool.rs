//! Kept connections to upstreams: taken for one exchange, given back when its reply has been read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::uri::{Authority, Scheme};
use hyper::client::conn::http1::SendRequest;

use crate::exchange::Body;

/// Whom a connection leads to.
pub(super) type Key = (Scheme, Authority);

/// The idle connections of one worker.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<HashMap<Key, Vec<Idle>>>,
    per_host: usize,
    keep: Duration,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection in use; dropped without [`Lease::give_back`] it is closed.
#[derive(Debug)]
pub struct Lease {
    pub(super) sender: SendRequest<Body>,
    key: Key,
    pool: Arc<Pool>,
}

impl Pool {
    /// Keeps up to `per_host` connections to each host, each idle for `keep` at most.
    pub(super) fn new(per_host: usize, keep: Duration) -> Self {
        Self { idle: Mutex::new(HashMap::new()), per_host, keep }
    }

    /// The connection used last, if one is open.
    pub(super) fn take(self: &Arc<Self>, key: &Key) -> Option<Lease> {
        let mut idle = self.lock();
        let kept = idle.get_mut(key)?;
        while let Some(Idle { sender, .. }) = kept.pop() {
            if !sender.is_closed() {
                return Some(self.lease(key.clone(), sender));
            }
        }
        None
    }

    /// A new connection as one in use.
    pub(super) fn lease(self: &Arc<Self>, key: Key, sender: SendRequest<Body>) -> Lease {
        Lease { sender, key, pool: Arc::clone(self) }
    }

    /// Closes what has been idle for too long.
    pub(super) fn sweep(&self) {
        self.lock().retain(|_, kept| {
            kept.retain(|idle| idle.since.elapsed() < self.keep && !idle.sender.is_closed());
            !kept.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Keeps the connection for the next exchange.
    pub fn give_back(self) {
        let Self { sender, key, pool } = self;
        let mut idle = pool.lock();
        let kept = idle.entry(key).or_default();
        if kept.len() < pool.per_host && !sender.is_closed() {
            kept.push(Idle { sender, since: Instant::now() });
        }
    }
}
