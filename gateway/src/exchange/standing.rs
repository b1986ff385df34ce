//! What the limits said about an exchange, beside its session.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::session::Left;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Where the caller stands once it has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// What is left of its quota.
    pub quota: Option<Left>,
    /// What is left of its rate.
    pub rate: Option<RateFigures>,
    /// Whether it was over its rate first, and waited.
    pub waited: bool,
}

/// A rate's figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateFigures {
    /// Requests.
    pub limit: f64,
    /// Requests that may still come.
    pub remaining: f64,
    /// Until the window ends, or a place in it frees.
    pub frees: Duration,
}

impl RateFigures {
    /// Tells the client, in place of what somebody else told it.
    pub fn write(&self, headers: &mut HeaderMap) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let reset = now.saturating_add(self.frees).as_secs();
        write(headers, [whole(self.limit), whole(self.remaining), HeaderValue::from(reset)]);
    }
}

fn whole(number: f64) -> HeaderValue {
    HeaderValue::from(number as i64)
}

/// Writes the limit, what remains of it, and when it renews.
pub fn write(headers: &mut HeaderMap, [limit, remaining, reset]: [HeaderValue; 3]) {
    headers.insert(LIMIT, limit);
    headers.insert(REMAINING, remaining);
    headers.insert(RESET, reset);
}

/// Takes out what somebody else told.
pub fn remove(headers: &mut HeaderMap) {
    for name in [LIMIT, REMAINING, RESET] {
        headers.remove(name);
    }
}
