//! Public keys that a server must have one of.

use std::path::Path;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

use crate::certificate::{Fingerprint, Shelf, ShelfError, is_id};

/// The SHA-256 of a public key in DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin(Fingerprint);

/// A text that names no public key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{name:?} is no public key ({reason}): write the SHA-256 of one in hexadecimal, or a PEM file that holds it")]
pub struct PinError {
    name: String,
    reason: String,
}

impl Pin {
    /// The pin of a key.
    pub fn of(key: &SubjectPublicKeyInfoDer<'_>) -> Self {
        Self(Fingerprint::of(key))
    }

    /// Reads a list with commas, of which no entry may be in vain.
    pub fn list(text: &str, shelf: &Shelf) -> Result<Vec<Self>, PinError> {
        text.split(',').map(|name| Self::read(name.trim(), shelf)).collect()
    }

    /// A hash is good without the store, but there it may be the id of a certificate.
    fn read(name: &str, shelf: &Shelf) -> Result<Self, PinError> {
        let error = |reason: String| PinError { name: name.to_owned(), reason };
        if let Ok(hash) = Fingerprint::parse(name)
            && is_id(name)
        {
            return match shelf.find(name) {
                Ok(Some(stored)) => stored.public_key().map(|key| Self::of(&key)).map_err(|failed| failed.to_string()),
                Ok(None) => Ok(Self(hash)),
                Err(ShelfError::Missing | ShelfError::Silent(_)) if is_hexadecimal(name) => Ok(Self(hash)),
                Err(failed) => Err(failed.to_string()),
            }
            .map_err(error);
        }
        let pem = std::fs::read(Path::new(name)).map_err(|failed| error(failed.to_string()))?;
        let key = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|failed| error(failed.to_string()))?;
        Ok(Self::of(&key))
    }
}

/// A hash, with the id of an organisation before it or without.
fn is_hexadecimal(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(key: &rcgen::KeyPair) -> Pin {
        Pin::of(&SubjectPublicKeyInfoDer::from_pem_slice(key.public_key_pem().as_bytes()).unwrap())
    }

    #[test]
    fn keys_are_named_by_hash_with_or_without_organisation_or_by_file() {
        let hash = "0123456789abcdef".repeat(4);
        let named = format!("{hash}, 5e9d9544a1dcd60001d0ed20{}", hash.to_uppercase());
        let pins = Pin::list(&named, &Shelf::default()).unwrap();
        assert_eq!(pins.len(), 2);
        assert_eq!(pins[0], pins[1]);
        let key = rcgen::KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        std::fs::write(&file, key.public_key_pem()).unwrap();
        assert_eq!(Pin::list(file.to_str().unwrap(), &Shelf::default()).unwrap(), [of(&key)]);
    }

    #[test]
    fn an_id_of_the_store_stands_for_the_key_of_what_is_stored() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let id = |letter: &str| format!("default{}", letter.repeat(64));
        let texts = [(id("a"), certificate.pem()), (id("b"), key.public_key_pem())];
        let texts = texts.iter().map(|(id, text)| (id.as_str(), text.clone()));
        let shelf = Shelf::holding(texts, crate::config::Secret::default());
        assert_eq!(Pin::list(&format!("{},{}", id("a"), id("b")), &shelf).unwrap(), [of(&key), of(&key)]);
        let missing = Pin::list(&id("c"), &shelf).unwrap_err().to_string();
        assert!(missing.contains("no certificate of this id"), "{missing}");
    }

    #[test]
    fn nothing_else_names_a_key() {
        for name in ["", "abc", "/no/such/file", &"z".repeat(64)] {
            let refusal = Pin::list(name, &Shelf::default()).unwrap_err().to_string();
            assert!(refusal.contains("is no public key"), "{name}");
        }
    }
}
