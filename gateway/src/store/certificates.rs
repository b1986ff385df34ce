//! The certificates that the store keeps: texts by id, an organisation's id before a hash.

use super::{Store, StoreError};

/// How long the hash at the end of an id is, in hexadecimal digits.
const HASH: usize = 64;

/// Whose certificate has this id.
pub(super) fn organisation(id: &str) -> &str {
    id.len().checked_sub(HASH).and_then(|end| id.get(..end)).unwrap_or_default()
}

impl Store {
    /// The texts of these certificates; one round trip.
    pub async fn certificates(&self, ids: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        match self {
            Self::Embedded(store) => store.certificates(ids),
            Self::Redis(store) => store.certificates(ids).await,
        }
    }

    /// Keeps a certificate, unless there is one of this id; whether there was none.
    pub async fn add_certificate(&self, id: &str, text: &str) -> Result<bool, StoreError> {
        match self {
            Self::Embedded(store) => store.add_certificate(id, text).await,
            Self::Redis(store) => store.add_certificate(id, text).await,
        }
    }

    /// Removes a certificate, if it is there.
    pub async fn delete_certificate(&self, id: &str) -> Result<(), StoreError> {
        match self {
            Self::Embedded(store) => store.delete_certificate(id).await,
            Self::Redis(store) => store.delete_certificate(id).await,
        }
    }

    /// The ids of all certificates of an organisation; of everybody if it has no id.
    pub async fn certificate_ids(&self, org_id: &str) -> Result<Vec<String>, StoreError> {
        let mut ids = match self {
            Self::Embedded(store) => store.certificate_ids(org_id).await?,
            Self::Redis(store) => store.certificate_ids(org_id).await?,
        };
        // Ids of organisations may begin alike.
        ids.retain(|id| org_id.is_empty() || organisation(id) == org_id);
        Ok(ids)
    }
}
