//! When APIs and their versions end: `2006-01-02 15:04` in UTC, or never.

use http::HeaderValue;
use time::format_description::well_known::Rfc2822;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use super::CompileError;

/// The end in unix seconds; none for an empty text and `-1`.
pub(super) fn parse(path: &str, text: &str) -> Result<Option<i64>, CompileError> {
    if matches!(text, "" | "-1") {
        return Ok(None);
    }
    let parsed = read(text).ok_or_else(|| CompileError {
        path: path.to_owned(),
        reason: format!("{text:?} is no date: write one as in \"2031-12-24 18:00\" (UTC), or \"-1\" for never"),
    })?;
    Ok(Some(parsed.assume_utc().unix_timestamp()))
}

fn read(text: &str) -> Option<PrimitiveDateTime> {
    let (date, time) = text.split_once(' ')?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (date.next()?.parse().ok()?, date.next()?.parse::<u8>().ok()?, date.next()?.parse().ok()?);
    let (hour, minute) = time.split_once(':')?;
    let time = Time::from_hms(hour.parse().ok()?, minute.parse().ok()?, 0).ok()?;
    Some(PrimitiveDateTime::new(Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?, time))
}

/// The end as clients are told it.
pub(super) fn header(end: i64) -> Option<HeaderValue> {
    let text = OffsetDateTime::from_unix_timestamp(end).ok()?.format(&Rfc2822).ok()?;
    HeaderValue::from_str(&text.replace("+0000", "UTC")).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_in_utc_and_to_the_minute() {
        assert_eq!(parse("e", "2006-01-02 15:04"), Ok(Some(1_136_214_240)));
        assert_eq!([parse("e", ""), parse("e", "-1")], [Ok(None), Ok(None)]);
        for text in ["2006-01-02", "2006-13-02 15:04", "2006-01-02 25:04", "soon"] {
            assert_eq!(parse("e", text).unwrap_err().path, "e");
        }
    }

    #[test]
    fn clients_are_told_the_day_and_the_time() {
        assert_eq!(header(1_136_214_240).unwrap(), "Mon, 02 Jan 2006 15:04:00 UTC");
    }
}
