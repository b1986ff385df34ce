//! The cache of replies: what is kept, for whom, and for how long.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Response;
use http_body_util::Full;
use outrigger_plugin::{HookResult, Plugin, Response as Reply, SessionRequest};
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Gateway, Redis, Setup, Upstream, api, request, serve, until};

/// Everything safe is kept for long.
fn cached(upstream: &Upstream) -> Api {
    api(upstream).with(options(json!({"cache_all_safe_requests": true})))
}

fn options(change: Value) -> Value {
    let mut options = json!({"enable_cache": true, "cache_timeout": 600});
    options.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"cache_options": options})
}

fn paths(lists: Value) -> Value {
    json!({"version_data": {"versions": {"Default": {"use_extended_paths": true, "extended_paths": lists}}}})
}

/// Replies say which request of all it was.
async fn counting(dress: fn(http::response::Builder) -> http::response::Builder) -> Upstream {
    let count = AtomicUsize::new(0);
    Upstream::answering(move |_| {
        let body = count.fetch_add(1, Ordering::Relaxed).to_string();
        dress(Response::builder()).body(Full::from(body)).unwrap()
    })
    .await
}

fn is_cached(answer: &Answer) -> bool {
    answer.header("x-tyk-cached-response") == Some("1")
}

#[tokio::test]
async fn a_reply_is_for_requests_of_the_same_caller_that_say_the_same() {
    let upstream = counting(|reply| reply).await;
    let change = options(json!({"cache_all_safe_requests": true, "cache_by_headers": ["X-Kind"]}));
    let gateway = Gateway::start(api(&upstream).with(change)).await;
    let first = gateway.get("/a?b=c").await;
    let second = gateway.get("/a?b=c").await;
    assert_eq!((first.text(), is_cached(&first)), ("0", false));
    assert_eq!((second.text(), is_cached(&second)), ("0", true));
    assert_eq!(second.header("X-Ratelimit-Limit"), Some("0"), "as on every reply");
    for (other, count) in [
        (request("GET", "/a?b=d"), "1"),
        (request("HEAD", "/a?b=c"), ""),
        (request("GET", "/a?b=c").header("X-Kind", "other"), "3"),
        (request("GET", "/a?b=c").header("X-Real-IP", "10.0.0.1"), "4"),
        (request("GET", "/a?b=c").header("Authorization", "another"), "5"),
        (request("GET", "/a?b=c").header("Range", "bytes=0-1"), "6"),
        (request("GET", "/a?b=c").header("Range", "bytes=0-1"), "7"),
        (request("POST", "/a?b=c"), "8"),
        (request("POST", "/a?b=c"), "9"),
    ] {
        let answer = gateway.send(other, "").await;
        assert_eq!((answer.text(), is_cached(&answer)), (count, false));
    }
    assert_eq!(gateway.get("/a?b=c").await.text(), "0");
    let head = gateway.send(request("HEAD", "/a?b=c"), "").await;
    assert_eq!((is_cached(&head), head.header("Content-Length")), (true, Some("1")));
}

struct Hooks(Arc<AtomicUsize>);

impl Plugin for Hooks {
    async fn post(&self, _: &mut SessionRequest) -> HookResult {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn response(&self, _: &SessionRequest, response: &mut Reply) -> HookResult {
        self.0.fetch_add(1, Ordering::Relaxed);
        response.set_header("X-Hook", "was here");
        Ok(())
    }
}

#[tokio::test]
async fn a_kept_reply_has_what_response_hooks_made_and_spares_them_and_post_hooks() {
    let upstream = Upstream::start().await;
    let calls = Arc::<AtomicUsize>::default();
    let plugin = serve(Hooks(Arc::clone(&calls))).await;
    let gateway = Gateway::start(cached(&upstream).post(plugin.clone()).response(plugin)).await;
    for kept in [false, true] {
        let answer = gateway.get("/").await;
        assert_eq!((answer.header("X-Hook"), is_cached(&answer)), (Some("was here"), kept));
    }
    assert_eq!((calls.load(Ordering::Relaxed), upstream.requests().len()), (2, 1));
}

#[tokio::test]
async fn what_is_kept_of_an_error_is_what_stands_in_its_place() {
    let upstream = Upstream::answering(|_| Response::builder().status(404).body(Full::from("raw")).unwrap()).await;
    let instead = json!({"error_overrides": {"404": [{"response": {"status_code": 418, "message": "tea"}}]}});
    let gateway = Gateway::start(cached(&upstream).with(instead)).await;
    for kept in [false, true] {
        let answer = gateway.get("/").await;
        assert_eq!((answer.status(), &*answer.error(), is_cached(&answer)), (418, "tea", kept));
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn paths_have_their_own_terms() {
    let upstream = counting(|reply| reply).await;
    let rules = paths(json!({
        "cache": ["/safe"],
        "advance_cache_config": [
            {"path": "/search", "method": "POST", "cache_key_regex": "term=[a-z]+"},
            {"path": "/teapot", "cache_response_codes": [418]},
        ],
    }));
    let gateway = Gateway::start(api(&upstream).with(rules).with(options(json!({})))).await;
    let kept = async |method: &str, path: &str, body: &str| is_cached(&gateway.send(request(method, path), body).await);
    for (method, path, body, second) in [
        ("GET", "/safe", "", true),
        ("POST", "/safe", "", false),
        ("GET", "/elsewhere", "", false),
        ("GET", "/teapot", "", false),
        ("GET", "/search", "", false),
    ] {
        let both = [kept(method, path, body).await, kept(method, path, body).await];
        assert_eq!(both, [false, second], "{method} {path}");
    }
    let bodies = ["id=1&term=a", "id=2&term=a", "id=1&term=b", "other", "another", "other"];
    let mut found = Vec::new();
    for body in bodies {
        found.push(kept("POST", "/search", body).await);
    }
    assert_eq!(found, [false, true, false, false, false, true]);
}

#[tokio::test]
async fn an_upstream_may_decide_what_is_kept() {
    let upstream = Upstream::answering(|received| {
        let (keep, seconds) = received.target.trim_start_matches('/').split_once('/').unwrap();
        let reply = Response::builder().header("x-tyk-cache-action-set", keep).header("X-Seconds", seconds);
        reply.body(Full::default()).unwrap()
    })
    .await;
    let change = json!({
        "cache_all_safe_requests": true, "enable_upstream_cache_control": true, "cache_control_ttl_header": "X-Seconds",
    });
    let gateway = Gateway::start(api(&upstream).with(options(change))).await;
    for (path, kept) in
        [("/1/60", true), ("/1/9000000000000000000", true), ("/1/", true), ("/1/0", false), ("/0/60", false)]
    {
        gateway.get(path).await;
        assert_eq!(is_cached(&gateway.get(path).await), kept, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_has_the_reply_already_is_told_so() {
    let upstream = counting(|reply| reply.header("ETag", "\"one\"")).await;
    let gateway = Gateway::start(cached(&upstream)).await;
    gateway.get("/").await;
    let answer = gateway.send(request("GET", "/").header("If-None-Match", "\"one\""), "").await;
    assert_eq!((answer.status(), answer.text(), answer.header("ETag")), (304, "", Some("\"one\"")));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn what_is_too_long_streams_past_the_cache_and_what_is_unpacked_on_the_way_is_kept() {
    let upstream = Upstream::answering(|received| {
        let text = vec![b'a'; if received.target == "/long" { (1 << 20) + 1 } else { 1 << 19 }];
        if received.target != "/packed" {
            return Response::new(Full::from(text));
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&text).unwrap();
        Response::builder().header("Content-Encoding", "gzip").body(Full::from(packed.finish().unwrap())).unwrap()
    })
    .await;
    let gateway = Gateway::start(cached(&upstream)).await;
    for (path, length, kept) in [("/long", (1 << 20) + 1, false), ("/short", 1 << 19, true), ("/packed", 1 << 19, true)]
    {
        for kept in [false, kept] {
            let answer = gateway.get(path).await;
            assert_eq!((answer.body.len(), is_cached(&answer)), (length, kept), "{path}");
        }
    }
}

#[tokio::test]
async fn replies_are_forgotten_in_time_and_on_request() {
    let upstream = counting(|reply| reply).await;
    let short = options(json!({"cache_all_safe_requests": true, "cache_timeout": 1}));
    let setup = Setup::new().api(cached(&upstream).named("long")).api(api(&upstream).named("short").with(short));
    let gateway = Gateway::start(setup.conf(json!({"secret": "s"}))).await;
    gateway.get("/short/").await;
    until("a reply anew", async || !is_cached(&gateway.get("/short/").await)).await;

    gateway.get("/long/").await;
    assert!(is_cached(&gateway.get("/long/").await));
    let call = request("DELETE", "/tyk/cache/long").header("X-Tyk-Authorization", "s");
    let answer = gateway.send(call, "").await;
    assert_eq!((answer.status(), answer.json()), (200, json!({"status": "ok", "message": "cache invalidated"})));
    assert!(!is_cached(&gateway.get("/long/").await));
}

#[tokio::test]
async fn gateways_that_share_a_redis_share_replies() {
    let (upstream, redis) =
        (counting(|reply| reply.header("X-Two", "1").header("X-Two", "2")).await, Redis::start().await);
    let messages = json!({"secret": "s", "allow_insecure_configs": true});
    let node = || Setup::from(cached(&upstream)).conf(redis.conf()).conf(messages.clone());
    let (one, other) = (Gateway::start(node()).await, Gateway::start(node()).await);
    one.get("/").await;
    until("the reply", async || is_cached(&other.get("/").await)).await;
    let answer = other.get("/").await;
    assert_eq!(answer.headers.get_all("x-two").iter().count(), 2);
    let keys: Vec<String> = redis.say(&["KEYS", "cache-api*"]);
    assert_eq!(keys.len(), 1);
    let left: i64 = redis.say(&["TTL", &keys[0]]);
    assert!((590..=600).contains(&left), "{left}");

    let call = request("DELETE", "/tyk/cache/api").header("X-Tyk-Authorization", "s");
    assert_eq!(other.send(call, "").await.status(), 200);
    assert_eq!(redis.say::<Vec<String>>(&["KEYS", "cache-api*"]), Vec::<String>::new());

    one.get("/").await;
    until("the reply", async || is_cached(&other.get("/").await)).await;
    redis.say::<()>(&["PUBLISH", "tyk.cluster.notifications", r#"{"command": "DeleteAPICache", "payload": "api"}"#]);
    until("the end of the reply", async || redis.say::<Vec<String>>(&["KEYS", "cache-api*"]).is_empty()).await;
}
