//! How far a request's body is on its way, for who waits for the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A body that is sent while it comes in; its clones tell of the same.
#[derive(Clone, Debug)]
pub struct Upload(Arc<State>);

#[derive(Debug)]
struct State {
    began: Instant,
    /// When a part of it last went on, in milliseconds since it began.
    moved: AtomicU64,
    /// Whether the upstream wants more than has come.
    awaits_client: AtomicBool,
}

impl Upload {
    pub(super) fn begin() -> Self {
        let (began, moved, awaits_client) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(State { began, moved, awaits_client }))
    }

    /// The client has not sent on what is wanted.
    pub(super) fn wait(&self) {
        self.0.awaits_client.store(true, Ordering::Relaxed);
    }

    /// A part went on, or the end.
    pub(super) fn advance(&self) {
        let moved = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.moved.store(moved, Ordering::Relaxed);
        self.0.awaits_client.store(false, Ordering::Relaxed);
    }

    /// Since when it is the upstream's turn: not before now while it is the client's.
    pub fn upstreams_turn_since(&self) -> Instant {
        if self.0.awaits_client.load(Ordering::Relaxed) {
            return Instant::now();
        }
        self.0.began + Duration::from_millis(self.0.moved.load(Ordering::Relaxed))
    }
}
