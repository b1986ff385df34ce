//! How a worker's connections hear that they should end, and how it hears that they have.

use std::time::Duration;

use tokio::sync::watch;

/// The end of a worker's connections.
pub(super) struct Drain(watch::Sender<bool>);

/// A connection's ear for it, and for the end of its port; as long as it lives, the connection is open.
pub(super) struct Drained {
    worker: watch::Receiver<bool>,
    port: watch::Receiver<bool>,
}

impl Drain {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(super) fn connection(&self, port: &watch::Receiver<bool>) -> Drained {
        Drained { worker: self.0.subscribe(), port: port.clone() }
    }

    /// Tells all connections and waits for them, but no longer than `grace`.
    pub(super) async fn finish(self, grace: Duration) {
        let open = self.0.receiver_count();
        self.0.send_replace(true);
        if tokio::time::timeout(grace, self.0.closed()).await.is_err() {
            tracing::warn!(open, grace_seconds = grace.as_secs(), "the grace period ended before all requests did");
        }
    }
}

impl Drained {
    /// Done when the connection should end.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            // A worker that is gone waits for nobody.
            _ = self.worker.wait_for(|drained| *drained) => {}
            Ok(_) = self.port.wait_for(|closed| *closed) => {}
        }
    }
}
