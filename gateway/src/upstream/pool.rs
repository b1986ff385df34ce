//! Kept connections to upstreams: taken for one exchange, given back when its reply has been read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::uri::{Authority, Scheme};
use hyper::client::conn::http1::SendRequest;

use crate::exchange::Body;

/// Whom a connection leads to.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// Both as one text, as in `http://host:80`: cheap to look up.
    pub(super) text: String,
}

impl Origin {
    pub(super) fn new(scheme: Scheme, authority: Authority) -> Self {
        let text = format!("{scheme}://{authority}");
        Self { scheme, authority, text }
    }
}

/// The idle connections of one worker.
#[derive(Debug)]
pub(super) struct Pool {
    shelves: Mutex<HashMap<String, Arc<Shelf>>>,
    per_host: usize,
    keep: Duration,
}

/// The idle connections to one host, the one used last on top.
#[derive(Debug)]
pub(super) struct Shelf {
    idle: Mutex<Vec<Idle>>,
    room: usize,
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
    shelf: Arc<Shelf>,
}

impl Pool {
    /// Keeps up to `per_host` connections to each host, each idle for `keep` at most.
    pub(super) fn new(per_host: usize, keep: Duration) -> Self {
        Self { shelves: Mutex::new(HashMap::new()), per_host, keep }
    }

    /// Where the connections to this host are kept.
    pub(super) fn shelf(&self, to: &Origin) -> Arc<Shelf> {
        let mut shelves = lock(&self.shelves);
        if let Some(shelf) = shelves.get(&to.text) {
            return Arc::clone(shelf);
        }
        let shelf = Arc::new(Shelf { idle: Mutex::new(Vec::new()), room: self.per_host });
        shelves.insert(to.text.clone(), Arc::clone(&shelf));
        shelf
    }

    /// Closes what has been idle for too long, and forgets hosts that nobody uses.
    pub(super) fn sweep(&self) {
        lock(&self.shelves).retain(|_, shelf| {
            let mut idle = lock(&shelf.idle);
            idle.retain(|idle| idle.since.elapsed() < self.keep && !idle.sender.is_closed());
            !idle.is_empty() || Arc::strong_count(shelf) > 1
        });
    }
}

impl Shelf {
    /// An open connection, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Lease> {
        let mut idle = lock(&self.idle);
        while let Some(Idle { sender, .. }) = idle.pop() {
            if !sender.is_closed() {
                return Some(self.lease(sender));
            }
        }
        None
    }

    /// A new connection as one in use.
    pub(super) fn lease(self: &Arc<Self>, sender: SendRequest<Body>) -> Lease {
        Lease { sender, shelf: Arc::clone(self) }
    }
}

impl Lease {
    /// Keeps the connection for the next exchange.
    pub fn give_back(self) {
        let Self { sender, shelf } = self;
        let mut idle = lock(&shelf.idle);
        if idle.len() < shelf.room && !sender.is_closed() {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
