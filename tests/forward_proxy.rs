//! Upstreams behind a proxy.

use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use crate::harness::{Api, Connection, Gateway, Secure, Setup, Wire, listen, request, within};

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
