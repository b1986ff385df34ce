//! Public keys that a server must have one of.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER_PERMISSIVE;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

/// The SHA-256 of a public key in DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin([u8; 32]);

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
        let mut pin = [0; 32];
        pin.copy_from_slice(digest(&SHA256, key).as_ref());
        Self(pin)
    }

    /// Reads a list with commas, of which no entry may be in vain.
    pub fn list(text: &str) -> Result<Vec<Self>, PinError> {
        text.split(',').map(|name| Self::read(name.trim())).collect()
    }

    fn read(name: &str) -> Result<Self, PinError> {
        if let Some(pin) = hexadecimal(name) {
            return Ok(Self(pin));
        }
        let error = |reason: String| PinError { name: name.to_owned(), reason };
        let pem = std::fs::read(Path::new(name)).map_err(|failed| error(failed.to_string()))?;
        let key = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|failed| error(failed.to_string()))?;
        Ok(Self::of(&key))
    }
}

/// Ids of stored keys have an organisation's id before the hash.
fn hexadecimal(name: &str) -> Option<[u8; 32]> {
    let all = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = name.len().checked_sub(64).filter(|_| all).map(|at| &name.as_bytes()[at..])?;
    HEXLOWER_PERMISSIVE.decode(hash).ok()?.try_into().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_by_hash_with_or_without_organisation_or_by_file() {
        let hash = "0123456789abcdef".repeat(4);
        let pins = Pin::list(&format!("{hash}, 5e9d9544a1dcd60001d0ed20{}", hash.to_uppercase())).unwrap();
        assert_eq!(pins.len(), 2);
        assert_eq!(pins[0], pins[1]);
        let key = rcgen::KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        std::fs::write(&file, key.public_key_pem()).unwrap();
        let pins = Pin::list(file.to_str().unwrap()).unwrap();
        assert_eq!(pins, [Pin::of(&SubjectPublicKeyInfoDer::from_pem_slice(key.public_key_pem().as_bytes()).unwrap())]);
    }

    #[test]
    fn nothing_else_names_a_key() {
        for name in ["", "abc", "/no/such/file", &"z".repeat(64)] {
            assert!(Pin::list(name).unwrap_err().to_string().contains("is no public key"), "{name}");
        }
    }
}
