//! The access log: one line per request of an API, also when the client leaves before the answer.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tracing::Level;

use crate::error::Failure;
use crate::exchange::{Exchange, HookNote, Outcome, Recall};

/// What a client that left is remembered by.
const CLIENT_CLOSED: u16 = 499;

/// An exchange that writes its line when it ends.
pub struct Access {
    /// The exchange.
    pub exchange: Box<Exchange>,
    api_id: Arc<str>,
    status: u16,
    reason: Option<String>,
}

impl Access {
    /// Watches over an exchange of this API.
    pub fn new(api_id: &Arc<str>, exchange: Box<Exchange>) -> Self {
        Self { exchange, api_id: Arc::clone(api_id), status: CLIENT_CLOSED, reason: None }
    }

    /// The client gets an answer.
    pub fn answered(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    /// The gateway itself refuses the request, or something failed.
    pub fn because(&mut self, failure: &Failure) {
        self.reason = Some(failure.to_string());
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        // Nothing is formatted for a log that nobody reads.
        if !tracing::enabled!(target: "outrigger::access", Level::INFO) {
            return;
        }
        let Exchange { head, client, notes, .. } = &*self.exchange;
        tracing::info!(
            target: "outrigger::access",
            api_id = &*self.api_id,
            method = head.method_text(),
            path = head.uri.path(),
            status = self.status,
            client = &*client.address(&head.headers),
            ms = milliseconds(notes.started.elapsed()),
            upstream_ms = notes.upstream.map(milliseconds),
            hooks = hooks(&notes.hooks),
            session_cache = notes.recall.map(Recall::as_str),
            reason = self.reason,
            "request"
        );
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// `Name 1.2ms continued, Other 0.4ms answered 403`.
fn hooks(notes: &[HookNote]) -> String {
    let mut out = String::new();
    for HookNote { name, took, outcome } in notes {
        let comma = if out.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(out, "{comma}{name} {}ms ", milliseconds(*took));
        let _ = match outcome {
            Outcome::Continued => write!(out, "continued"),
            Outcome::Answered(status) => write!(out, "answered {status}"),
            Outcome::Failed => write!(out, "failed"),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_told_in_order_with_time_and_outcome() {
        let note =
            |name: &str, micros, outcome| HookNote { name: name.into(), took: Duration::from_micros(micros), outcome };
        let notes = [note("A", 1234, Outcome::Continued), note("B", 400, Outcome::Answered(403))];
        assert_eq!(hooks(&notes), "A 1.234ms continued, B 0.4ms answered 403");
    }
}
