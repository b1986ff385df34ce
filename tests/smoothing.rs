//! Rates whose limits follow the requests, shared by nodes, and who hears of it.

use serde_json::{Value, json};

use crate::events::{ear, heard, plugin, protected, with_plugin};
use crate::harness::{Gateway, PluginServer, Redis, Setup, Upstream, request};

/// Nine requests in ten minutes, of which four may come at first.
fn smoothed() -> Value {
    let smoothing = json!({"enabled": true, "threshold": 4, "trigger": 0.5, "step": 3, "delay": 5});
    json!({"rate": 9, "per": 600, "smoothing": smoothing})
}

fn setup(upstream: &Upstream, server: &PluginServer) -> Setup {
    let log = json!({"handler_name": "eh_log_handler", "handler_meta": {"prefix": "smoothed"}});
    let api = protected(upstream, &[]).with(json!({"event_handlers": {"events": {
        "RateLimitSmoothingUp": [plugin("up"), log], "RateLimitSmoothingDown": [plugin("down"), log],
    }}}));
    let (switches, mut policy) =
        (json!({"enable_rate_limit_smoothing": true, "rate_limit_response_headers": "rate_limits"}), smoothed());
    for (key, value) in [("id", "smooth"), ("org_id", "default")] {
        policy[key] = value.into();
    }
    policy["access_rights"] = rights();
    with_plugin(api, server)
        .conf(switches)
        .conf(json!({"policies": {"policy_source": "file", "policy_record_name": "policies.json"}}))
        .file("policies.json", json!({ "smooth": policy }).to_string())
}

fn rights() -> Value {
    json!({"api": {"api_id": "api", "versions": ["Default"]}})
}

async fn make(gateway: &Gateway, key: &str, mut session: Value) {
    session["org_id"] = "default".into();
    session["access_rights"] = rights();
    let call = request("POST", &format!("/tyk/keys/{key}")).header("X-Tyk-Authorization", "s");
    assert_eq!(gateway.send(call, &session.to_string()).await.status(), 200);
}

/// Status and told limit of one more request.
async fn call(gateway: &Gateway, key: &str) -> (u16, String) {
    let answer = gateway.send(request("GET", "/x?a=1").header("Authorization", key), "").await;
    (answer.status(), answer.header("X-Ratelimit-Limit").unwrap_or_default().to_owned())
}

fn told(status: u16, limit: u16) -> (u16, String) {
    (status, limit.to_string())
}

#[tokio::test]
async fn a_limit_rises_and_falls_on_all_nodes_together_and_each_change_is_told_once() {
    let (upstream, redis) = (Upstream::start().await, Redis::start().await);
    let (server, mut events) = ear().await;
    let log = json!({"enable_redis_rolling_limiter": true});
    let start = || Gateway::start(setup(&upstream, &server).conf(redis.conf()).conf(log.clone()));
    let nodes = [start().await, start().await];
    make(&nodes[0], "own", smoothed()).await;
    make(&nodes[0], "policy", json!({"apply_policies": ["smooth"]})).await;
    let limit = |key: &str| format!("rate-limit-default{key}-allowance");

    for key in ["own", "policy"] {
        for at in 0..5 {
            let status = if at < 4 { 200 } else { 429 };
            assert_eq!(call(&nodes[at % 2], key).await, told(status, 4), "{key}");
        }
        // The delay is over when only the life of an unused limit is left.
        let pass_delay = || redis.say::<()>(&["PEXPIRE", &limit(key), "600000"]);
        pass_delay();
        assert_eq!(call(&nodes[0], key).await, told(200, 7));
        let up = heard(&mut events).await;
        assert_eq!(call(&nodes[1], key).await, told(200, 7));
        redis.say::<()>(&["DEL", &format!("rate-limit-default{key}")]);
        pass_delay();
        assert_eq!(call(&nodes[1], key).await, told(200, 4));
        let down = heard(&mut events).await;
        assert_eq!(call(&nodes[0], key).await, told(200, 4));

        for (event, name, handler, message) in [
            (up, "RateLimitSmoothingUp", "up", "Rate limit increased with smoothing"),
            (down, "RateLimitSmoothingDown", "down", "Rate limit decreased with smoothing"),
        ] {
            assert_eq!((event.name.as_str(), event.handler.as_str(), event.message()), (name, handler, message));
            assert_eq!((event.path(), event.key()), (Some("/x"), Some(&*format!("default{key}"))));
            assert_eq!(event.client(), Some("127.0.0.1"));
            let wire = String::from_utf8(event.request().unwrap()).unwrap();
            assert!(wire.starts_with("GET /x?a=1 HTTP/1.1\r\n"), "{wire}");
        }
        for node in &nodes {
            node.process.says(&format!("smoothed:default{key}:127.0.0.1:/x")).await;
        }
    }
    assert!(events.is_empty());
}

#[tokio::test]
async fn without_the_switch_or_the_log_in_redis_the_whole_rate_counts() {
    let (upstream, redis) = (Upstream::start().await, Redis::start().await);
    let (server, _events) = ear().await;
    let (log, off) = (json!({"enable_redis_rolling_limiter": true}), json!({"enable_rate_limit_smoothing": false}));
    for (at, (conf, warns)) in [
        ([redis.conf(), log.clone(), off], false),
        ([redis.conf(), json!({}), json!({})], true),
        ([redis.conf(), json!({"enable_fixed_window_rate_limiter": true}), json!({})], true),
        ([json!({}), log, json!({})], true),
    ]
    .into_iter()
    .enumerate()
    {
        let gateway = Gateway::start(conf.into_iter().fold(setup(&upstream, &server), Setup::conf)).await;
        let key = format!("key{at}");
        make(&gateway, &key, smoothed()).await;
        for _ in 0..9 {
            assert_eq!(call(&gateway, &key).await, told(200, 9), "{at}");
        }
        assert_eq!(call(&gateway, &key).await, told(429, 9), "{at}");
        let warned = gateway.process.lines().iter().any(|line| line.contains("enable_rate_limit_smoothing: "));
        assert_eq!(warned, warns, "{at}");
    }
}
