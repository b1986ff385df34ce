//! One Redis for several gateways, of ours and of the original.

use std::time::Duration;

use outrigger_plugin::{AuthRequest, HookResult, Plugin, Session};
use serde_json::{Value, json};

use crate::harness::{Api, Gateway, Redis, Setup, Upstream, api, request, serve};

const SECRET: &str = "control-secret";

fn keyed(upstream: &Upstream) -> Api {
    api(upstream).with(json!({"use_keyless": false}))
}

fn node(api: Api, redis: &Redis) -> Setup {
    let shared = json!({"hash_keys": true, "secret": SECRET, "node_secret": "of all nodes"});
    Setup::from(api).conf(redis.conf()).conf(shared)
}

async fn status(gateway: &Gateway, key: &str) -> u16 {
    gateway.send(request("GET", "/x").header("Authorization", key), "").await.status()
}

/// The name is the murmur32 of the token, as the original makes it.
#[tokio::test]
async fn a_key_that_the_original_made_opens_the_api() {
    let (upstream, redis) = (Upstream::start().await, Redis::start().await);
    let gateway = Gateway::start(node(keyed(&upstream), &redis)).await;
    let session = json!({
        "last_check": 0, "allowance": 1000, "rate": 1000, "per": 60, "expires": -1, "quota_max": 2,
        "quota_renews": 0, "quota_remaining": 2, "quota_renewal_rate": 3600, "org_id": "default",
        "access_rights": {"api": {"api_name": "API", "api_id": "api", "versions": ["Default"], "allowed_urls": null,
            "limit": {}, "allowance_scope": ""}},
        "meta_data": null, "tags": null, "date_created": "2026-01-02T15:04:05.123456789Z", "last_updated": "1767366245",
        "some_later_member": {"x": 1},
    });
    redis.say::<()>(&["SET", "apikey-248bfa47", &session.to_string()]);

    let statuses = [status(&gateway, "hello").await, status(&gateway, "hello").await, status(&gateway, "hello").await];
    assert_eq!(statuses, [200, 200, 403]);
    assert_eq!(redis.say::<i64>(&["GET", "quota-248bfa47"]), 3);
    let left: i64 = redis.say(&["TTL", "quota-248bfa47"]);
    assert!((3590..=3600).contains(&left), "{left}");
}

struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        let session = Session::new("hello").alias("jane").quota(9, Duration::from_secs(60));
        request.allow(session.lifetime(Duration::from_secs(100)))
    }
}

#[tokio::test]
async fn a_session_of_ours_lies_where_the_original_looks() {
    let (upstream, redis) = (Upstream::start().await, Redis::start().await);
    let gateway = Gateway::start(node(api(&upstream).auth(serve(Doorkeeper).await), &redis)).await;

    assert_eq!(status(&gateway, "any").await, 200);
    let stored: String = redis.say(&["GET", "apikey-248bfa47"]);
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(
        (&stored["alias"], &stored["org_id"], &stored["quota_max"]),
        (&json!("jane"), &json!("default"), &json!(9))
    );
    let left: i64 = redis.say(&["TTL", "apikey-248bfa47"]);
    assert!((90..=100).contains(&left), "{left}");
    assert_eq!(redis.say::<i64>(&["GET", "quota-248bfa47"]), 1);
}

#[tokio::test]
async fn a_key_changed_on_one_node_counts_at_once_on_the_others() {
    let (upstream, redis) = (Upstream::start().await, Redis::start().await);
    let nodes =
        [Gateway::start(node(keyed(&upstream), &redis)).await, Gateway::start(node(keyed(&upstream), &redis)).await];
    let call = async |method: &str, path: &str, body: Value| {
        let answer =
            nodes[0].send(request(method, path).header("X-Tyk-Authorization", SECRET), &body.to_string()).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer.json()
    };
    let session = json!({"org_id": "default", "access_rights": {"api": {"api_id": "api"}}});
    let key = call("POST", "/tyk/keys/create", session).await["key"].as_str().unwrap().to_owned();
    for node in &nodes {
        assert_eq!(status(node, &key).await, 200);
    }

    call("DELETE", &format!("/tyk/keys/{key}"), Value::Null).await;
    assert_eq!(status(&nodes[0], &key).await, 403);
    let started = std::time::Instant::now();
    crate::harness::until("the other node", async || status(&nodes[1], &key).await == 403).await;
    assert!(started.elapsed() < Duration::from_secs(5), "it was told, and did not wait for its ten seconds to pass");
}

#[tokio::test]
async fn all_nodes_load_anew_when_told_and_when_they_may_have_missed_it() {
    let (upstream, mut redis, apps) = (Upstream::start().await, Redis::start().await, tempfile::tempdir().unwrap());
    let write = |id: &str| {
        std::fs::write(apps.path().join(format!("{id}.json")), api(&upstream).named(id).definition.to_string())
            .unwrap();
    };
    write("first");
    let setup = || node(api(&upstream), &redis).conf(json!({"app_path": apps.path()}));
    let nodes = [Gateway::start(setup()).await, Gateway::start(setup()).await];

    write("second");
    crate::harness::until("a reload of all", async || {
        let told = request("GET", "/tyk/reload/group").header("X-Tyk-Authorization", SECRET);
        nodes[0].send(told, "").await.status() == 200 && nodes[1].get("/second/").await.status() == 200
    })
    .await;

    redis.stop();
    write("third");
    redis.start_again().await;
    for node in &nodes {
        crate::harness::until("a reload", async || node.get("/third/").await.status() == 200).await;
    }
}
