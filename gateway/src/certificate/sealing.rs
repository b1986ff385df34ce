//! Private keys under a password, in the encryption that PEM files have had since long ago and that
//! the original keeps them in: AES-256-CBC, its key made of the password by MD5.

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use md5::{Digest, Md5};
use pem::Pem;
use thiserror::Error;

/// The only cipher that keys are sealed with.
const CIPHER: &str = "AES-256-CBC";
const TAG: &str = "ENCRYPTED PRIVATE KEY";
const BLOCK: usize = 16;
/// So much of the initialisation vector is also the salt of the password.
const SALT: usize = 8;

/// A key that cannot be sealed.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the private key cannot be encrypted")]
pub struct SealError;

/// A sealed key that cannot be opened.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// It was sealed by other means.
    #[error("its private key is not encrypted with {CIPHER}: store it anew")]
    Cipher,
    /// The password is another, or the key was damaged.
    #[error(
        "its private key cannot be decrypted: set security.private_certificate_encoding_secret to what it was stored with"
    )]
    Password,
}

/// Whether a block of PEM is encrypted.
pub(super) fn is_sealed(block: &Pem) -> bool {
    block.headers().get("DEK-Info").is_some()
}

/// Encrypts a key in DER.
pub(super) fn seal(key: &[u8], password: &str) -> Result<Pem, SealError> {
    let mut vector = [0; BLOCK];
    rand::fill(&mut vector).map_err(|_| SealError)?;
    let sealed = encrypt(key, password, vector).map_err(|_| SealError)?;
    let mut block = Pem::new(TAG, sealed);
    let headers = block.headers_mut();
    headers.add("Proc-Type", "4,ENCRYPTED").map_err(|_| SealError)?;
    headers.add("DEK-Info", &format!("{CIPHER},{}", HEXLOWER.encode(&vector))).map_err(|_| SealError)?;
    Ok(block)
}

/// The key in DER.
pub(super) fn open(block: &Pem, password: &str) -> Result<Vec<u8>, OpenError> {
    let (cipher, vector) =
        block.headers().get("DEK-Info").and_then(|said| said.split_once(',')).ok_or(OpenError::Cipher)?;
    let vector = HEXLOWER_PERMISSIVE.decode(vector.as_bytes()).ok().and_then(|vector| vector.try_into().ok());
    let vector: [u8; BLOCK] = vector.filter(|_| cipher == CIPHER).ok_or(OpenError::Cipher)?;
    decrypt(block.contents(), password, vector).map_err(|_| OpenError::Password)
}

fn encrypt(key: &[u8], password: &str, vector: [u8; BLOCK]) -> Result<Vec<u8>, Unspecified> {
    let mut bytes = key.to_vec();
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(cipher_key(password, vector)?)?;
    cipher.less_safe_encrypt(&mut bytes, EncryptionContext::Iv128(FixedLength::from(vector)))?;
    Ok(bytes)
}

fn decrypt(sealed: &[u8], password: &str, vector: [u8; BLOCK]) -> Result<Vec<u8>, Unspecified> {
    let mut bytes = sealed.to_vec();
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(cipher_key(password, vector)?)?;
    let opened = cipher.decrypt(&mut bytes, DecryptionContext::Iv128(FixedLength::from(vector)))?;
    Ok(opened.to_vec())
}

/// Two digests, the second of the first with the same after it.
fn cipher_key(password: &str, vector: [u8; BLOCK]) -> Result<UnboundCipherKey, Unspecified> {
    let salt = &vector[..SALT];
    let first = Md5::new().chain_update(password).chain_update(salt).finalize();
    let second = Md5::new().chain_update(first).chain_update(password).chain_update(salt).finalize();
    UnboundCipherKey::new(&AES_256, &[first, second].concat())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Made by `openssl ec -aes256`.
    const OF_OPENSSL: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,6B9DEF8237669E592259373653EC3A46

x+Mgv+IxbUemazlPdHhlyYkbaQQDKz2zg40W32ipbjKHWI7weQ//jDQm7gNMhrGx
gCitoUC0wDERVS/LACdKzJOuNRSq6anQbv+eGzIy6BfwF3NzfQbhtqpNRzZXAUvw
8RvtM9m5v5xynGVag8EM8MbUou92RT4Qb4doTzGD4hk=
-----END EC PRIVATE KEY-----
";

    #[test]
    fn what_openssl_sealed_is_opened() {
        let opened = open(&pem::parse(OF_OPENSSL).unwrap(), "sesame").unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &opened);
        let expected = "798c53ca99342b18e6a34c283ba41c3e58c26761ec7b88e1ae2d9d8158658e43";
        assert_eq!(HEXLOWER.encode(digest.as_ref()), expected);
    }

    #[test]
    fn a_sealed_key_is_opened_by_its_password_only_and_sealed_otherwise_each_time() {
        let key = b"thirty-two bytes, a whole block.";
        let sealed = seal(key, "secret").unwrap();
        assert!(is_sealed(&sealed) && sealed.tag() == TAG);
        assert_eq!(open(&sealed, "secret").unwrap(), key);
        assert_ne!(open(&sealed, "Secret").as_deref(), Ok(&key[..]));
        assert_ne!(seal(key, "secret").unwrap().contents(), sealed.contents());
        assert!(!sealed.contents().windows(8).any(|part| part == &key[..8]));
    }

    #[test]
    fn what_was_sealed_by_other_means_is_not_guessed_at() {
        for info in ["AES-128-CBC,00112233445566778899aabbccddeeff", "AES-256-CBC,0011", "AES-256-CBC", ""] {
            let text =
                format!("-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: {info}\n\nAAAA\n-----END X-----\n");
            assert_eq!(open(&pem::parse(text).unwrap(), "secret"), Err(OpenError::Cipher), "{info}");
        }
        assert_eq!(open(&Pem::new("X", [0; 16]), "secret"), Err(OpenError::Cipher));
    }
}
