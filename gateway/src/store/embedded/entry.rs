//! How entries lie on the disk.
//!
//! An entry is `expires | listed | value`: two times, then what its owner stored. Whatever expires
//! is on the due list, whose keys are `time | table | name`, so that a sweep reads only what is due.
//! An entry may be listed *earlier* than it expires: an entry whose life is prolonged again and
//! again is moved on the list only when its old time comes. Times are milliseconds since 1970; 0
//! is never. Numbers are big endian.

use fjall::UserValue;

const NUMBER: usize = size_of::<u64>();
const HEAD: usize = 2 * NUMBER;

/// Names longer than this are not stored: a name with a time and a table must make a key of the
/// database, and those end at 64 KiB.
const LONGEST_NAME: usize = 60_000;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Keys,
    Orgs,
    Counters,
    Certificates,
}

impl Table {
    pub(super) const ALL: [Self; 4] = [Self::Keys, Self::Orgs, Self::Counters, Self::Certificates];

    /// Its name on the disk.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Orgs => "orgs",
            Self::Counters => "counters",
            Self::Certificates => "certificates",
        }
    }

    fn tag(self) -> u8 {
        match self {
            Self::Keys => b'k',
            Self::Orgs => b'o',
            Self::Counters => b'c',
            Self::Certificates => b'x',
        }
    }
}

/// An entry that was read.
pub(super) struct Entry {
    /// When it is gone.
    pub(super) expires: u64,
    /// Its time on the due list.
    pub(super) listed: u64,
    bytes: UserValue,
}

impl Entry {
    /// None if the bytes are no entry.
    pub(super) fn decode(bytes: UserValue) -> Option<Self> {
        let (expires, rest) = bytes.split_first_chunk::<NUMBER>()?;
        let (listed, _) = rest.split_first_chunk::<NUMBER>()?;
        Some(Self { expires: u64::from_be_bytes(*expires), listed: u64::from_be_bytes(*listed), bytes })
    }

    pub(super) fn value(&self) -> &[u8] {
        self.bytes.get(HEAD..).unwrap_or_default()
    }

    pub(super) fn lives(&self, now: u64) -> bool {
        lives(self.expires, now)
    }
}

/// Whether something that expires then is still there.
pub(super) fn lives(expires: u64, now: u64) -> bool {
    expires == 0 || expires > now
}

pub(super) fn encode(expires: u64, listed: u64, value: &[u8]) -> Vec<u8> {
    [&expires.to_be_bytes(), &listed.to_be_bytes(), value].concat()
}

/// Whether an entry can have this name.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
}

/// Where an entry is to be listed that was listed at `was`.
pub(super) fn listing(was: u64, expires: u64) -> u64 {
    if was == 0 || expires == 0 { expires } else { was.min(expires) }
}

/// A key of the due list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: u64,
    pub(super) table: Table,
    pub(super) name: String,
}

impl Due {
    pub(super) fn key(at: u64, table: Table, name: &str) -> Vec<u8> {
        [&at.to_be_bytes(), &[table.tag()][..], name.as_bytes()].concat()
    }

    /// None if the bytes are no such key.
    pub(super) fn decode(key: &[u8]) -> Option<Self> {
        let (at, rest) = key.split_first_chunk()?;
        let (tag, name) = rest.split_first()?;
        let table = Table::ALL.into_iter().find(|table| table.tag() == *tag)?;
        Some(Self { at: u64::from_be_bytes(*at), table, name: String::from_utf8(name.into()).ok()? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn due_keys_are_ordered_by_time_and_read_back() {
        let due = Due::decode(&Due::key(258, Table::Orgs, "a")).unwrap();
        assert_eq!(due, Due { at: 258, table: Table::Orgs, name: "a".into() });
        assert!(Due::key(255, Table::Orgs, "z") < Due::key(256, Table::Counters, "a"));
        assert_eq!(Due::decode(b"1234567"), None);
        assert_eq!(Due::decode(b"12345678?"), None);
    }

    #[test]
    fn an_entry_is_listed_no_later_than_it_expires() {
        for (was, expires, listed) in [(0, 0, 0), (0, 9, 9), (5, 9, 5), (9, 5, 5), (9, 0, 0)] {
            assert_eq!(listing(was, expires), listed, "was {was}, expires {expires}");
        }
    }

    #[test]
    fn an_entry_reads_back() {
        let entry = Entry::decode(encode(7, 5, b"{}").into()).unwrap();
        assert_eq!((entry.expires, entry.listed, entry.value()), (7, 5, &b"{}"[..]));
        assert!(entry.lives(6) && !entry.lives(7));
        assert!(Entry::decode(vec![0; 15].into()).is_none());
    }
}
