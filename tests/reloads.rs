//! Reloads and renewed certificates under load: no request fails, and nothing is left behind.
//!
//! `OUTRIGGER_TEST_RELOADS` says how many reloads there are: 20 unless set.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use outrigger_plugin::{AuthRequest, HookResult, Plugin, Request as HookRequest, Session};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use crate::harness::{Api, Authority, Connection, Gateway, Setup, Upstream, api, request, serve, until, within};

const SECRET: &str = "control-secret";
/// Connections in the clear.
const CLIENTS: usize = 32;
/// TLS clients of each kind.
const SECURE: usize = 3;
/// When everything has been used that is going to be.
const WARM: usize = 10;
/// Resident memory at the end, as a share of that of the warm gateway: the allocator takes 2 MiB at a time.
const GROWTH: f64 = 1.1;
/// A count that is the same in so many looks in a row stands.
const STANDING: usize = 20;
/// How many kept connections to upstreams there may be that there were not before.
const SLACK_DESCRIPTORS: usize = 16;

struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn pre(&self, request: &mut HookRequest) -> HookResult {
        request.set_header("X-Pre", "1");
        Ok(())
    }

    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        let session = Session::new(request.header("X-Key").unwrap_or_default());
        // A deadline is another one each second, and the store would have to be told.
        let cached = request.path().starts_with("/known/");
        request.allow(if cached { session.cache_for(Duration::from_secs(3600)) } else { session })
    }
}

/// What clients met with.
#[derive(Default)]
struct Load {
    answered: AtomicU64,
    failures: Mutex<Vec<String>>,
    /// Clients hold it during a request; who holds it alone sees the gateway at rest.
    under_way: RwLock<()>,
}

impl Load {
    fn note(&self, what: &str, outcome: Result<u16, String>) {
        match outcome {
            Ok(200) => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
            other => self.failures.lock().unwrap().push(format!("{what}: {other:?}")),
        }
    }

    /// A client whose connection is kept; it is an error if it ends.
    async fn plain(self: Arc<Self>, address: SocketAddr, number: usize) {
        let mut connection = Connection::open(address).await.unwrap();
        for path in ["/stays/", "/changes/", "/hooked/", "/keyed/", "/known/"].iter().cycle() {
            let _under_way = self.under_way.read().await;
            let asked = request("POST", path).header("X-Key", format!("key-{number}"));
            let answer = connection.send(asked.body(Full::from("some body")).unwrap()).await;
            self.note(path, answer.map(|answer| answer.status()).map_err(|error| error.to_string()));
        }
    }

    /// A client that speaks HTTP/2 over one TLS connection.
    async fn kept(self: Arc<Self>, authority: Arc<Authority>, address: SocketAddr) {
        let socket = authority.connect(address, &["h2"]).await.unwrap();
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        loop {
            let _under_way = self.under_way.read().await;
            let asked = Request::get("https://localhost/secure/").body(Full::<Bytes>::default()).unwrap();
            let answer = within("an answer over HTTP/2", sender.send_request(asked)).await;
            let outcome = match answer {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    answer.into_body().collect().await.map(|_| status)
                }
                Err(error) => Err(error),
            };
            self.note("HTTP/2 over TLS", outcome.map_err(|error| error.to_string()));
        }
    }

    /// A client that shakes hands for every request.
    async fn anew(self: Arc<Self>, authority: Arc<Authority>, address: SocketAddr) {
        loop {
            let _under_way = self.under_way.read().await;
            self.note("a new TLS connection", once(&authority, address).await.map_err(|error| error.to_string()));
        }
    }
}

async fn once(authority: &Authority, address: SocketAddr) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
    let socket = authority.connect(address, &["http/1.1"]).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let served = tokio::spawn(connection);
    let asked = Request::get("/secure/").header("host", "localhost").body(Full::<Bytes>::default())?;
    let answer = within("an answer over TLS", sender.send_request(asked)).await?;
    let status = answer.status().as_u16();
    answer.into_body().collect().await?;
    drop(sender);
    served.await??;
    Ok(status)
}

/// The definitions, and what they say in each round.
struct Definitions {
    folder: TempDir,
    upstreams: [Upstream; 2],
}

impl Definitions {
    fn write(&self, api: &Api) {
        let name = api.definition["api_id"].as_str().unwrap().to_owned();
        self.replace(&name, &api.document(|_| String::new()).to_string());
    }

    fn replace(&self, name: &str, text: &str) {
        let next = self.folder.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.folder.path().join(format!("{name}.json"))).unwrap();
    }

    /// One API changes all it can, one comes and goes with a port of its own, one is broken now and then.
    fn change(&self, round: usize, changing: &[Api], port: u16) {
        let [one, other] = &self.upstreams;
        let balanced = [one.address.to_string(), other.address.to_string()];
        for api in changing {
            self.write(&api.clone().with(json!({
                "proxy": {"enable_load_balancing": round.is_multiple_of(3), "target_list": balanced},
                "global_rate_limit": {"rate": 1_000_000 + round, "per": 1},
                "version_data": {"versions": {"Default": {
                    "global_headers": {"X-Round": round.to_string()},
                    "extended_paths": {"hard_timeouts": [{"path": format!("/{round}"), "method": "POST", "timeout": 5}]},
                }}},
            })));
        }
        match round % 2 {
            0 => drop(fs::remove_file(self.folder.path().join("comes.json"))),
            _ => self.write(&api(one).named("comes").with(json!({"listen_port": port, "protocol": "http"}))),
        }
        self.replace("broken", if round.is_multiple_of(5) { "{" } else { r#"{"api_id": "broken", "proxy": 5}"# });
    }
}

async fn reload(gateway: &Gateway) {
    let asked = request("GET", "/tyk/reload?block=true").header("X-Tyk-Authorization", SECRET);
    assert_eq!(gateway.send(asked, "").await.json()["status"], "ok");
}

/// Resident memory in KiB, and how many files are open, while no request is under way.
async fn at_rest(gateway: &Gateway, load: &Load) -> (u64, usize) {
    let _alone = load.under_way.write().await;
    let (mut open, mut looks) = (gateway.process.descriptors(), 0);
    // Ends of connections that clients have closed need not be noticed at once.
    until("the end of what was closed", async || {
        let before = std::mem::replace(&mut open, gateway.process.descriptors());
        looks = if open == before { looks + 1 } else { 0 };
        looks == STANDING
    })
    .await;
    (gateway.process.resident(), open)
}

/// Another certificate is shown sooner or later.
async fn shown(authority: &Authority, address: SocketAddr, certificate: &[u8]) -> bool {
    let socket = authority.connect(address, &["http/1.1"]).await.unwrap();
    socket.get_ref().1.peer_certificates().unwrap()[0].as_ref() == certificate
}

fn setup(definitions: &Definitions, authority: &Authority) -> Setup {
    let conf: Value = json!({
        "secret": SECRET,
        "disable_ports_whitelist": true,
        "app_path": definitions.folder.path(),
    });
    Setup::new().conf(authority.conf()).conf(conf)
}

#[tokio::test]
async fn no_request_fails_and_nothing_is_left_behind() {
    let reloads: usize = std::env::var("OUTRIGGER_TEST_RELOADS").map_or(20, |reloads| reloads.parse().unwrap());
    let echo = || {
        Upstream::answering(|received| {
            let round = received.header("x-round").unwrap_or_default().to_owned();
            Response::new(Full::from(round))
        })
    };
    let definitions = Definitions { folder: tempfile::tempdir().unwrap(), upstreams: [echo().await, echo().await] };
    let [one, _] = &definitions.upstreams;
    let authority = Arc::new(Authority::new());
    let plugins = serve(Doorkeeper).await;
    let ports = [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let [secure, port] = ports.map(|listener| listener.local_addr().unwrap());
    let extractor =
        json!({"extract_from": "header", "extract_with": "value", "extractor_config": {"header_name": "X-Key"}});
    let known = api(one).named("known").auth(plugins.clone());
    let changing = [
        api(one).named("changes"),
        api(one).named("hooked").pre(plugins.clone()),
        known.with(json!({"custom_middleware": {"id_extractor": extractor}})),
    ];

    definitions.write(&api(one).named("stays"));
    definitions.write(&api(one).named("keyed").auth(plugins.clone()));
    definitions.write(&api(one).named("secure").with(json!({"listen_port": secure.port(), "protocol": "https"})));
    definitions.change(0, &changing, port.port());
    // It names the server of all hooks.
    let named = api(one).named("unused").pre(plugins);
    let gateway = Gateway::start(setup(&definitions, &authority).api(named)).await;
    until("the secure port", async || authority.connect(secure, &[]).await.is_ok()).await;

    let (load, mut clients) = (Arc::new(Load::default()), JoinSet::new());
    for number in 0..CLIENTS {
        clients.spawn(Arc::clone(&load).plain(gateway.address, number));
    }
    for _ in 0..SECURE {
        clients.spawn(Arc::clone(&load).kept(Arc::clone(&authority), secure));
        clients.spawn(Arc::clone(&load).anew(Arc::clone(&authority), secure));
    }

    let mut seen = Vec::new();
    let mut newest = authority.renew();
    for round in 1..=reloads {
        definitions.change(round, &changing, port.port());
        reload(&gateway).await;
        assert_eq!(gateway.get("/changes/").await.text(), round.to_string());
        assert_eq!(tokio::net::TcpStream::connect(port).await.is_ok(), round % 2 == 1, "round {round}");
        if round % 4 == 0 {
            newest = authority.renew();
        }
        definitions.upstreams.iter().for_each(|upstream| drop(upstream.drain()));
        if round.is_multiple_of(WARM) {
            seen.push(at_rest(&gateway, &load).await);
        }
    }
    until("the newest certificate", async || shown(&authority, secure, &newest).await).await;
    let (before, after) = (seen[0], at_rest(&gateway, &load).await);
    let ended = clients.try_join_next().is_some();
    clients.shutdown().await;

    let growth = after.0 as f64 / before.0 as f64;
    let (answered, failures) = (load.answered.load(Ordering::Relaxed), load.failures.lock().unwrap());
    eprintln!(
        "{reloads} reloads, {answered} requests, {} failed; KiB and descriptors {seen:?}, then {after:?}: {growth:.3}",
        failures.len()
    );
    assert!(
        failures.is_empty() && !ended,
        "{} of {answered}: {:#?}",
        failures.len(),
        &failures[..failures.len().min(20)]
    );
    assert!(growth <= GROWTH, "resident memory in KiB: {} after {before:?}", after.0);
    assert!(after.1 <= before.1 + SLACK_DESCRIPTORS, "open descriptors: {} after {before:?}", after.1);
}
