//! What a request hook's edits become on the wire.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use super::*;
use crate::Session;

fn map(entries: &[(&str, &str)]) -> HashMap<String, String> {
    entries.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

fn received() -> Object {
    Object {
        hook_name: "MyHook".into(),
        spec: map(&[("APIID", "a1"), ("OrgID", "o1"), ("config_data", r#"{"limit":3}"#)]),
        request: Some(MiniRequestObject {
            headers: map(&[("X-Api-Key", "k"), ("Accept", "*/*")]),
            params: map(&[("q", "1")]),
            url: "/listen/path?q=1".into(),
            method: "GET".into(),
            body: "hello".into(),
            raw_body: "hello".into(),
            return_overrides: Some(ReturnOverrides { response_code: -1, ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn request() -> Request {
    Request::new(received())
}

/// The `request` that is returned after a hook that ended with `outcome`.
fn returned(request: Request, outcome: HookResult) -> MiniRequestObject {
    request.conclude(outcome).request.unwrap()
}

fn overrides(request: Request, outcome: HookResult) -> ReturnOverrides {
    returned(request, outcome).return_overrides.unwrap()
}

#[test]
fn a_hook_that_does_nothing_returns_what_it_received() {
    assert_eq!(request().conclude(Ok(())), received());
    assert_eq!(AuthRequest::new(received()).conclude(Ok(())), received());
    assert_eq!(SessionRequest::new(received()).conclude(Ok(())), received());
}

#[test]
fn a_request_tells_what_it_is() {
    let request = request();

    assert_eq!(request.header("x-api-key"), Some("k"));
    assert_eq!((request.path(), request.query()), ("/listen/path", "q=1"));
    assert_eq!((request.method(), request.param("q")), ("GET", Some("1")));
    assert_eq!((request.api_id(), request.org_id()), ("a1", "o1"));
    assert_eq!((request.hook_name(), request.text()), ("MyHook", Some("hello")));
}

#[test]
fn header_edits_travel_as_edits_and_show_at_once() {
    let mut request = request();
    request.set_header("x-api-key", "new");
    request.delete_header("accept");
    assert_eq!((request.header("X-API-KEY"), request.header("Accept")), (Some("new"), None));

    let returned = returned(request, Ok(()));
    assert_eq!(returned.set_headers, map(&[("X-Api-Key", "new")]));
    assert_eq!(returned.delete_headers, ["Accept"]);
}

#[test]
fn the_last_of_two_header_edits_counts() {
    let mut request = request();
    request.set_header("A", "1");
    request.delete_header("a");
    request.delete_header("B");
    request.set_header("b", "2");

    let returned = returned(request, Ok(()));
    // The gateway deletes before it sets.
    assert_eq!(returned.set_headers, map(&[("B", "2")]));
    assert_eq!(returned.delete_headers, ["A", "B"]);
}

#[test]
fn query_edits_travel_beside_the_url() {
    let mut request = request();
    request.delete_param("q");
    request.add_param("page", "2");
    request.set_path("/listen/other");
    assert_eq!((request.param("q"), request.param("page")), (None, Some("2")));

    let returned = returned(request, Ok(()));
    assert_eq!(returned.url, "/listen/other?q=1");
    assert_eq!(returned.delete_params, ["q"]);
    assert_eq!(returned.add_params, map(&[("page", "2")]));
}

#[test]
fn a_text_body_travels_twice_and_a_raw_one_once() {
    let mut request = request();
    request.set_body("bye");
    assert_eq!((&request.fields.body[..], &request.fields.raw_body[..]), ("bye", &b"bye"[..]));

    let raw = MiniRequestObject { raw_body: "hello".into(), ..Default::default() };
    let mut request = Request::new(Object { request: Some(raw), ..Default::default() });
    request.set_body("bye");
    assert_eq!((&request.fields.body[..], &request.fields.raw_body[..]), ("", &b"bye"[..]));
}

#[test]
fn a_rejection_becomes_an_override_for_the_gateways_error_document() {
    let mut request = request();
    let outcome = request.reject(418, "short and stout");

    let overrides = overrides(request, outcome);
    assert_eq!((overrides.response_code, overrides.override_error), (418, false));
    assert_eq!(overrides.response_error, "short and stout");
}

#[test]
fn a_rejection_stands_even_if_the_hook_forgets_it() {
    let mut request = request();
    let _ = request.reject(401, "no");

    assert_eq!(overrides(request, Ok(())).response_code, 401);
}

#[test]
fn an_answer_goes_out_as_it_is() {
    let mut request = request();
    let outcome = request.respond(404, &[("Content-Type", "text/plain")], "not here");

    let overrides = overrides(request, outcome);
    assert_eq!((overrides.response_code, overrides.override_error), (404, true));
    assert_eq!((&overrides.response_body[..], &overrides.response_error[..]), ("not here", ""));
    assert_eq!(overrides.headers, map(&[("Content-Type", "text/plain")]));
}

#[test]
fn an_answer_that_would_let_the_request_pass_refuses_with_500() {
    let mut request = request();
    let outcome = request.respond(0, &[], "");

    assert_eq!(overrides(request, outcome).response_code, 500);
}

#[test]
fn an_error_beats_an_answer_that_was_given_before() {
    let mut request = request();
    request.respond(200, &[("A", "1")], "fine").unwrap();

    let refusal = Refusal::new(503, "later").header("Retry-After", "5");
    let overrides = overrides(request, Err(refusal));
    assert_eq!((overrides.response_code, overrides.override_error), (503, false));
    assert_eq!(overrides.headers, map(&[("Retry-After", "5")]));
    assert_eq!(overrides.response_body, "");
}

#[test]
fn a_caller_gets_in_with_session_and_token_together() {
    let mut request = AuthRequest::new(received());
    let outcome = request.allow(Session::new("k").alias("jane"));

    let object = request.conclude(outcome);
    assert_eq!(object.metadata, map(&[("token", "k")]));
    let session = object.session.unwrap();
    assert_eq!((&session.alias[..], &session.last_updated[..]), ("jane", ""));
}

#[test]
fn nobody_gets_in_without_a_token() {
    let mut request = AuthRequest::new(received());
    let outcome = request.allow(Session::new(""));

    let object = request.conclude(outcome);
    assert_eq!(object.session, None);
    assert_eq!(object.request.unwrap().return_overrides.unwrap().response_code, 403);
}

#[test]
fn an_object_without_request_is_no_reason_to_panic() {
    let mut request = Request::new(Object::default());
    assert_eq!((request.path(), request.header("A"), request.api_id()), ("", None, ""));
    request.set_path("/a");

    let returned = returned(request, Ok(()));
    assert_eq!(returned.url, "/a");
    assert_eq!(returned.return_overrides.unwrap().response_code, -1);
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Config {
    #[serde(default)]
    limit: u32,
}

#[test]
fn config_data_is_read_into_the_plugins_type() {
    assert_eq!(request().config::<Config>().unwrap(), Config { limit: 3 });
    assert_eq!(Request::new(Object::default()).config::<Config>().unwrap(), Config { limit: 0 });
    assert!(request().config::<Vec<u32>>().is_err());
}
