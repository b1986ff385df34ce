//! TLS of a health check: whom it believes to be the gateway.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, Error, RootCertStore};

use super::HealthError;
use crate::key_proof::key_proof_by;
use crate::upstream::roots;

/// Whom a health check believes.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Trust {
    /// Trusts the certificates in this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Asks whoever answers, whatever the certificate
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

impl Trust {
    #[cfg(test)]
    pub(super) const SYSTEM: Self = Self { ca: None, insecure: false };

    pub(super) fn config(&self) -> Result<ClientConfig, HealthError> {
        match &self.ca {
            Some(file) => {
                let roots = read(file).map_err(|reason| HealthError::Roots { file: file.clone(), reason });
                trusting(roots?)
            }
            None if self.insecure => anybody(),
            None => trusting(roots().map_err(|error| HealthError::Tls(error.to_string()))?),
        }
        .map_err(|error| HealthError::Tls(error.to_string()))
    }
}

fn read(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let config = ClientConfig::builder_with_provider(default_provider().into());
    Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

fn anybody() -> Result<ClientConfig, Error> {
    let provider = Arc::new(default_provider());
    let anybody = Anybody(provider.signature_verification_algorithms);
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(anybody)).with_no_client_auth())
}

/// Believes everybody who has the key of the certificate that he shows.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    key_proof_by!(0);
}
