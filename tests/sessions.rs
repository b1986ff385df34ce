//! Sessions that outlive their request: stored, spared calls by id extractors, limited and shaped by policies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outrigger_plugin::{AuthRequest, HookResult, Plugin, Session};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Api, Connection, Gateway, PluginServer, Setup, Upstream, api, request, serve, until, within};

/// Lets in whoever has a key, refuses the key `bad`, and counts how often it is asked.
struct Doorkeeper {
    asked: Arc<AtomicUsize>,
    session: fn(&str, Session) -> Session,
}

impl Plugin for Doorkeeper {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Long enough for requests at the same time to meet.
        tokio::time::sleep(Duration::from_millis(20)).await;
        match request.header("X-Key").map(str::to_owned) {
            Some(key) if key != "bad" => request.allow((self.session)(&key, Session::new(key.clone()))),
            _ => request.reject(401, "a key is needed"),
        }
    }
}

async fn doorkeeper(session: fn(&str, Session) -> Session) -> (PluginServer, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    (serve(Doorkeeper { asked: Arc::clone(&asked), session }).await, asked)
}

fn fresh_for_a_minute(_: &str, session: Session) -> Session {
    session.cache_for(Duration::from_secs(60))
}

fn with_extractor(api: Api) -> Api {
    api.with(json!({"custom_middleware": {"id_extractor": {
        "extract_from": "header", "extract_with": "value", "extractor_config": {"header_name": "X-Key"},
    }}}))
}

async fn status(gateway: &Gateway, key: &str) -> u16 {
    gateway.send(request("GET", "/x").header("X-Key", key), "").await.status()
}

#[tokio::test]
async fn a_thousand_first_requests_of_one_caller_make_one_call() {
    let upstream = Upstream::start().await;
    let (plugin, asked) = doorkeeper(fresh_for_a_minute).await;
    let gateway = Gateway::start(with_extractor(api(&upstream).auth(plugin))).await;

    let mut connections = Vec::new();
    for _ in 0..1000 {
        connections.push(Connection::open(gateway.address).await.unwrap());
    }
    let mut requests = JoinSet::new();
    for mut connection in connections {
        requests.spawn(async move {
            let request = request("GET", "/x").header("X-Key", "k").body(Default::default()).unwrap();
            connection.send(request).await.unwrap().status()
        });
    }
    let statuses = within("a thousand answers", requests.join_all()).await;
    assert!(statuses.iter().all(|status| *status == 200));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn refusals_and_sessions_without_a_deadline_are_for_one_request() {
    let upstream = Upstream::start().await;
    let (plugin, asked) = doorkeeper(|_, session| session).await;
    let gateway = Gateway::start(with_extractor(api(&upstream).auth(plugin))).await;

    for (key, expected) in [("bad", 401), ("bad", 401), ("k", 200), ("k", 200)] {
        assert_eq!(status(&gateway, key).await, expected);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    let none = gateway.get("/x").await;
    assert_eq!((none.status(), none.error()), (400, "Authorization field missing".to_owned()));
    assert_eq!(asked.load(Ordering::SeqCst), 4, "without a credential nobody is asked");
}

fn caching(api: Api, settings: Value) -> Api {
    with_extractor(api).with(json!({"custom_middleware": {"id_extractor": {"session_cache": settings}}}))
}

#[tokio::test]
async fn refusals_are_remembered_where_the_api_says_so() {
    let upstream = Upstream::start().await;
    let (plugin, asked) = doorkeeper(fresh_for_a_minute).await;
    let remembering = caching(api(&upstream).auth(plugin), json!({"remember_refusals_seconds": 3600}));
    let gateway = Gateway::start(remembering).await;

    for _ in 0..3 {
        let refused = gateway.send(request("GET", "/x").header("X-Key", "bad"), "").await;
        assert_eq!((refused.status(), refused.error()), (401, "a key is needed".to_owned()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(status(&gateway, "k").await, 200, "of one caller only");
}

#[tokio::test]
async fn a_session_is_made_anew_ahead_of_its_deadline_beside_the_request() {
    let upstream = Upstream::start().await;
    let (plugin, asked) = doorkeeper(fresh_for_a_minute).await;
    let gateway = Gateway::start(caching(api(&upstream).auth(plugin), json!({"refresh_ahead_seconds": 60}))).await;

    assert_eq!(status(&gateway, "k").await, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(status(&gateway, "k").await, 200);
    gateway.process.says("\"session_cache\":\"hit\"").await;
    until("the second call", async || asked.load(Ordering::SeqCst) == 2).await;
}

#[tokio::test]
async fn what_a_plugin_that_only_guards_the_door_calls_the_caller_is_neither_stored_nor_remembered() {
    let upstream = Upstream::start().await;
    let (plugin, asked) = doorkeeper(fresh_for_a_minute).await;
    let methods = json!({"use_standard_auth": true, "base_identity_provided_by": "auth_token"});
    let guarded = api(&upstream).auth(plugin).with(methods);
    for (api, id) in [(guarded.clone(), "no id"), (with_extractor(guarded), "an id")] {
        asked.store(0, Ordering::SeqCst);
        let gateway = Gateway::start(Setup::from(api).conf(json!({"secret": "s"}))).await;
        let control = |method: &str, path: &str| request(method, path).header("X-Tyk-Authorization", "s");
        let session = json!({"org_id": "default", "quota_max": 9, "access_rights": {"api": {"api_id": "api"}}});
        let made = gateway.send(control("POST", "/tyk/keys/own-key"), &session.to_string()).await;
        assert_eq!(made.status(), 200, "{made:?}");

        for _ in 0..2 {
            let both = request("GET", "/x").header("X-Key", "x-key").header("Authorization", "own-key");
            let answer = gateway.send(both, "").await;
            assert_eq!((answer.status(), answer.header("X-Ratelimit-Limit")), (200, Some("9")), "{id}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2, "each request asks, {id}");
        let listed = gateway.send(control("GET", "/tyk/keys"), "").await.json();
        assert_eq!(listed["keys"].as_array().map(Vec::len), Some(1), "{listed}");
    }
}

/// Lets each caller in once.
struct Fickle(AtomicUsize);

impl Plugin for Fickle {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => request.allow(fresh_for_a_minute("", Session::new("k"))),
            _ => request.reject(403, "not again"),
        }
    }
}

#[tokio::test]
async fn a_plugin_that_changes_its_mind_ahead_of_the_deadline_ends_the_session() {
    let upstream = Upstream::start().await;
    let plugin = serve(Fickle(AtomicUsize::new(0))).await;
    let gateway = Gateway::start(caching(api(&upstream).auth(plugin), json!({"refresh_ahead_seconds": 60}))).await;

    assert_eq!([status(&gateway, "k").await, status(&gateway, "k").await], [200, 200]);
    until("the refusal", async || status(&gateway, "k").await == 403).await;
    assert_eq!(status(&gateway, "k").await, 403);
}

#[tokio::test]
async fn while_the_plugin_server_is_away_the_last_session_counts_where_the_api_says_so() {
    let upstream = Upstream::start().await;
    let brief = |_: &str, session: Session| session.cache_for(Duration::from_secs(1));
    let (plugin, _) = doorkeeper(brief).await;
    let stale = caching(api(&upstream).named("stale").auth(plugin.clone()), json!({"serve_stale_seconds": 3600}));
    let strict = with_extractor(api(&upstream).named("strict").auth(plugin.clone()));
    let scoped = json!({"custom_middleware": {"id_extractor": {"api_scoped": true}}});
    let gateway = Gateway::start(Setup::from(stale.with(scoped.clone())).api(strict.with(scoped))).await;
    let status = async |path, key| gateway.send(request("GET", path).header("X-Key", key), "").await.status();

    assert_eq!((status("/stale/", "k").await, status("/strict/", "k").await), (200, 200));
    plugin.kill();
    until("the deadline", async || status("/strict/", "k").await == 403).await;
    assert_eq!(status("/stale/", "k").await, 200);
    gateway.process.says("\"session_cache\":\"stale\"").await;
    assert_eq!(status("/stale/", "other").await, 403, "who was never let in is not");
}

#[tokio::test]
async fn stored_sessions_survive_the_end_of_the_process_and_of_the_plugin_server() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let (plugin, asked) = doorkeeper(fresh_for_a_minute).await;
    let store = json!({"storage": {"type": "embedded", "path": folder.path()}, "hash_keys": true});
    let setup = || Setup::from(with_extractor(api(&upstream).auth(plugin.clone()))).conf(store.clone());

    let gateway = Gateway::start(setup()).await;
    assert_eq!(status(&gateway, "k").await, 200);
    gateway.process.kill().await;
    plugin.kill();
    let gateway = Gateway::start(setup()).await;
    assert_eq!(status(&gateway, "k").await, 200);
    assert_eq!(status(&gateway, "other").await, 403, "the plugin server is gone");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_folder_serves_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let setup = || Setup::new().conf(json!({"storage": {"path": folder.path()}}));
    let _first = Gateway::start(setup()).await;
    let (code, said) = Gateway::refused(setup()).await;
    assert_eq!(code, 1);
    let expected = format!("{}: another process has it open", folder.path().display());
    assert!(said.contains(&expected), "{said}");
}

#[tokio::test]
async fn a_quota_admits_exactly_its_size_however_many_ask_at_once() {
    let upstream = Upstream::start().await;
    let (plugin, _) =
        doorkeeper(|key, session| fresh_for_a_minute(key, session).quota(50, Duration::from_secs(600))).await;
    let gateway = Gateway::start(with_extractor(api(&upstream).auth(plugin))).await;

    let address = gateway.address;
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        clients.spawn(async move {
            let mut connection = Connection::open(address).await.unwrap();
            let mut statuses = Vec::new();
            for _ in 0..10 {
                let request = request("GET", "/x").header("X-Key", "k").body(Default::default()).unwrap();
                statuses.push(connection.send(request).await.unwrap().status());
            }
            statuses
        });
    }
    let statuses = clients.join_all().await.concat();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 50);
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 110);
    assert_eq!(upstream.requests().len(), 50);
}

#[tokio::test]
async fn policies_from_a_file_shape_sessions_and_unknown_ones_let_nobody_in() {
    let upstream = Upstream::start().await;
    let (plugin, _) = doorkeeper(|key, session| session.policy(key)).await;
    let policies = json!({"gold": {"org_id": "default", "rate": 2, "per": 600, "access_rights": {"api": {"versions": ["Default"]}}}});
    let setup = Setup::from(api(&upstream).named("api").auth(plugin))
        .conf(json!({"policies": {"policy_source": "file", "policy_record_name": "policies.json"}}))
        .file("policies.json", policies.to_string());
    let gateway = Gateway::start(setup).await;

    let path = |key: &str| gateway.send(request("GET", "/api/x").header("X-Key", key.to_owned()), "");
    let mut seen: Vec<Value> = Vec::new();
    for key in ["gold", "gold", "gold", "other"] {
        let answer = path(key).await;
        seen.push(json!(answer.status()));
    }
    assert_eq!(seen, [200, 200, 429, 403]);
}
