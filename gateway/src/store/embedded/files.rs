//! The folder of the store: claiming it, making it, opening it.
//!
//! `claim` is locked by the process that has the store open; `store` is the database. A new one is
//! made as `unfinished` and renamed, so that a process killed in between leaves nothing half-made.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use fjall::config::PinningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use super::super::StoreError;
use super::entry::Table;
use super::fault;

const MIB: u64 = 1024 * 1024;

/// Blocks of the files that are kept in memory, uncompressed.
const CACHE: u64 = 32 * MIB;
/// Each table's newest changes are in memory, and go to a file of their own at this size.
const MEMTABLE: u64 = 16 * MIB;
/// Past this, the oldest journal's changes are brought to files; all of it is read at a start.
const JOURNALS: u64 = 64 * MIB;
/// One writes new changes to files while the other merges files.
const WORKERS: usize = 2;
const OPEN_FILES: usize = 64;

/// An open store.
pub(super) struct Opened {
    pub(super) claim: File,
    pub(super) database: Database,
    pub(super) tables: [Keyspace; 4],
    pub(super) due: Keyspace,
}

/// Opens the store in this folder, and makes it if there is none.
pub(super) fn open(folder: &Path) -> Result<Opened, StoreError> {
    let place = folder.display().to_string();
    let claim = claim(folder, &place)?;
    let store = folder.join("store");
    if !store.try_exists().map_err(|error| fault::io(&place, &error))? {
        make(folder, &store).map_err(|error| fault::of(&place, &error))?;
    }
    // The database would take a folder without this file for a new one.
    if !store.join("version").exists() {
        return Err(fault::damaged(&place, "store/version is missing"));
    }
    let (database, tables, due) = sound(&place, || database(&store))?;
    Ok(Opened { claim, database, tables, due })
}

fn claim(folder: &Path, place: &str) -> Result<File, StoreError> {
    let opened = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let options = File::options().read(true).write(true).create(true).truncate(false).to_owned();
    let file = opened.and_then(|()| options.open(folder.join("claim"))).map_err(|error| fault::io(place, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(fault::locked(place)),
        Err(TryLockError::Error(error)) => Err(fault::io(place, &error)),
    }
}

fn make(folder: &Path, store: &Path) -> fjall::Result<()> {
    let unfinished = folder.join("unfinished");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    drop(database(&unfinished)?);
    fs::rename(&unfinished, store)?;
    Ok(File::open(folder)?.sync_all()?)
}

fn database(path: &Path) -> fjall::Result<(Database, [Keyspace; 4], Keyspace)> {
    let builder = Database::builder(path).cache_size(CACHE).max_journaling_size(JOURNALS);
    let database = builder.worker_threads(WORKERS).max_cached_files(Some(OPEN_FILES)).open()?;
    let [keys, orgs, counters, certificates] = Table::ALL.map(|table| database.keyspace(table.name(), options));
    let due = database.keyspace("due", options)?;
    Ok((database, [keys?, orgs?, counters?, certificates?], due))
}

/// Where entries lie is kept in memory, for all files: a look-up reads one block.
fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE)
        .index_block_pinning_policy(PinningPolicy::all(true))
        .filter_block_pinning_policy(PinningPolicy::all(true))
}

/// The database asserts some of what it expects of its files: that fails the opening, not the process.
fn sound<T>(place: &str, open: impl FnOnce() -> fjall::Result<T>) -> Result<T, StoreError> {
    match panic::catch_unwind(AssertUnwindSafe(open)) {
        Ok(opened) => opened.map_err(|error| fault::of(place, &error)),
        Err(_) => Err(fault::damaged(place, "see the message above")),
    }
}
