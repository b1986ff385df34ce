//! Upstreams behind a proxy.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::harness::{Api, Connection, Gateway, Secure, Setup, Socks, Upstream, Wire, listen, request, within};

#[tokio::test]
async fn a_proxy_is_told_the_whole_target_of_a_plain_request() {
    let proxy = listen().await;
    let address = proxy.local_addr().unwrap();
    let api = Api::to("http://up.test/base").with(json!({
        "proxy": {"transport": {"proxy_url": format!("http://me:word@{address}")}},
    }));
    let gateway = Gateway::start(api).await;
    let asking = async { gateway.send(request("GET", "/x?y=1"), "").await };
    let serving = async {
        let mut wire = Wire::accept(&proxy).await;
        let head = wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy").await;
        head
    };

    let (answer, head) = tokio::join!(asking, serving);

    assert_eq!(answer.text(), "proxy");
    assert!(head.starts_with("GET http://up.test/base/x?y=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nHost: up.test\r\n") && head.contains("\r\nProxy-Authorization: Basic bWU6d29yZA==\r\n"));
}

#[tokio::test]
async fn a_proxy_makes_tunnels_for_https_and_does_not_see_requests() {
    let secure = Secure::start().await;
    let (proxy, port) = (listen().await, secure.upstream.address.port());
    let address = proxy.local_addr().unwrap();
    let api = secure.api().with(json!({"proxy": {"transport": {"proxy_url": format!("http://{address}")}}}));
    let gateway = secure.trusted(api).await;
    let (told, head) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut wire = Wire::accept(&proxy).await;
        told.send(wire.head().await).unwrap();
        wire.send("HTTP/1.1 200 Connection established\r\n\r\n").await;
        let mut upstream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = copy_bidirectional(&mut wire.into_socket(), &mut upstream).await;
    });
    let mut client = Connection::open(gateway.address).await.unwrap();

    assert_eq!(client.get("/a").await.text(), "secret");
    assert_eq!(client.get("/b").await.text(), "secret");

    let head = within("the proxy to be asked", head).await.unwrap();
    assert!(head.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")), "{head}");
    assert_eq!(secure.shaken().len(), 1);
}

#[tokio::test]
async fn a_proxy_that_makes_no_tunnel_is_an_upstream_that_does_not_answer() {
    let secure = Secure::start().await;
    let proxy = listen().await;
    let address = proxy.local_addr().unwrap();
    let api = secure.api().with(json!({"proxy": {"transport": {"proxy_url": format!("http://{address}")}}}));
    let gateway = secure.trusted(api).await;
    let serving = async {
        let mut wire = Wire::accept(&proxy).await;
        wire.head().await;
        wire.send("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        wire
    };

    let (answer, _wire) = tokio::join!(gateway.get("/"), serving);

    assert_eq!((answer.status(), answer.error()), (500, "There was a problem proxying the request".to_owned()));
}

#[tokio::test]
async fn the_environment_names_a_proxy_but_not_for_this_machine() {
    let proxy = listen().await;
    let address = proxy.local_addr().unwrap();
    let local = listen().await;
    let here = Api::to(&format!("http://{}/", local.local_addr().unwrap())).named("here");
    let setup = Setup::from(Api::to("http://up.test/").named("there")).api(here);
    let gateway = Gateway::start(setup.env("HTTP_PROXY", format!("http://{address}"))).await;

    for (path, listener, starts) in [("/there/", &proxy, "GET http://up.test/ "), ("/here/", &local, "GET / ")] {
        let serving = async {
            let mut wire = Wire::accept(listener).await;
            let head = wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            head
        };
        let (answer, head) = tokio::join!(gateway.get(path), serving);
        assert_eq!(answer.status(), 200);
        assert!(head.starts_with(starts), "{head}");
    }
}

// === SOCKS ===

fn over(proxy: &str) -> Value {
    json!({"proxy": {"transport": {"proxy_url": proxy}}})
}

#[tokio::test]
async fn a_socks_proxy_looks_names_up_and_sees_no_difference_between_http_and_https() {
    let (plain, secure) = (Upstream::start().await, Secure::start().await);
    let port = secure.upstream.address.port();
    let (to_plain, to_secure) = (Socks::start(plain.address.port(), None).await, Socks::start(port, None).await);
    let api = Api::to("http://up.test/base").named("plain").with(over(&format!("socks5://{}", to_plain.address)));
    let https = secure.api().named("secure").with(over(&format!("socks5h://{}", to_secure.address)));
    let gateway = secure.trusted(Setup::from(api).api(https)).await;
    let mut client = Connection::open(gateway.address).await.unwrap();

    assert_eq!(client.get("/plain/x").await.text(), "hello from upstream");
    let received = plain.request();
    assert_eq!((received.target.as_str(), received.header("host")), ("/base/x", Some("up.test")));
    for _ in 0..2 {
        assert_eq!(client.get("/secure/").await.text(), "secret");
    }
    assert_eq!(to_plain.asked(), ["up.test:80"]);
    assert_eq!(to_secure.asked(), [format!("localhost:{port}")]);
}

#[tokio::test]
async fn a_socks_proxy_is_told_who_asks() {
    let upstream = Upstream::start().await;
    let socks = Socks::start(upstream.address.port(), Some(("me", "w:rd"))).await;
    let api = |name: &str, who: &str| {
        Api::to("http://up.test/").named(name).with(over(&format!("socks5://{who}{}", socks.address)))
    };
    let setup = Setup::from(api("known", "me:w%3Ard@")).api(api("wrong", "me:word@")).api(api("nobody", ""));
    let gateway = Gateway::start(setup).await;

    assert_eq!(gateway.get("/known/").await.status(), 200);
    for path in ["/wrong/", "/nobody/"] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status(), answer.error()), (500, "There was a problem proxying the request".to_owned()));
    }
    assert_eq!(socks.asked(), ["up.test:80"]);
    assert!(!gateway.process.lines().iter().any(|line| line.contains("w:rd") || line.contains("w%3Ard")));
}

#[tokio::test]
async fn a_socks_proxy_that_is_away_is_told_of_and_the_environment_may_name_one() {
    let upstream = Upstream::start().await;
    let socks = Socks::start(upstream.address.port(), None).await;
    // Bound by us, so that nobody else listens there either.
    let gone = TcpSocket::new_v4().unwrap();
    gone.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let gone_address = gone.local_addr().unwrap();
    let away = Api::to("http://up.test/").named("away").with(over(&format!("socks5://{gone_address}")));
    let setup = Setup::from(Api::to("http://up.test/").named("there")).api(away);
    let gateway = Gateway::start(setup.env("ALL_PROXY", format!("socks5://{}", socks.address))).await;

    assert_eq!(gateway.get("/there/").await.text(), "hello from upstream");
    assert_eq!(gateway.get("/away/").await.status(), 500);
    let line = gateway.process.says("did not answer").await;
    assert!(line.contains(&format!("the proxy {gone_address}: ")) && line.contains("refused"), "{line}");
    assert_eq!(socks.asked(), ["up.test:80"]);
}

// === Over TLS ===

/// Takes one connection over TLS, with a certificate for `localhost`.
async fn accept(proxy: &TcpListener, secure: &Secure) -> io::Result<TlsStream<TcpStream>> {
    let (certificate, key) = secure.identity();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(chain, key).unwrap();
    let (socket, _) = within("a connection", proxy.accept()).await?;
    within("a handshake", TlsAcceptor::from(Arc::new(config)).accept(socket)).await
}

async fn head(socket: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("a head", socket.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_proxy_over_tls_is_told_the_target_or_makes_tunnels() {
    let secure = Secure::start().await;
    let (proxy, port) = (listen().await, secure.upstream.address.port());
    let url = format!("https://me:word@localhost:{}", proxy.local_addr().unwrap().port());
    let plain = Api::to("http://up.test/").named("plain").with(over(&url));
    let gateway = secure.trusted(Setup::from(plain).api(secure.api().named("secure").with(over(&url)))).await;

    let serving = async {
        let mut socket = accept(&proxy, &secure).await.unwrap();
        let head = head(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy").await.unwrap();
        (head, socket)
    };
    let (answer, (told, _socket)) = tokio::join!(gateway.get("/plain/x"), serving);
    assert_eq!(answer.text(), "proxy");
    assert!(told.starts_with("GET http://up.test/x HTTP/1.1\r\n"), "{told}");
    assert!(told.contains("\r\nProxy-Authorization: Basic bWU6d29yZA==\r\n"), "{told}");

    let serving = async {
        let mut socket = accept(&proxy, &secure).await.unwrap();
        let head = head(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        let mut upstream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tokio::spawn(async move { copy_bidirectional(&mut socket, &mut upstream).await });
        head
    };
    let (answer, told) = tokio::join!(gateway.get("/secure/"), serving);
    assert_eq!(answer.text(), "secret");
    assert!(told.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")), "{told}");
    assert!(told.to_ascii_lowercase().contains("\r\nproxy-authorization: basic"), "{told}");
}

#[tokio::test]
async fn a_proxy_over_tls_must_be_trusted_whatever_the_api_says_of_its_upstream() {
    let secure = Secure::start().await;
    let proxy = listen().await;
    let url = format!("https://localhost:{}", proxy.local_addr().unwrap().port());
    let lax = json!({"proxy": {"transport": {"proxy_url": url, "ssl_insecure_skip_verify": true}}});
    let gateway = Gateway::start(secure.api().with(lax)).await;

    let (answer, shaken) = tokio::join!(gateway.get("/"), accept(&proxy, &secure));

    assert_eq!(answer.status(), 500);
    assert!(shaken.is_err());
    assert!(gateway.process.says("did not answer").await.contains("certificate"));
}
