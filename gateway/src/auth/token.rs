//! Auth tokens: the caller presents a key.

use std::sync::Arc;

use super::credential::{Source, strip_bearer};
use super::error::{AuthError, TokenError};
use super::keys::Keys;
use super::lookup::Lookup;
use crate::definition::{Definition, Refusal};
use crate::error::Stop;
use crate::exchange::Exchange;
use crate::session::Session;
use crate::sockets::Sockets;

/// Authentication by a key that is stored.
#[derive(Debug)]
pub struct TokenAuth {
    pub(super) source: Source,
    lookup: Lookup,
}

impl TokenAuth {
    /// Reads where the key is found.
    pub fn compile(definition: &Definition, keys: Arc<Keys>) -> Result<Self, Refusal> {
        let source = Source::compile(definition, "authToken")?;
        Ok(Self { source, lookup: Lookup::new(keys, &definition.org_id) })
    }

    /// The session of the key that the request carries.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Arc<Session>, Stop> {
        let credential = self.source.read(&exchange.head).ok_or(AuthError::from(TokenError::Missing))?;
        let found = self.lookup.find(&sockets.store, strip_bearer(&credential)).await;
        Ok(found.ok_or(AuthError::from(TokenError::Unknown))?)
    }
}
