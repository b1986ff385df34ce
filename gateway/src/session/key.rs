//! Tokens, key ids and their hashes.

use std::fmt;
use std::io;
use std::str::FromStr;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use serde::Deserialize;
use thiserror::Error;
use uuid::Uuid;

/// What the base64 of a JSON object starts with.
const JSON_START: &str = "ey";
/// The length of an organisation's id in front of tokens of the older form.
const ORG_LENGTH: usize = 24;

/// How key ids are made and hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashing {
    /// Whether the store knows keys by their hash (`hash_keys`).
    pub hash_keys: bool,
    /// `hash_key_function`: makes tokens that name it; none makes tokens of the older form.
    pub function: Option<Function>,
    /// `hash_key_function_fallback`: what tokens were made with before.
    pub fallback: Vec<Option<Function>>,
    /// Whether keys are never looked up as custom ids (`disable_key_actions_by_username`).
    pub exact: bool,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// murmur3, 32 bits.
    Murmur32,
    /// The first half of murmur3's 128 bits.
    Murmur64,
    /// murmur3, 128 bits (x64).
    Murmur128,
    /// SHA-256.
    Sha256,
}

/// A name that no hash function has.
#[derive(Clone, Copy, Debug, Default, Error, PartialEq, Eq)]
#[error("there is no such hash function: write sha256, murmur32, murmur64 or murmur128")]
pub struct UnknownFunction;

/// What a token of the newer form says.
#[derive(Deserialize)]
struct Claims {
    org: Option<String>,
    h: Option<String>,
}

impl Hashing {
    /// The token of a key id in an organisation.
    pub fn token(&self, org_id: &str, id: &str) -> String {
        token(self.function, org_id, id)
    }

    /// A token that nobody has yet.
    pub fn generate(&self, org_id: &str) -> String {
        self.token(org_id, &Uuid::new_v4().simple().to_string())
    }

    /// The key id of the caller whom this value of a request stands for.
    pub fn session_id(&self, org_id: &str, value: &[u8]) -> String {
        self.token(org_id, &HEXLOWER.encode(&Md5::digest(value)))
    }

    /// A key id as the store and the counters know it.
    pub fn name(&self, token: &str) -> String {
        if !self.hash_keys {
            return token.to_owned();
        }
        let named = claims(token).and_then(|claims| claims.h?.parse().ok());
        named.unwrap_or(Function::Murmur32).hash(token.as_bytes())
    }

    /// The key ids that a presented token may stand for, in the order of the look-up.
    pub fn candidates(&self, org_id: &str, presented: &str) -> Vec<String> {
        if self.exact || org_of(presented).unwrap_or_default() == org_id {
            return vec![presented.to_owned()];
        }
        let mut ids = vec![self.token(org_id, presented), presented.to_owned()];
        for function in &self.fallback {
            let id = token(*function, org_id, presented);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids.dedup();
        ids
    }
}

/// The organisation that a token names.
pub fn org_of(token: &str) -> Option<String> {
    if let Some(org) = claims(token).and_then(|claims| claims.org) {
        return Some(org);
    }
    let (org, id) = token.split_at_checked(ORG_LENGTH)?;
    let named = !id.is_empty() && org.bytes().all(|byte| byte.is_ascii_hexdigit());
    named.then(|| org.to_owned())
}

/// What tokens of an organisation start with that name their function.
pub fn token_start(org_id: &str) -> String {
    let json = format!(r#"{{"org":"{org_id}""#);
    // Three bytes are four letters; what the rest becomes depends on what follows.
    let (whole, _) = json.as_bytes().as_chunks::<3>();
    STANDARD.encode(whole.as_flattened())
}

/// The members are put in as they are: tokens that exist were made so.
fn token(function: Option<Function>, org_id: &str, id: &str) -> String {
    let id = id.strip_prefix(org_id).unwrap_or(id);
    match function {
        Some(function) => STANDARD.encode(format!(r#"{{"org":"{org_id}","id":"{id}","h":"{function}"}}"#)),
        None => format!("{org_id}{id}"),
    }
}

fn claims(token: &str) -> Option<Claims> {
    let json = token.starts_with(JSON_START).then(|| STANDARD.decode(token).ok())??;
    serde_json::from_slice(&json).ok()
}

impl Function {
    /// The hash in lower-case hexadecimal digits.
    pub fn hash(self, bytes: &[u8]) -> String {
        match self {
            Self::Murmur32 => format!("{:08x}", read(murmur3::murmur3_32(&mut &*bytes, 0))),
            Self::Murmur64 => format!("{:016x}", halves(bytes).0),
            Self::Murmur128 => {
                let (first, second) = halves(bytes);
                format!("{first:016x}{second:016x}")
            }
            Self::Sha256 => HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref()),
        }
    }
}

/// The halves of murmur3's 128 bits (x64), the first one first.
#[allow(clippy::cast_possible_truncation)]
fn halves(bytes: &[u8]) -> (u64, u64) {
    let whole = read(murmur3::murmur3_x64_128(&mut &*bytes, 0));
    (whole as u64, (whole >> 64) as u64)
}

fn read<T>(hash: io::Result<T>) -> T {
    hash.expect("bytes in memory can be read")
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Murmur32 => "murmur32",
            Self::Murmur64 => "murmur64",
            Self::Murmur128 => "murmur128",
            Self::Sha256 => "sha256",
        })
    }
}

impl FromStr for Function {
    type Err = UnknownFunction;

    fn from_str(name: &str) -> Result<Self, UnknownFunction> {
        match name {
            "murmur32" => Ok(Self::Murmur32),
            "murmur64" => Ok(Self::Murmur64),
            "murmur128" => Ok(Self::Murmur128),
            "sha256" => Ok(Self::Sha256),
            _ => Err(UnknownFunction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: &str = "5e9d9544a1dcd60001d0ed20";

    fn made_with(function: Option<Function>) -> Hashing {
        Hashing { function, ..Hashing::default() }
    }

    fn plain(token: &str) -> String {
        STANDARD.decode(token).map(|json| String::from_utf8_lossy(&json).into_owned()).unwrap_or_default()
    }

    #[test]
    fn hashes_have_their_known_values() {
        for (function, text, hash) in [
            (Function::Murmur32, "", "00000000"),
            (Function::Murmur32, "hello", "248bfa47"),
            (Function::Murmur32, "The quick brown fox jumps over the lazy dog", "2e4ff723"),
            (Function::Murmur64, "hello", "cbd8a7b341bd9b02"),
            (Function::Murmur128, "hello", "cbd8a7b341bd9b025b1e906a48ae1d19"),
            (Function::Murmur128, "The quick brown fox jumps over the lazy dog", "e34bbc7bbc071b6c7a433ca9c49a9347"),
            (Function::Sha256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ] {
            assert_eq!(function.hash(text.as_bytes()), hash, "{function} of {text:?}");
        }
    }

    #[test]
    fn tokens_name_organisation_id_and_function_or_are_the_two_in_a_row() {
        let new = made_with(Some(Function::Murmur64));
        assert_eq!(new.token("default", "k"), "eyJvcmciOiJkZWZhdWx0IiwiaWQiOiJrIiwiaCI6Im11cm11cjY0In0=");
        assert_eq!(plain(&new.token(ORG, &format!("{ORG}k"))), format!(r#"{{"org":"{ORG}","id":"k","h":"murmur64"}}"#));
        let old = made_with(None);
        assert_eq!([old.token("o", "k"), old.token("o", "ok"), old.token("", "k")], ["ok", "ok", "k"]);
        let abc = r#"{"org":"default","id":"900150983cd24fb0d6963f7d28e17f72","h":"murmur64"}"#;
        assert_eq!(plain(&new.session_id("default", b"abc")), abc);
        assert_eq!(old.generate(ORG).len(), ORG_LENGTH + 32);
        assert_ne!(old.generate(ORG), old.generate(ORG));
    }

    #[test]
    fn tokens_of_an_organisation_start_alike() {
        for org in ["a", "ab", "abc", "abcd"] {
            let token = made_with(Some(Function::Sha256)).token(org, "k");
            assert!(token.starts_with(&token_start(org)), "{org}");
        }
    }

    #[test]
    fn a_token_names_its_organisation() {
        let new = made_with(Some(Function::Sha256)).token("any org", "k");
        for (token, org) in [
            (new.as_str(), Some("any org")),
            (&format!("{ORG}k"), Some(ORG)),
            (ORG, None),
            ("5e9d9544a1dcd60001d0ed2xk", None),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", None),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}1\u{e9}2", None),
        ] {
            assert_eq!(org_of(token).as_deref(), org, "{token}");
        }
    }

    #[test]
    fn a_name_is_the_token_or_its_hash_by_the_function_that_the_token_names() {
        let hidden = Hashing { hash_keys: true, ..made_with(Some(Function::Murmur64)) };
        assert_eq!(made_with(None).name("hello"), "hello");
        assert_eq!(hidden.name("hello"), "248bfa47");
        let token = made_with(Some(Function::Sha256)).token("o", "k");
        assert_eq!(hidden.name(&token), Function::Sha256.hash(token.as_bytes()));
        let unknown = STANDARD.encode(r#"{"org":"o","id":"k","h":"md5"}"#);
        assert_eq!(hidden.name(&unknown), Function::Murmur32.hash(unknown.as_bytes()));
    }

    #[test]
    fn a_presented_token_may_be_a_custom_id_unless_it_names_the_organisation() {
        let new = Hashing {
            fallback: vec![Some(Function::Sha256), None, Some(Function::Murmur64)],
            ..made_with(Some(Function::Murmur64))
        };
        let by = |function| made_with(function).token("o", "k");
        let all = [by(Some(Function::Murmur64)), "k".into(), by(Some(Function::Sha256)), "ok".into()];
        assert_eq!(new.candidates("o", "k"), all);
        assert_eq!(new.candidates("o", &all[0]), [all[0].as_str()]);
        assert_eq!(Hashing { exact: true, ..new }.candidates("o", "k"), ["k"]);
        assert_eq!(made_with(None).candidates("o", "k"), ["ok", "k"]);
        assert_eq!(made_with(None).candidates("", "k"), ["k"]);
        assert_eq!(made_with(None).candidates("o", "ok"), ["ok"]);
    }
}
