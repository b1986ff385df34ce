//! Keys that only the holders of certain certificates may present.

use super::error::TokenError;
use crate::certificate::{Fingerprint, Shown};

/// Whether a client that has shown this may present a key that is bound to certificates with these ids.
pub(super) fn check<'a>(ids: impl IntoIterator<Item = &'a str>, shown: Option<&Shown>) -> Result<(), TokenError> {
    let shown = shown.ok_or(TokenError::NoCertificate)?;
    let mut ids = ids.into_iter();
    if !ids.any(|id| Fingerprint::parse(id).is_ok_and(|fingerprint| fingerprint == shown.fingerprint)) {
        return Err(TokenError::OtherCertificate);
    }
    if shown.is_expired() { Err(TokenError::ExpiredCertificate) } else { Ok(()) }
}
