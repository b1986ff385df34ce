//! A gateway that speaks TLS, and clients that show it certificates.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd, generate_simple_self_signed};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Api, Process, Setup, outrigger, within};

pub const SECRET: &str = "control-secret";
const SERVER: &str = "localhost";

/// The SHA-256 of a certificate in DER.
pub fn fingerprint(certificate: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A certificate that a client may show.
pub struct Identity {
    pub certificate: CertificateDer<'static>,
    key: Vec<u8>,
    pub pem: String,
}

impl Identity {
    pub fn until(year: i32) -> Self {
        let mut parameters = CertificateParams::new(["client".to_owned()]).unwrap();
        parameters.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let made = parameters.self_signed(&key).unwrap();
        Self { certificate: made.der().clone(), key: key.serialize_der(), pem: made.pem() }
    }

    pub fn new() -> Self {
        Self::until(2100)
    }

    pub fn fingerprint(&self) -> String {
        fingerprint(&self.certificate)
    }

    /// Certificate and key in one text.
    pub fn both(&self) -> String {
        let key = PrivatePkcs8KeyDer::from(self.key.clone());
        self.pem.clone() + &KeyPair::try_from(&key).unwrap().serialize_pem()
    }

    /// As the original names it.
    pub fn id(&self) -> String {
        format!("default{}", self.fingerprint())
    }
}

/// A gateway that speaks TLS, and what clients trust it by.
pub struct Secured {
    pub process: Process,
    address: SocketAddr,
    trusted: CertificateDer<'static>,
    _folder: TempDir,
}

impl Secured {
    /// With a certificate of its own, unless the setup names others.
    pub async fn start(setup: Setup) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([SERVER.to_owned()]).unwrap();
        let pair = json!([{"cert_file": "gateway.crt", "key_file": "gateway.key"}]);
        let setup = setup
            .file("gateway.crt", cert.pem())
            .file("gateway.key", signing_key.serialize_pem())
            .conf(json!({"secret": SECRET, "http_server_options": {"use_ssl": true, "certificates": pair}}));
        let folder = setup.write();
        let mut command = outrigger(&["--conf", "tyk.conf"]);
        command.current_dir(folder.path());
        let process = Process::start("the gateway", command);
        let line: Value = serde_json::from_str(&process.says("\"listening\"").await).unwrap();
        let address = line["address"].as_str().unwrap().parse().unwrap();
        Self { process, address, trusted: cert.der().clone(), _folder: folder }
    }

    /// The certificate that a client sees that asks for this server.
    pub async fn shows(&self, server: &'static str) -> CertificateDer<'static> {
        let provider = Arc::new(default_provider());
        let any = Arc::new(AnyServer(provider.signature_verification_algorithms));
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
        let config = config.dangerous().with_custom_certificate_verifier(any).with_no_client_auth();
        let socket = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(server).unwrap();
        let socket = within("a handshake", TlsConnector::from(Arc::new(config)).connect(name, socket)).await.unwrap();
        socket.get_ref().1.peer_certificates().unwrap()[0].clone()
    }

    /// One API; keys are made for it with [`Self::make_key`].
    pub async fn serving(api: Api) -> Self {
        Self::start(Setup::from(api)).await
    }

    pub async fn ask(&self, shown: Option<&Identity>, request: http::request::Builder, body: &str) -> (u16, String) {
        self.ask_over(&TLS13, shown, request, body).await
    }

    pub async fn ask_over(
        &self,
        version: &'static SupportedProtocolVersion,
        shown: Option<&Identity>,
        request: http::request::Builder,
        body: &str,
    ) -> (u16, String) {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(default_provider().into());
        let config = config.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
        let config = match shown {
            Some(Identity { certificate, key, .. }) => {
                let key = PrivateKeyDer::try_from(key.clone()).unwrap();
                config.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let socket = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(SERVER).unwrap();
        let socket = within("a handshake", TlsConnector::from(Arc::new(config)).connect(name, socket)).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let body: Full<Bytes> = Bytes::copy_from_slice(body.as_bytes()).into();
        let request = request.header("host", SERVER).body(body).unwrap();
        within("an answer", async {
            let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (parts.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
        })
        .await
    }

    /// What a client hears that shows this and sends this key.
    pub async fn hears(&self, shown: Option<&Identity>, key: Option<&str>) -> (u16, String) {
        let request = Request::get("/x");
        let request = key.map_or(Request::get("/x"), |key| request.header("authorization", key));
        let (status, text) = self.ask(shown, request, "").await;
        let error: Option<Value> = serde_json::from_str(&text).ok();
        (status, error.map_or(text, |error| error["error"].as_str().unwrap().to_owned()))
    }

    /// Makes a key with these fields beside its rights; gives the answer.
    pub async fn make_key(&self, path: &str, fields: Value) -> (u16, Value) {
        let mut session = json!({"org_id": "default", "access_rights": {"api": {"api_id": "api"}}});
        session.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let request = Request::post(path).header("x-tyk-authorization", SECRET);
        let (status, text) = self.ask(None, request, &session.to_string()).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    /// Calls the control API.
    pub async fn control(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("x-tyk-authorization", SECRET);
        let (status, text) = self.ask(None, request, body).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    /// Stores certificates; gives the id.
    pub async fn upload(&self, org_id: &str, pem: &str) -> String {
        let (status, added) = self.control("POST", &format!("/tyk/certs?org_id={org_id}"), pem).await;
        assert_eq!(status, 200, "{added}");
        added["id"].as_str().unwrap().to_owned()
    }

    pub async fn reload(&self) {
        assert_eq!(self.control("GET", "/tyk/reload?block=true", "").await.0, 200);
    }
}

/// Trusts whoever has the key of the certificate.
#[derive(Debug)]
struct AnyServer(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyServer {
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

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
