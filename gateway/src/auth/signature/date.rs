//! Dates as HTTP writes them: `Sun, 06 Nov 1994 08:49:37 GMT`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Reads a date from 1970 on; the day of the week is not looked at.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let (_, date) = text.split_once(", ")?;
    let mut words = date.split(' ');
    let (day, month, year) = (number(words.next()?)?, words.next()?, number(words.next()?)?);
    let (time, zone) = (words.next()?, words.next()?);
    if words.next().is_some() || !matches!(zone, "GMT" | "UTC") {
        return None;
    }
    let days = days(year, MONTHS.iter().position(|name| *name == month)?, day)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(days * 86_400 + seconds(time)?))
}

/// Whole days from the beginning of 1970 to a date; months count from 0.
fn days(year: u64, month: usize, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) {
        return None;
    }
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = DAYS.get(month)? + u64::from(leap && month == 1);
    if !(1..=length).contains(&day) {
        return None;
    }
    let past = year - 1;
    let leap_days = (past / 4 - past / 100 + past / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let before: u64 = DAYS.iter().take(month).sum();
    Some((year - 1970) * 365 + leap_days + before + u64::from(leap && month > 1) + day - 1)
}

fn seconds(time: &str) -> Option<u64> {
    let mut parts = time.split(':').map(number);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let legal = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 60;
    legal.then_some(hours * 3600 + minutes * 60 + seconds)
}

fn number(text: &str) -> Option<u64> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str) -> Option<u64> {
        Some(parse(text)?.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }

    #[test]
    fn dates_are_read_to_the_second() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 23:59:59 UTC", 951_868_799),
            ("Wed, 1 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Fri, 01 Jan 2100 00:00:00 GMT", 4_102_444_800),
        ] {
            assert_eq!(unix(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "now",
            "Sun, 06 Nov 1994 08:49:37 PST",
            "Sun, 29 Feb 1999 00:00:00 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
        ] {
            assert_eq!(unix(text), None, "{text}");
        }
    }
}
