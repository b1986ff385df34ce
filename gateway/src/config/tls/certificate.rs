//! A certificate with its key, out of the store, or out of PEM files that may be replaced while the
//! gateway runs.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use crate::certificate::{Shelf, ShelfError, is_id};
use crate::config::Secret;

/// A certificate that can be shown.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Where it came from, unless that was the store.
    pub files: Option<Files>,
    /// What was there.
    pub pem: Pem,
    /// The chain and the key that belongs to it.
    pub key: Arc<CertifiedKey>,
}

/// Where a certificate is.
#[derive(Clone, Debug)]
pub struct Files {
    /// The server, in lower case, that it is for beside those that it names itself.
    pub domain: Option<String>,
    chain: Named,
    key: Named,
}

/// A file or an id, and the key that names it.
#[derive(Clone, Debug)]
struct Named {
    path: String,
    file: PathBuf,
}

/// What the files of a certificate hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pem {
    chain: Vec<u8>,
    key: Secret<Vec<u8>>,
}

/// Why files are no certificate with its key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{path}: {}: {reason}", file.display())]
pub struct CertificateError {
    /// The key that names the file.
    pub path: String,
    /// The file, or the id.
    pub file: PathBuf,
    /// What is wrong with it and what would help.
    pub reason: String,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem
    }
}

impl Certificate {
    /// Reads the files.
    pub fn load(files: Files) -> Result<Self, CertificateError> {
        let pem = files.read()?;
        let key = Arc::new(files.parse(&pem)?);
        Ok(Self { files: Some(files), pem, key })
    }

    /// The one of this id, or of the file of this name, which stands at this path; nothing if it is
    /// an id and nobody has asked the store.
    pub fn named(path: &str, name: &str, shelf: &Shelf) -> Result<Option<Self>, CertificateError> {
        if !is_id(name) {
            return Self::load(Files::single(path, name)).map(Some);
        }
        let wrong = |error: ShelfError| Named { path: path.to_owned(), file: name.into() }.wrong(error.to_string());
        let Some(stored) = shelf.find(name).map_err(wrong)? else { return Ok(None) };
        let key = Arc::new(stored.certified(shelf.password()).map_err(|error| wrong(error.into()))?);
        // Its key is in the text, and still encrypted.
        let pem = Pem { chain: stored.text().into(), key: Secret(Vec::new()) };
        Ok(Some(Self { files: None, pem, key }))
    }
}

impl Files {
    /// The chain in one file and the key in another.
    pub(super) fn pair(path: &str, chain: &str, key: &str, domain: Option<String>) -> Self {
        let chain = Named { path: format!("{path}.cert_file"), file: PathBuf::from(chain) };
        let key = Named { path: format!("{path}.key_file"), file: PathBuf::from(key) };
        Self { domain, chain, key }
    }

    /// Chain and key in one file.
    pub fn single(path: &str, file: &str) -> Self {
        let both = Named { path: path.to_owned(), file: PathBuf::from(file) };
        Self { domain: None, chain: both.clone(), key: both }
    }

    /// What the files hold now.
    pub fn read(&self) -> Result<Pem, CertificateError> {
        Ok(Pem { chain: self.chain.read()?, key: Secret(self.key.read()?) })
    }

    /// What that is.
    pub fn parse(&self, pem: &Pem) -> Result<CertifiedKey, CertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.chain)
            .collect::<Result<_, _>>()
            .map_err(|error| self.chain.wrong(format!("the file is no PEM file ({error}): write it anew")))?;
        if chain.is_empty() {
            return Err(self.chain.wrong("the file holds no certificate in PEM form: name one that does".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(&pem.key.0).map_err(|_| {
            self.key
                .wrong("the file holds no private key in PEM form, or an encrypted one: name one that does".to_owned())
        })?;
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                self.key.wrong("the key is not that of the certificate: name the key that is".to_owned())
            }
            rustls::Error::InvalidCertificate(_) => {
                self.chain.wrong(format!("the certificate cannot be used ({error}): name one of X.509 version 3"))
            }
            _ => self.key.wrong(format!("the key cannot be used ({error}): RSA keys need 2048 bits or more")),
        })
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chain.file.display().fmt(f)
    }
}

impl Named {
    fn read(&self) -> Result<Vec<u8>, CertificateError> {
        std::fs::read(&self.file).map_err(|error| self.wrong(format!("{error}: name a PEM file that can be read")))
    }

    fn wrong(&self, reason: String) -> CertificateError {
        CertificateError { path: self.path.clone(), file: self.file.clone(), reason }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{CertifiedKey as Generated, generate_simple_self_signed};

    use super::*;

    #[test]
    fn whatever_is_wrong_names_key_file_and_remedy() {
        let Generated { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let files = Files::pair("c[0]", "chain.pem", "key.pem", None);
        let parsed = |chain: &str, key: &str| {
            let pem = Pem { chain: chain.as_bytes().to_vec(), key: Secret(key.as_bytes().to_vec()) };
            files.parse(&pem).map(drop).map_err(|error| error.to_string())
        };
        let (cert, key) = (cert.pem(), signing_key.serialize_pem());
        assert_eq!(parsed(&cert, &key), Ok(()));
        for (chain, key, start) in [
            ("", key.as_str(), "c[0].cert_file: chain.pem: the file holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\n!\n", &key, "c[0].cert_file: chain.pem: the file is no PEM file"),
            (&cert, &cert, "c[0].key_file: key.pem: the file holds no private key"),
            (&cert, &other, "c[0].key_file: key.pem: the key is not that of the certificate"),
        ] {
            let refusal = parsed(chain, key).unwrap_err();
            assert!(refusal.starts_with(start), "{refusal}");
        }
        let missing = Files::single("s[0]", "/nowhere/at.all").read().unwrap_err().to_string();
        assert!(missing.starts_with("s[0]: /nowhere/at.all: No such file"), "{missing}");
    }
}
