//! Certificates that clients show, and which of them are welcome.

use std::collections::HashSet;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clock;

/// What a certificate is known by: the SHA-256 of its DER form.
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
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
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
    /// Reads a list of ids and of names of PEM files.
    pub fn read<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, NoCertificate> {
        let mut welcome = HashSet::new();
        for (at, entry) in list.into_iter().enumerate() {
            let wrong = |reason: String| NoCertificate { at, entry: entry.to_owned(), reason };
            match Fingerprint::parse(entry) {
                Ok(fingerprint) => drop(welcome.insert(fingerprint)),
                Err(NoFingerprint) => welcome.extend(read_file(entry).map_err(wrong)?),
            }
        }
        Ok(Self(welcome))
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

    #[test]
    fn a_certificate_is_known_by_id_and_by_file() {
        let made = generate_simple_self_signed(["client".to_owned()]).unwrap();
        let shown = Shown::read(&[made.cert.der().clone()]).unwrap();
        let id = format!("default{}", shown.fingerprint);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), made.cert.pem()).unwrap();
        for entry in [id.as_str(), &id.to_uppercase(), file.path().to_str().unwrap()] {
            assert_eq!(Welcome::read([entry]).unwrap().admit(Some(&shown)), Ok(()), "{entry}");
        }
        let other = "0".repeat(64);
        let welcome = Welcome::read([other.as_str()]).unwrap();
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
        let welcome = Welcome::read([shown.fingerprint.to_string().as_str()]).unwrap();
        assert_eq!(welcome.admit(Some(&shown)), Err(Unwelcome::Expired));
        assert!(Shown::read(&[CertificateDer::from(vec![1, 2, 3])]).unwrap().is_expired());
    }

    #[test]
    fn an_entry_that_names_no_certificate_is_told_by_its_place() {
        let id = "a".repeat(64);
        let error = Welcome::read([id.as_str(), "/nowhere.pem"]).unwrap_err();
        assert_eq!((error.at, error.entry.as_str()), (1, "/nowhere.pem"));
        assert!(Fingerprint::parse("short").is_err() && Fingerprint::parse(&"g".repeat(64)).is_err());
    }
}
