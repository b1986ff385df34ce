//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the beginning of 1970.
pub(crate) fn unix_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().try_into().unwrap_or(i64::MAX))
}
