//! Which of an API's upstreams the next request goes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use super::host::Host;
use super::origin::Origin;
use super::transport::Speech;
use crate::exchange::{Body, Reply, Target};

/// One upstream.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) origin: Origin,
    /// The same without HTTP/2, which knows no upgrades; only where the upstream may choose.
    pub(super) for_upgrades: Option<Box<Origin>>,
    pub(super) host: HeaderValue,
    pub(super) target: Target,
    pub(super) keep_slash: bool,
    /// How its tests went, if that counts.
    pub(super) health: Option<Arc<Host>>,
}

impl Destination {
    pub(super) fn origin(&self, upgrade: bool) -> &Origin {
        match &self.for_upgrades {
            Some(origin) if upgrade => origin,
            _ => &self.origin,
        }
    }

    /// Whether connections may go on in another protocol.
    pub(super) fn upgrades(&self) -> bool {
        self.origin.transport.settings.speech != Speech::Http2
    }

    fn is_down(&self) -> bool {
        self.health.as_ref().is_some_and(|host| host.is_down())
    }
}

/// The upstreams of an API, at least one, and whose turn it is.
#[derive(Debug)]
pub(super) struct Balance {
    all: Vec<Destination>,
    turn: AtomicUsize,
}

impl Balance {
    pub(super) fn new(all: Vec<Destination>) -> Self {
        Self { all, turn: AtomicUsize::new(0) }
    }

    /// The target of the first.
    pub(super) fn first(&self) -> Option<&Target> {
        self.all.first().map(|destination| &destination.target)
    }

    /// The next one in turn that is not down; none if all are.
    pub(super) fn next(&self) -> Option<&Destination> {
        let turn = match self.all.len() {
            1 => 0,
            _ => self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len(),
        };
        let (before, from) = self.all.split_at(turn);
        from.iter().chain(before).find(|destination| !destination.is_down())
    }
}

/// The answer in place of upstreams that are all down.
pub(super) fn all_down() -> Reply {
    let mut reply = Reply::new(Body::whole("all hosts are down\n"));
    *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}
