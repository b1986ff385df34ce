//! Kept connections to upstreams: taken for one exchange, given back when its reply has been read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hyper::client::conn::http1::SendRequest;
use hyper::client::conn::http2;

use super::origin::Origin;
use crate::exchange::Body;

/// The idle connections of one worker.
#[derive(Debug)]
pub(super) struct Pool {
    shelves: Mutex<HashMap<String, Arc<Shelf>, RandomState>>,
    per_host: usize,
    keep: Duration,
    max_age: Option<Duration>,
}

/// The connections to one host: idle ones, the one used last on top, and one that many use at once.
#[derive(Debug)]
pub(super) struct Shelf {
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Option<Shared>>,
    connecting: tokio::sync::Mutex<()>,
    room: usize,
    max_age: Option<Duration>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
    born: Instant,
}

#[derive(Debug)]
struct Shared {
    sender: http2::SendRequest<Body>,
    used: Instant,
    born: Instant,
}

/// A connection in use; dropped without [`Lease::give_back`] it is closed.
#[derive(Debug)]
pub struct Lease {
    pub(super) sender: SendRequest<Body>,
    shelf: Arc<Shelf>,
    born: Instant,
}

impl Pool {
    /// Keeps up to `per_host` connections to each host, each idle for `keep` at most; none is used
    /// once it is older than `max_age`.
    pub(super) fn new(per_host: usize, keep: Duration, max_age: Option<Duration>) -> Self {
        Self { shelves: Mutex::default(), per_host, keep, max_age }
    }

    /// Where the connections to this host are kept.
    pub(super) fn shelf(&self, to: &Origin) -> Arc<Shelf> {
        let mut shelves = lock(&self.shelves);
        if let Some(shelf) = shelves.get(&to.key) {
            return Arc::clone(shelf);
        }
        let (idle, shared, connecting) = Default::default();
        let shelf = Arc::new(Shelf { idle, shared, connecting, room: self.per_host, max_age: self.max_age });
        shelves.insert(to.key.clone(), Arc::clone(&shelf));
        shelf
    }

    /// Closes what has been idle for too long, and forgets hosts that nobody uses.
    pub(super) fn sweep(&self) {
        lock(&self.shelves).retain(|_, shelf| {
            let mut idle = lock(&shelf.idle);
            idle.retain(|idle| idle.since.elapsed() < self.keep && !idle.sender.is_closed());
            let mut shared = lock(&shelf.shared);
            shared.take_if(|shared| shared.used.elapsed() >= self.keep || shared.sender.is_closed());
            !idle.is_empty() || shared.is_some() || Arc::strong_count(shelf) > 1
        });
    }
}

impl Shelf {
    /// An open connection, if there is one. One whose answer came before all of its request was sent is
    /// left to finish that.
    pub(super) fn take(self: &Arc<Self>) -> Option<Lease> {
        let mut idle = lock(&self.idle);
        while let Some(at) = idle.iter().rposition(|idle| idle.sender.is_ready() || idle.sender.is_closed()) {
            let Idle { sender, born, .. } = idle.remove(at);
            if !sender.is_closed() && !self.is_too_old(born) {
                return Some(Lease { sender, shelf: Arc::clone(self), born });
            }
        }
        None
    }

    fn is_too_old(&self, born: Instant) -> bool {
        self.max_age.is_some_and(|age| born.elapsed() >= age)
    }

    /// A new connection as one in use.
    pub(super) fn lease(self: &Arc<Self>, sender: SendRequest<Body>) -> Lease {
        Lease { sender, shelf: Arc::clone(self), born: Instant::now() }
    }

    /// The connection that many use at once, if it is open.
    pub(super) fn shared(&self) -> Option<http2::SendRequest<Body>> {
        let mut shared = lock(&self.shared);
        shared.take_if(|shared| shared.sender.is_closed() || self.is_too_old(shared.born));
        let shared = shared.as_mut()?;
        shared.used = Instant::now();
        Some(shared.sender.clone())
    }

    /// From now on this connection is the one that many use.
    pub(super) fn share(&self, sender: http2::SendRequest<Body>) {
        if self.room > 0 {
            let born = Instant::now();
            *lock(&self.shared) = Some(Shared { sender, used: born, born });
        }
    }

    /// The next request gets a new connection.
    pub(super) fn forget_shared(&self) {
        *lock(&self.shared) = None;
    }

    /// The next request gets a new connection unless this one is open.
    pub(super) fn forget_closed(&self) {
        lock(&self.shared).take_if(|shared| shared.sender.is_closed());
    }

    /// Held while a connection is made that many may use.
    pub(super) async fn connecting(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.connecting.lock().await
    }
}

impl Lease {
    /// Keeps the connection for the next exchange.
    pub fn give_back(self) {
        let Self { sender, shelf, born } = self;
        let mut idle = lock(&shelf.idle);
        if idle.len() < shelf.room && !sender.is_closed() {
            idle.push(Idle { sender, since: Instant::now(), born });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
