//! What operators put in the place of error answers.

use http::Response;
use http_body_util::Full;
use serde_json::json;

use crate::harness::{Gateway, Setup, Upstream, api, request};

#[tokio::test]
async fn an_api_and_the_gateway_put_other_answers_in_the_place_of_errors() {
    let upstream = Upstream::start().await;
    let body = "<p>{{.StatusCode}}: {{.Message}}</p>";
    let own = json!({"use_keyless": false, "error_overrides": {
        "401": [{"match": {"flag": "AMF"}, "response": {
            "status_code": 418, "body": body, "headers": {"Content-Type": "text/html", "X-Own": "1"},
        }}],
    }});
    let general = json!({"4xx": [{"response": {"message": "no"}}]});
    let setup = Setup::new()
        .api(api(&upstream).named("own").with(own))
        .api(api(&upstream).named("general").with(json!({"use_keyless": false})))
        .api(api(&upstream).named("off").with(json!({
            "use_keyless": false, "error_overrides_disabled": true,
            "error_overrides": {"401": [{"response": {"message": "never"}}]},
        })))
        .conf(json!({"error_overrides": general}));
    let gateway = Gateway::start(setup).await;

    let missing = gateway.get("/own/").await;
    assert_eq!((missing.status(), missing.text()), (418, "<p>418: Authorization field missing</p>"));
    assert_eq!([missing.header("Content-Type"), missing.header("X-Own")], [Some("text/html"), Some("1")]);
    let unknown = gateway.send(request("GET", "/own/").header("Authorization", "nobody"), "").await;
    assert_eq!((unknown.status(), &*unknown.error()), (403, "no"), "the gateway's rule counts where the API has none");
    for path in ["/general/", "/off/"] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status(), &*answer.error()), (401, "no"), "{path}");
    }
}

#[tokio::test]
async fn an_upstreams_error_is_replaced_if_it_is_as_the_rule_says() {
    let upstream = Upstream::answering(|request| {
        let status = request.target.trim_start_matches('/').parse().unwrap();
        let reply = Response::builder().status::<u16>(status).header("X-Kept", "1").header("ETag", "\"e\"");
        reply.body(Full::from(r#"{"error": {"code": "E7"}}"#)).unwrap()
    })
    .await;
    let rules = json!({"error_overrides": {
        "404": [{"match": {"body_field": "error.code", "body_value": "E7"}, "response": {"message": "seven"}}],
        "5xx": [{"match": {"flag": "URS"}, "response": {"status_code": 502, "message": "later"}}],
    }});
    let gateway = Gateway::start(api(&upstream).with(rules)).await;
    for (path, status, error) in [("/404", 404, "seven"), ("/500", 502, "later")] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status(), &*answer.error()), (status, error));
        assert_eq!([answer.header("X-Kept"), answer.header("ETag")], [Some("1"), None]);
    }
    for path in ["/400", "/200"] {
        assert_eq!(gateway.get(path).await.text(), r#"{"error": {"code": "E7"}}"#, "{path}");
    }
}

#[tokio::test]
async fn a_rule_that_cannot_be_is_refused_where_it_stands() {
    let upstream = Upstream::start().await;
    let broken = json!({"error_overrides": {"404": [{"match": {"message_pattern": "("}}]}});
    let gateway = Gateway::start(api(&upstream).with(broken.clone())).await;
    gateway.process.says("error_overrides.404[0].match.message_pattern").await;
    assert_eq!(gateway.get("/x").await.status(), 404);
    let (code, said) = Gateway::refused(Setup::from(api(&upstream)).conf(broken)).await;
    assert_eq!(code, 64);
    assert!(said.contains("error_overrides.404[0].match.message_pattern"), "{said}");
}
