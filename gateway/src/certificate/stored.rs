//! Certificates and public keys as the store keeps them: PEM, private keys in it encrypted.

use std::fmt::Write;

use pem::{EncodeConfig, LineEnding, Pem};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Fingerprint;
use super::sealing::{self, OpenError, SealError};
use crate::clock;
use crate::config::Secret;

const CERTIFICATE: &str = "CERTIFICATE";
const PUBLIC_KEY: &str = "PUBLIC KEY";

/// What somebody wants to have kept, ready for the store.
#[derive(Debug)]
pub struct Upload {
    /// What it is known by.
    pub fingerprint: Fingerprint,
    /// What the store keeps.
    pub text: String,
}

/// Why something is not kept. The texts are the original's, where it has one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UploadError {
    /// Nothing of use is in it.
    #[error("Failed to decode certificate. It should be PEM encoded.")]
    NoPem,
    /// A certificate cannot be read.
    #[error("x509: malformed certificate")]
    Malformed,
    /// A certificate's time is over.
    #[error("certificate is expired")]
    Expired,
    /// One certificate has one key.
    #[error("Found multiple private keys")]
    ManyKeys,
    /// Which of them is meant?
    #[error("Public keys can't be combined with certificates")]
    Mixed,
    /// Nobody could tell whose key it is.
    #[error("a private key is stored with its certificate only: put both into one PEM text")]
    KeyAlone,
    /// The key cannot be used, or only with a password.
    #[error("tls: failed to parse private key")]
    KeyMalformed,
    /// The key belongs to another certificate.
    #[error("tls: private key does not match public key")]
    OtherKey,
    /// No private key is stored in the clear.
    #[error("private keys cannot be encrypted: set security.private_certificate_encoding_secret in tyk.conf")]
    NoPassword,
    /// The key cannot be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// What the store holds under an id.
pub struct Stored {
    content: Content,
    text: String,
}

enum Content {
    /// The certificate itself comes first.
    Chain {
        first: CertificateDer<'static>,
        others: Vec<CertificateDer<'static>>,
        key: Option<Pem>,
    },
    PublicKey(SubjectPublicKeyInfoDer<'static>),
}

/// Why something stored is no use.
#[derive(Debug, Error, PartialEq)]
pub enum StoredError {
    /// The store holds something else.
    #[error("what the store holds under this id is neither a certificate nor a public key: delete it")]
    Damaged,
    /// A public key where a certificate is wanted.
    #[error("what is stored under this id is a public key: name a certificate")]
    NoCertificate,
    /// Nobody could show it.
    #[error("this certificate is stored without its private key: delete it, and upload both in one PEM text")]
    NoKey,
    /// The key stays closed.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// The key is not what it should be.
    #[error("its private key cannot be used ({0}): delete it, and upload both anew")]
    Key(rustls::Error),
}

/// The blocks of a PEM text.
#[derive(Default)]
struct Blocks {
    certificates: Vec<CertificateDer<'static>>,
    public_key: Option<SubjectPublicKeyInfoDer<'static>>,
    private_keys: Vec<Pem>,
}

impl Blocks {
    fn read(text: &[u8]) -> Option<Self> {
        let mut blocks = Self::default();
        for block in pem::parse_many(text).ok()? {
            match block.tag() {
                CERTIFICATE => blocks.certificates.push(block.into_contents().into()),
                PUBLIC_KEY => blocks.public_key = Some(block.into_contents().into()),
                tag if tag.ends_with("PRIVATE KEY") => blocks.private_keys.push(block),
                _ => {}
            }
        }
        Some(blocks)
    }
}

impl Upload {
    /// Reads certificates, the first with its private key if that is there too, or a public key;
    /// private keys are encrypted with the password.
    pub fn read(text: &[u8], Secret(password): &Secret) -> Result<Self, UploadError> {
        let Blocks { certificates, public_key, private_keys } = Blocks::read(text).ok_or(UploadError::NoPem)?;
        certificates.iter().try_for_each(is_sound)?;
        let mut keys = private_keys.into_iter();
        match (certificates.first(), public_key, keys.next(), keys.next()) {
            (_, _, _, Some(_)) => Err(UploadError::ManyKeys),
            (Some(_), Some(_), ..) => Err(UploadError::Mixed),
            (None, _, Some(_), _) => Err(UploadError::KeyAlone),
            (None, None, ..) => Err(UploadError::NoPem),
            (None, Some(key), ..) => {
                Ok(Self { fingerprint: Fingerprint::of(&key), text: encode(&Pem::new(PUBLIC_KEY, &*key)) })
            }
            (Some(first), None, key, _) => {
                let fingerprint = Fingerprint::of(first);
                let key = key.map(|key| seal(&certificates, &key, password)).transpose()?;
                Ok(Self { fingerprint, text: together(&certificates, key.as_ref()) })
            }
        }
    }
}

fn is_sound(certificate: &CertificateDer<'static>) -> Result<(), UploadError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| UploadError::Malformed)?;
    let expired = parsed.validity().not_after.timestamp() < clock::unix_seconds();
    if expired { Err(UploadError::Expired) } else { Ok(()) }
}

fn seal(chain: &[CertificateDer<'static>], key: &Pem, password: &str) -> Result<Pem, UploadError> {
    if password.is_empty() {
        return Err(UploadError::NoPassword);
    }
    let der = PrivateKeyDer::try_from(key.contents().to_vec()).map_err(|_| UploadError::KeyMalformed)?;
    CertifiedKey::from_der(chain.to_vec(), der, &default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => UploadError::OtherKey,
        rustls::Error::InvalidCertificate(_) => UploadError::Malformed,
        _ => UploadError::KeyMalformed,
    })?;
    Ok(sealing::seal(key.contents(), password)?)
}

/// An empty line between blocks, as the original has it.
fn together(chain: &[CertificateDer<'static>], key: Option<&Pem>) -> String {
    let chain = chain.iter().map(|certificate| encode(&Pem::new(CERTIFICATE, &**certificate)));
    chain.chain(key.map(encode)).collect::<Vec<_>>().join("\n")
}

fn encode(block: &Pem) -> String {
    pem::encode_config(block, EncodeConfig::new().set_line_ending(LineEnding::LF))
}

impl Stored {
    /// Reads what the store holds.
    pub fn read(text: String) -> Result<Self, StoredError> {
        let Blocks { certificates, public_key, private_keys } =
            Blocks::read(text.as_bytes()).ok_or(StoredError::Damaged)?;
        let mut certificates = certificates.into_iter();
        let content = match (certificates.next(), public_key) {
            (Some(first), _) => {
                Content::Chain { first, others: certificates.collect(), key: private_keys.into_iter().next() }
            }
            (None, Some(key)) => Content::PublicKey(key),
            (None, None) => return Err(StoredError::Damaged),
        };
        Ok(Self { content, text })
    }

    /// The text that was read: two that have it in common are the same.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The certificate, unless it is a public key alone.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        match &self.content {
            Content::Chain { first, .. } => Some(first),
            Content::PublicKey(_) => None,
        }
    }

    /// Whether a private key is stored with it.
    pub fn has_private_key(&self) -> bool {
        matches!(self.content, Content::Chain { key: Some(_), .. })
    }

    /// The public key in DER: itself, or that of the certificate.
    pub fn public_key(&self) -> Result<SubjectPublicKeyInfoDer<'static>, StoredError> {
        match &self.content {
            Content::PublicKey(key) => Ok(key.clone()),
            Content::Chain { first, .. } => {
                let parsed = ParsedCertificate::try_from(first).map_err(|_| StoredError::Damaged)?;
                Ok(parsed.subject_public_key_info().into_owned())
            }
        }
    }

    /// The chain with its key, for those who show it.
    pub fn certified(&self, Secret(password): &Secret) -> Result<CertifiedKey, StoredError> {
        let Content::Chain { first, others, key } = &self.content else { return Err(StoredError::NoCertificate) };
        let key = match key.as_ref().ok_or(StoredError::NoKey)? {
            sealed if sealing::is_sealed(sealed) => sealing::open(sealed, password)?,
            open => open.contents().to_vec(),
        };
        // A wrong password now and then gives something that looks opened.
        let key = PrivateKeyDer::try_from(key).map_err(|_| OpenError::Password)?;
        let chain = [first].into_iter().chain(others).cloned().collect();
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(StoredError::Key)
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stored(")?;
        match &self.content {
            Content::Chain { first, .. } => std::fmt::Debug::fmt(&Fingerprint::of(first), f)?,
            Content::PublicKey(key) => std::fmt::Debug::fmt(&Fingerprint::of(key), f)?,
        }
        f.write_char(')')
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd, generate_simple_self_signed};

    use super::*;

    /// Made by Go's `x509.EncryptPEMBlock`, as the original stores it.
    const OF_THE_ORIGINAL: &str = "\
-----BEGIN CERTIFICATE-----
MIIBKzCB0aADAgECAgEBMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMTB2dvLnRlc3Qw
IBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBIxEDAOBgNVBAMTB2dv
LnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASfyiWCStVjjooG1lteVxZU
EYP0P+QbUp0h4lZNIw6mDJDneGnYUFJGC6s/i6xBpwChujW+V1iHD26EU0UoA9DU
oxYwFDASBgNVHREECzAJggdnby50ZXN0MAoGCCqGSM49BAMCA0kAMEYCIQDDsu/A
xays7Ejp4zDJ8fdPKYZ7gaqbF3SxPMaIsYcgegIhAKwdHElg+AZovFBZwb3KescZ
3jeGNNBx5izMoqQDlhpJ
-----END CERTIFICATE-----

-----BEGIN ENCRYPTED PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,1c0a3a2425811c58a10b40846ff3610e

bowqDqYCafNXXhLVh1qGrper4ilr9Ymd/ujdJFbS2dHlfbSx4o5s1GiXzPXt6Ntg
8IaA4W2Q0uUVM7eGNn3ueMF9nTVXil7uQVj0ukPsvnTq/MfiniMP2hWjHx4wOvFR
Qs+92hsiJFthsd0WHTVmnOJ90fUuUzs6yN5hBu+GG6o=
-----END ENCRYPTED PRIVATE KEY-----
";

    #[test]
    fn what_the_original_stored_can_be_used() {
        let stored = Stored::read(OF_THE_ORIGINAL.to_owned()).unwrap();
        assert!(stored.certified(&secret()).is_ok());
    }

    fn secret() -> Secret {
        Secret("password".to_owned())
    }

    fn made() -> (String, String) {
        let made = generate_simple_self_signed(["server".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_and_its_key_come_back_and_the_key_is_not_to_be_seen() {
        let (certificate, key) = made();
        let Upload { fingerprint, text } = Upload::read(format!("{key}{certificate}").as_bytes(), &secret()).unwrap();
        assert!(text.starts_with(certificate.trim_end()) && text.contains("\n\n-----BEGIN ENCRYPTED PRIVATE KEY"));
        let der = KeyPair::from_pem(&key).unwrap().serialize_der();
        let secret_lines = key.lines().filter(|line| !line.starts_with('-'));
        assert!(secret_lines.into_iter().all(|line| !text.contains(line)), "{text}");

        let stored = Stored::read(text).unwrap();
        assert!(stored.has_private_key());
        assert_eq!(Fingerprint::of(stored.certificate().unwrap()), fingerprint);
        assert!(stored.certified(&secret()).is_ok());
        let other = stored.certified(&Secret("other".to_owned())).unwrap_err();
        assert_eq!(other, StoredError::Sealed(OpenError::Password));
        let debug = format!("{stored:?}");
        assert_eq!((debug, der.is_empty()), (format!("Stored({fingerprint})"), false));
    }

    #[test]
    fn certificates_alone_and_public_keys_are_kept_as_they_are() {
        let (first, _) = made();
        let (second, _) = made();
        let chain = format!("{first}{second}");
        let stored = Stored::read(Upload::read(chain.as_bytes(), &Secret::default()).unwrap().text).unwrap();
        assert_eq!(stored.certified(&secret()).unwrap_err(), StoredError::NoKey);

        let key = KeyPair::generate().unwrap().public_key_pem();
        let Upload { fingerprint, text } = Upload::read(key.as_bytes(), &secret()).unwrap();
        assert_eq!(text.trim_end(), key.trim_end().replace("\r\n", "\n"));
        let stored = Stored::read(text).unwrap();
        assert_eq!(Fingerprint::of(&stored.public_key().unwrap()), fingerprint);
        assert!(stored.certificate().is_none() && !stored.has_private_key());
        assert_eq!(stored.certified(&secret()).unwrap_err(), StoredError::NoCertificate);
    }

    #[test]
    fn what_could_not_be_used_is_not_kept() {
        let (certificate, key) = made();
        let (_, other) = made();
        let mut parameters = CertificateParams::new(["old".to_owned()]).unwrap();
        parameters.not_after = date_time_ymd(2020, 1, 1);
        let expired = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        let public = KeyPair::generate().unwrap().public_key_pem();
        let malformed = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let unreadable = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for (text, error) in [
            (String::new(), UploadError::NoPem),
            ("no PEM".to_owned(), UploadError::NoPem),
            (malformed.to_owned(), UploadError::Malformed),
            (expired, UploadError::Expired),
            (format!("{certificate}{key}{other}"), UploadError::ManyKeys),
            (format!("{certificate}{public}"), UploadError::Mixed),
            (key.clone(), UploadError::KeyAlone),
            (format!("{public}{key}"), UploadError::KeyAlone),
            (format!("{certificate}{other}"), UploadError::OtherKey),
            (format!("{certificate}{unreadable}"), UploadError::KeyMalformed),
        ] {
            assert_eq!(Upload::read(text.as_bytes(), &secret()).unwrap_err(), error, "{text}");
        }
        let both = format!("{certificate}{key}");
        assert_eq!(Upload::read(both.as_bytes(), &Secret::default()).unwrap_err(), UploadError::NoPassword);
        assert_eq!(Stored::read("nonsense".to_owned()).unwrap_err(), StoredError::Damaged);
    }
}
