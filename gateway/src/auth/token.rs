//! Auth tokens: the caller presents a key.

use std::sync::Arc;

use super::binding;
use super::credential::{Source, strip_bearer};
use super::error::{AuthError, TokenError};
use super::jwt;
use super::keys::Keys;
use super::lookup::Lookup;
use crate::certificate::Shown;
use crate::config::ClientCertificates;
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
    certificate: Certificate,
}

/// What a client's certificate has to say about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certificate {
    /// Nothing.
    Ignored,
    /// It stands for a key, and a key that belongs to one is presented with it.
    Counts,
    /// It stands for a key; the key alone will do.
    Optional,
}

impl TokenAuth {
    /// Reads where the key is found.
    pub fn compile(
        definition: &Definition,
        keys: Arc<Keys>,
        certificates: &ClientCertificates,
    ) -> Result<Self, Refusal> {
        let source = Source::compile(definition, "authToken")?;
        let certificate = match definition.token_auth().use_certificate {
            false => Certificate::Ignored,
            true if certificates.optional => Certificate::Optional,
            true => Certificate::Counts,
        };
        Ok(Self { source, lookup: Lookup::new(keys, &definition.org_id), certificate })
    }

    /// The session of the key that the request carries, or that belongs to the client's certificate.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Arc<Session>, Stop> {
        let shown = exchange.client.certificate.as_deref();
        let Some(credential) = self.source.read(&exchange.head) else {
            return Ok(self.by_certificate(shown, sockets).await?);
        };
        let found = self.lookup.find(&sockets.store, strip_bearer(&credential)).await;
        let session = found.filter(|session| !is_proven_otherwise(session));
        let session = session.ok_or(AuthError::from(TokenError::Unknown))?;
        let id = session.state.certificate.as_str();
        let alone = self.certificate == Certificate::Optional && shown.is_none();
        if self.certificate != Certificate::Ignored && !id.is_empty() && !alone {
            binding::check([id], shown).map_err(AuthError::from)?;
        }
        Ok(session)
    }

    async fn by_certificate(&self, shown: Option<&Shown>, sockets: &Sockets) -> Result<Arc<Session>, AuthError> {
        let shown = shown.filter(|_| self.certificate != Certificate::Ignored).ok_or(TokenError::Missing)?;
        if shown.is_expired() {
            return Err(TokenError::ExpiredCertificate.into());
        }
        let id = format!("{}{}", self.lookup.org_id, shown.fingerprint);
        let found = self.lookup.find(&sockets.store, &id).await;
        Ok(found.ok_or(TokenError::OtherCertificate)?)
    }
}

/// Whether a session is its owner's only with a password or a signed token: its key is no more than a name.
fn is_proven_otherwise(session: &Session) -> bool {
    let state = &session.state;
    !state.basic_auth_data.password.is_empty() || state.meta_data.contains_key(jwt::SESSION_ID)
}
