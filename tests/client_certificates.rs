//! Clients that show certificates, and what these open.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::{Api, Process, Setup, Upstream, api, outrigger, within};

const SECRET: &str = "control-secret";
const SERVER: &str = "localhost";

/// A certificate that a client may show.
struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    pem: String,
}

impl Identity {
    fn until(year: i32) -> Self {
        let mut parameters = CertificateParams::new(["client".to_owned()]).unwrap();
        parameters.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let made = parameters.self_signed(&key).unwrap();
        Self { certificate: made.der().clone(), key: key.serialize_der(), pem: made.pem() }
    }

    fn new() -> Self {
        Self::until(2100)
    }

    fn fingerprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.certificate);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As the original names it.
    fn id(&self) -> String {
        format!("default{}", self.fingerprint())
    }
}

/// A gateway that speaks TLS, and what clients trust it by.
struct Secured {
    process: Process,
    address: SocketAddr,
    trusted: CertificateDer<'static>,
    _folder: TempDir,
}

impl Secured {
    async fn start(setup: Setup) -> Self {
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

    /// One API; keys are made for it with [`Self::make_key`].
    async fn serving(api: Api) -> Self {
        Self::start(Setup::from(api)).await
    }

    async fn ask(&self, shown: Option<&Identity>, request: http::request::Builder, body: &str) -> (u16, String) {
        self.ask_over(&TLS13, shown, request, body).await
    }

    async fn ask_over(
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
    async fn hears(&self, shown: Option<&Identity>, key: Option<&str>) -> (u16, String) {
        let request = Request::get("/x");
        let request = key.map_or(Request::get("/x"), |key| request.header("authorization", key));
        let (status, text) = self.ask(shown, request, "").await;
        let error: Option<Value> = serde_json::from_str(&text).ok();
        (status, error.map_or(text, |error| error["error"].as_str().unwrap().to_owned()))
    }

    /// Makes a key with these fields beside its rights; gives the answer.
    async fn make_key(&self, path: &str, fields: Value) -> (u16, Value) {
        let mut session = json!({"org_id": "default", "access_rights": {"api": {"api_id": "api"}}});
        session.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let request = Request::post(path).header("x-tyk-authorization", SECRET);
        let (status, text) = self.ask(None, request, &session.to_string()).await;
        (status, serde_json::from_str(&text).unwrap())
    }
}

fn ok() -> (u16, String) {
    (200, "hello from upstream".to_owned())
}

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[tokio::test]
async fn an_api_with_a_list_of_certificates_lets_their_holders_in_and_nobody_else() {
    let [by_id, by_file, global, stranger] = [(); 4].map(|()| Identity::new());
    let expired = Identity::until(2020);
    let upstream = Upstream::start().await;
    let listed = json!([by_id.id(), "client.pem", expired.fingerprint()]);
    let strict = api(&upstream).with(json!({"use_mutual_tls_auth": true, "client_certificates": listed}));
    let setup = Setup::from(strict)
        .api(api(&upstream).named("free"))
        .file("client.pem", by_file.pem.clone())
        .conf(json!({"security": {"certificates": {"apis": [global.fingerprint()]}}}));
    let gateway = Secured::start(setup).await;

    for identity in [&by_id, &by_file, &global] {
        assert_eq!(gateway.hears(Some(identity), None).await, ok());
    }
    assert_eq!(gateway.hears(None, None).await, said(403, "Client TLS certificate is required"));
    let refusal = format!("Certificate with SHA256 {} not allowed", stranger.fingerprint());
    assert_eq!(gateway.hears(Some(&stranger), None).await, said(403, &refusal));
    assert_eq!(gateway.hears(Some(&expired), None).await, said(403, "Certificate has expired"));
    let over_tls12 = |identity| gateway.ask_over(&TLS12, identity, Request::get("/x"), "");
    assert_eq!([over_tls12(Some(&by_id)).await.0, over_tls12(Some(&stranger)).await.0], [200, 403]);
    assert_eq!(gateway.ask(None, Request::get("/free/x"), "").await, ok());
    assert_eq!(gateway.ask(Some(&stranger), Request::get("/free/x"), "").await, ok());
}

#[tokio::test]
async fn an_api_that_asks_for_certificates_in_vain_is_not_served() {
    let upstream = Upstream::start().await;
    let with = |id: &str, list: Value| {
        api(&upstream).named(id).with(json!({"use_mutual_tls_auth": true, "client_certificates": list}))
    };
    let setup = Setup::new().api(with("nobody", json!([]))).api(with("nowhere", json!(["/no/such.pem"])));
    let gateway = Secured::start(setup).await;
    for path in ["/nobody/", "/nowhere/"] {
        assert_eq!(gateway.ask(None, Request::get(path), "").await.0, 404, "{path}");
    }
    let said = gateway.process.lines().join("\n");
    assert!(said.contains("client_certificates: nobody could call"), "{said}");
    assert!(said.contains("client_certificates[0]: /no/such.pem: neither an id nor a PEM file"), "{said}");

    let clear = crate::harness::Gateway::start(with("clear", json!(["0".repeat(64)]))).await;
    assert_eq!(clear.get("/clear/").await.status(), 404);
    clear.process.says("use_mutual_tls_auth: certificates are shown over TLS only").await;
}

#[tokio::test]
async fn a_certificate_stands_for_the_key_that_belongs_to_it() {
    let (owner, stranger, expired) = (Identity::new(), Identity::new(), Identity::until(2020));
    let upstream = Upstream::start().await;
    let keyed = json!({"use_keyless": false, "auth_configs": {"authToken": {"use_certificate": true}}});
    let gateway = Secured::serving(api(&upstream).with(keyed)).await;
    let (status, made) = gateway.make_key("/tyk/keys/create", json!({"certificate": owner.id()})).await;
    assert_eq!(status, 200, "{made}");
    let key = made["key"].as_str().unwrap();
    gateway.make_key("/tyk/keys/free", json!({})).await;

    const DISALLOWED: &str = "Access to this API has been disallowed";
    assert_eq!(gateway.hears(Some(&owner), None).await, ok());
    assert_eq!(gateway.hears(Some(&owner), Some(key)).await, ok());
    assert_eq!(gateway.hears(None, None).await, said(401, "Authorization field missing"));
    assert_eq!(gateway.hears(None, Some(key)).await, said(401, "Client certificate required"));
    assert_eq!(gateway.hears(Some(&stranger), Some(key)).await, said(401, DISALLOWED));
    assert_eq!(gateway.hears(Some(&stranger), None).await, said(401, DISALLOWED));
    assert_eq!(gateway.hears(Some(&expired), None).await, said(403, "Certificate has expired"));
    assert_eq!(gateway.hears(None, Some("free")).await, ok());
    assert_eq!(gateway.hears(Some(&owner), Some("unknown")).await, said(403, DISALLOWED));
}

#[tokio::test]
async fn a_key_that_belongs_to_a_certificate_goes_without_it_only_where_the_operator_says_so() {
    let owner = Identity::new();
    let upstream = Upstream::start().await;
    let keyed = json!({"use_keyless": false, "auth_configs": {"authToken": {"use_certificate": true}}});
    let setup =
        Setup::from(api(&upstream).with(keyed)).conf(json!({"security": {"allow_unsafe_dynamic_mtls_token": true}}));
    let gateway = Secured::start(setup).await;
    let (_, made) = gateway.make_key("/tyk/keys/create", json!({"certificate": owner.id()})).await;

    assert_eq!(gateway.hears(None, made["key"].as_str()).await, ok());
    assert_eq!(gateway.hears(Some(&Identity::new()), made["key"].as_str()).await.0, 401);
}

#[tokio::test]
async fn a_key_that_is_bound_to_certificates_is_for_their_holders() {
    let [bound, other] = [(); 2].map(|()| Identity::new());
    let expired = Identity::until(2020);
    let upstream = Upstream::start().await;
    let listed = json!([bound.id(), other.id()]);
    let keyed = json!({"use_keyless": false, "use_mutual_tls_auth": true, "client_certificates": listed});
    let asked = api(&upstream).named("asked").with(json!({"use_mutual_tls_auth": false, "use_keyless": false}));
    let rights = json!({"api": {"api_id": "api"}, "asked": {"api_id": "asked"}});
    let gateway = Secured::start(Setup::from(api(&upstream).with(keyed)).api(asked)).await;
    let bindings = json!([bound.id(), expired.id()]);
    let fields = json!({"mtls_static_certificate_bindings": bindings, "access_rights": rights});
    assert_eq!(gateway.make_key("/tyk/keys/mine", fields).await.0, 200);
    let nonsense = json!({"mtls_static_certificate_bindings": ["certificate"]});
    assert_eq!(gateway.make_key("/tyk/keys/none", nonsense).await.0, 400);

    const DISALLOWED: &str = "Access to this API has been disallowed";
    assert_eq!(gateway.hears(Some(&bound), Some("mine")).await, ok());
    assert_eq!(gateway.hears(Some(&other), Some("mine")).await, said(401, DISALLOWED));
    let on_asked = async |identity| {
        let request = Request::get("/asked/").header("authorization", "mine");
        gateway.ask(identity, request, "").await.0
    };
    assert_eq!(on_asked(None).await, 401);
    assert_eq!([on_asked(Some(&expired)).await, on_asked(Some(&bound)).await], [403, 200]);
}

#[tokio::test]
async fn the_control_api_may_ask_for_certificates_beside_the_secret() {
    let (operator, stranger) = (Identity::new(), Identity::new());
    let security = json!({"control_api_use_mutual_tls": true, "certificates": {"control_api": [operator.id()]}});
    let gateway = Secured::start(Setup::new().conf(json!({"security": security}))).await;
    let ask = async |identity, secret| {
        let request = Request::get("/tyk/apis").header("x-tyk-authorization", secret);
        let (status, text) = gateway.ask(identity, request, "").await;
        let message = serde_json::from_str::<Value>(&text).unwrap()["message"].as_str().map(str::to_owned);
        (status, message.unwrap_or_default())
    };

    assert_eq!(ask(Some(&operator), SECRET).await.0, 200);
    assert_eq!(ask(None, SECRET).await, said(403, "Client TLS certificate is required"));
    let refusal = format!("Certificate with SHA256 {} not allowed", stranger.fingerprint());
    assert_eq!(ask(Some(&stranger), SECRET).await, said(403, &refusal));
    assert_eq!(ask(Some(&operator), "wrong").await.0, 403);
    assert_eq!(gateway.ask(None, Request::get("/hello"), "").await.0, 200);
}
