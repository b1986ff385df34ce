//! Rules for single paths: what they change of a request, and how they limit it.

use std::time::Duration;

use outrigger_plugin::{HookResult, Plugin, SessionRequest};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Api, Gateway, Setup, Upstream, Wire, api, listen, request, serve};

/// A definition with these rules.
fn paths(lists: Value) -> Value {
    json!({"enable_context_vars": true, "version_data": {"versions": {"Default": {
        "use_extended_paths": true, "extended_paths": lists,
    }}}})
}

fn rewrite(rule: Value) -> Value {
    paths(json!({"url_rewrites": [rule]}))
}

#[tokio::test]
async fn a_rewrite_takes_groups_of_its_pattern_and_variables() {
    let upstream = Upstream::start().await;
    let rule = rewrite(json!({
        "path": "/users/{id}", "method": "GET", "match_pattern": r"/users/(\w+)/(\w+)",
        "rewrite_to": "/$2?user=$1&agent=$tyk_context.headers_User_Agent",
    }));
    let gateway = Gateway::start(api(&upstream).with(rule)).await;
    let sent = |method: &str| request(method, "/users/ann/orders?old=1").header("User-Agent", "test");
    for (method, target) in [("GET", "/orders?user=ann&agent=test"), ("POST", "/users/ann/orders?old=1")] {
        gateway.send(sent(method), "").await;
        assert_eq!(upstream.last().target, target);
    }
    gateway.get("/users/ann").await;
    assert_eq!(upstream.last().target, "/users/ann", "the pattern does not match");
}

#[tokio::test]
async fn the_first_trigger_that_fits_has_the_target() {
    let upstream = Upstream::start().await;
    let matches = |pattern: &str| json!({"match_rx": pattern});
    let rule = rewrite(json!({
        "path": "/x", "match_pattern": "/x", "rewrite_to": "/otherwise",
        "triggers": [
            {"on": "all", "rewrite_to": "/both", "options": {
                "header_matches": {"X-Kind": matches("^big$")},
                "query_val_matches": {"q": {"match_rx": "no", "reverse": true}},
            }},
            {"on": "any", "rewrite_to": "/body/$tyk_context.trigger-1-payload-0-1", "options": {
                "payload_matches": matches("id=([0-9]+)"),
                "header_matches": {"X-Kind": matches("^never$")},
            }},
            {"on": "any", "rewrite_to": "/part/$tyk_context.trigger-2-part-0", "options": {
                "path_part_matches": {"part": matches("^y.*")},
            }},
        ],
    }));
    let gateway = Gateway::start(api(&upstream).with(rule)).await;
    for (path, kind, body, target) in [
        ("/x", "big", "", "/both"),
        ("/x?q=no", "big", "", "/otherwise"),
        ("/x", "small", "id=42", "/body/42"),
        ("/x/yes", "small", "", "/part/yes"),
        ("/x", "small", "", "/otherwise"),
    ] {
        gateway.send(request("POST", path).header("X-Kind", kind), body).await;
        assert_eq!(upstream.last().target, target, "{path} {kind} {body}");
    }
}

struct Witness;

impl Plugin for Witness {
    async fn post(&self, request: &mut SessionRequest) -> HookResult {
        let seen = format!("{} {}", request.method(), request.url());
        request.set_header("X-Seen", seen);
        Ok(())
    }
}

#[tokio::test]
async fn post_hooks_see_the_new_method_and_an_impossible_one_is_refused() {
    let upstream = Upstream::start().await;
    let rules = paths(json!({"method_transforms": [
        {"path": "/put", "method": "POST", "to_method": "put"},
        {"path": "/fly", "to_method": "FLY"},
    ]}));
    let gateway = Gateway::start(api(&upstream).with(rules).post(serve(Witness).await)).await;
    gateway.post("/put", "body").await;
    let received = upstream.last();
    assert_eq!((&*received.method, received.header("X-Seen"), received.text()), ("PUT", Some("PUT /put"), "body"));
    let refused = gateway.get("/fly").await;
    assert_eq!((refused.status(), &*refused.error()), (405, "Method not allowed"));
}

#[tokio::test]
async fn headers_change_on_the_paths_that_say_so() {
    let upstream = Upstream::start().await;
    let change = json!({"path": "/a", "method": "GET", "delete_headers": ["X-Old"], "add_headers": {"X-New": "1"}});
    let back = json!({"path": "/a", "method": "GET", "add_headers": {"X-Back": "2", "X-All": "path"}});
    let rules = paths(json!({"transform_headers": [change], "transform_response_headers": [back]}));
    let all = json!({"version_data": {"versions": {"Default": {"global_response_headers": {"X-All": "all"}}}}});
    let gateway = Gateway::start(api(&upstream).with(rules).with(all)).await;
    for (path, old, new, back) in [("/a", None, Some("1"), Some("2")), ("/b", Some("0"), None, None)] {
        let answer = gateway.send(request("GET", path).header("X-Old", "0"), "").await;
        let received = upstream.last();
        assert_eq!((received.header("X-Old"), received.header("X-New"), answer.header("X-Back")), (old, new, back));
        assert_eq!(answer.header("X-All"), Some("all"), "what is for all paths comes last");
    }
}

#[tokio::test]
async fn a_body_may_be_no_longer_than_its_path_allows() {
    let upstream = Upstream::start().await;
    let limits = paths(json!({"size_limits": [{"path": "/small", "size_limit": 3}]}));
    let gateway = Gateway::start(api(&upstream).with(limits)).await;
    let status = async |path: &str, body: &str| gateway.post(path, body).await.status();
    assert_eq!(
        [status("/small", "abc").await, status("/small", "abcd").await, status("/big", "abcd").await],
        [200, 400, 200]
    );
    assert_eq!(gateway.get("/small").await.status(), 200, "a request without a body has nothing to tell");
}

#[tokio::test]
async fn an_upstream_that_takes_longer_than_its_path_allows_is_not_waited_for() {
    let silent = listen().await;
    let address = silent.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut socket, _)) = silent.accept().await {
            let _ = socket.read(&mut [0; 1024]).await;
            kept.push(socket);
        }
    });
    let limits = paths(json!({"hard_timeouts": [{"path": "/x", "duration": "200ms", "timeout": 60}]}));
    let gateway = Gateway::start(Api::to(&format!("http://{address}/")).with(limits)).await;
    let answer = tokio::time::timeout(Duration::from_secs(20), gateway.get("/x")).await.unwrap();
    assert_eq!((answer.status(), &*answer.error()), (504, "Upstream service reached hard timeout."));
}

#[tokio::test]
async fn an_answer_that_has_not_ended_by_then_breaks_off_where_it_is() {
    let listener = listen().await;
    let limits = paths(json!({"hard_timeouts": [{"path": "/x", "duration": "400ms"}]}));
    let api = Api::to(&format!("http://{}/", listener.local_addr().unwrap())).with(limits);
    let gateway = Gateway::start(api).await;
    for framing in ["Content-Length: 9\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut client = Wire::connect(gateway.address).await;
        client.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let mut upstream = Wire::accept(&listener).await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\n{framing}")).await;

        assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
        let body = client.rest().await;
        assert!(body.ends_with("half") || body.ends_with("half\r\n"), "no last chunk: {body:?}");
        assert_eq!(upstream.rest().await, "", "the upstream is let go");
    }
}

#[tokio::test]
async fn an_answer_that_never_pauses_breaks_off_too_and_one_in_time_or_elsewhere_is_whole() {
    let listener = listen().await;
    let limits =
        paths(json!({"hard_timeouts": [{"path": "/x", "duration": "400ms"}, {"path": "/long", "timeout": 60}]}));
    let api = Api::to(&format!("http://{}/", listener.local_addr().unwrap())).with(limits);
    let gateway = Gateway::start(api).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut upstream = Wire::accept(&listener).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let talking = tokio::spawn(async move {
        let mut socket = upstream.into_socket();
        while socket.write_all(b"1\r\n.\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    client.head().await;
    let body = client.rest().await;
    assert!(!body.is_empty() && !body.ends_with("0\r\n\r\n"), "{body:?}");
    talking.await.unwrap();

    for path in ["/long", "/other"] {
        let mut client = Wire::connect(gateway.address).await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let mut upstream = Wire::accept(&listener).await;
        upstream.head().await;
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await;
        client.through("half").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        upstream.send("half").await;
        client.through("half").await;
    }
}

#[tokio::test]
async fn addresses_are_let_in_or_kept_out() {
    let upstream = Upstream::start().await;
    let setup = Setup::new()
        .api(api(&upstream).named("only").with(json!({"allowed_ips": ["10.0.0.0/8"]})))
        .api(api(&upstream).named("but").with(json!({"blacklisted_ips": ["10.0.0.0/8"]})));
    let gateway = Gateway::start(setup).await;
    for (path, address, status) in
        [("/only/", "10.1.1.1", 200), ("/only/", "192.0.2.1", 403), ("/but/", "10.1.1.1", 403)]
    {
        let answer = gateway.send(request("GET", path).header("X-Real-IP", address), "").await;
        assert_eq!(answer.status(), status, "{path} {address}");
    }
    assert_eq!(gateway.get("/only/").await.error(), "access from this IP has been disallowed");
}

#[tokio::test]
async fn a_rewrite_to_another_host_goes_there_as_it_is() {
    let [upstream, other] = [Upstream::start().await, Upstream::start().await];
    let to = format!("http://{}/there/$1?b=2", other.address);
    let rule = rewrite(json!({"path": "/x", "match_pattern": "/x/(.*)", "rewrite_to": to}));
    let target = json!({"proxy": {"target_url": format!("http://{}/base?t=1", upstream.address)}});
    let gateway = Gateway::start(api(&upstream).with(rule).with(target)).await;
    for path in ["/x/a", "/x/b"] {
        assert_eq!(gateway.get(path).await.status(), 200);
    }
    assert_eq!(upstream.requests().len(), 0);
    let last = other.last();
    assert_eq!((&*last.target, last.header("Host")), ("/there/b?t=1&b=2", Some(&*other.address.to_string())));
}

#[tokio::test]
async fn a_body_that_its_schema_does_not_describe_reaches_neither_post_hook_nor_upstream() {
    let upstream = Upstream::start().await;
    let schema = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}});
    let rules = paths(json!({"validate_json": [
        {"path": "/people", "method": "POST", "schema": schema},
        {"path": "/teapots", "schema": {"type": "array"}, "error_response_code": 418},
        {"path": "/off", "schema": {"type": "array"}, "disabled": true},
    ]}));
    let gateway = Gateway::start(api(&upstream).with(rules).post(serve(Witness).await)).await;
    for (path, body, status, said) in [
        ("/people", r#"{"other": 1}"#, 422, "\"name\" is a required property"),
        ("/people", "name", 422, "the body is no JSON: expected ident at line 1 column 2"),
        ("/teapots", "{}", 418, "value is not of type \"array\""),
    ] {
        let refused = gateway.post(path, body).await;
        assert_eq!((refused.status(), &*refused.error()), (status, said), "{path} {body}");
    }
    assert_eq!(upstream.requests(), []);
    let body = r#"{"name": "ann"}"#;
    for (path, body) in [("/people", body), ("/off", body), ("/elsewhere", "name")] {
        assert_eq!(gateway.post(path, body).await.status(), 200, "{path}");
        assert_eq!(upstream.last().text(), body);
    }
}

#[tokio::test]
async fn a_schema_that_cannot_be_used_closes_the_api() {
    let upstream = Upstream::start().await;
    let rules = paths(json!({"validate_json": [{"path": "/x", "schema": {"type": "no such type"}}]}));
    let gateway = Gateway::start(api(&upstream).with(rules)).await;
    assert_eq!(gateway.get("/x").await.status(), 404);
    gateway.process.says("version_data.versions.Default.extended_paths.validate_json[0].schema: ").await;
}

#[tokio::test]
async fn a_path_has_its_own_rate_in_place_of_the_apis() {
    let upstream = Upstream::start().await;
    let limits = paths(json!({"rate_limit": [
        {"path": "/rare", "method": "GET", "rate": 1, "per": 600},
        {"path": "/often", "rate": 100, "per": 600},
    ]}));
    let global = json!({"global_rate_limit": {"rate": 2, "per": 600}});
    let gateway = Gateway::start(api(&upstream).with(limits).with(global)).await;
    let status = async |path: &str| gateway.get(path).await.status();
    assert_eq!([status("/rare").await, status("/rare").await], [200, 429]);
    assert_eq!(gateway.get("/rare").await.error(), "API Rate Limit Exceeded");
    for _ in 0..3 {
        assert_eq!(status("/often").await, 200);
    }
    assert_eq!([status("/x").await, status("/x").await, status("/x").await], [200, 200, 429]);
}
