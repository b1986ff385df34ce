//! Events: who hears of what, and that no request waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use outrigger_plugin::{AuthRequest, Event, HookResult, Plugin, Request};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::harness::{Api, Gateway, PluginServer, Setup, Upstream, Wire, api, listen, request, serve, until, within};

/// A plugin that passes events on to the test.
struct Ear(UnboundedSender<Event>);

impl Plugin for Ear {
    async fn pre(&self, request: &mut Request) -> HookResult {
        match request.header("X-Refuse") {
            Some(_) => request.reject(409, "not like this"),
            None => Ok(()),
        }
    }

    async fn on_event(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

pub async fn ear() -> (PluginServer, UnboundedReceiver<Event>) {
    let (tell, told) = unbounded_channel();
    (serve(Ear(tell)).await, told)
}

pub async fn heard(told: &mut UnboundedReceiver<Event>) -> Event {
    within("an event", told.recv()).await.unwrap()
}

pub fn plugin(name: &str) -> Value {
    json!({"handler_name": "cp_dynamic_handler", "handler_meta": {"name": name}})
}

fn webhook(receiver: &Upstream, more: Value) -> Value {
    let mut meta = json!({"target_path": format!("http://{}/hook", receiver.address), "method": "POST"});
    meta.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"handler_name": "eh_web_hook_handler", "handler_meta": meta})
}

#[tokio::test]
async fn an_upstream_that_goes_down_and_comes_back_is_told_of() {
    let (server, mut told) = ear().await;
    let well = Arc::new(AtomicBool::new(true));
    let answer = Arc::clone(&well);
    let upstream = Upstream::answering(move |_| {
        let status = if answer.load(Ordering::SeqCst) { 200 } else { 503 };
        Response::builder().status(status).body(Full::default()).unwrap()
    })
    .await;
    let url = format!("http://{}/health", upstream.address);
    let template = r#"{{.Type}} {{.Meta.HostInfo.CheckURL}}"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told.txt");
    std::fs::write(&file, template).unwrap();
    let hook = Upstream::start().await;
    let both = [plugin("Watch"), webhook(&hook, json!({"template_path": file}))];
    let api = api(&upstream).with(json!({
        "custom_middleware": {"driver": "grpc"},
        "event_handlers": {"events": {"HostDown": both, "HostUp": [plugin("Watch")]}},
        "uptime_tests": {"check_list": [{"url": url, "method": "GET"}]},
    }));
    let tests = json!({"uptime_tests": {"config": {"failure_trigger_sample_size": 1, "time_wait": 1}}});
    let _gateway = Gateway::start(with_plugin(api, &server).conf(tests)).await;

    well.store(false, Ordering::SeqCst);
    for (name, message, status) in [("HostDown", "Uptime test failed", 503), ("HostUp", "Uptime test succeeded", 200)] {
        let event = heard(&mut told).await;
        well.store(true, Ordering::SeqCst);
        assert_eq!((event.name.as_str(), event.handler.as_str()), (name, "Watch"));
        let meta = &event.meta;
        assert_eq!((&meta["Message"], &meta["HostInfo"]["CheckURL"]), (&json!(message), &json!(url)));
        assert_eq!((&meta["HostInfo"]["ResponseCode"], &meta["HostInfo"]["Method"]), (&json!(status), &json!("GET")));
    }
    until("the webhook", async || !hook.requests().is_empty()).await;
    assert_eq!(hook.requests()[0].text(), format!("HostDown {url}"));
}

/// An API for keys, with these handlers of `AuthFailure`.
pub fn protected(upstream: &Upstream, handlers: &[Value]) -> Api {
    api(upstream).with(json!({
        "use_keyless": false,
        "custom_middleware": {"driver": "grpc"},
        "event_handlers": {"events": {"AuthFailure": handlers}},
    }))
}

pub fn with_plugin(api: Api, server: &PluginServer) -> Setup {
    let options = json!({"enable_coprocess": true, "coprocess_grpc_server": server.address});
    Setup::from(api).conf(json!({"coprocess_options": options, "secret": "s"}))
}

async fn refused(gateway: &Gateway, key: &str) {
    let call = request("GET", "/x").header("Authorization", key);
    assert_eq!(gateway.send(call, "").await.status(), 403);
}

#[tokio::test]
async fn a_plugin_server_hears_of_a_refused_key_with_the_request_as_it_came() {
    let upstream = Upstream::start().await;
    let (server, mut told) = ear().await;
    let gateway = Gateway::start(with_plugin(protected(&upstream, &[plugin("h")]), &server)).await;

    let call = request("POST", "/a%20b?c=d").header("Authorization", "Bearer stranger").header("X-Real-IP", "10.0.0.9");
    assert_eq!(gateway.send(call, "the body").await.status(), 403);

    let event = heard(&mut told).await;
    assert_eq!((event.name.as_str(), event.handler.as_str()), ("AuthFailure", "h"));
    assert_eq!((event.api_id.as_str(), event.org_id.as_str()), ("api", "default"));
    assert_eq!((event.message(), event.path()), ("Auth Failure", Some("/a b")));
    assert_eq!((event.client(), event.key()), (Some("10.0.0.9"), Some("stranger")));
    let wire = String::from_utf8(event.request().unwrap()).unwrap();
    assert!(wire.starts_with("POST /a%20b?c=d HTTP/1.1\r\nHost: "), "{wire}");
    assert!(wire.contains("\r\nAuthorization: Bearer stranger\r\n"), "{wire}");
    assert!(
        wire.ends_with(
            "\r\nContent-Length: 8\r\nAuthorization: Bearer stranger\r\nX-Real-Ip: 10.0.0.9\r\n\r\nthe body"
        ),
        "{wire}"
    );
}

/// Makes no session for anybody.
struct Nobody;

impl Plugin for Nobody {
    async fn auth(&self, _: &mut AuthRequest) -> HookResult {
        Ok(())
    }
}

#[tokio::test]
async fn what_a_plugin_lets_in_in_vain_is_told_as_it_came() {
    let upstream = Upstream::start().await;
    let (server, mut told) = ear().await;
    let handlers = json!({"event_handlers": {"events": {"AuthFailure": [plugin("h")]}}});
    let guarded = api(&upstream).pre(server).auth(serve(Nobody).await).with(handlers);
    let gateway = Gateway::start(guarded).await;
    refused(&gateway, "Bearer stranger").await;
    assert_eq!(heard(&mut told).await.key(), Some("Bearer stranger"));
}

#[tokio::test]
async fn a_body_that_is_long_or_does_not_come_is_left_out_of_the_request() {
    let upstream = Upstream::start().await;
    let (server, mut told) = ear().await;
    let gateway = Gateway::start(with_plugin(protected(&upstream, &[plugin("h")]), &server)).await;
    let told_without_body = |event: Event| {
        let wire = String::from_utf8(event.request().unwrap()).unwrap();
        assert!(wire.starts_with("POST /x HTTP/1.1\r\n") && wire.ends_with("\r\n\r\n"), "{wire}");
    };

    let mut client = Wire::connect(gateway.address).await;
    client.send("POST /x HTTP/1.1\r\nHost: h\r\nAuthorization: stranger\r\nContent-Length: 10\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 403 "));
    told_without_body(heard(&mut told).await);

    let long = request("POST", "/x").header("Authorization", "stranger");
    assert_eq!(gateway.send(long, &"x".repeat((1 << 20) + 1)).await.status(), 403);
    told_without_body(heard(&mut told).await);
}

#[tokio::test]
async fn the_rate_of_an_api_is_told_under_a_name_of_its_own() {
    let upstream = Upstream::start().await;
    let (server, mut told) = ear().await;
    let definition = api(&upstream).with(json!({
        "custom_middleware": {"driver": "grpc"},
        "global_rate_limit": {"rate": 1, "per": 60},
        "event_handlers": {"events": {"RatelimitExceeded": [plugin("h")]}},
    }));
    let gateway = Gateway::start(with_plugin(definition, &server)).await;

    assert_eq!([gateway.get("/x").await.status(), gateway.get("/x").await.status()], [200, 429]);

    let event = heard(&mut told).await;
    assert_eq!((event.message(), event.key()), ("API Rate Limit Exceeded", Some("apilimiter-defaultapi")));
}

#[tokio::test]
async fn a_missing_key_is_no_event_and_a_hooks_refusal_is_one() {
    let upstream = Upstream::start().await;
    let (server, mut told) = ear().await;
    let definition = protected(&upstream, &[plugin("h")]).pre(server.clone());
    let gateway = Gateway::start(with_plugin(definition, &server)).await;

    assert_eq!(gateway.get("/missing").await.status(), 401);
    assert_eq!(gateway.send(request("GET", "/hook").header("X-Refuse", "1"), "").await.status(), 409);

    let event = heard(&mut told).await;
    assert_eq!((event.path(), event.key()), (Some("/hook"), Some("")));
    assert!(told.is_empty(), "{told:?}");
}

#[tokio::test]
async fn expired_keys_used_up_rates_and_quotas_are_told_with_the_key() {
    let upstream = Upstream::start().await;
    let (server, mut told) = ear().await;
    let names = ["KeyExpired", "RatelimitExceeded", "QuotaExceeded"];
    let handlers: Value = names.iter().map(|name| ((*name).to_owned(), json!([plugin("h")]))).collect();
    let definition = protected(&upstream, &[]).with(json!({"event_handlers": {"events": handlers}}));
    let gateway = Gateway::start(with_plugin(definition, &server)).await;
    let make = async |key: &str, mut session: Value| {
        session["org_id"] = "default".into();
        session["access_rights"] = json!({"api": {"api_id": "api", "versions": ["Default"]}});
        let call = request("POST", &format!("/tyk/keys/{key}")).header("X-Tyk-Authorization", "s");
        assert_eq!(gateway.send(call, &session.to_string()).await.status(), 200);
    };
    make("gone", json!({"is_inactive": true})).await;
    make("fast", json!({"rate": 1, "per": 60})).await;
    make("spent", json!({"quota_max": 1, "quota_renewal_rate": 3600})).await;
    let call = async |key: &str| gateway.send(request("GET", "/x").header("Authorization", key), "").await.status();

    assert_eq!(call("gone").await, 403);
    assert_eq!([call("fast").await, call("fast").await], [200, 429]);
    assert_eq!([call("spent").await, call("spent").await], [200, 403]);

    let mut all = [heard(&mut told).await, heard(&mut told).await, heard(&mut told).await]
        .map(|event| (event.name.clone(), event.message().to_owned(), event.key().unwrap_or_default().to_owned()));
    all.sort();
    let expected = [
        ("KeyExpired", "Attempted access from inactive key.", "defaultgone"),
        ("QuotaExceeded", "Key Quota Limit Exceeded", "defaultspent"),
        ("RatelimitExceeded", "Rate Limit Exceeded", "defaultfast"),
    ];
    assert_eq!(all, expected.map(|(name, message, key)| (name.to_owned(), message.to_owned(), key.to_owned())));
}

#[tokio::test]
async fn a_request_that_waited_for_its_rate_is_told_although_it_went_on() {
    let upstream = Upstream::start().await;
    let (server, mut told) = ear().await;
    let definition =
        protected(&upstream, &[]).with(json!({"event_handlers": {"events": {"RatelimitExceeded": [plugin("h")]}}}));
    let gateway = Gateway::start(with_plugin(definition, &server)).await;
    let session = json!({"org_id": "default", "rate": 1, "per": 5, "throttle_interval": 1, "throttle_retry_limit": 9,
        "access_rights": {"api": {"api_id": "api", "versions": ["Default"]}}});
    let make = request("POST", "/tyk/keys/patient").header("X-Tyk-Authorization", "s");
    assert_eq!(gateway.send(make, &session.to_string()).await.status(), 200);

    for _ in 0..2 {
        let call = request("GET", "/x").header("Authorization", "patient");
        assert_eq!(gateway.send(call, "").await.status(), 200);
    }

    assert_eq!(heard(&mut told).await.name, "RatelimitExceeded");
    assert!(told.is_empty());
}

#[tokio::test]
async fn a_webhook_is_sent_once_for_the_same_event_and_again_for_another() {
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    let headers = json!({"event_timeout": 3600, "header_map": {"X-Secret": "s3"}});
    let gateway = Gateway::start(protected(&upstream, &[webhook(&receiver, headers)])).await;

    for key in ["one", "one", "other"] {
        refused(&gateway, key).await;
    }

    until("two webhooks", async || receiver.requests().len() >= 2).await;
    let mut keys: Vec<_> = receiver
        .requests()
        .iter()
        .map(|sent| {
            assert_eq!((sent.method.as_str(), sent.target.as_str()), ("POST", "/hook"));
            let names = ["user-agent", "content-type", "x-secret"].map(|name| sent.header(name).unwrap().to_owned());
            assert_eq!(names, ["Tyk-Hookshot", "application/json", "s3"]);
            let told: Value = serde_json::from_str(sent.text()).unwrap();
            assert_eq!(
                (&told["event"], &told["path"], &told["origin"]),
                (&json!("AuthFailure"), &json!("/x"), &json!("127.0.0.1"))
            );
            told["key"].as_str().unwrap().to_owned()
        })
        .collect();
    keys.sort();
    assert_eq!(keys, ["one", "other"]);
}

#[tokio::test]
async fn the_same_webhook_is_sent_again_when_its_time_is_over() {
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    let gateway = Gateway::start(protected(&upstream, &[webhook(&receiver, json!({"event_timeout": 1}))])).await;

    until("the webhook for a second time", async || {
        refused(&gateway, "one").await;
        receiver.requests().len() == 2
    })
    .await;
}

#[tokio::test]
async fn a_webhook_says_what_its_template_says() {
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    let handler = webhook(&receiver, json!({"template_path": "alert.txt"}));
    let setup = Setup::from(protected(&upstream, &[handler])).file("alert.txt", "{{.Type}}: {{.Meta.Key}}");
    let gateway = Gateway::start(setup).await;

    refused(&gateway, "one").await;

    until("the webhook", async || !receiver.requests().is_empty()).await;
    let sent = receiver.request();
    assert_eq!((sent.text(), sent.header("content-type")), ("AuthFailure: one", None));
}

#[tokio::test]
async fn a_log_handler_writes_a_line_and_one_that_is_off_does_nothing() {
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    let log = |prefix: &str, disabled: bool| json!({"handler_name": "eh_log_handler", "handler_meta": {"prefix": prefix, "disabled": disabled}});
    let handlers = [webhook(&receiver, json!({"disabled": true})), log("silent", true), log("loud", false)];
    let gateway = Gateway::start(protected(&upstream, &handlers)).await;

    refused(&gateway, "stranger").await;

    gateway.process.says("loud:stranger:127.0.0.1:/x").await;
    let (status, lines) = gateway.stop().await;
    assert!(status.success());
    assert!(!lines.iter().any(|line| line.contains("silent:")), "{lines:#?}");
    assert_eq!(receiver.requests(), []);
}

#[tokio::test]
async fn a_handler_that_hangs_holds_up_neither_requests_nor_other_handlers() {
    let upstream = Upstream::start().await;
    let receiver = Upstream::start().await;
    // Accepts connections by its backlog only, and never answers.
    let silent = listen().await;
    let hanging = Upstream::at(silent.local_addr().unwrap());
    let handlers = [webhook(&hanging, json!({})), webhook(&receiver, json!({}))];
    let gateway = Gateway::start(protected(&upstream, &handlers)).await;

    for number in 0..400 {
        refused(&gateway, &format!("stranger-{number}")).await;
    }

    until("all webhooks of the other handler", async || receiver.requests().len() == 400).await;
    let dropped: Value = serde_json::from_str(&gateway.process.says("events were dropped").await).unwrap();
    assert_eq!(dropped["dropped"], 400 - 256);
}

#[tokio::test]
async fn what_is_queued_when_the_gateway_stops_is_delivered() {
    let upstream = Upstream::start().await;
    let receiver = Upstream::answering(|_| {
        std::thread::sleep(Duration::from_millis(200));
        Response::new(Full::default())
    })
    .await;
    let gateway = Gateway::start(protected(&upstream, &[webhook(&receiver, json!({}))])).await;
    refused(&gateway, "stranger").await;

    let (status, lines) = gateway.stop().await;

    assert!(status.success());
    assert_eq!(receiver.requests().len(), 1, "{lines:#?}");
}

#[tokio::test]
async fn keys_made_and_removed_are_told_to_the_handlers_of_the_configuration() {
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    let hook = webhook(&receiver, json!({"template_path": "key.json"}));
    let log = json!({"handler_name": "eh_log_handler", "handler_meta": {"prefix": "keys"}});
    let events = json!({"TokenCreated": [hook, plugin("h")], "TokenUpdated": [hook], "TokenDeleted": [log]});
    let setup = Setup::from(protected(&upstream, &[]))
        .conf(json!({"secret": "s", "event_handlers": {"events": events}}))
        .file("key.json", "{{.Type}} {{.Meta.Message}} {{.Meta.Org}} {{.Meta.Key}}");
    let gateway = Gateway::start(setup).await;
    let left_out = gateway.process.says("event_handlers.events.TokenCreated[1]").await;
    assert!(left_out.contains("tyk.conf"), "{left_out}");
    let session = json!({"org_id": "default", "access_rights": {"api": {"api_id": "api", "versions": ["Default"]}}});
    let call = async |method: &str, path: &str| {
        let call = request(method, path).header("X-Tyk-Authorization", "s");
        let answer = gateway.send(call, &session.to_string()).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()
    };

    let made = call("POST", "/tyk/keys/create").await;
    let mut expected = vec![format!("TokenCreated Key generated. default {}", made["key"].as_str().unwrap())];
    call("POST", "/tyk/keys/mine").await;
    expected.push("TokenCreated Key modified. default defaultmine".to_owned());
    call("PUT", "/tyk/keys/mine").await;
    expected.push("TokenUpdated Key modified. default mine".to_owned());
    call("DELETE", "/tyk/keys/mine").await;

    gateway.process.says("keys:mine::").await;
    until("three webhooks", async || receiver.requests().len() == 3).await;
    let mut told: Vec<_> = receiver.requests().iter().map(|sent| sent.text().to_owned()).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn handlers_that_cannot_hear_are_named_and_the_api_is_served() {
    let upstream = Upstream::start().await;
    let script = json!({"handler_name": "eh_dynamic_handler", "handler_meta": {"name": "f", "path": "f.js"}});
    let broken = json!({"handler_name": "eh_web_hook_handler", "handler_meta": {"target_path": "/nowhere"}});
    let definition = protected(&upstream, &[script, broken, plugin("h")])
        .with(json!({"event_handlers": {"events": {"UpstreamOAuthError": [plugin("h")]}}}));
    let gateway = Gateway::start(definition).await;

    assert_eq!(gateway.get("/x").await.status(), 401);

    for at in [
        "AuthFailure[0].handler_name",
        "AuthFailure[1].handler_meta.target_path",
        "AuthFailure[2]",
        "UpstreamOAuthError[0]",
    ] {
        let line = gateway.process.says(&format!("event_handlers.events.{at}: ")).await;
        assert!(line.contains("api.json") && line.contains("hears nothing"), "{line}");
    }
}

#[tokio::test]
async fn the_monitor_hears_once_that_a_share_of_a_quota_is_used() {
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    let hook =
        json!({"method": "POST", "target_path": format!("http://{}/hook", receiver.address), "event_timeout": 3600});
    let monitor = json!({"enable_trigger_monitors": true, "monitor_user_keys": true, "global_trigger_limit": 100.0, "configuration": hook});
    let setup = Setup::from(protected(&upstream, &[])).conf(json!({"secret": "s", "monitor": monitor}));
    let gateway = Gateway::start(setup).await;
    let session = json!({"org_id": "default", "quota_max": 4, "quota_renewal_rate": 3600,
        "monitor": {"trigger_limits": [50.0, 75.0]},
        "access_rights": {"api": {"api_id": "api", "versions": ["Default"]}}});
    let make = request("POST", "/tyk/keys/watched").header("X-Tyk-Authorization", "s");
    assert_eq!(gateway.send(make, &session.to_string()).await.status(), 200);

    for status in [200, 200, 200, 200, 403] {
        let call = request("GET", "/x").header("Authorization", "watched");
        assert_eq!(gateway.send(call, "").await.status(), status);
    }

    until("three webhooks", async || receiver.requests().len() >= 3).await;
    let mut told: Vec<_> = receiver.requests().iter().map(|hook| hook.text().to_owned()).collect();
    told.sort();
    let shares = |limit: i64| {
        format!(
            r#"{{"event":"TriggerExceeded","message":"Quota trigger reached","org":"default","key":"defaultwatched","trigger_limit":"{limit}","usage_percentage":"{limit}"}}"#
        )
    };
    assert_eq!(told, [shares(100), shares(50), shares(75)]);
}
