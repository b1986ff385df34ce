//! What went wrong with the files, and what to do about it.

use std::fmt::Display;

use super::super::StoreError;

const REMEDY: &str = "restore a backup, or move the folder away to begin with an empty store";

/// What an error of the database means.
pub(super) fn of(place: &str, error: &fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => io(place, error),
        fjall::Error::Locked => locked(place),
        fjall::Error::Poisoned => failed(place),
        fjall::Error::InvalidVersion(_) => version(place),
        other => damaged(place, format_args!("{other:?}")),
    }
}

/// That a file cannot be read or written.
pub(super) fn io(place: &str, error: &std::io::Error) -> StoreError {
    fault(place, format!("{error}: check that this user may read and write it, and that the disk has room"))
}

/// That another process has it open.
pub(super) fn locked(place: &str) -> StoreError {
    let reason = "another process has it open: stop that one, or give each its own folder (storage.path)";
    fault(place, reason.into())
}

/// That a file is not as it was written.
pub(super) fn damaged(place: &str, what: impl Display) -> StoreError {
    fault(place, format!("damaged ({what}): {REMEDY}"))
}

fn failed(place: &str) -> StoreError {
    fault(place, "an earlier write failed, so nothing more is written: check the disk, then restart".into())
}

fn version(place: &str) -> StoreError {
    fault(place, format!("not a store of this version: use the version that made it, {REMEDY}"))
}

fn fault(place: &str, reason: String) -> StoreError {
    StoreError { place: place.into(), reason }
}
