//! One address of a plugin server, as one worker sees it: at most one connection, made when needed.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::Mutex as AsyncMutex;
use tonic::{Code, Status};

use super::connector::{Connection, connect};
use super::unary::{CallError, UnaryMethod};
use crate::config::Address;

/// The least time between two attempts to connect, before jitter.
const PAUSE: Duration = Duration::from_millis(80);
/// Up to this much is added, so that workers and gateways do not knock in step.
const JITTER: Duration = Duration::from_millis(20);

/// An address and the connection to it.
pub(super) struct Endpoint {
    address: Address,
    ready: Mutex<Option<Connection>>,
    /// Held by the one attempt in flight; other calls wait here for its outcome.
    attempt: AsyncMutex<Option<FailedAttempt>>,
}

/// The last attempt, if it failed.
struct FailedAttempt {
    until: Instant,
    reason: String,
}

/// Why an endpoint gave no reply.
pub(super) enum EndpointError {
    /// There is no connection; another endpoint may have one.
    Connect(io::Error),
    /// The call failed.
    Call(Status),
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

    /// The next call tries at once.
    pub(super) fn reload(&self) {
        // What an attempt in flight finds is news.
        if let Ok(mut last) = self.attempt.try_lock() {
            *last = None;
        }
    }

    /// Makes a call; one that provably did not begin is made once more on a new connection.
    pub(super) async fn call(
        &self,
        method: &UnaryMethod,
        message: Bytes,
        limit: usize,
    ) -> Result<Bytes, EndpointError> {
        let connection = self.connection().await.map_err(EndpointError::Connect)?;
        match method.call(connection.sender, message.clone(), limit).await {
            Ok(reply) => return Ok(reply),
            Err(CallError::Failed(status)) => return Err(EndpointError::Call(status)),
            Err(CallError::Unsent(_)) => *self.slot() = None,
        }
        let connection = self.connection().await.map_err(EndpointError::Connect)?;
        method.call(connection.sender, message, limit).await.map_err(|error| match error {
            CallError::Failed(status) => EndpointError::Call(status),
            CallError::Unsent(error) => EndpointError::Call(Status::new(Code::Unavailable, error.to_string())),
        })
    }

    /// The connection, made now if there is none. Fails fast: waits for an attempt in flight, never
    /// for the pause between attempts.
    async fn connection(&self) -> io::Result<Connection> {
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let mut last = self.attempt.lock().await;
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        if let Some(failed) = last.as_ref().filter(|failed| Instant::now() < failed.until) {
            return Err(io::Error::other(failed.reason.clone()));
        }
        match connect(&self.address).await {
            Ok(connection) => {
                *last = None;
                *self.slot() = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                *last = Some(FailedAttempt { until: Instant::now() + PAUSE + jitter(), reason: error.to_string() });
                Err(error)
            }
        }
    }

    fn current(&self) -> Option<Connection> {
        self.slot().take_if(|connection| !connection.is_open());
        self.slot().clone()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Connection>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spread enough for its purpose, without a generator of random numbers.
fn jitter() -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    JITTER * (nanos % 1000) / 1000
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_reload_ends_the_pause_after_a_failed_attempt() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint =
            Endpoint::new(Address::Tcp { host: "127.0.0.1".into(), port: server.local_addr().unwrap().port() });
        let until = Instant::now() + Duration::from_secs(3600);
        *endpoint.attempt.lock().await = Some(FailedAttempt { until, reason: "it was away".into() });
        assert!(endpoint.connection().await.is_err_and(|error| error.to_string() == "it was away"));
        endpoint.reload();
        assert!(endpoint.connection().await.is_ok_and(|connection| connection.is_open()));
    }
}
