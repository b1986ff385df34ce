//! Clients that speak TLS.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Version;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_plugin::{HookResult, Plugin, Request};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS12;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Api, Process, Setup, Upstream, Wire, api, outrigger, serve, until, within};

/// A folder of certificates.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Makes a certificate, or another one in its place; what clients trust it by.
    fn make(&self, server: &str) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([server.to_owned()]).unwrap();
        self.write(&format!("{server}.key"), &signing_key.serialize_pem());
        self.write(&format!("{server}.both"), &(cert.pem() + &signing_key.serialize_pem()));
        self.write(&format!("{server}.crt"), &cert.pem());
        cert.der().clone()
    }

    fn write(&self, name: &str, text: &str) {
        let next = self.0.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.0.path().join(name)).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// An entry of `certificates`.
    fn pair(&self, server: &str) -> Value {
        let (chain, key) = (self.path(&format!("{server}.crt")), self.path(&format!("{server}.key")));
        json!({"domain_name": server, "cert_file": chain, "key_file": key})
    }
}

/// A gateway that speaks TLS.
struct Secured {
    process: Process,
    address: SocketAddr,
    upstream: Upstream,
    _folder: TempDir,
    _setup: Setup,
}

impl Secured {
    async fn start(options: Value) -> Self {
        let upstream = Upstream::start().await;
        Self::run(setup(&upstream, options), upstream).await
    }

    async fn run(setup: Setup, upstream: Upstream) -> Self {
        let folder = setup.write();
        let process = process(folder.path());
        let line: Value = serde_json::from_str(&process.says("\"listening\"").await).unwrap();
        let address = line["address"].as_str().unwrap().parse().unwrap();
        Self { process, address, upstream, _folder: folder, _setup: setup }
    }

    async fn refused(options: Value) -> String {
        let upstream = Upstream::start().await;
        let folder = setup(&upstream, options).write();
        let mut process = process(folder.path());
        assert_eq!(process.end().await.code(), Some(64));
        process.lines().join("\n")
    }
}

fn setup(upstream: &Upstream, options: Value) -> Setup {
    speaking_tls(api(upstream), options)
}

fn speaking_tls(api: Api, options: Value) -> Setup {
    Setup::from(api)
        .conf(json!({"http_server_options": {"use_ssl": true}}))
        .conf(json!({"http_server_options": options}))
}

fn process(folder: &Path) -> Process {
    let mut command = outrigger(&["--conf", "tyk.conf"]);
    command.current_dir(folder);
    Process::start("the gateway", command)
}

/// A client that trusts one certificate.
struct Trusting {
    certificate: CertificateDer<'static>,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocols: &'static [&'static str],
}

impl Trusting {
    fn only(certificate: &CertificateDer<'static>) -> Self {
        Self {
            certificate: certificate.clone(),
            versions: rustls::ALL_VERSIONS.to_vec(),
            protocols: &["h2", "http/1.1"],
        }
    }

    async fn connect(&self, server: &str, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let socket = TcpStream::connect(address).await?;
        let server = ServerName::try_from(server.to_owned()).unwrap();
        within("a handshake", TlsConnector::from(Arc::new(config)).connect(server, socket)).await
    }

    /// Asks for `/x` in the protocol that was agreed on.
    async fn get(&self, server: &str, address: SocketAddr) -> std::io::Result<(Version, Bytes)> {
        let socket = self.connect(server, address).await?;
        let h2 = socket.get_ref().1.alpn_protocol() == Some(b"h2");
        let socket = TokioIo::new(socket);
        let request = http::Request::get(format!("https://{server}/x")).header("host", server);
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let answer = if h2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
            tokio::spawn(connection);
            within("an answer", sender.send_request(request)).await.unwrap()
        } else {
            let (mut sender, connection) = http1::handshake(socket).await.unwrap();
            tokio::spawn(connection);
            within("an answer", sender.send_request(request)).await.unwrap()
        };
        assert_eq!(answer.status(), 200);
        Ok((answer.version(), answer.into_body().collect().await.unwrap().to_bytes()))
    }
}

const HELLO: &[u8] = b"hello from upstream";

#[tokio::test]
async fn http2_is_spoken_only_where_it_is_enabled_and_the_client_wants_it() {
    let certificates = Certificates::new();
    let trusted = certificates.make("localhost");
    let both = certificates.path("localhost.both");
    let without = Secured::start(json!({"ssl_certificates": [both]})).await;
    let with = Secured::start(json!({"ssl_certificates": [both], "enable_http2": true})).await;
    let client = Trusting::only(&trusted);
    let old = Trusting { protocols: &[], ..Trusting::only(&trusted) };

    for (client, gateway, version) in
        [(&client, &without, Version::HTTP_11), (&client, &with, Version::HTTP_2), (&old, &with, Version::HTTP_11)]
    {
        assert_eq!(client.get("localhost", gateway.address).await.unwrap(), (version, Bytes::from(HELLO)));
    }
}

struct TellsScheme;

impl Plugin for TellsScheme {
    async fn pre(&self, request: &mut Request) -> HookResult {
        let scheme = request.scheme().to_owned();
        request.set_header("X-Scheme", scheme);
        Ok(())
    }
}

#[tokio::test]
async fn plugins_are_told_that_a_request_came_over_tls() {
    let certificates = Certificates::new();
    let client = Trusting::only(&certificates.make("localhost"));
    let upstream = Upstream::start().await;
    let options = json!({"ssl_certificates": [certificates.path("localhost.both")], "enable_http2": true});
    let setup = speaking_tls(api(&upstream).pre(serve(TellsScheme).await), options);
    let gateway = Secured::run(setup, upstream).await;

    for client in [&client, &Trusting { protocols: &[], ..Trusting::only(&client.certificate) }] {
        client.get("localhost", gateway.address).await.unwrap();
        assert_eq!(gateway.upstream.last().header("X-Scheme"), Some("https"));
    }
}

#[tokio::test]
async fn the_name_that_a_client_asks_for_chooses_the_certificate() {
    let certificates = Certificates::new();
    let (one, other) = (certificates.make("one.test"), certificates.make("other.test"));
    let mut nameless = certificates.pair("other.test");
    nameless["domain_name"] = json!("");
    let gateway = Secured::start(json!({"certificates": [certificates.pair("one.test"), nameless]})).await;
    let shown = async |certificate, server| {
        let error = Trusting::only(certificate).get(server, gateway.address).await.err();
        error.map_or("trusted".to_owned(), |error| error.to_string())
    };

    assert_eq!(shown(&one, "one.test").await, "trusted");
    assert_eq!(shown(&other, "other.test").await, "trusted");
    assert_eq!(shown(&other, "OTHER.test").await, "trusted");
    // The first is for everybody else.
    let unnamed = shown(&one, "third.test").await;
    assert!(unnamed.contains("one.test"), "{unnamed}");
    let by_address = shown(&one, "127.0.0.1").await;
    assert!(by_address.contains("one.test"), "{by_address}");
}

#[tokio::test]
async fn server_name_says_whose_certificate_everybody_else_gets() {
    let certificates = Certificates::new();
    let (_, other) = (certificates.make("one.test"), certificates.make("other.test"));
    let pairs = [certificates.pair("one.test"), certificates.pair("other.test")];
    let gateway = Secured::start(json!({"certificates": pairs, "server_name": "other.test"})).await;

    let error = Trusting::only(&other).get("third.test", gateway.address).await.unwrap_err().to_string();

    assert!(error.contains("other.test"), "{error}");
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_and_a_broken_one_is_not() {
    let certificates = Certificates::new();
    let first = certificates.make("localhost");
    let gateway = Secured::start(json!({"certificates": [certificates.pair("localhost")]})).await;
    let kept = Trusting::only(&first).connect("localhost", gateway.address).await.unwrap();

    certificates.write("localhost.crt", "no certificate");
    let line = gateway.process.says("a new certificate is no use").await;
    assert!(line.contains("http_server_options.certificates[0].cert_file"), "{line}");
    assert_eq!(Trusting::only(&first).get("localhost", gateway.address).await.unwrap().1, HELLO);

    let second = certificates.make("localhost");
    until("the second certificate", async || Trusting::only(&second).get("localhost", gateway.address).await.is_ok())
        .await;
    assert!(Trusting::only(&first).get("localhost", gateway.address).await.is_err());
    drop(kept);
}

#[tokio::test]
async fn versions_and_suites_outside_the_limits_are_not_spoken() {
    let certificates = Certificates::new();
    let trusted = certificates.make("localhost");
    let both = [certificates.path("localhost.both")];
    let suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let newest = Secured::start(json!({"ssl_certificates": both, "min_version": 772})).await;
    let listed = Secured::start(json!({"ssl_certificates": both, "max_version": 771, "ssl_ciphers": [suite]})).await;
    let tls12 = Trusting { versions: vec![&TLS12], ..Trusting::only(&trusted) };

    assert!(tls12.connect("localhost", newest.address).await.is_err());
    assert!(Trusting::only(&trusted).connect("localhost", newest.address).await.is_ok());
    let socket = Trusting::only(&trusted).connect("localhost", listed.address).await.unwrap();
    assert_eq!(socket.get_ref().1.negotiated_cipher_suite().unwrap().suite().as_str(), Some(suite));
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_told_so() {
    let certificates = Certificates::new();
    certificates.make("localhost");
    let gateway = Secured::start(json!({"certificates": [certificates.pair("localhost")]})).await;

    let mut client = Wire::connect(gateway.address).await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;

    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.ends_with("https only\n"), "{answer}");
}

#[tokio::test]
async fn a_slow_handshake_is_cut_and_keeps_nobody_waiting() {
    let certificates = Certificates::new();
    let trusted = certificates.make("localhost");
    let gateway = Secured::start(json!({"certificates": [certificates.pair("localhost")]})).await;
    let (mut silent, mut slow) = (Wire::connect(gateway.address).await, Wire::connect(gateway.address).await);
    slow.send([0x16, 0x03, 0x01]).await;

    let started = Instant::now();
    assert!(Trusting::only(&trusted).get("localhost", gateway.address).await.is_ok());
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!((silent.rest().await, slow.rest().await), (String::new(), String::new()));
    assert!(started.elapsed() > Duration::from_secs(5));
}

#[tokio::test]
async fn what_cannot_be_used_stops_the_start_with_key_file_and_remedy() {
    let certificates = Certificates::new();
    certificates.make("localhost");
    let mut mixed = certificates.pair("localhost");
    certificates.make("other.test");
    mixed["key_file"] = json!(certificates.path("other.test.key"));
    let missing = certificates.path("missing.pem");
    for (options, expected) in [
        (json!({}), ["http_server_options.use_ssl", "true", "name a certificate"]),
        (json!({"ssl_certificates": [missing]}), ["ssl_certificates[0]", "missing.pem", "name a PEM file"]),
        (json!({"certificates": [mixed]}), ["certificates[0].key_file", "other.test.key", "name the key that is"]),
    ] {
        let said = Secured::refused(options).await;
        assert!(said.contains("tyk.conf: "), "{said}");
        expected.iter().for_each(|part| assert!(said.contains(part), "{part} in {said}"));
    }
}

#[tokio::test]
async fn curl_is_served_as_well() {
    let certificates = Certificates::new();
    certificates.make("localhost");
    let both = certificates.path("localhost.both");
    let gateway = Secured::start(json!({"ssl_certificates": [both], "enable_http2": true})).await;
    let url = format!("https://localhost:{}/x", gateway.address.port());
    let arguments = ["-sS", "--cacert", &certificates.path("localhost.crt"), "-w", " over %{http_version}", &url];

    let Ok(output) = Command::new("curl").args(arguments).output().await else { return };

    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "hello from upstream over 2");
}

#[tokio::test]
async fn a_health_check_over_tls_believes_only_whom_it_is_told_to() {
    let certificates = Certificates::new();
    certificates.make("localhost");
    let gateway = Secured::start(json!({"certificates": [certificates.pair("localhost")]})).await;
    let url = format!("https://localhost:{}/hello", gateway.address.port());
    let ca = certificates.path("localhost.crt");
    for (arguments, code, said) in [
        (vec!["--ca", &ca], 0, ""),
        (vec!["--insecure"], 0, ""),
        (vec![], 1, "speaks no TLS that can be trusted"),
        (vec!["--ca", "/no/such/file"], 1, "--ca /no/such/file: "),
    ] {
        let mut command = outrigger(&[&["healthcheck", "--url", &url][..], &arguments].concat());
        let output = within("the health check", command.output()).await.unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {complaint}");
        assert!(complaint.contains(said), "{complaint}");
    }
}

#[tokio::test]
async fn a_connection_whose_answers_were_read_in_the_end_may_wait_for_its_next_request() {
    let certificates = Certificates::new();
    let trusted = certificates.make("localhost");
    let upstream = Upstream::answering(|_| http::Response::new(Full::from(vec![b'x'; 8 << 20]))).await;
    let options = json!({"certificates": [certificates.pair("localhost")], "write_timeout": 1});
    let folder = setup(&upstream, options).write();
    let process = process(folder.path());
    let line: Value = serde_json::from_str(&process.says("\"listening\"").await).unwrap();
    let address = line["address"].as_str().unwrap().parse().unwrap();
    let client = Trusting { protocols: &["http/1.1"], ..Trusting::only(&trusted) };
    let socket = client.connect("localhost", address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);

    for _ in 0..2 {
        let request = http::Request::get("/x").header("host", "localhost").body(Full::<Bytes>::default()).unwrap();
        let answer = within("an answer", sender.send_request(request)).await.unwrap();
        assert_eq!(within("its body", answer.into_body().collect()).await.unwrap().to_bytes().len(), 8 << 20);
        // Longer than an answer may stand still.
        tokio::time::sleep(Duration::from_millis(2500)).await;
    }
}
