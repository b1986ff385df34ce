//! Certificates as entries; none expires.

use std::sync::Arc;

use super::super::StoreError;
use super::disk::Disk;
use super::entry::{self, Table};
use super::{Embedded, now};

const TABLE: Table = Table::Certificates;

impl Embedded {
    pub(in crate::store) fn certificates(&self, ids: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        ids.iter().map(|id| read(&self.inner.disk, id)).collect()
    }

    pub(in crate::store) async fn add_certificate(&self, id: &str, text: &str) -> Result<bool, StoreError> {
        let (id, text) = (id.to_owned(), text.to_owned());
        self.write(move |inner| add(&inner.disk, &id, &text)).await
    }

    pub(in crate::store) async fn delete_certificate(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |inner| {
            let mut change = inner.disk.begin();
            change.remove(TABLE, &id, 0);
            change.commit().map(drop)
        })
        .await
    }

    pub(in crate::store) async fn certificate_ids(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.to_owned());
        let read = move || inner.disk.names(TABLE, &prefix, now());
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err(self.inner.disk.abandoned()))
    }
}

fn read(disk: &Disk, id: &str) -> Result<Option<String>, StoreError> {
    let Some(found) = disk.read(TABLE, id)? else { return Ok(None) };
    String::from_utf8(found.value().to_vec()).map(Some).map_err(|_| disk.damaged(TABLE, id))
}

fn add(disk: &Disk, id: &str, text: &str) -> Result<bool, StoreError> {
    if !entry::is_name(id) {
        return Err(disk.unusable(id));
    }
    let mut change = disk.begin();
    if disk.read(TABLE, id)?.is_some() {
        return Ok(false);
    }
    change.put(TABLE, id, text.as_bytes(), 0, 0);
    change.commit().map(|_| true)
}
