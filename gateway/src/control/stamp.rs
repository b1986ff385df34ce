//! The time as sessions have it.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock;

/// Unix seconds, as text.
pub(super) fn updated() -> String {
    clock::unix_seconds().to_string()
}

/// RFC 3339.
pub(super) fn created() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
