//! What a plugin written with the SDK can do to a request and its answer, hook by hook.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use outrigger_plugin::{
    AuthRequest, HookResult, Plugin, Refusal, Request, Response as Reply, Server, Session, SessionRequest,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::harness::{Connection, Gateway, Upstream, api, host, request, serve};

/// A plugin that is one function on requests, for tests whose claim is that function.
struct Pre(fn(&mut Request) -> HookResult);

impl Plugin for Pre {
    async fn pre(&self, request: &mut Request) -> HookResult {
        (self.0)(request)
    }
}

struct OnReply(fn(&mut Reply) -> HookResult);

impl Plugin for OnReply {
    async fn response(&self, _: &SessionRequest, response: &mut Reply) -> HookResult {
        (self.0)(response)
    }
}

async fn with_pre(edit: fn(&mut Request) -> HookResult) -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).pre(serve(Pre(edit)).await)).await;
    (upstream, gateway)
}

// === Edits of the request ===

#[tokio::test]
async fn headers_are_set_and_deleted() {
    let (upstream, gateway) = with_pre(|request| {
        request.set_header("x-new", "new");
        request.set_header("X-Old", "replaced");
        request.delete_header("Cookie");
        Ok(())
    })
    .await;

    let call = request("GET", "/").header("x-old", "1").header("x-old", "2").header("cookie", "a=b");
    assert_eq!(gateway.send(call, "").await.status(), 200);

    let received = upstream.request();
    assert_eq!((received.header("X-New"), received.header("Cookie")), (Some("new"), None));
    assert_eq!(received.headers.get_all("x-old").iter().collect::<Vec<_>>(), ["replaced"]);
}

#[tokio::test]
async fn query_parameters_are_added_and_deleted() {
    let (upstream, gateway) = with_pre(|request| {
        request.add_param("page", "one & two");
        request.delete_param("debug");
        Ok(())
    })
    .await;

    gateway.get("/list?page=9&debug=1&debug=2&a=b").await;

    assert_eq!(upstream.request().target, "/list?a=b&page=one+%26+two");
}

#[tokio::test]
async fn path_and_method_are_changed_and_the_query_stays() {
    let (upstream, gateway) = with_pre(|request| {
        request.set_path("/new/place with space");
        request.set_method("DELETE");
        Ok(())
    })
    .await;

    gateway.get("/old?a=b").await;

    let received = upstream.request();
    assert_eq!((received.method.as_str(), received.target.as_str()), ("DELETE", "/new/place%20with%20space?a=b"));
}

#[tokio::test]
async fn a_replaced_body_goes_out_with_its_own_length() {
    let (upstream, gateway) = with_pre(|request| {
        let twice = request.text().unwrap_or_default().repeat(2);
        request.set_body(twice);
        Ok(())
    })
    .await;

    gateway.post("/", "ab").await;

    let received = upstream.request();
    assert_eq!((received.text(), received.header("Content-Length")), ("abab", Some("4")));
}

#[tokio::test]
async fn a_body_that_is_no_text_passes_a_hook_unharmed() {
    let (upstream, gateway) = with_pre(|request| {
        request.set_header("X-Text", request.text().map_or("no", |_| "yes"));
        Ok(())
    })
    .await;
    let body: Vec<u8> = (0..=255).collect();

    let mut connection = Connection::open(gateway.address).await.unwrap();
    connection.send(request("POST", "/").body(body.clone().into()).unwrap()).await.unwrap();

    let received = upstream.request();
    assert_eq!((received.header("X-Text"), &received.body[..]), (Some("no"), &body[..]));
}

#[tokio::test]
async fn the_configuration_in_the_definition_reaches_the_plugin() {
    #[derive(serde::Deserialize)]
    struct Config {
        greeting: String,
    }
    let plugin = Pre(|request| {
        let greeting = request.config::<Config>()?.greeting;
        request.set_header("X-Greeting", greeting);
        Ok(())
    });
    let upstream = Upstream::start().await;
    let config = json!({"config_data": {"greeting": "ahoy <all> & sundry"}});
    let gateway = Gateway::start(api(&upstream).pre(serve(plugin).await).with(config)).await;

    gateway.get("/").await;

    assert_eq!(upstream.request().header("X-Greeting"), Some("ahoy <all> & sundry"));
}

// === Answers in the upstream's place ===

#[tokio::test]
async fn a_request_refused_by_a_pre_hook_never_reaches_the_upstream() {
    let (upstream, gateway) = with_pre(|request| request.reject(418, "short and \"stout\"")).await;

    let answer = gateway.get("/tea").await;

    assert_eq!((answer.status(), answer.error()), (418, "short and \"stout\"".to_owned()));
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(upstream.requests(), []);
}

#[tokio::test]
async fn a_refusal_carries_its_headers() {
    let (_upstream, gateway) =
        with_pre(|_| Err(Refusal::new(401, "who are you?").header("WWW-Authenticate", "Basic"))).await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.status(), answer.header("WWW-Authenticate")), (401, Some("Basic")));
}

#[tokio::test]
async fn a_plugins_answer_goes_out_as_it_is() {
    let (upstream, gateway) =
        with_pre(|request| request.respond(201, &[("X-By", "plugin"), ("Content-Type", "text/csv")], "a,b\n")).await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.status(), answer.text()), (201, "a,b\n"));
    assert_eq!((answer.header("X-By"), answer.header("Content-Type")), (Some("plugin"), Some("text/csv")));
    assert_eq!(upstream.requests(), []);
}

#[tokio::test]
async fn an_error_in_a_hook_is_500_and_stays_in_the_plugins_log() {
    let (upstream, gateway) = with_pre(|request| {
        let number: u32 = request.header("X-Number").unwrap_or("no number").parse()?;
        request.set_header("X-Next", (number + 1).to_string());
        Ok(())
    })
    .await;

    let answer = gateway.get("/").await;
    assert_eq!((answer.status(), answer.error()), (500, "Internal Server Error".to_owned()));
    assert_eq!(upstream.requests(), []);

    gateway.send(request("GET", "/").header("X-Number", "1"), "").await;
    assert_eq!(upstream.request().header("X-Next"), Some("2"));
}

#[tokio::test]
async fn a_panic_in_a_hook_fails_its_request_and_no_other() {
    /// The call that panics lets the other one go on, which is under way by then.
    struct Fragile(Notify);
    impl Plugin for Fragile {
        async fn pre(&self, request: &mut Request) -> HookResult {
            if request.path() == "/panic" {
                self.0.notify_one();
                panic!("as the test wants it");
            }
            if request.path() == "/before" {
                self.0.notified().await;
            }
            Ok(())
        }
    }
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).pre(serve(Fragile(Notify::new())).await)).await;

    let (before, panicked) = tokio::join!(gateway.get("/before"), gateway.get("/panic"));

    assert_eq!((before.status(), panicked.status()), (200, 500));
    assert_eq!(gateway.get("/after").await.status(), 200);
}

// === Who is calling ===

struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        match request.header("X-Key").map(str::to_owned) {
            Some(key) if key == "forgotten" => Ok(()),
            Some(key) => request
                .allow(Session::new(key).alias("jane").metadata("team", "blue").rate(2, Duration::from_secs(600))),
            None => request.reject(401, "a key is needed"),
        }
    }

    async fn post_key_auth(&self, request: &mut SessionRequest) -> HookResult {
        let session = request.session().ok_or(Refusal::new(500, "no session"))?;
        let who = format!("{} {} {}", session.key_id(), session.alias(), session.metadata("team").unwrap_or("none"));
        request.set_header("X-Who", who);
        Ok(())
    }
}

#[tokio::test]
async fn the_session_of_an_auth_hook_is_seen_by_the_hooks_after_it() {
    let upstream = Upstream::start().await;
    let plugin = serve(Doorkeeper).await;
    let gateway = Gateway::start(api(&upstream).auth(plugin.clone()).post_key_auth(plugin)).await;

    assert_eq!(gateway.send(request("GET", "/").header("X-Key", "k1"), "").await.status(), 200);

    assert_eq!(upstream.request().header("X-Who"), Some("k1 jane blue"));
}

#[tokio::test]
async fn nobody_gets_in_whom_the_auth_hook_does_not_let_in() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).auth(serve(Doorkeeper).await)).await;

    let refused = gateway.get("/").await;
    assert_eq!((refused.status(), refused.error()), (401, "a key is needed".to_owned()));
    let forgotten = gateway.send(request("GET", "/").header("X-Key", "forgotten"), "").await;
    assert_eq!(forgotten.status(), 403);
    assert_eq!(upstream.requests(), []);
}

#[tokio::test]
async fn a_sessions_rate_is_enforced_per_key() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).auth(serve(Doorkeeper).await)).await;

    let mut statuses = Vec::new();
    for key in ["k1", "k1", "k1", "k2"] {
        statuses.push(gateway.send(request("GET", "/").header("X-Key", key), "").await.status());
    }
    assert_eq!(statuses, [200, 200, 429, 200]);
}

// === The upstream's answer ===

async fn with_response(edit: fn(&mut Reply) -> HookResult) -> Gateway {
    let upstream = Upstream::answering(|_| {
        let answer = Response::builder().status(201).header("X-Up", "1").header("Set-Cookie", "a=1");
        answer.header("Set-Cookie", "b=2").body(Full::from(r#"{"n":1}"#)).unwrap()
    })
    .await;
    Gateway::start(api(&upstream).response(serve(OnReply(edit)).await)).await
}

#[tokio::test]
async fn a_response_hook_changes_status_headers_and_body() {
    let gateway = with_response(|response| {
        response.set_status(202)?;
        response.set_header("X-Seen", "yes");
        response.remove_header("X-Up");
        let mut document: serde_json::Value = response.json()?;
        document["n"] = 2.into();
        Ok(response.set_json(&document)?)
    })
    .await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.status(), answer.text(), answer.header("Content-Length")), (202, r#"{"n":2}"#, Some("7")));
    assert_eq!((answer.header("X-Seen"), answer.header("X-Up")), (Some("yes"), None));
    assert_eq!(answer.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
}

struct TellsLength;

impl Plugin for TellsLength {
    async fn response(&self, _: &SessionRequest, response: &mut Reply) -> HookResult {
        let length = response.header("Content-Length").unwrap_or("none").to_owned();
        response.set_header("X-Length", length);
        Ok(())
    }
}

#[tokio::test]
async fn a_response_hook_is_told_the_length_of_what_another_has_written() {
    let writes = OnReply(|response| {
        response.set_body("longer than before");
        Ok(())
    });
    let upstream = Upstream::start().await;
    let api = api(&upstream).response(serve(writes).await).response(serve(TellsLength).await);
    let gateway = Gateway::start(api).await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.header("X-Length"), answer.text()), (Some("18"), "longer than before"));
}

#[tokio::test]
async fn all_values_of_a_response_header_are_the_plugins_to_change() {
    let gateway = with_response(|response| {
        response.append_header("Set-Cookie", "c=3");
        response.append_header("X-Up", "2");
        Ok(())
    })
    .await;

    let answer = gateway.get("/").await;

    assert_eq!(answer.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2", "c=3"]);
    assert_eq!(answer.headers.get_all("x-up").iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn a_refusal_by_a_response_hook_replaces_the_upstreams_answer() {
    let gateway = with_response(|_| Err(Refusal::new(502, "the upstream is confused"))).await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.status(), answer.error()), (502, "the upstream is confused".to_owned()));
    assert_eq!(answer.header("X-Up"), None);
}

// === Several hooks ===

/// Leaves its name in the trail.
struct Mark(&'static str);

impl Mark {
    fn on(&self, request: &mut Request) {
        let trail = request.header("X-Trail").unwrap_or_default();
        let trail = format!("{trail}>{}", self.0);
        request.set_header("X-Trail", trail);
    }
}

impl Plugin for Mark {
    async fn pre(&self, request: &mut Request) -> HookResult {
        self.on(request);
        Ok(())
    }

    async fn post(&self, request: &mut SessionRequest) -> HookResult {
        self.on(request);
        Ok(())
    }
}

#[tokio::test]
async fn hooks_of_one_server_are_told_apart_by_name_and_run_in_order() {
    let upstream = Upstream::start().await;
    let server = Server::new().plugin(Mark("any")).hook("First", Mark("first")).hook("Second", Mark("second"));
    let plugin = host(server, "127.0.0.1:0").await;
    let api = api(&upstream)
        .post(plugin.clone())
        .hook("pre", "Second", plugin.clone())
        .hook("pre", "First", plugin.clone())
        .hook("pre", "Third", plugin);
    let gateway = Gateway::start(api).await;

    gateway.get("/").await;

    assert_eq!(upstream.request().header("X-Trail"), Some(">second>first>any>any"));
}

#[tokio::test]
async fn a_disabled_hook_is_not_called() {
    struct Counted(Arc<AtomicUsize>);
    impl Plugin for Counted {
        async fn pre(&self, _: &mut Request) -> HookResult {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }
    let (upstream, calls) = (Upstream::start().await, Arc::default());
    let plugin = serve(Counted(Arc::clone(&calls))).await;
    let disabled = json!({"custom_middleware": {"pre": [{"name": "MyPre", "disabled": true}]}});
    let gateway = Gateway::start(api(&upstream).pre(plugin).with(disabled)).await;

    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}
