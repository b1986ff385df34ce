//! When a server is told to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

/// Waits for SIGTERM or Ctrl-C, from this call on.
pub fn stop_signal() -> impl Future<Output = ()> + Send {
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    async {
        tokio::select! {
            () = received(interrupt) => {}
            () = received(terminate) => {}
        }
    }
}

async fn received(signal: io::Result<Signal>) {
    match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(error) => {
            warn!(%error, "cannot listen for a stop signal");
            std::future::pending().await
        }
    }
}
