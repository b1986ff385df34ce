//! One address of a plugin server, as one worker sees it: at most one connection, made when needed.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::Mutex as AsyncMutex;
use tonic::body::Body;

use super::connector::{Sender, connect};
use crate::config::Address;

/// The least time between two attempts to connect, before jitter.
const PAUSE: Duration = Duration::from_millis(80);
/// Up to this much is added, so that workers and gateways do not knock in step.
const JITTER: Duration = Duration::from_millis(20);

/// An address and the connection to it.
pub(super) struct Endpoint {
    address: Address,
    ready: Mutex<Option<Sender>>,
    /// Held by the one attempt in flight; other calls wait here for its outcome.
    attempt: AsyncMutex<Option<Failed>>,
}

/// The last attempt, if it failed.
struct Failed {
    until: Instant,
    reason: String,
}

impl Endpoint {
    pub(super) fn new(address: Address) -> Self {
        Self { address, ready: Mutex::new(None), attempt: AsyncMutex::new(None) }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether a call would go out at once.
    pub(super) fn is_connected(&self) -> bool {
        self.current().is_some()
    }

    /// Sends a request; one that provably was not sent is tried once more on a new connection.
    pub(super) async fn send(&self, request: Request<Body>) -> io::Result<Response<Incoming>> {
        let unsent = match self.try_send(request).await? {
            Ok(response) => return Ok(response),
            Err((unsent, error)) => unsent.ok_or(error)?,
        };
        match self.try_send(unsent).await? {
            Ok(response) => Ok(response),
            Err((_, error)) => Err(error),
        }
    }

    async fn try_send(
        &self,
        request: Request<Body>,
    ) -> io::Result<Result<Response<Incoming>, (Option<Request<Body>>, io::Error)>> {
        let mut sender = self.sender().await?;
        Ok(sender.try_send_request(request).await.map_err(|mut failed| {
            let unsent = failed.take_message();
            (unsent, io::Error::other(failed.into_error()))
        }))
    }

    /// The connection, made now if there is none. Fails fast: waits for an attempt in flight, never
    /// for the pause between attempts.
    pub(super) async fn sender(&self) -> io::Result<Sender> {
        if let Some(sender) = self.current() {
            return Ok(sender);
        }
        let mut last = self.attempt.lock().await;
        if let Some(sender) = self.current() {
            return Ok(sender);
        }
        if let Some(failed) = last.as_ref().filter(|failed| Instant::now() < failed.until) {
            return Err(io::Error::other(failed.reason.clone()));
        }
        match connect(&self.address).await {
            Ok(sender) => {
                *last = None;
                *self.slot() = Some(sender.clone());
                Ok(sender)
            }
            Err(error) => {
                *last = Some(Failed { until: Instant::now() + PAUSE + jitter(), reason: error.to_string() });
                Err(error)
            }
        }
    }

    fn current(&self) -> Option<Sender> {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(Sender::is_closed) {
            *slot = None;
        }
        slot.clone()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Sender>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spread enough for its purpose, without a generator of random numbers.
fn jitter() -> Duration {
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    JITTER * (nanos % 1000) / 1000
}
