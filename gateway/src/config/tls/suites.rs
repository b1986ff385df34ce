//! Versions and cipher suites of TLS, as Go numbers and names them.

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};
use serde_json::Value;

pub(in crate::config) const TLS_1_2: i64 = 771;
pub(in crate::config) const TLS_1_3: i64 = 772;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// TLS 1.2 and 1.3.
    Both,
    /// TLS 1.2 only.
    Only12,
    /// TLS 1.3 only.
    Only13,
}

impl Versions {
    /// The versions between two numbers, each 0 for no bound; none if there is none.
    pub fn between(min: i64, max: i64) -> Option<Self> {
        let max = if max == 0 { TLS_1_3 } else { max };
        match (min <= TLS_1_2, max >= TLS_1_3) {
            (true, true) => Some(Self::Both),
            (false, true) => (min <= TLS_1_3).then_some(Self::Only13),
            (true, false) => (max >= TLS_1_2).then_some(Self::Only12),
            (false, false) => None,
        }
    }

    /// The same for the library.
    pub fn supported(self) -> &'static [&'static SupportedProtocolVersion] {
        static ALL: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Both => &ALL,
            Self::Only12 => &ALL[1..],
            Self::Only13 => &ALL[..1],
        }
    }
}

/// Why a list of cipher suites is no use.
#[derive(Clone, Debug)]
pub struct SuiteError {
    /// Which of them; all of them if not said.
    pub at: Option<usize>,
    /// What is written there.
    pub value: Value,
    /// What is wrong with it and what to do.
    pub remedy: String,
}

/// The cryptography with the listed suites; with all if none is listed. As in Go, a list that names
/// no suite of TLS 1.3 leaves them all.
pub fn provider(listed: &[String], versions: Versions) -> Result<CryptoProvider, SuiteError> {
    let mut provider = default_provider();
    let suites = &mut provider.cipher_suites;
    let is_listed = |suite: &SupportedCipherSuite| listed.iter().any(|listed| *listed == name(suite));
    if let Some((at, unknown)) = unknown(listed, suites) {
        let known: Vec<_> = suites.iter().map(name).collect();
        let remedy = format!("there is no such cipher suite: remove it, or write one of {}", known.join(", "));
        return Err(SuiteError { at: Some(at), value: unknown.into(), remedy });
    }
    let any_tls13 = listed.is_empty() || !suites.iter().any(|suite| suite.tls13().is_some() && is_listed(suite));
    suites.retain(|suite| listed.is_empty() || is_listed(suite) || (any_tls13 && suite.tls13().is_some()));
    if !suites.iter().any(|suite| versions.supported().contains(&suite.version())) {
        let remedy = "no suite of the versions that are spoken is listed: add one".to_owned();
        return Err(SuiteError { at: None, value: listed.into(), remedy });
    }
    Ok(provider)
}

/// The first listed name that is none.
fn unknown<'a>(listed: &'a [String], suites: &[SupportedCipherSuite]) -> Option<(usize, &'a str)> {
    let mut listed = listed.iter().map(String::as_str).enumerate();
    listed.find(|(_, listed)| suites.iter().all(|suite| name(suite) != *listed))
}

/// The name in the registry of cipher suites, which tells no versions apart.
pub(super) fn name(suite: &SupportedCipherSuite) -> String {
    suite.suite().as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}
