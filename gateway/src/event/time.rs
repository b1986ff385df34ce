//! Times as Go writes them.

use std::time::SystemTime;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Date, time with the digits of its fraction that count, offset and name of the local zone.
pub(super) fn text(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    written(&at.to_zoned(TimeZone::system()))
}

fn written(at: &Zoned) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_cut_and_zones_have_offset_and_name() {
        let at = |text: &str, zone: TimeZone| written(&text.parse::<Timestamp>().unwrap().to_zoned(zone));
        let utc = |text| at(text, TimeZone::UTC);
        assert_eq!(utc("2026-01-02T15:04:05.123456789Z"), "2026-01-02 15:04:05.123456789 +0000 UTC");
        assert_eq!(utc("2026-01-02T15:04:05.12Z"), "2026-01-02 15:04:05.12 +0000 UTC");
        assert_eq!(utc("2026-01-02T15:04:05Z"), "2026-01-02 15:04:05 +0000 UTC");
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(at("2026-07-02T15:04:05Z", berlin), "2026-07-02 17:04:05 +0200 CEST");
    }
}
