//! How requests are counted, and what clients are told about it.

use super::written::Written;
use super::{ConfigError, Origins, Storage};
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
    SlidingLog {
        /// Whether the limits of sessions that want it follow the requests.
        smooths: bool,
    },
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

pub(super) fn limits(written: &Written, storage: &Storage, origins: &Origins<'_>) -> Result<Limits, ConfigError> {
    let rates = written.rate_limit_response_headers == "rate_limits";
    Ok(Limits {
        limiter: limiter(written, storage, origins)?,
        headers: if rates { RateHeaders::Rates } else { RateHeaders::Quotas },
        organisations: written.enforce_org_quotas,
    })
}

impl Limits {
    /// Whether no rate is smoothed: as keys without effect are told of.
    pub(super) fn unsmoothed(&self) -> Option<(&'static str, &'static str)> {
        const NEEDS: &str = "rates are smoothed only with enable_redis_rolling_limiter and a storage of type redis";
        let smooths = self.limiter == RateLimiter::SlidingLog { smooths: true };
        (!smooths).then_some(("enable_rate_limit_smoothing", NEEDS))
    }
}

fn limiter(written: &Written, storage: &Storage, origins: &Origins<'_>) -> Result<RateLimiter, ConfigError> {
    let threshold = written.drl_threshold;
    if threshold < 0.0 {
        let remedy = "write a number of requests a second; 0 means 5".to_owned();
        return Err(origins.unusable("drl_threshold", short(&threshold.into()), remedy));
    }
    let smooths = written.enable_rate_limit_smoothing && matches!(storage, Storage::Redis(_));
    Ok(match () {
        () if written.enable_fixed_window_rate_limiter => RateLimiter::FixedWindow,
        () if written.enable_sentinel_rate_limiter || written.enable_redis_rolling_limiter => {
            RateLimiter::SlidingLog { smooths }
        }
        () => RateLimiter::Memory { threshold: if threshold == 0.0 { THRESHOLD } else { threshold } },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::storage;
    use super::*;

    fn read(storage: &str, change: impl FnOnce(&mut Written)) -> Result<Limits, ConfigError> {
        let mut written = Written::default();
        written.storage.kind = storage.to_owned();
        change(&mut written);
        let origins = Origins { file: None, variables: &BTreeMap::new() };
        let storage = storage::storage(std::mem::take(&mut written.storage), &origins)?;
        limits(&written, &storage, &origins)
    }

    fn limiter(change: impl FnOnce(&mut Written)) -> RateLimiter {
        read("redis", change).unwrap().limiter
    }

    #[test]
    fn the_first_limiter_of_the_originals_order_counts() {
        let log = RateLimiter::SlidingLog { smooths: false };
        assert_eq!(limiter(|_| {}), RateLimiter::Memory { threshold: 5.0 });
        assert_eq!(limiter(|written| written.drl_threshold = 2.0), RateLimiter::Memory { threshold: 2.0 });
        assert_eq!(limiter(|written| written.enable_redis_rolling_limiter = true), log);
        let both = |written: &mut Written| {
            (written.enable_sentinel_rate_limiter, written.enable_fixed_window_rate_limiter) = (true, true);
        };
        assert_eq!(limiter(both), RateLimiter::FixedWindow);
        assert!(read("redis", |written| written.drl_threshold = -1.0).is_err());
    }

    #[test]
    fn rates_are_smoothed_in_the_log_in_redis_only() {
        let told = |storage, log| {
            let limits = read(storage, |written| {
                (written.enable_rate_limit_smoothing, written.enable_redis_rolling_limiter) = (true, log);
            });
            limits.unwrap().unsmoothed().map(|(key, _)| key)
        };
        assert_eq!(told("redis", true), None);
        assert_eq!([told("redis", false), told("embedded", true)], [Some("enable_rate_limit_smoothing"); 2]);
    }
}
