//! TLS of the listener: certificates, versions and cipher suites.

mod certificate;
mod pin;
mod suites;

use rustls::crypto::CryptoProvider;
use serde_json::Value;

pub use self::certificate::{Certificate, CertificateError, Files, Pem};
pub use self::pin::{Pin, PinError};
pub use self::suites::{SuiteError, Versions, provider};
pub(in crate::config) use self::suites::{TLS_1_2, TLS_1_3};
use super::validate::given;
use super::written::HttpServerOptions;
use super::{ConfigError, Origins};
use crate::certificate::Shelf;
use crate::json::short;

/// How the listener speaks TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    /// At least one, once those of the store are there.
    pub certificates: Vec<Certificate>,
    /// Whose certificate is shown to clients that name no server, or one that nobody is; the first
    /// certificate if not said.
    pub server_name: Option<String>,
    /// What is spoken.
    pub versions: Versions,
    /// The cryptography, with the cipher suites that are offered.
    pub provider: CryptoProvider,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
}

const SECTION: &str = "http_server_options";

/// Makes the configuration of TLS, if it is switched on or certificates are there for ports of APIs.
pub(super) fn tls(
    written: &mut HttpServerOptions,
    shelf: &Shelf,
    origins: &Origins<'_>,
) -> Result<Option<Tls>, ConfigError> {
    if !written.use_ssl && written.certificates.is_empty() && written.ssl_certificates.is_empty() {
        return Ok(None);
    }
    let check = Check { origins };
    let versions = check.versions(written.min_version, written.max_version)?;
    Ok(Some(Tls {
        provider: check.provider(&written.ssl_ciphers, versions)?,
        versions,
        certificates: check.certificates(written, shelf)?,
        server_name: given(std::mem::take(&mut written.server_name)),
        http2: written.enable_http2,
    }))
}

struct Check<'a> {
    origins: &'a Origins<'a>,
}

impl Check<'_> {
    fn refuse<T>(&self, key: &str, value: impl Into<Value>, remedy: &str) -> Result<T, ConfigError> {
        Err(self.origins.unusable(&format!("{SECTION}.{key}"), short(&value.into()), remedy.to_owned()))
    }

    fn versions(&self, min: i64, max: i64) -> Result<Versions, ConfigError> {
        for (key, version) in [("min_version", min), ("max_version", max)] {
            if ![0, TLS_1_2, TLS_1_3].contains(&version) {
                return self.refuse(key, version, "write 771 for TLS 1.2 or 772 for TLS 1.3; there is no other");
            }
        }
        match Versions::between(min, max) {
            Some(versions) => Ok(versions),
            None => self.refuse("min_version", min, "it is above max_version: lower it or raise that"),
        }
    }

    fn provider(&self, listed: &[String], versions: Versions) -> Result<CryptoProvider, ConfigError> {
        suites::provider(listed, versions).map_err(|error| {
            let key = error.at.map_or("ssl_ciphers".to_owned(), |at| format!("ssl_ciphers[{at}]"));
            self.origins.unusable(&format!("{SECTION}.{key}"), short(&error.value), error.remedy)
        })
    }

    fn certificates(&self, written: &HttpServerOptions, shelf: &Shelf) -> Result<Vec<Certificate>, ConfigError> {
        let HttpServerOptions { certificates: pairs, ssl_certificates: singles, .. } = written;
        if pairs.is_empty() && singles.is_empty() {
            return self.refuse("use_ssl", true, "name a certificate and its key in http_server_options.certificates");
        }
        let pairs = pairs.iter().enumerate().map(|(at, pair)| {
            let path = format!("{SECTION}.certificates[{at}]");
            let domain = given(pair.domain_name.to_ascii_lowercase());
            Certificate::load(Files::pair(&path, &pair.cert_file, &pair.key_file, domain)).map(Some)
        });
        let singles = singles.iter().enumerate();
        let singles =
            singles.map(|(at, name)| Certificate::named(&format!("{SECTION}.ssl_certificates[{at}]"), name, shelf));
        let found = pairs.chain(singles).filter_map(|found| found.map_err(|error| self.unusable(error)).transpose());
        found.collect()
    }

    fn unusable(&self, CertificateError { path, file, reason }: CertificateError) -> ConfigError {
        self.origins.unusable(&path, short(&file.display().to_string().into()), reason)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use rustls::crypto::aws_lc_rs::default_provider;

    use super::suites::name;
    use super::*;

    const OF_TLS12: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    const OF_TLS13: &str = "TLS_AES_128_GCM_SHA256";

    fn checked<T>(ask: impl FnOnce(&Check<'_>) -> Result<T, ConfigError>) -> Result<T, String> {
        ask(&Check { origins: &Origins { file: None, variables: &BTreeMap::new() } }).map_err(|error| error.to_string())
    }

    #[test]
    fn versions_are_gos_numbers() {
        let versions = |min, max| checked(|check| check.versions(min, max));
        assert_eq!(versions(0, 0).unwrap(), Versions::Both);
        assert_eq!(versions(771, 772).unwrap(), Versions::Both);
        assert_eq!(versions(772, 0).unwrap(), Versions::Only13);
        assert_eq!(versions(0, 771).unwrap(), Versions::Only12);
        assert!(versions(769, 0).unwrap_err().contains("http_server_options.min_version is 769: write 771"));
        assert!(versions(0, 773).unwrap_err().contains("max_version is 773"));
        assert!(versions(772, 771).unwrap_err().contains("above max_version"));
    }

    #[test]
    fn listed_suites_are_offered_and_no_others_of_their_version() {
        let offered = |listed: &[&str]| {
            let listed: Vec<_> = listed.iter().map(|name| (*name).to_owned()).collect();
            let provider = checked(|check| check.provider(&listed, Versions::Only12)).unwrap();
            provider.cipher_suites.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(offered(&[]).len(), default_provider().cipher_suites.len());
        assert_eq!(offered(&[OF_TLS12, OF_TLS13]), [OF_TLS13, OF_TLS12]);
        assert_eq!(offered(&[OF_TLS12]).iter().filter(|name| name.contains("_WITH_")).count(), 1);
        assert_eq!(offered(&[OF_TLS12]).len(), 4);
    }

    #[test]
    fn suites_that_do_not_exist_or_fit_no_version_are_refused() {
        let refusal = |listed: &str| {
            checked(|check| check.provider(&[OF_TLS12.to_owned(), listed.to_owned()], Versions::Only12).map(drop))
                .unwrap_err()
        };
        let unknown = refusal("TLS_RSA_WITH_RC4_128_SHA");
        assert!(unknown.contains("ssl_ciphers[1]") && unknown.contains(OF_TLS13), "{unknown}");
        let only_tls13 = checked(|check| check.provider(&[OF_TLS13.to_owned()], Versions::Only12)).unwrap_err();
        assert!(only_tls13.contains("http_server_options.ssl_ciphers is"), "{only_tls13}");
    }
}
