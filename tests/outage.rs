//! A plugin server goes away and comes back while clients go on calling.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;

use crate::harness::{Connection, Gateway, Language, Upstream, api, example, request, until};

const CONNECTIONS: usize = 32;
const REFUSED: &str = "{\n    \"error\": \"Middleware error\"\n}";

/// What the connections of a run have seen, in a row, since the last change.
#[derive(Default)]
struct Seen {
    served: [AtomicUsize; CONNECTIONS],
    refused: [AtomicUsize; CONNECTIONS],
    done: AtomicBool,
}

impl Seen {
    fn forget(&self) {
        self.served.iter().chain(&self.refused).for_each(|count| count.store(0, Ordering::SeqCst));
    }

    async fn all(&self, what: &str, counts: &[AtomicUsize; CONNECTIONS]) {
        self.forget();
        until(what, async || counts.iter().all(|count| count.load(Ordering::SeqCst) >= 3)).await;
    }
}

/// Sends one request after the other over one connection; gives how many, all answered.
async fn call(gateway: std::net::SocketAddr, at: usize, seen: Arc<Seen>) -> usize {
    let mut connection = Connection::open(gateway).await.unwrap();
    let mut sent = 0;
    while !seen.done.load(Ordering::SeqCst) {
        let request = request("GET", "/").body(Full::<Bytes>::default()).unwrap();
        let answer = connection.send(request).await.unwrap_or_else(|error| panic!("request {sent} of {at}: {error}"));
        match (answer.status(), answer.text()) {
            (200, "hello from upstream") => seen.served[at].fetch_add(1, Ordering::SeqCst),
            (500, REFUSED) => seen.refused[at].fetch_add(1, Ordering::SeqCst),
            _ => panic!("{answer:?}"),
        };
        sent += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sent
}

#[tokio::test]
async fn while_a_plugin_server_is_away_requests_are_answered_500_and_after_its_return_served() {
    let upstream = Upstream::start().await;
    let (process, plugin) = example(Language::Rust, "headers", "127.0.0.1:0").await;
    let address = plugin.address.clone();
    let gateway = Gateway::start(api(&upstream).pre(plugin)).await;
    let seen = Arc::new(Seen::default());
    let calls: Vec<_> = (0..CONNECTIONS).map(|at| tokio::spawn(call(gateway.address, at, Arc::clone(&seen)))).collect();

    seen.all("every connection to be served", &seen.served).await;
    process.kill().await;
    seen.all("every connection to be refused", &seen.refused).await;
    // Long enough for pauses between attempts to connect to grow, if they did.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_process, _) = example(Language::Rust, "headers", address.trim_start_matches("tcp://")).await;
    seen.all("every connection to be served again", &seen.served).await;
    seen.forget();
    seen.all("every connection to be served on", &seen.served).await;
    assert_eq!(seen.refused.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>(), 0);

    seen.done.store(true, Ordering::SeqCst);
    let mut answered = 0;
    for call in calls {
        answered += call.await.expect("no request without an answer");
    }
    assert!(answered >= 12 * CONNECTIONS, "{answered}");
    let untouched = upstream.requests().iter().filter(|request| request.header("X-Client").is_none()).count();
    assert_eq!(untouched, 0, "no request reaches the upstream past a hook that was not called");
}
