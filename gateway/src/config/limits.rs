//! How requests are counted, and what clients are told about it.

use super::written::Written;
use super::{ConfigError, Origins};
use crate::json::short;

/// How requests are counted, and what clients are told about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// What rates are counted by.
    pub limiter: RateLimiter,
    /// What `X-Ratelimit-*` tell.
    pub headers: RateHeaders,
    /// Whether organisations have limits.
    pub organisations: bool,
}

/// What rates are counted by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RateLimiter {
    /// Fixed windows in this process, among which nodes divide a rate; a rate of no more than
    /// `threshold` requests a second for each node is counted in a sliding log in the store instead.
    Memory {
        /// Requests a second.
        threshold: f64,
    },
    /// A sliding log in the store, in which refused requests count too.
    SlidingLog,
    /// Fixed windows in the store, aligned to the clock.
    FixedWindow,
}

/// What `X-Ratelimit-*` tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateHeaders {
    /// The quota, on every proxied answer.
    Quotas,
    /// The rate, on every answer to a request that was counted.
    Rates,
}

const THRESHOLD: f64 = 5.0;

pub(super) fn limits(written: &Written, origins: &Origins<'_>) -> Result<Limits, ConfigError> {
    let rates = written.rate_limit_response_headers == "rate_limits";
    Ok(Limits {
        limiter: limiter(written, origins)?,
        headers: if rates { RateHeaders::Rates } else { RateHeaders::Quotas },
        organisations: written.enforce_org_quotas,
    })
}

fn limiter(written: &Written, origins: &Origins<'_>) -> Result<RateLimiter, ConfigError> {
    let threshold = written.drl_threshold;
    if threshold < 0.0 {
        let remedy = "write a number of requests a second; 0 means 5".to_owned();
        return Err(origins.unusable("drl_threshold", short(&threshold.into()), remedy));
    }
    Ok(match () {
        () if written.enable_fixed_window_rate_limiter => RateLimiter::FixedWindow,
        () if written.enable_sentinel_rate_limiter || written.enable_redis_rolling_limiter => RateLimiter::SlidingLog,
        () => RateLimiter::Memory { threshold: if threshold == 0.0 { THRESHOLD } else { threshold } },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(change: impl FnOnce(&mut Written)) -> Result<RateLimiter, ConfigError> {
        let mut written = Written::default();
        change(&mut written);
        limiter(&written, &Origins { file: None, variables: &BTreeMap::new() })
    }

    #[test]
    fn the_first_limiter_of_the_originals_order_counts() {
        assert_eq!(read(|_| {}).unwrap(), RateLimiter::Memory { threshold: 5.0 });
        assert_eq!(read(|written| written.drl_threshold = 2.0).unwrap(), RateLimiter::Memory { threshold: 2.0 });
        assert_eq!(read(|written| written.enable_redis_rolling_limiter = true).unwrap(), RateLimiter::SlidingLog);
        let both = |written: &mut Written| {
            (written.enable_sentinel_rate_limiter, written.enable_fixed_window_rate_limiter) = (true, true);
        };
        assert_eq!(read(both).unwrap(), RateLimiter::FixedWindow);
        assert!(read(|written| written.drl_threshold = -1.0).is_err());
    }
}
