//! What a killed gateway still knows with the embedded store: every session that was acknowledged,
//! and counters up to the last second.
//!
//! `OUTRIGGER_TEST_KILLS` says how often it is killed under load: 10 times unless set.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use outrigger_plugin::{AuthRequest, HookResult, Plugin, Session};
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Connection, Gateway, Setup, Upstream, api, request, serve};

const CLIENTS: usize = 8;
const QUOTA: u32 = 100_000_000;
/// A killed gateway may forget what it counted in so long.
const FORGOTTEN: Duration = Duration::from_secs(1);
/// Its key is used by all clients.
const COUNTED: &str = "counted";

/// For how long a gateway lives under load: long enough for what is counted to be safe, or not, or
/// hardly started.
fn lifetime(round: usize) -> Duration {
    Duration::from_millis([1600, 120, 240, 0, 360][round % 5])
}

/// Lets in whoever has a key, for an hour, and counts how often it is asked for each. Sessions are
/// large, so that files of the store are written and merged all the time.
struct Doorkeeper {
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

impl Plugin for Doorkeeper {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        let key = request.header("X-Key").unwrap_or_default().to_owned();
        *self.asked.lock().unwrap().entry(key.clone()).or_default() += 1;
        let hour = Duration::from_secs(3600);
        request.allow(Session::new(key).cache_for(hour).quota(QUOTA, hour).metadata("ballast", "b".repeat(32_768)))
    }
}

/// What clients know to have happened in a gateway's life.
#[derive(Default)]
struct Books {
    stored: Mutex<Vec<String>>,
    counted: Mutex<Vec<(Instant, u64)>>,
    sent: AtomicU64,
}

impl Books {
    /// Stores sessions and counts, until the gateway is gone.
    async fn fill(&self, address: SocketAddr, client: &str) {
        let Ok(mut connection) = Connection::open(address).await else { return };
        for i in 0.. {
            let key = format!("{client}-{i}");
            if used(&mut connection, &key).await.is_none() {
                return;
            }
            self.stored.lock().unwrap().push(key);
            self.sent.fetch_add(1, Ordering::SeqCst);
            let Some(used) = used(&mut connection, COUNTED).await else { return };
            self.counted.lock().unwrap().push((Instant::now(), used));
        }
    }

    /// The count that was acknowledged before that time.
    fn counted_before(&self, time: Instant) -> u64 {
        let counted = self.counted.lock().unwrap();
        counted.iter().filter(|(at, _)| *at < time).map(|(_, used)| *used).max().unwrap_or_default()
    }
}

/// How much of its quota this key has used, this request too; none if the gateway is gone.
async fn used(connection: &mut Connection, key: &str) -> Option<u64> {
    let request = request("GET", "/x").header("X-Key", key).body(Default::default()).unwrap();
    let answer = connection.send(request).await.ok()?;
    assert_eq!(answer.status(), 200, "{key}: {answer:?}");
    let remaining: u64 = answer.header("X-RateLimit-Remaining")?.parse().unwrap();
    Some(u64::from(QUOTA) - remaining)
}

async fn counted(gateway: &Gateway) -> u64 {
    let mut connection = Connection::open(gateway.address).await.unwrap();
    used(&mut connection, COUNTED).await.unwrap()
}

/// Loads a gateway and kills it; gives the sessions that were stored, and the least and the most
/// that may have been counted in the end.
async fn load_and_kill(gateway: Gateway, round: usize, already: u64) -> (Vec<String>, u64, u64) {
    let (books, address) = (Arc::new(Books::default()), gateway.address);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let books = Arc::clone(&books);
        clients.spawn(async move { books.fill(address, &format!("{round}-{client}")).await });
    }
    tokio::time::sleep(lifetime(round)).await;
    let killed = Instant::now();
    gateway.process.kill().await;
    clients.join_all().await;
    // The count that it began with was on the disk, but for the request that asked for it.
    let least = books.counted_before(killed - FORGOTTEN).max(already - 1);
    let most = already + books.sent.load(Ordering::SeqCst);
    let stored = std::mem::take(&mut *books.stored.lock().unwrap());
    (stored, least, most)
}

#[tokio::test]
async fn a_killed_gateway_forgets_no_session_and_at_most_a_second_of_counting() {
    let kills = std::env::var("OUTRIGGER_TEST_KILLS").map_or(10, |kills| kills.parse().unwrap());
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let asked = Arc::new(Mutex::new(HashMap::new()));
    let plugin = serve(Doorkeeper { asked: Arc::clone(&asked) }).await;
    let extractor =
        json!({"extract_from": "header", "extract_with": "value", "extractor_config": {"header_name": "X-Key"}});
    let api = api(&upstream).auth(plugin).with(json!({"custom_middleware": {"id_extractor": extractor}}));
    let conf = json!({"storage": {"type": "embedded", "path": folder.path()}});
    let start = || Gateway::start(Setup::from(api.clone()).conf(conf.clone()));

    let mut gateway = start().await;
    let mut already = counted(&gateway).await;
    let mut sessions = Vec::new();
    for round in 0..kills {
        let (stored, least, most) = load_and_kill(gateway, round, already).await;
        sessions.extend(stored);
        gateway = start().await;
        already = counted(&gateway).await;
        assert!((least..=most).contains(&(already - 1)), "round {round}: {least} <= {} <= {most}", already - 1);
    }

    let mut connection = Connection::open(gateway.address).await.unwrap();
    for key in &sessions {
        used(&mut connection, key).await.unwrap();
    }
    let asked = asked.lock().unwrap();
    let forgotten: Vec<_> = sessions.iter().filter(|key| asked[*key] > 1).collect();
    assert!(sessions.len() > kills * CLIENTS, "{} sessions are no load", sessions.len());
    assert!(forgotten.is_empty(), "{} of {} sessions: {forgotten:?}", forgotten.len(), sessions.len());
    eprintln!("{kills} kills, {} sessions, {already} counted", sessions.len());
}
