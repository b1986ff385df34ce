//! Whom TLS clients trust, and the gateway's certificate that it signed.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::within;

/// An authority, and a folder for a certificate of `localhost`.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Some clients take a certificate whose issuer has its own name for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, "authority.test");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        fs::write(authority.path("roots.pem"), authority.issuer.pem()).unwrap();
        authority.renew();
        authority
    }

    /// Puts another certificate with another key in the place of the one before.
    pub fn renew(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.replace("key.pem", &key.serialize_pem());
        self.replace("chain.pem", &certificate.pem());
        certificate.der().clone()
    }

    fn replace(&self, name: &str, text: &str) {
        let next = self.path("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.path(name)).unwrap();
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What `tyk.conf` says to show the certificate, and to speak HTTP/2 to those who want it.
    pub fn conf(&self) -> Value {
        let pair = json!({
            "domain_name": "localhost",
            "cert_file": self.path("chain.pem"),
            "key_file": self.path("key.pem"),
        });
        json!({"http_server_options": {"certificates": [pair], "enable_http2": true}})
    }

    /// A client's connection that offers these protocols.
    pub async fn connect(&self, address: SocketAddr, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let server = ServerName::try_from("localhost").unwrap();
        within("a handshake", TlsConnector::from(Arc::new(config)).connect(server, socket)).await
    }
}
