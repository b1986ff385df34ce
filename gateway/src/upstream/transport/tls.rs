//! Settings of TLS as the library wants them.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use super::settings::{Speech, TlsSettings};
use super::verifier::Verifier;
use crate::config::tls_provider;

/// Why `https` targets cannot be called.
#[derive(Debug, Error)]
pub enum TlsError {
    /// There is nobody to trust.
    #[error("the system's certificate roots cannot be loaded: {0}; install the package ca-certificates")]
    Roots(String),
    /// The settings contradict each other.
    #[error("TLS cannot be set up: {0}")]
    Settings(String),
}

/// The certificates that the system trusts.
pub fn roots() -> Result<RootCertStore, TlsError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let reasons: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
        let reason = if reasons.is_empty() { "there are none".to_owned() } else { reasons.join("; ") };
        return Err(TlsError::Roots(reason));
    }
    Ok(roots)
}

/// A client of these settings.
pub(super) fn client(
    settings: &TlsSettings,
    speech: Speech,
    roots: &Arc<RootCertStore>,
) -> Result<ClientConfig, TlsError> {
    let unusable = |error: &dyn std::error::Error| TlsError::Settings(error.to_string());
    let provider =
        tls_provider(&settings.ciphers, settings.versions).map_err(|error| TlsError::Settings(error.remedy))?;
    let (algorithms, provider) = (provider.signature_verification_algorithms, Arc::new(provider));
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| unusable(&error))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(settings.versions.supported())
        .map_err(|error| unusable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier_of(settings, verifier, algorithms));
    let mut config = match &settings.certificate {
        Some(certificate) => config.with_client_cert_resolver(resolver(&certificate.key)),
        None => config.with_no_client_auth(),
    };
    if speech == Speech::Http1Or2 {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok(config)
}

fn verifier_of(
    settings: &TlsSettings,
    usual: Arc<WebPkiServerVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
) -> Arc<dyn ServerCertVerifier> {
    if !settings.skip_verify && !settings.check_common_name && settings.pins.is_none() {
        return usual;
    }
    Arc::new(Verifier {
        usual,
        algorithms,
        skip: settings.skip_verify,
        common_name: settings.check_common_name,
        pins: settings.pins.clone(),
    })
}

fn resolver(key: &Arc<CertifiedKey>) -> Arc<dyn ResolvesClientCert> {
    Arc::new(SingleCertAndKey::from(CertifiedKey::clone(key)))
}
