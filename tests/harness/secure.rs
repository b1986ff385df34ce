//! An upstream over TLS that remembers how it was called.

use std::sync::{Arc, Mutex};

use http::Response;
use http_body_util::Full;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::{Api, Gateway, Setup, Upstream, listen};

/// What an upstream saw of a connection.
#[derive(Clone, Debug)]
pub struct Shaken {
    pub version: ProtocolVersion,
    pub suite: String,
    pub http2: bool,
    pub client: Option<Vec<u8>>,
}

/// An upstream with a certificate for `localhost`, and the authority that signed it.
pub struct Secure {
    pub upstream: Upstream,
    pub authority: CertifiedIssuer<'static, KeyPair>,
    /// The key of its certificate, as `PUBLIC KEY`.
    pub public_key: String,
    shaken: Arc<Mutex<Vec<Shaken>>>,
    folder: TempDir,
}

impl Secure {
    /// Answers `secret`.
    pub async fn start() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let public_key = key.public_key_pem();
        let config = server(&authority, &key);

        let listener = listen().await;
        let upstream = Upstream::at(listener.local_addr().unwrap());
        let (serving, acceptor) = (upstream.clone(), TlsAcceptor::from(Arc::new(config)));
        let shaken: Arc<Mutex<Vec<Shaken>>> = Arc::default();
        let seen = shaken.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A client that does not trust us ends the handshake.
                let Ok(socket) = acceptor.accept(socket).await else { continue };
                let tls = socket.get_ref().1;
                let http2 = tls.alpn_protocol() == Some(b"h2");
                seen.lock().unwrap().push(Shaken {
                    version: tls.protocol_version().unwrap(),
                    suite: format!("{:?}", tls.negotiated_cipher_suite().unwrap().suite()),
                    http2,
                    client: tls.peer_certificates().map(|chain| chain[0].to_vec()),
                });
                let (serving, answer) = (serving.clone(), |_: &_| Response::new(Full::from("secret")));
                match http2 {
                    true => drop(tokio::spawn(serving.serve_http2(socket, Arc::new(answer)))),
                    false => drop(tokio::spawn(serving.serve(socket, Arc::new(answer)))),
                }
            }
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("roots.pem"), authority.pem()).unwrap();
        Self { upstream, authority, public_key, shaken, folder }
    }

    /// An API in front of it.
    pub fn api(&self) -> Api {
        Api::to(&format!("https://localhost:{}/", self.upstream.address.port()))
    }

    /// A gateway on a system that trusts the authority.
    pub async fn trusted(&self, setup: impl Into<Setup>) -> Gateway {
        let roots = self.folder.path().join("roots.pem").display().to_string();
        Gateway::start(setup.into().env("SSL_CERT_FILE", roots)).await
    }

    /// A file that is there as long as the upstream.
    pub fn file(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    /// Another certificate for `localhost` with its key, as PEM.
    pub fn identity(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        (certificate.signed_by(&key, &self.authority).unwrap().pem(), key.serialize_pem())
    }

    /// What was seen of each connection.
    pub fn shaken(&self) -> Vec<Shaken> {
        self.shaken.lock().unwrap().clone()
    }
}

/// Takes any version, HTTP/2 and certificates of clients.
fn server(authority: &CertifiedIssuer<'static, KeyPair>, key: &KeyPair) -> ServerConfig {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "upstream.test");
    let certificate = params.signed_by(key, authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .unwrap()
        .with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap())
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
