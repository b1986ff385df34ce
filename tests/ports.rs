//! Ports beside the gateway's own: those of APIs, and that of the control API.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Answer, Api, Connection, Gateway, Process, Setup, Upstream, api, outrigger, request, until};

const SECRET: &str = "control-secret";

/// Ports that nobody has.
async fn free<const COUNT: usize>() -> [u16; COUNT] {
    let mut listeners = Vec::new();
    for _ in 0..COUNT {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect::<Vec<_>>().try_into().unwrap()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn get(port: u16, path: &str) -> Answer {
    Connection::open(local(port)).await.expect("the port is open").get(path).await
}

async fn is_open(port: u16) -> bool {
    TcpStream::connect(local(port)).await.is_ok()
}

/// Its own API for a port.
fn on(port: u16, upstream: &Upstream) -> Api {
    api(upstream).named("ported").with(json!({"listen_port": port}))
}

fn open(setup: Setup) -> Setup {
    setup.conf(json!({"disable_ports_whitelist": true, "secret": SECRET}))
}

async fn call(gateway: &Gateway, method: &str, path: &str, body: &Value) -> u16 {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    gateway.send(request(method, path).header("X-Tyk-Authorization", SECRET), &body).await.status()
}

#[tokio::test]
async fn an_api_with_a_port_is_served_there_and_nowhere_else() {
    let ([port], upstream) = (free().await, Upstream::start().await);
    let main = api(&upstream).named("main");
    let gateway = Gateway::start(open(Setup::new().api(main).api(on(port, &upstream)))).await;

    until("the port", async || is_open(port).await).await;

    assert_eq!(get(port, "/ported/x").await.text(), "hello from upstream");
    assert_eq!(gateway.get("/main/x").await.text(), "hello from upstream");
    for (at, path) in [(port, "/main/x"), (gateway.address.port(), "/ported/x"), (port, "/hello"), (port, "/tyk/apis")]
    {
        assert_eq!(get(at, path).await.status(), 404, "{at} {path}");
    }
}

#[tokio::test]
async fn ports_must_be_listed_and_what_is_spoken_there_must_be_possible() {
    let ([listed, unlisted], upstream) = (free().await, Upstream::start().await);
    let with = |id: &str, change: Value| api(&upstream).named(id).with(change);
    let setup = Setup::new()
        .api(with("listed", json!({"listen_port": listed})))
        .api(with("unlisted", json!({"listen_port": unlisted})))
        .api(with("secure", json!({"listen_port": unlisted, "protocol": "https"})))
        .api(with("tcp", json!({"listen_port": listed, "protocol": "tcp"})))
        .conf(json!({"ports_whitelist": {"http": {"ports": [listed]}}}));
    let gateway = Gateway::start(setup).await;

    until("the listed port", async || is_open(listed).await).await;
    assert_eq!(get(listed, "/listed/").await.status(), 200);
    assert!(!is_open(unlisted).await);
    let said = gateway.process.lines().join("\n");
    for reason in [
        format!("listen_port: {unlisted} is not among ports_whitelist.http of tyk.conf"),
        "protocol: there is no certificate for https".to_owned(),
        r#"protocol: \"tcp\" is not supported"#.to_owned(),
    ] {
        assert!(said.contains(&reason), "no {reason} in {said}");
    }
}

#[tokio::test]
async fn a_port_of_an_api_speaks_tls_beside_a_main_port_that_does_not() {
    let ([port], upstream) = (free().await, Upstream::start().await);
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let secure = on(port, &upstream).with(json!({"protocol": "https"}));
    let pair = json!([{"cert_file": "gateway.crt", "key_file": "gateway.key"}]);
    let setup = open(Setup::from(secure))
        .file("gateway.crt", cert.pem())
        .file("gateway.key", signing_key.serialize_pem())
        .conf(json!({"http_server_options": {"certificates": pair}}));
    let gateway = Gateway::start(setup).await;
    until("the port", async || is_open(port).await).await;

    let asked = async |url: &str| {
        let output = outrigger(&["healthcheck", "--insecure", "--url", url]).output().await.unwrap();
        output.status.code()
    };
    assert_eq!(asked(&format!("https://localhost:{port}/ported/")).await, Some(0));
    assert_eq!(asked(&format!("http://{}/hello", gateway.address)).await, Some(0));
}

#[tokio::test]
async fn ports_come_and_go_with_reloads() {
    let ([first, second], upstream) = (free().await, Upstream::start().await);
    let gateway = Gateway::start(open(Setup::from(on(first, &upstream)))).await;
    until("the first port", async || is_open(first).await).await;
    let mut idle = Connection::open(local(first)).await.unwrap();
    assert_eq!(idle.get("/ported/").await.status(), 200);

    let moved = on(second, &upstream).document(|_| String::new());
    assert_eq!(call(&gateway, "PUT", "/tyk/apis/ported", &moved).await, 200);
    assert_eq!(call(&gateway, "GET", "/tyk/reload?block=true", &Value::Null).await, 200);

    assert_eq!(get(second, "/ported/").await.status(), 200);
    assert!(!is_open(first).await);
    let again = request("GET", "/ported/").header("host", "h").body(Full::<Bytes>::default()).unwrap();
    until("the idle connection to be closed", async || idle.send(again.clone()).await.is_err()).await;
}

#[tokio::test]
async fn a_port_that_somebody_else_has_is_told_and_tried_again_and_the_others_go_on() {
    let upstream = Upstream::start().await;
    let somebody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = somebody.local_addr().unwrap().port();
    let setup = open(Setup::from(on(port, &upstream)).api(api(&upstream).named("main")));
    let gateway = Gateway::start(setup).await;

    let said = gateway.process.says("listen_port of API definitions cannot be opened").await;
    assert!(said.contains(&format!("127.0.0.1:{port} is in use")), "{said}");
    assert_eq!(gateway.get("/main/").await.status(), 200);

    drop(somebody);
    assert_eq!(call(&gateway, "GET", "/tyk/reload?block=true", &Value::Null).await, 200);
    assert_eq!(get(port, "/ported/").await.status(), 200);
}

#[tokio::test]
async fn the_control_api_has_a_port_for_itself_and_health_goes_with_it() {
    let ([control], upstream) = (free().await, Upstream::start().await);
    let setup = Setup::from(api(&upstream)).conf(json!({"control_api_port": control, "secret": SECRET}));
    let folder = setup.write();
    let mut command = outrigger(&["--conf", "tyk.conf"]);
    command.current_dir(folder.path());
    let mut process = Process::start("the gateway", command);
    let said: Value = serde_json::from_str(&process.says("\"listening\"").await).unwrap();
    let main: SocketAddr = said["address"].as_str().unwrap().parse().unwrap();

    assert_eq!([get(control, "/hello").await.status(), get(control, "/ready").await.status()], [200, 200]);
    let secret = request("GET", "/tyk/apis").header("X-Tyk-Authorization", SECRET).body(Full::default()).unwrap();
    let mut connection = Connection::open(local(control)).await.unwrap();
    assert_eq!(connection.send(secret).await.unwrap().status(), 200);
    assert_eq!([get(control, "/tyk/apis").await.status(), get(control, "/x").await.status()], [403, 404]);
    for path in ["/x", "/hello", "/tyk/apis"] {
        assert_eq!(get(main.port(), path).await.text(), "hello from upstream");
    }
    process.tell(Signal::TERM);
    assert_eq!(process.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_control_port_that_somebody_else_has_stops_the_start() {
    let somebody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = somebody.local_addr().unwrap().port();

    let (code, said) = Gateway::refused(Setup::new().conf(json!({"control_api_port": port}))).await;

    assert_eq!(code, 1);
    assert!(said.contains(&format!("127.0.0.1:{port} is in use")), "{said}");
}
