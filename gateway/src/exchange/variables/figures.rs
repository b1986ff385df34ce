//! Where the caller's rate and quota stand, as `$tyk_context.NAME` tells of it.

use crate::exchange::{RateFigures, Standing};
use crate::session::Left;

/// A figure of a rate or a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    RateLimit,
    RateRemaining,
    RateReset,
    QuotaLimit,
    QuotaRemaining,
    QuotaReset,
}

impl Figure {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "rate_limit_limit" => Self::RateLimit,
            "rate_limit_remaining" => Self::RateRemaining,
            "rate_limit_reset" => Self::RateReset,
            "quota_limit" => Self::QuotaLimit,
            "quota_remaining" => Self::QuotaRemaining,
            "quota_reset" => Self::QuotaReset,
            _ => return None,
        })
    }

    /// The figure, once the request has been counted: a rate's reset in seconds from now, a quota's in
    /// unix seconds.
    pub(super) fn value(self, standing: &Standing) -> Option<i64> {
        let rate = |figure: fn(RateFigures) -> f64| standing.rate.map(|rate| figure(rate) as i64);
        let quota = |figure: fn(Left) -> i64| standing.quota.map(figure);
        match self {
            Self::RateLimit => rate(|rate| rate.limit),
            Self::RateRemaining => rate(|rate| rate.remaining),
            Self::RateReset => rate(|rate| rate.frees.as_secs_f64()),
            Self::QuotaLimit => quota(|quota| quota.limit),
            Self::QuotaRemaining => quota(|quota| quota.remaining),
            Self::QuotaReset => quota(|quota| quota.renews),
        }
    }
}
