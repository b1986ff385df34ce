//! What a response hook's edits become on the wire.

#![allow(clippy::unwrap_used)]

use super::*;

fn upstream() -> Response {
    let cookies = Header { key: "Set-Cookie".into(), values: vec!["a=1".into(), "b=2".into()] };
    let kind = header("Content-Type".into(), "text/plain".into());
    let firsts = [("Set-Cookie", "a=1"), ("Content-Type", "text/plain")];
    Response::new(ResponseObject {
        status_code: 200,
        raw_body: "hello".into(),
        body: "hello".into(),
        headers: firsts.map(|(name, value)| (name.into(), value.into())).into(),
        multivalue_headers: vec![cookies, kind],
    })
}

/// The headers that the client gets by the gateway's rule, which compares with what it sent.
fn at_the_client(response: &Response) -> Vec<(String, Vec<String>)> {
    let ResponseObject { headers, multivalue_headers: multi, .. } = &response.fields;
    for Header { key, values } in multi {
        assert_eq!(headers.get(key), values.first(), "{key} is out of step");
    }
    assert_eq!(headers.len(), multi.len());
    let mut all: Vec<_> = multi.iter().map(|it| (it.key.clone(), it.values.clone())).collect();
    all.sort();
    all
}

fn expect(response: &Response, expected: &[(&str, &[&str])]) {
    let owned = |values: &[&str]| values.iter().map(ToString::to_string).collect();
    let expected: Vec<_> = expected.iter().map(|(key, all)| (key.to_string(), owned(all))).collect();
    assert_eq!(at_the_client(response), expected);
}

#[test]
fn a_set_header_keeps_the_spelling_that_is_there_and_no_other_value() {
    let mut response = upstream();
    response.set_header("set-cookie", "c=3");
    response.set_header("x-new", "1");

    assert_eq!(response.header("SET-COOKIE"), Some("c=3"));
    expect(&response, &[("Content-Type", &["text/plain"]), ("Set-Cookie", &["c=3"]), ("X-New", &["1"])]);
}

#[test]
fn an_appended_value_comes_after_the_others() {
    let mut response = upstream();
    response.append_header("set-cookie", "c=3");
    response.append_header("vary", "Accept");

    assert_eq!(response.header_values("Set-Cookie").collect::<Vec<_>>(), ["a=1", "b=2", "c=3"]);
    let cookies: &[&str] = &["a=1", "b=2", "c=3"];
    expect(&response, &[("Content-Type", &["text/plain"]), ("Set-Cookie", cookies), ("Vary", &["Accept"])]);
}

#[test]
fn a_removed_header_is_gone_from_both_maps() {
    let mut response = upstream();
    response.remove_header("set-cookie");

    assert_eq!(response.header("Set-Cookie"), None);
    expect(&response, &[("Content-Type", &["text/plain"])]);
}

#[test]
fn headers_of_a_gateway_that_knows_single_values_only_are_kept() {
    let headers = [("Etag".to_owned(), "1".to_owned())].into();
    let response = Response::new(ResponseObject { headers, ..Default::default() });

    expect(&response, &[("Etag", &["1"])]);
}

#[test]
fn text_goes_into_both_bodies_and_bytes_into_one() {
    let mut response = upstream();
    response.set_body("bye");
    assert_eq!((&response.fields.body[..], &response.fields.raw_body[..]), ("bye", &b"bye"[..]));

    response.set_body(vec![0xff]);
    assert_eq!((&response.fields.body[..], &response.fields.raw_body[..]), ("", &b"\xff"[..]));
}

#[test]
fn a_status_that_breaks_the_gateway_fails_the_hook() {
    let mut response = upstream();

    for status in [0, 101, 600, 1000] {
        assert_eq!(response.set_status(status).unwrap_err().status(), 500);
    }
    response.set_status(204).unwrap();
    assert_eq!(response.status(), 204);
}

#[test]
fn a_refusal_replaces_the_whole_answer() {
    let refusal = Refusal::new(502, "no \"luck\"").header("retry-after", "5");
    let answer = upstream().conclude("hook", Err(refusal));

    assert_eq!(answer.status_code, 502);
    assert_eq!(answer.raw_body, r#"{"error":"no \"luck\""}"#);
    let response = Response::new(answer);
    expect(&response, &[("Content-Type", &["application/json"]), ("Retry-After", &["5"])]);
}
