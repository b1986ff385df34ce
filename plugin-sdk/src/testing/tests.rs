//! Every hook can be called, and every outcome told.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{AuthRequest, HookResult, Refusal, Request, SessionRequest};

#[derive(serde::Deserialize)]
struct Config {
    greeting: String,
}

struct Door;

impl Plugin for Door {
    async fn pre(&self, request: &mut Request) -> HookResult {
        match request.path() {
            "/answered" => return request.respond(404, &[("X-From", "door")], "nobody home"),
            "/refused" => return Err(Refusal::new(429, "slowly").header("Retry-After", "5").header("B", "c")),
            "/panics" => panic!("out of tea"),
            _ => {}
        }
        let config: Config = request.config()?;
        request.set_header("X-Greeting", format!("{} {}", config.greeting, request.param("name").unwrap_or("you")));
        request.delete_header("cookie");
        request.add_param("source", "door");
        request.set_path("/elsewhere");
        let shout = request.text().unwrap_or_default().to_uppercase();
        request.set_body(shout);
        Ok(())
    }

    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        match request.header("X-Api-Key") {
            Some(key) => request.allow(Session::new(key).alias("jane")),
            None => Ok(()),
        }
    }

    async fn post(&self, request: &mut SessionRequest) -> HookResult {
        let session = request.session().ok_or(Refusal::new(403, "who are you?"))?;
        let caller = format!("{} {}", session.alias(), session.key_id());
        request.set_header("X-Caller", caller);
        Ok(())
    }

    async fn response(&self, request: &SessionRequest, response: &mut Response) -> HookResult {
        if response.status() >= 500 {
            return Err(Refusal::new(502, "try later"));
        }
        response.append_header("Via", request.method());
        Ok(())
    }
}

#[tokio::test]
async fn a_request_that_passes_shows_the_edits() {
    let call = request("POST", "/x?name=jane+d").header("cookie", "a=b").body("tea").config(r#"{"greeting":"hi"}"#);

    let passed = call.pre(&Door).await.passed();

    assert_eq!(passed.header("X-Greeting"), Some("hi jane d"));
    assert_eq!(passed.header("Cookie"), None);
    assert_eq!((passed.param("source"), passed.path(), passed.text()), (Some("door"), "/elsewhere", Some("TEA")));
}

#[tokio::test]
async fn an_answer_and_a_refusal_are_told_as_the_client_gets_them() {
    let answer = request("GET", "/answered").pre(&Door).await.answered();
    assert_eq!((answer.status(), answer.header("x-from"), answer.text()), (404, Some("door"), Some("nobody home")));

    let refusal = request("GET", "/refused").pre(&Door).await.refused();
    assert_eq!((refusal.status(), refusal.message()), (429, "slowly"));
    let headers = refusal.headers().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    assert_eq!(headers.collect::<Vec<_>>(), [("B", "c"), ("Retry-After", "5")]);
}

#[tokio::test]
async fn a_hook_that_fails_or_panics_refuses() {
    for target in ["/without-config", "/panics"] {
        let refusal = request("GET", target).pre(&Door).await.refused();
        assert_eq!((refusal.status(), refusal.message()), (500, "Internal Server Error"));
    }
}

#[tokio::test]
async fn a_caller_gets_in_with_a_session_only() {
    let passed = request("GET", "/x").header("x-api-key", "k").auth(&Door).await.passed();
    let session = passed.session().unwrap();
    assert_eq!((session.key_id(), session.alias()), ("k", "jane"));

    let refusal = request("GET", "/x").auth(&Door).await.refused();
    assert_eq!((refusal.status(), refusal.message()), (403, "Key not authorised"));
}

#[tokio::test]
async fn hooks_after_authentication_know_the_caller() {
    let call = request("GET", "/x").session(Session::new("k").alias("jane"));
    assert_eq!(call.clone().post(&Door).await.passed().header("X-Caller"), Some("jane k"));
    assert_eq!(call.post_key_auth(&Door).await.passed().header("X-Caller"), None);

    assert_eq!(request("GET", "/x").post(&Door).await.refused().status(), 403);
}

#[tokio::test]
async fn a_response_hook_gives_what_the_client_gets() {
    let mut answer = response(200);
    answer.append_header("Via", "upstream");
    let answer = request("GET", "/x").response(&Door, answer).await;
    assert_eq!(answer.header_values("via").collect::<Vec<_>>(), ["upstream", "GET"]);

    let refused = request("GET", "/x").response(&Door, response(503)).await;
    assert_eq!((refused.status(), refused.text()), (502, Some(r#"{"error":"try later"}"#)));
}

#[tokio::test]
#[should_panic = "the request did not pass: Refused"]
async fn a_wrong_guess_says_what_happened_instead() {
    request("GET", "/refused").pre(&Door).await.passed();
}
