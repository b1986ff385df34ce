//! The keys of one organisation, as a method of auth asks for them.

use std::fmt;
use std::sync::Arc;

use super::keys::Keys;
use crate::session::Session;
use crate::session::key::Hashing;
use crate::store::{Store, StoreError};

/// What a method of auth knows keys by.
#[derive(Clone)]
pub(super) struct Lookup {
    /// The keys.
    pub(super) keys: Arc<Keys>,
    /// The API's organisation.
    pub(super) org_id: Arc<str>,
}

impl Lookup {
    pub(super) fn new(keys: Arc<Keys>, org_id: &str) -> Self {
        Self { keys, org_id: org_id.into() }
    }

    pub(super) fn hashing(&self) -> &Hashing {
        self.keys.hashing()
    }

    /// The session of a token as a caller presents it. A store that does not answer knows nobody.
    pub(super) async fn find(&self, store: &Store, presented: &str) -> Option<Arc<Session>> {
        self.keys.find(store, &self.org_id, presented).await.unwrap_or_else(|error| {
            report(&error);
            None
        })
    }

    /// The session of exactly this key id.
    pub(super) async fn get(&self, store: &Store, id: String) -> Result<Option<Arc<Session>>, StoreError> {
        self.keys.get(store, &self.org_id, id).await.inspect_err(report)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("org_id", &self.org_id).finish_non_exhaustive()
    }
}

/// Callers may be refused meanwhile, so an operator must hear of it.
pub(super) fn report(error: &StoreError) {
    tracing::error!(%error, "the session of a caller could not be looked up or stored");
}
