//! The certificates of the store that somebody names, fetched before they are needed: definitions
//! and `tyk.conf` are made into what runs without waiting for the store.

use std::collections::{BTreeSet, HashMap};

use thiserror::Error;

use super::Fingerprint;
use super::stored::{Stored, StoredError};
use crate::config::Secret;
use crate::store::{Store, StoreError};

/// What was fetched.
#[derive(Debug, Default)]
pub struct Shelf {
    content: Content,
    /// What private keys are encrypted with.
    password: Secret,
}

#[derive(Debug)]
enum Content {
    /// Nobody has asked the store yet.
    Unasked,
    /// What it holds of what was asked for.
    Fetched(HashMap<String, String>),
    /// It did not answer, for this reason.
    Silent(String),
}

impl Default for Content {
    fn default() -> Self {
        Self::Fetched(HashMap::new())
    }
}

/// Why an id is no use.
#[derive(Debug, Error, PartialEq)]
pub enum ShelfError {
    /// No such certificate.
    #[error("the store has no certificate of this id: POST it to /tyk/certs, or name a PEM file")]
    Missing,
    /// Whether there is one cannot be told.
    #[error("the certificate cannot be fetched, {0}: try again when the store is well")]
    Silent(String),
    /// It is not what is wanted.
    #[error(transparent)]
    Stored(#[from] StoredError),
}

/// Whether a text names something in the store, by its form: a file may have any other name.
pub fn is_id(name: &str) -> bool {
    !name.contains('/') && Fingerprint::parse(name).is_ok()
}

impl Shelf {
    /// For whoever is content with files: every id is passed over.
    pub fn unasked() -> Self {
        Self { content: Content::Unasked, password: Secret::default() }
    }

    /// One on which no id is found, as the store did not answer.
    pub fn silent(error: &StoreError, password: Secret) -> Self {
        Self { content: Content::Silent(error.to_string()), password }
    }

    /// Fetches what these names name, if they are ids; the store is not asked unless one is.
    pub async fn fetch(
        store: impl FnOnce() -> Result<Store, StoreError>,
        names: impl IntoIterator<Item = &str>,
        password: Secret,
    ) -> Result<Self, StoreError> {
        let ids: BTreeSet<_> = names.into_iter().filter(|name| is_id(name)).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let texts = if ids.is_empty() { Vec::new() } else { store()?.certificates(&ids).await? };
        let found = ids.into_iter().zip(texts).filter_map(|(id, text)| Some((id.to_owned(), text?)));
        Ok(Self { content: Content::Fetched(found.collect()), password })
    }

    /// What has this id; nothing if nobody has asked the store.
    pub fn find(&self, id: &str) -> Result<Option<Stored>, ShelfError> {
        match &self.content {
            Content::Unasked => Ok(None),
            Content::Silent(reason) => Err(ShelfError::Silent(reason.clone())),
            Content::Fetched(found) => {
                let text = found.get(id).ok_or(ShelfError::Missing)?;
                Ok(Some(Stored::read(text.clone())?))
            }
        }
    }

    /// Whether the store is known to have this id.
    pub fn has(&self, id: &str) -> bool {
        matches!(&self.content, Content::Fetched(found) if found.contains_key(id))
    }

    /// What private keys are encrypted with.
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// A shelf with these, for tests.
    #[cfg(test)]
    pub(crate) fn holding<'a>(texts: impl IntoIterator<Item = (&'a str, String)>, password: Secret) -> Self {
        let found = texts.into_iter().map(|(id, text)| (id.to_owned(), text));
        Self { content: Content::Fetched(found.collect()), password }
    }
}
