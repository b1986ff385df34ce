//! TLS: who the server is, and whose clients it answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use super::ServerError;
use crate::error::chain;

/// How long a client may take to say who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The files that TLS takes, all in PEM form.
#[derive(Default)]
pub(super) struct Tls {
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    pub(super) client_ca: Option<PathBuf>,
}

impl Tls {
    /// A transport that speaks TLS if there are files for it.
    pub(super) fn transport(&self) -> Result<Server, ServerError> {
        let Some((certificate, key)) = &self.identity else {
            return match self.client_ca {
                Some(_) => Err(ServerError::NoCertificate),
                None => Ok(Server::builder()),
            };
        };
        // Other crates of an author may bring a second provider; rustls then takes neither unasked.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut config = ServerTlsConfig::new().timeout(HANDSHAKE).identity(identity(certificate, key)?);
        if let Some(path) = &self.client_ca {
            config = config.client_ca_root(client_ca(path)?);
        }
        Server::builder().tls_config(config).map_err(|error| {
            let (certificate, key) = (certificate.clone(), key.clone());
            ServerError::Tls { certificate, key, source: chain(&error).into() }
        })
    }
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, ServerError> {
    let pem = read(certificate)?;
    certificates(certificate, &pem)?;
    let secret = read(key)?;
    PrivateKeyDer::from_pem_slice(&secret).map_err(|_| not_pem(key, "private key without a password"))?;
    Ok(Identity::from_pem(pem, secret))
}

fn client_ca(path: &Path) -> Result<Certificate, ServerError> {
    let pem = read(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, &pem)? {
        roots
            .add(certificate)
            .map_err(|source| ServerError::ClientCa { path: path.to_owned(), source: source.into() })?;
    }
    Ok(Certificate::from_pem(pem))
}

/// The certificates of a file, which are one at least.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ServerError> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(not_pem(path, "certificate")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ServerError> {
    fs::read(path).map_err(|source| ServerError::CannotRead { path: path.to_owned(), source })
}

fn not_pem(path: &Path, wanted: &'static str) -> ServerError {
    ServerError::NotPem { path: path.to_owned(), wanted }
}
