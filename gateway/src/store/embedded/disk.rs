//! Entries on the disk: reading them, and changing several at once.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use fjall::{Database, Keyspace, PersistMode};

use super::super::StoreError;
use super::entry::{self, Due, Entry, Table};
use super::fault;
use super::files::{self, Opened};
use crate::shards::lock;

/// The database of the store.
pub(super) struct Disk {
    place: String,
    keys: Keyspace,
    orgs: Keyspace,
    counters: Keyspace,
    certificates: Keyspace,
    due: Keyspace,
    database: Database,
    /// Held from reading an entry until what follows from it is written.
    writing: Mutex<()>,
    unsynced: AtomicBool,
    /// Keeps other processes out; the last to go.
    _claim: File,
}

impl Disk {
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let Opened { claim, database, tables: [keys, orgs, counters, certificates], due } = files::open(folder)?;
        let place = folder.display().to_string();
        let (writing, unsynced) = (Mutex::new(()), AtomicBool::new(false));
        Ok(Self { place, keys, orgs, counters, certificates, due, database, writing, unsynced, _claim: claim })
    }

    /// An entry, be it expired or not.
    pub(super) fn read(&self, table: Table, name: &str) -> Result<Option<Entry>, StoreError> {
        if !entry::is_name(name) {
            return Ok(None);
        }
        let found = self.table(table).get(name).map_err(|error| self.fault(&error))?;
        found.map(|bytes| Entry::decode(bytes).ok_or_else(|| self.damaged(table, name))).transpose()
    }

    /// The names of the living entries that begin like this.
    pub(super) fn names(&self, table: Table, prefix: &str, now: u64) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for found in self.table(table).prefix(prefix) {
            let (name, bytes) = found.into_inner().map_err(|error| self.fault(&error))?;
            let name = String::from_utf8_lossy(&name);
            let entry = Entry::decode(bytes).ok_or_else(|| self.damaged(table, &name))?;
            if entry.lives(now) {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    /// At most so many entries of the due list, of the times between these.
    pub(super) fn due(&self, from: u64, until: u64, most: usize) -> Result<Vec<Due>, StoreError> {
        let range = from.to_be_bytes()..until.saturating_add(1).to_be_bytes();
        let found = self.due.range(range).take(most);
        let keys = found.map(|key| key.key().map_err(|error| self.fault(&error)));
        keys.map(|key| Due::decode(&key?).ok_or_else(|| self.broken("its due list"))).collect()
    }

    /// The only change at this time.
    pub(super) fn begin(&self) -> Change<'_> {
        Change { only: lock(&self.writing), disk: self, batch: self.database.batch() }
    }

    /// Makes what was written survive a loss of power; whether there was anything.
    pub(super) fn sync(&self) -> Result<bool, StoreError> {
        let unsynced = self.unsynced.swap(false, Ordering::AcqRel);
        if unsynced {
            self.database.persist(PersistMode::SyncAll).map_err(|error| self.fault(&error))?;
        }
        Ok(unsynced)
    }

    /// Whether it still takes changes.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.database.persist(PersistMode::Buffer).map_err(|error| self.fault(&error))
    }

    /// The folder.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// That nobody will do what was asked.
    pub(super) fn abandoned(&self) -> StoreError {
        let reason = "the thread that was asked has ended: see the message above, then restart";
        StoreError { place: self.place.clone(), reason: reason.into() }
    }

    /// That a name can be no entry's.
    pub(super) fn unusable(&self, name: &str) -> StoreError {
        let reason = format!("a name of {} bytes cannot be stored: it must have 1 to 60000", name.len());
        StoreError { place: self.place.clone(), reason }
    }

    /// That an entry is not what was written.
    pub(super) fn damaged(&self, table: Table, name: &str) -> StoreError {
        self.broken(&format!("{name:?} in {}", table.name()))
    }

    fn broken(&self, what: &str) -> StoreError {
        fault::damaged(&self.place, what)
    }

    fn fault(&self, error: &fjall::Error) -> StoreError {
        fault::of(&self.place, error)
    }

    fn table(&self, table: Table) -> &Keyspace {
        match table {
            Table::Keys => &self.keys,
            Table::Orgs => &self.orgs,
            Table::Counters => &self.counters,
            Table::Certificates => &self.certificates,
        }
    }
}

/// Changes that happen together or not at all.
pub(super) struct Change<'a> {
    disk: &'a Disk,
    batch: fjall::OwnedWriteBatch,
    only: MutexGuard<'a, ()>,
}

impl<'a> Change<'a> {
    /// Puts an entry in place of one that was listed at `was`; its new time on the due list.
    pub(super) fn put(&mut self, table: Table, name: &str, value: &[u8], expires: u64, was: u64) -> u64 {
        let listed = entry::listing(was, expires);
        if listed != was {
            self.unlist(table, name, was);
            self.list(table, name, listed);
        }
        self.batch.insert(self.disk.table(table), name, entry::encode(expires, listed, value));
        listed
    }

    /// Removes an entry and its place on the due list.
    pub(super) fn remove(&mut self, table: Table, name: &str, listed: u64) {
        self.batch.remove(self.disk.table(table), name);
        self.unlist(table, name, listed);
    }

    /// Removes a place on the due list.
    pub(super) fn unlist(&mut self, table: Table, name: &str, listed: u64) {
        if listed != 0 {
            self.batch.remove(&self.disk.due, Due::key(listed, table, name));
        }
    }

    fn list(&mut self, table: Table, name: &str, at: u64) {
        if at != 0 {
            self.batch.insert(&self.disk.due, Due::key(at, table, name), []);
        }
    }

    /// Hands the changes to the operating system: they survive the end of this process. The next
    /// change waits until the guard goes.
    pub(super) fn commit(self) -> Result<MutexGuard<'a, ()>, StoreError> {
        let Self { disk, batch, only } = self;
        batch.commit().map_err(|error| disk.fault(&error))?;
        disk.unsynced.store(true, Ordering::Release);
        Ok(only)
    }
}
