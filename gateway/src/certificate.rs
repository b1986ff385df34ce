//! Certificates: those that clients show, which of them are welcome, and those that are stored.

mod guests;
mod sealing;
mod shelf;
mod stored;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use self::guests::Guests;
pub use self::sealing::{OpenError, SealError};
pub use self::shelf::{Shelf, ShelfError, is_id};
pub use self::stored::{Stored, StoredError, Upload, UploadError};
use crate::clock;

/// What definitions are made with.
#[derive(Debug, Default)]
pub struct Certificates {
    /// What they name of the store.
    pub shelf: Shelf,
    /// Who is welcome whatever they say.
    pub guests: Arc<Guests>,
}

/// What a certificate or a public key is known by: the SHA-256 of its DER form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// A certificate that a client has shown, and has the key of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What it is known by.
    pub fingerprint: Fingerprint,
    /// Until when it is valid, in unix seconds.
    expires: i64,
}

/// Certificates that are welcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome(HashSet<Fingerprint>);

/// Why a client is not welcome.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unwelcome {
    /// It has shown no certificate.
    #[error("Client TLS certificate is required")]
    Nobody,
    /// Its certificate is not listed.
    #[error("Certificate with SHA256 {0} not allowed")]
    Stranger(Fingerprint),
    /// Its certificate has expired.
    #[error("Certificate has expired")]
    Expired,
}

/// Text that names no certificate.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("write the SHA-256 of a certificate in hexadecimal, the organisation's id before it if you like")]
pub struct NoFingerprint;

/// An entry of a list of certificates that is no use.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{entry}: {reason}")]
pub struct NoCertificate {
    /// Its place in the list.
    pub at: usize,
    /// What is written there.
    pub entry: String,
    /// What is wrong with it, and what would help.
    pub reason: String,
}

impl Fingerprint {
    /// That of something in DER.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(bytes)
    }

    /// Reads an id as the original makes it: an organisation's id, and the fingerprint in hexadecimal.
    pub fn parse(id: &str) -> Result<Self, NoFingerprint> {
        let hex = id.len().checked_sub(64).and_then(|start| id.get(start..)).ok_or(NoFingerprint)?;
        let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| NoFingerprint)?;
        bytes.try_into().map(Self).map_err(|_| NoFingerprint)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Shown {
    /// The first certificate of a chain; one that cannot be read counts as expired.
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let certificate = chain.first()?;
        let parsed = X509Certificate::from_der(certificate);
        let expires = parsed.map_or(i64::MIN, |(_, parsed)| parsed.validity().not_after.timestamp());
        Some(Self { fingerprint: Fingerprint::of(certificate), expires })
    }

    /// Whether its time is over.
    pub fn is_expired(&self) -> bool {
        self.expires < clock::unix_seconds()
    }
}

impl Welcome {
    /// Reads a list of ids and of names of PEM files, none of which may be in vain.
    pub fn read<'a>(list: impl IntoIterator<Item = &'a str>, shelf: &Shelf) -> Result<Self, NoCertificate> {
        let (welcome, problems) = Self::read_usable(list, shelf);
        problems.into_iter().next().map_or(Ok(welcome), Err)
    }

    /// The same for a list of which some may be in vain, and those.
    pub fn read_usable<'a>(list: impl IntoIterator<Item = &'a str>, shelf: &Shelf) -> (Self, Vec<NoCertificate>) {
        let (mut welcome, mut problems) = (HashSet::new(), Vec::new());
        for (at, entry) in list.into_iter().enumerate() {
            let found = if is_id(entry) { look_up(entry, shelf) } else { read_file(entry) };
            match found {
                Ok(found) => welcome.extend(found),
                Err(reason) => problems.push(NoCertificate { at, entry: entry.to_owned(), reason }),
            }
        }
        (Self(welcome), problems)
    }

    /// Whether nobody is welcome.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The certificates of both.
    #[must_use]
    pub fn with(mut self, others: &Self) -> Self {
        self.0.extend(&others.0);
        self
    }

    /// Whether whoever has shown this may come in.
    pub fn admit(&self, shown: Option<&Shown>) -> Result<(), Unwelcome> {
        let shown = shown.ok_or(Unwelcome::Nobody)?;
        match self.0.contains(&shown.fingerprint) {
            true if shown.is_expired() => Err(Unwelcome::Expired),
            true => Ok(()),
            false => Err(Unwelcome::Stranger(shown.fingerprint)),
        }
    }
}

/// What is stored; nobody asked the store is nobody found.
fn look_up(id: &str, shelf: &Shelf) -> Result<Vec<Fingerprint>, String> {
    let stored = shelf.find(id).map_err(|error| error.to_string())?;
    let Some(stored) = stored else { return Ok(Vec::new()) };
    let certificate = stored.certificate().ok_or_else(|| StoredError::NoCertificate.to_string())?;
    Ok(vec![Fingerprint::of(certificate)])
}

/// Whether a certificate says that it is for a server.
pub fn covers(key: &CertifiedKey, server: &str) -> bool {
    let Ok(certificate) = key.end_entity_cert().and_then(ParsedCertificate::try_from) else { return false };
    ServerName::try_from(server).is_ok_and(|name| verify_server_name(&certificate, &name).is_ok())
}

fn read_file(file: &str) -> Result<Vec<Fingerprint>, String> {
    let unreadable = |error: rustls::pki_types::pem::Error| {
        format!("neither an id nor a PEM file that can be read ({error}): name a certificate")
    };
    let certificates = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
    let found = certificates.map(|found| found.map(|found| Fingerprint::of(&found)));
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(unreadable)?;
    if found.is_empty() {
        Err("the file holds no certificate in PEM form: name one that does".to_owned())
    } else {
        Ok(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::*;

    fn shelf(id: &str, pem: &str) -> Shelf {
        Shelf::holding([(id, pem.to_owned())], crate::config::Secret::default())
    }

    #[test]
    fn a_certificate_is_known_by_id_and_by_file() {
        let made = generate_simple_self_signed(["client".to_owned()]).unwrap();
        let shown = Shown::read(&[made.cert.der().clone()]).unwrap();
        let id = format!("default{}", shown.fingerprint);
        let shelf = shelf(&id, &made.cert.pem());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), made.cert.pem()).unwrap();
        for entry in [id.as_str(), file.path().to_str().unwrap()] {
            assert_eq!(Welcome::read([entry], &shelf).unwrap().admit(Some(&shown)), Ok(()), "{entry}");
        }
        let welcome = Welcome::default();
        let refusal = welcome.admit(Some(&shown)).unwrap_err().to_string();
        assert_eq!(refusal, format!("Certificate with SHA256 {} not allowed", shown.fingerprint));
        assert_eq!(welcome.admit(None), Err(Unwelcome::Nobody));
    }

    #[test]
    fn a_certificate_ends_with_its_time() {
        let mut parameters = rcgen::CertificateParams::new(["client".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let made = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let shown = Shown::read(&[made.der().clone()]).unwrap();
        let id = shown.fingerprint.to_string();
        let welcome = Welcome::read([id.as_str()], &shelf(&id, &made.pem())).unwrap();
        assert_eq!(welcome.admit(Some(&shown)), Err(Unwelcome::Expired));
        assert!(Shown::read(&[CertificateDer::from(vec![1, 2, 3])]).unwrap().is_expired());
    }

    #[test]
    fn an_entry_that_names_no_certificate_is_told_by_its_place() {
        let made = generate_simple_self_signed(["client".to_owned()]).unwrap();
        let (id, missing) = ("a".repeat(64), "b".repeat(64));
        let shelf = shelf(&id, &made.cert.pem());
        for entry in ["/nowhere.pem", &missing] {
            let error = Welcome::read([id.as_str(), entry], &shelf).unwrap_err();
            assert_eq!((error.at, error.entry.as_str()), (1, entry));
        }
        let (welcome, problems) = Welcome::read_usable([missing.as_str(), &id], &shelf);
        assert_eq!((welcome.0.len(), problems[0].at), (1, 0));
        let key = rcgen::KeyPair::generate().unwrap().public_key_pem();
        let public = Shelf::holding([(id.as_str(), key)], crate::config::Secret::default());
        assert!(Welcome::read([id.as_str()], &public).unwrap_err().reason.contains("public key"));
        assert_eq!(Welcome::read([id.as_str()], &Shelf::unasked()), Ok(Welcome::default()));
    }

    #[test]
    fn an_id_ends_with_a_fingerprint_and_a_file_may_have_any_other_name() {
        let hash = "0123456789abcdef".repeat(4);
        assert!(is_id(&hash) && is_id(&format!("default{hash}")));
        for name in ["client.pem", &hash[1..], &format!("certs/{hash}"), &"g".repeat(64), ""] {
            assert!(!is_id(name), "{name}");
        }
    }
}
