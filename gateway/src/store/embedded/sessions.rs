//! Sessions as entries.

use std::time::Duration;

use super::super::{Space, StoreError};
use super::disk::Disk;
use super::entry::{self, Table};

/// In milliseconds.
const SECOND: u64 = 1000;

/// The first of these that lives.
pub(super) fn first(
    disk: &Disk,
    space: Space,
    names: &[&str],
    now: u64,
) -> Result<Option<(usize, Vec<u8>)>, StoreError> {
    for (at, name) in names.iter().enumerate() {
        let found = disk.read(table(space), name)?;
        if let Some(session) = found.filter(|session| session.lives(now)) {
            return Ok(Some((at, session.value().to_vec())));
        }
    }
    Ok(None)
}

/// Whether one is there already, just as it is to be.
pub(super) fn stands(disk: &Disk, space: Space, name: &str, json: &[u8], expires: u64) -> Result<bool, StoreError> {
    let found = disk.read(table(space), name)?;
    Ok(found.is_some_and(|entry| entry.expires == expires && entry.value() == json))
}

/// Stores one that expires then.
pub(super) fn put(disk: &Disk, space: Space, name: &str, json: &[u8], expires: u64) -> Result<(), StoreError> {
    if !entry::is_name(name) {
        return Err(disk.unusable(name));
    }
    let mut change = disk.begin();
    let was = disk.read(table(space), name)?.map_or(0, |old| old.listed);
    change.put(table(space), name, json, expires, was);
    change.commit().map(drop)
}

/// Lets one that lives expire then.
pub(super) fn touch(disk: &Disk, space: Space, name: &str, expires: u64, now: u64) -> Result<(), StoreError> {
    let mut change = disk.begin();
    let found = disk.read(table(space), name)?;
    let Some(session) = found.filter(|session| session.lives(now)) else { return Ok(()) };
    change.put(table(space), name, session.value(), expires, session.listed);
    change.commit().map(drop)
}

/// Removes one; whether it lived.
pub(super) fn delete(disk: &Disk, space: Space, name: &str, now: u64) -> Result<bool, StoreError> {
    let mut change = disk.begin();
    let Some(session) = disk.read(table(space), name)? else { return Ok(false) };
    change.remove(table(space), name, session.listed);
    drop(change.commit()?);
    Ok(session.lives(now))
}

/// The names of those that live and begin like this.
pub(super) fn names(disk: &Disk, space: Space, prefix: &str, now: u64) -> Result<Vec<String>, StoreError> {
    disk.names(table(space), prefix, now)
}

/// When a lifetime that begins now ends, in milliseconds since 1970; 0 is never. It ends with a
/// second, so that a session in use is not written for each request.
pub(super) fn end(lifetime: Option<Duration>, now: u64) -> u64 {
    let milliseconds = |lifetime: Duration| u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
    let end = |lifetime| now.saturating_add(milliseconds(lifetime));
    lifetime.map_or(0, |lifetime| end(lifetime).checked_next_multiple_of(SECOND).unwrap_or(u64::MAX))
}

fn table(space: Space) -> Table {
    match space {
        Space::Key => Table::Keys,
        Space::Org => Table::Orgs,
    }
}
