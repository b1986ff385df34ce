//! What a signature is checked with: a secret of the caller's key, or the public key that it names.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;

use super::field::Algorithm;
use crate::auth::error::SignatureError;
use crate::certificate::{Stored, is_id};
use crate::session::State;
use crate::store::Store;

/// What signs for a caller.
pub(super) enum Proof<'a> {
    /// Both sides know it.
    Secret(hmac::Algorithm, &'a str),
    /// Of a certificate, or of a public key, that is stored.
    Public(SubjectPublicKeyInfoDer<'static>),
}

impl<'a> Proof<'a> {
    /// What the session of a key allows; only a public key is looked up.
    pub(super) async fn of(algorithm: Algorithm, state: &'a State, store: &Store) -> Result<Self, SignatureError> {
        match algorithm.hmac() {
            Some(algorithm) => Self::secret(algorithm, state),
            None => public_key(certificate_id(state)?, store).await.map(Self::Public),
        }
    }

    /// Without a secret nothing is signed.
    pub(super) fn secret(algorithm: hmac::Algorithm, state: &'a State) -> Result<Self, SignatureError> {
        match state.hmac_enabled && !state.hmac_string.is_empty() {
            true => Ok(Self::Secret(algorithm, &state.hmac_string)),
            false => Err(SignatureError::Refused("its key may not sign with HMAC")),
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let verified = match self {
            Self::Secret(algorithm, secret) => {
                hmac::verify(&hmac::Key::new(*algorithm, secret.as_bytes()), message, signature)
            }
            Self::Public(key) => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &**key).verify(message, signature),
        };
        verified.map_err(|_| SignatureError::Refused("it is wrong"))
    }
}

pub(super) fn certificate_id(state: &State) -> Result<&str, SignatureError> {
    if !state.enable_http_signature_validation {
        return Err(SignatureError::Refused("its key may not sign with RSA"));
    }
    Some(state.rsa_certificate_id.as_str()).filter(|id| is_id(id)).ok_or(SignatureError::NoCertificate)
}

async fn public_key(id: &str, store: &Store) -> Result<SubjectPublicKeyInfoDer<'static>, SignatureError> {
    let found = store.certificates(&[id]).await;
    let found = found.inspect_err(|error| tracing::error!(%error, id, "a certificate cannot be looked up"));
    let text = found.ok().and_then(|texts| texts.into_iter().next().flatten());
    let stored = text.and_then(|text| Stored::read(text).ok()).ok_or(SignatureError::NoCertificate)?;
    stored.public_key().map_err(|_| SignatureError::NoCertificate)
}
