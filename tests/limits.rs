//! Rates and quotas of keys, APIs and organisations, however many ask at once and on however many nodes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use outrigger_plugin::{AuthRequest, HookResult, Plugin, Session, SessionRequest};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Answer, Api, Connection, Gateway, Redis, Setup, Upstream, api, request, serve, until};

const CONNECTIONS: usize = 64;
const MINUTE: Duration = Duration::from_secs(60);

/// Lets everybody in who has a key, with the rate (in 600 seconds), quota or policy that the request asks for.
struct Granter;

impl Plugin for Granter {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        let wish = |name: &str| request.header(name).and_then(|text| text.parse::<u32>().ok());
        let mut session = Session::new(request.header("X-Key").unwrap_or_default()).cache_for(MINUTE);
        if let Some(rate) = wish("X-Rate") {
            session = session.rate(rate, 10 * MINUTE);
        }
        if let Some(quota) = wish("X-Quota") {
            session = session.quota(quota, 10 * MINUTE);
        }
        if let Some(pattern) = request.header("X-Pattern") {
            let user = request.header("X-User").unwrap_or_default();
            session = session.metadata("rate_limit_pattern", pattern).metadata("user", user);
        }
        if let Some(policy) = request.header("X-Policy") {
            session = session.policy(policy);
        }
        request.allow(session)
    }

    async fn post_key_auth(&self, request: &mut SessionRequest) -> HookResult {
        tell_left("X-Before", request);
        Ok(())
    }

    async fn post(&self, request: &mut SessionRequest) -> HookResult {
        tell_left("X-After", request);
        Ok(())
    }
}

fn tell_left(header: &str, request: &mut SessionRequest) {
    let left = request.session().and_then(|session| session.quota_remaining());
    request.set_header(header, left.map(|left| left.to_string()).unwrap_or_default());
}

async fn guarded(upstream: &Upstream) -> Api {
    api(upstream).named("api").auth(serve(Granter).await).with(json!({"custom_middleware": {"id_extractor": {
        "extract_from": "header", "extract_with": "value", "extractor_config": {"header_name": "X-Key"},
    }}}))
}

type Wishes<'a> = &'a [(&'a str, &'a str)];

fn asking(path: &str, wishes: Wishes<'_>) -> http::Request<Full<Bytes>> {
    let request = wishes.iter().fold(request("GET", path), |request, (name, value)| request.header(*name, *value));
    request.body(Full::default()).unwrap()
}

async fn ask(gateway: SocketAddr, path: &str, wishes: Wishes<'_>) -> Answer {
    Connection::open(gateway).await.unwrap().send(asking(path, wishes)).await.unwrap()
}

/// What all connections, spread over the gateways, are answered to so many requests each.
async fn crowd(gateways: &[&Gateway], each: usize, path: &str, wishes: Wishes<'_>) -> BTreeMap<u16, usize> {
    let mut clients = JoinSet::new();
    for (gateway, _) in gateways.iter().cycle().zip(0..CONNECTIONS) {
        let mut connection = Connection::open(gateway.address).await.unwrap();
        let requests: Vec<_> = (0..each).map(|_| asking(path, wishes)).collect();
        clients.spawn(async move {
            let mut statuses = Vec::new();
            for request in requests {
                statuses.push(connection.send(request).await.unwrap().status());
            }
            statuses
        });
    }
    clients.join_all().await.concat().into_iter().fold(BTreeMap::new(), |mut counts, status| {
        *counts.entry(status).or_default() += 1;
        counts
    })
}

fn counts(pairs: &[(u16, usize)]) -> BTreeMap<u16, usize> {
    pairs.iter().copied().collect()
}

/// The settings of each kind of limiter.
fn kinds() -> [Value; 4] {
    let on = |key: &str| json!({ key: true });
    [
        json!({}),
        on("enable_redis_rolling_limiter"),
        on("enable_sentinel_rate_limiter"),
        on("enable_fixed_window_rate_limiter"),
    ]
}

#[tokio::test]
async fn on_one_node_every_limiter_admits_exactly_the_rate_however_many_ask_at_once() {
    let (upstream, redis) = (Upstream::start().await, Redis::start().await);
    for (at, kind) in kinds().into_iter().enumerate() {
        for store in [json!({}), redis.conf()] {
            let setup = Setup::from(guarded(&upstream).await).conf(kind.clone()).conf(store);
            let gateway = Gateway::start(setup).await;
            let key = format!("key-{at}");
            let answers = crowd(&[&gateway], 3, "/api/x", &[("X-Key", &key), ("X-Rate", "50")]).await;
            assert_eq!(answers, counts(&[(200, 50), (429, 3 * CONNECTIONS - 50)]), "{kind}");
            let refused = ask(gateway.address, "/api/x", &[("X-Key", &key)]).await;
            assert_eq!((refused.status(), refused.error()), (429, "Rate Limit Exceeded".to_owned()));
        }
    }
}

/// Two nodes on one Redis that know each other: each tells a new caller that half of its rate is left.
async fn two_nodes(upstream: &Upstream, redis: &Redis, kind: Value) -> [Gateway; 2] {
    let known = json!({"rate_limit_response_headers": "rate_limits", "drl_threshold": 0.01});
    let setup =
        || async { Setup::from(guarded(upstream).await).conf(redis.conf()).conf(known.clone()).conf(kind.clone()) };
    let gateways = [Gateway::start(setup().await).await, Gateway::start(setup().await).await];
    let tries = AtomicUsize::new(0);
    let memory = kind == json!({});
    for gateway in gateways.iter().filter(|_| memory) {
        until("the nodes to know each other", async || {
            let key = format!("new-{}", tries.fetch_add(1, Ordering::Relaxed));
            let answer = ask(gateway.address, "/api/x", &[("X-Key", &key), ("X-Rate", "100")]).await;
            answer.header("x-ratelimit-remaining") == Some("49")
        })
        .await;
    }
    gateways
}

#[tokio::test]
async fn two_nodes_together_admit_no_more_than_the_rate_whatever_the_limiter() {
    let upstream = Upstream::start().await;
    for kind in kinds() {
        let redis = Redis::start().await;
        let [one, other] = two_nodes(&upstream, &redis, kind.clone()).await;
        let answers = crowd(&[&one, &other], 4, "/api/x", &[("X-Key", "k"), ("X-Rate", "60")]).await;
        assert_eq!(answers, counts(&[(200, 60), (429, 4 * CONNECTIONS - 60)]), "{kind}");
        // Too slow a rate to be divided.
        let answers = crowd(&[&one, &other], 1, "/api/x", &[("X-Key", "slow"), ("X-Rate", "5")]).await;
        assert_eq!(answers, counts(&[(200, 5), (429, CONNECTIONS - 5)]), "{kind}");
    }
}

#[tokio::test]
async fn a_quota_is_exact_on_two_nodes_and_refused_requests_of_a_rate_cost_none() {
    let upstream = Upstream::start().await;
    for kind in kinds() {
        let redis = Redis::start().await;
        let [one, other] = two_nodes(&upstream, &redis, kind.clone()).await;
        let answers = crowd(&[&one, &other], 2, "/api/x", &[("X-Key", "k"), ("X-Quota", "50")]).await;
        assert_eq!(answers, counts(&[(200, 50), (403, 2 * CONNECTIONS - 50)]), "{kind}");
        let both = [("X-Key", "both"), ("X-Rate", "20"), ("X-Quota", "30")];
        crowd(&[&one, &other], 2, "/api/x", &both).await;
        let session = ask(one.address, "/api/tyk/rate-limits/", &both).await;
        assert_eq!(session.json()["quota"]["quota_remaining"], 10, "{kind}");
        assert!(session.text().ends_with("\"rate_limit\":{\"requests\":20,\"per_unit\":600}}\n"), "{session:?}");
        let posted = request("POST", "/api/tyk/rate-limits/").header("X-Key", "both");
        assert_eq!(one.send(posted, "").await.text(), session.text(), "whatever the method");
    }
}

#[tokio::test]
async fn hooks_and_clients_are_told_what_is_left_of_a_quota() {
    let upstream = Upstream::start().await;
    let plugin = serve(Granter).await;
    let api = guarded(&upstream).await.post_key_auth(plugin.clone()).post(plugin);
    let gateway = Gateway::start(api).await;
    let mut left = Vec::new();
    for _ in 0..2 {
        let answer = ask(gateway.address, "/api/x", &[("X-Key", "k"), ("X-Quota", "9")]).await;
        left.push(answer.header("x-ratelimit-remaining").map(str::to_owned));
    }
    assert_eq!(left, [Some("8".to_owned()), Some("7".to_owned())]);
    let requests = upstream.requests();
    let told =
        |header: &str| requests.iter().map(|request| request.header(header).unwrap().to_owned()).collect::<Vec<_>>();
    // Before the first count there is no counter, and the session says what the plugin made it say.
    assert_eq!((told("X-Before")[1].as_str(), told("X-After")), ("8", vec!["8".to_owned(), "7".to_owned()]));
}

#[tokio::test]
async fn an_api_has_a_rate_of_its_own_for_all_callers_together() {
    let upstream = Upstream::start().await;
    let limited = |id: &str, limit: Value| api(&upstream).named(id).with(json!({"global_rate_limit": limit}));
    let setup = Setup::new()
        .api(limited("open", json!({"rate": 40, "per": 600})))
        .api(limited("off", json!({"rate": 1, "per": 600, "disabled": true})))
        .api(limited("unlimited", json!({"rate": 1, "per": 600})).with(json!({"disable_rate_limit": true})))
        .api(guarded(&upstream).await.with(json!({"global_rate_limit": {"rate": 3, "per": 600}})));
    let gateway = Gateway::start(setup).await;

    let answers = crowd(&[&gateway], 1, "/open/x", &[]).await;
    assert_eq!(answers, counts(&[(200, 40), (429, CONNECTIONS - 40)]));
    let refused = gateway.get("/open/x").await;
    assert_eq!((refused.status(), refused.error()), (429, "API Rate Limit Exceeded".to_owned()));
    for path in ["/off/x", "/unlimited/x"] {
        assert_eq!(crowd(&[&gateway], 1, path, &[]).await, counts(&[(200, CONNECTIONS)]));
    }
    let mut seen = Vec::new();
    for key in ["a", "a", "b", "b", "c"] {
        let answer = ask(gateway.address, "/api/x", &[("X-Key", key), ("X-Rate", "1")]).await;
        seen.push(if answer.status() == 200 { "served".to_owned() } else { answer.error() });
    }
    assert_eq!(seen, ["served", "Rate Limit Exceeded", "served", "Rate Limit Exceeded", "served"]);
    let fourth = ask(gateway.address, "/api/x", &[("X-Key", "d"), ("X-Rate", "1")]).await;
    assert_eq!(fourth.error(), "API Rate Limit Exceeded");
}

#[tokio::test]
async fn an_organisation_has_limits_of_its_own_on_all_its_apis() {
    let (upstream, mut redis) = (Upstream::start().await, Redis::start().await);
    redis.say::<()>(&["SET", "orgkey.quota", r#"{"quota_max": 20, "quota_renewal_rate": 600}"#]);
    redis.say::<()>(&["SET", "orgkey.rate", r#"{"rate": 10, "per": 600}"#]);
    redis.say::<()>(&["SET", "orgkey.gone", r#"{"is_inactive": true}"#]);
    redis.say::<()>(&["SET", "orgkey.broken", "no session"]);
    let of = |id: &str, org: &str| api(&upstream).named(id).with(json!({"org_id": org}));
    let apis = [
        of("q1", "quota"),
        of("q2", "quota"),
        of("r", "rate"),
        of("i", "gone"),
        of("b", "broken"),
        of("n", "none"),
        of("l", "late"),
    ];
    let setup = Setup::new().conf(redis.conf()).conf(json!({"enforce_org_quotas": true}));
    let gateway = Gateway::start(apis.into_iter().fold(setup, Setup::api)).await;

    assert_eq!(crowd(&[&gateway], 1, "/r/x", &[]).await, counts(&[(200, 10), (403, CONNECTIONS - 10)]));
    let mut quota = crowd(&[&gateway], 1, "/q1/x", &[]).await;
    assert_eq!(quota.remove(&200), Some(20));
    assert_eq!(crowd(&[&gateway], 1, "/n/x", &[]).await, counts(&[(200, CONNECTIONS)]));
    for (path, text) in [
        ("/q2/x", "This organisation quota has been exceeded, please contact your API administrator"),
        ("/r/x", "This organisation rate limit has been exceeded, please contact your API administrator"),
        ("/i/x", "this organisation access has been disabled, please contact your API administrator"),
        ("/b/x", "This organisation quota has been exceeded, please contact your API administrator"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status(), answer.error()), (403, text.to_owned()), "{path}");
    }
    redis.stop();
    assert_eq!(gateway.get("/l/x").await.status(), 403, "nothing is known of it");
    assert_eq!(gateway.get("/n/x").await.status(), 200, "it is known to have no limits");
}

#[tokio::test]
async fn clients_are_told_their_rate_on_every_answer_if_that_is_wanted() {
    let upstream =
        Upstream::answering(|_| Response::builder().header("X-RateLimit-Limit", "9").body(Full::default()).unwrap())
            .await;
    let setup = Setup::from(guarded(&upstream).await).conf(json!({"rate_limit_response_headers": "rate_limits"}));
    let gateway = Gateway::start(setup).await;
    let told = async |wishes: Wishes<'_>| {
        let answer = ask(gateway.address, "/api/x", wishes).await;
        let header = |name: &str| answer.header(name).map(str::to_owned);
        if let Some(reset) = header("x-ratelimit-reset") {
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
            assert!((590..=601).contains(&reset.parse::<u64>().unwrap().saturating_sub(now)), "{reset}");
        }
        (answer.status(), header("x-ratelimit-limit"), header("x-ratelimit-remaining"))
    };
    let text = |text: &str| Some(text.to_owned());
    let limited = [("X-Key", "k"), ("X-Rate", "2"), ("X-Quota", "1")];
    assert_eq!(told(&limited).await, (200, text("2"), text("1")));
    assert_eq!(told(&limited).await, (403, text("2"), text("0")));
    assert_eq!(told(&limited).await, (429, text("2"), text("0")));
    assert_eq!(told(&[("X-Key", "unlimited")]).await, (200, None, None));
}

#[tokio::test]
async fn sessions_that_name_their_counters_alike_share_them() {
    let upstream = Upstream::start().await;
    let context =
        |id: &str| json!({"api_id": id, "proxy": {"listen_path": format!("/{id}/")}, "enable_context_vars": true});
    let setup = Setup::from(guarded(&upstream).await).api(guarded(&upstream).await.with(context("context")));
    let gateway = Gateway::start(setup).await;
    for (path, pattern, [same, other]) in [
        ("/api/x", "u-$tyk_meta.user", [403, 200]),
        ("/api/x", "$tyk_meta.nothing", [200, 200]),
        ("/api/x", "$tyk_context.headers_X_User", [200, 200]),
        ("/context/x", "$tyk_context.headers_X_User", [403, 200]),
    ] {
        let mut seen = Vec::new();
        for (key, user) in [("1", "ann"), ("2", "ann"), ("3", "bob")] {
            let key = format!("{path} {pattern} {key}");
            let wishes = [("X-Key", key.as_str()), ("X-User", user), ("X-Pattern", pattern), ("X-Quota", "1")];
            seen.push(ask(gateway.address, path, &wishes).await.status());
        }
        assert_eq!(seen, [200, same, other], "{path} {pattern}");
    }
}

#[tokio::test]
async fn a_request_over_its_rate_waits_if_its_policy_lets_it() {
    let upstream = Upstream::start().await;
    let policy = |retries| {
        json!({"org_id": "default", "rate": 1, "per": 1, "throttle_interval": 0.3, "throttle_retry_limit": retries,
               "access_rights": {"api": {"versions": ["Default"]}}})
    };
    let policies = json!({"patient": policy(9), "hasty": policy(0)});
    let setup = Setup::from(guarded(&upstream).await)
        .conf(json!({"policies": {"policy_source": "file", "policy_record_name": "policies.json"}}))
        .file("policies.json", policies.to_string());
    let gateway = Gateway::start(setup).await;
    for (policy, second) in [("patient", 200), ("hasty", 429)] {
        let both = [("X-Key", policy), ("X-Policy", policy)];
        let answers = [ask(gateway.address, "/api/x", &both).await, ask(gateway.address, "/api/x", &both).await];
        assert_eq!(answers.map(|answer| answer.status()), [200, second]);
    }
}

/// One client after another, until told to stop; what it was answered, and how often since the last change.
struct Load {
    statuses: Arc<Mutex<Vec<u16>>>,
    done: Arc<AtomicBool>,
    calls: JoinSet<()>,
}

impl Load {
    async fn start(gateway: &Gateway, wishes: &'static [(&'static str, &'static str)]) -> Self {
        let (statuses, done) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let mut calls = JoinSet::new();
        for _ in 0..8 {
            let mut connection = Connection::open(gateway.address).await.unwrap();
            let (statuses, done) = (Arc::clone(&statuses), Arc::clone(&done));
            calls.spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let answer = connection.send(asking("/api/x", wishes)).await.unwrap();
                    statuses.lock().unwrap().push(answer.status());
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        Self { statuses, done, calls }
    }

    /// Waits until every client is answered so, again and again.
    async fn sees(&self, status: u16) {
        self.statuses.lock().unwrap().clear();
        until(&format!("status {status}"), async || {
            let statuses = self.statuses.lock().unwrap();
            statuses.len() >= 32 && statuses.iter().rev().take(32).all(|seen| *seen == status)
        })
        .await;
    }

    async fn end(mut self) {
        self.done.store(true, Ordering::Relaxed);
        while let Some(call) = self.calls.join_next().await {
            call.unwrap();
        }
    }
}

#[tokio::test]
async fn while_redis_is_away_what_it_counts_is_refused_and_after_its_return_served() {
    let (upstream, mut redis) = (Upstream::start().await, Redis::start().await);
    let rate: &[_] = &[("X-Key", "rate"), ("X-Rate", "1000000")];
    let quota: &[_] = &[("X-Key", "quota"), ("X-Quota", "1000000")];
    let [memory, log, _, window] = kinds();
    let mut loads = Vec::new();
    let mut gateways = Vec::new();
    for (kind, wishes, away) in
        [(memory.clone(), rate, 200), (memory, quota, 403), (log, rate, 429), (window, rate, 500)]
    {
        let gateway = Gateway::start(Setup::from(guarded(&upstream).await).conf(redis.conf()).conf(kind)).await;
        loads.push((Load::start(&gateway, wishes).await, away));
        gateways.push(gateway);
    }
    for _ in 0..2 {
        for (load, _) in &loads {
            load.sees(200).await;
        }
        redis.stop();
        for (load, away) in &loads {
            load.sees(*away).await;
        }
        redis.start_again().await;
    }
    for (load, _) in loads {
        load.sees(200).await;
        load.end().await;
    }
}
