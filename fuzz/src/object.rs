//! Returned objects: whatever a plugin returns is applied, or the hook fails.

use std::collections::HashMap;

use bytes::Bytes;
use coprocess::{MiniRequestObject, Object, ResponseObject};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Request, Response};
use outrigger_gateway::error::{Failure, Stop};
use outrigger_gateway::exchange::{
    Body, Client, Exchange, Head, Notes, Passage, Pending, Reply, Standing, Target, is_hop_by_hop, wire,
};
use outrigger_gateway::hook::{Hook, HookType};
use prost::Message;

/// Takes one byte that says which hook it is for, and an encoded object.
pub fn check(data: &[u8]) {
    let Some((&mode, encoded)) = data.split_first() else { return };
    let Ok(returned) = Object::decode(encoded) else { return };
    match mode % 8 {
        7 => reply(returned, mode & 8 != 0),
        kind => request(returned, kind, mode & 8 != 0),
    }
}

fn hook(kind: HookType) -> Hook {
    let (server, spec) = (Ok("default".into()), HashMap::new().into());
    Hook { kind, name: "Any".into(), raw_body_only: false, server, spec }
}

/// A request in flight; with `pending`, its target and method will be others.
fn exchange(method: &str, pending: bool) -> Exchange {
    let request = Request::builder().method(method).uri("/api/a%2Fb?a=1&a=2&b=x+y");
    let request = request.header("Host", "api.test").header("X-A", "1").header("X-A", "2").header("Cookie", "c=d");
    let (parts, ()) = request.body(()).expect("the request is legal").into_parts();
    let target = || Target::parse("http://elsewhere.test/new?c=3").expect("the target is legal");
    let change = || Pending { target: Some(target()), method: Some("PUT".to_owned()) };
    Exchange {
        head: Head::new(parts).expect("the head is legal"),
        body: Body::whole("body"),
        upgrade: None,
        session: None,
        standing: Standing::default(),
        passage: Passage { pending: pending.then(|| Box::new(change())), ..Passage::default() },
        client: Client { peer: HeaderValue::from_static("127.0.0.1"), depth: None, tls: false, certificate: None },
        context: None,
        notes: Notes::start(),
    }
}

fn request(returned: Object, kind: u8, pending: bool) {
    let kinds = [HookType::Pre, HookType::CustomKeyCheck, HookType::PostKeyAuth, HookType::Post];
    let hook = hook(kinds[usize::from(kind) % kinds.len()]);
    let mut exchange = exchange("POST", pending);
    let wanted = returned.request.clone();
    match (hook.apply(returned, &mut exchange), wanted) {
        (Ok(_), Some(wanted)) => applied(&wanted, &exchange),
        (Err(Stop::Answer(reply)), Some(_)) => answered(&reply),
        (Err(Stop::Refusal(refusal)), Some(_)) => assert!(refusal.status.as_u16() >= 400),
        (Err(Stop::Failure(Failure::Hook { cause, .. })), _) => return assert!(!cause.to_string().is_empty()),
        (other, _) => panic!("{:?} of an object without a request", other.err()),
    }
    legal(&exchange);
    told_again(&hook, exchange);
}

/// What an applied object asked for is there.
fn applied(wanted: &MiniRequestObject, exchange: &Exchange) {
    assert_eq!(exchange.body.bytes(), Some(&wanted.raw_body));
    let pending = exchange.passage.pending.as_deref();
    let method = pending.and_then(|pending| pending.method.as_deref()).unwrap_or(exchange.head.method_text());
    // No method means GET.
    assert!(method == wanted.method || (method == "GET" && wanted.method.is_empty()), "{method:?}");
    for name in
        wanted.delete_headers.iter().filter(|name| !wanted.set_headers.keys().any(|set| set.eq_ignore_ascii_case(name)))
    {
        assert!(!exchange.head.headers.contains_key(name.as_str()), "{name:?} was deleted");
    }
    let kept_aside = &exchange.head.unsendable.headers;
    for (name, value) in wanted.set_headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        let set = exchange.head.headers.get(name.as_str()).is_some_and(|set| set == value);
        let spelled_twice = wanted.set_headers.keys().filter(|other| other.eq_ignore_ascii_case(name)).count() > 1;
        let kept = kept_aside.iter().any(|(known, kept)| known == name && kept == value);
        assert!(set || kept || spelled_twice, "{name:?} was set");
    }
}

/// The request is still one: its target can be read, and its host is the client's.
fn legal(exchange: &Exchange) {
    let pending = exchange.passage.pending.as_deref().and_then(|pending| pending.target.as_ref());
    for target in pending.into_iter().chain([&exchange.head.target]) {
        assert_eq!(Target::parse(target.as_str()).as_ref(), Ok(target));
    }
    assert!(!exchange.head.headers.contains_key(HOST));
    assert_eq!(exchange.head.host, Some(HeaderValue::from_static("api.test")));
    wire(&exchange.head, exchange.body.bytes());
    assert_eq!(exchange.head.unsendable.is_empty(), exchange.head.unsendable.describe().is_empty());
}

/// The next hook is told of the request as it stands, and if it changes nothing, nothing changes.
fn told_again(hook: &Hook, mut exchange: Exchange) {
    let object = match hook.object(&exchange, None) {
        Ok(object) => object,
        // Parameters that are no text cannot be told.
        Err(error) => return assert!(exchange.head.target.query().is_some(), "{error}"),
    };
    let before = (exchange.head.clone(), exchange.passage.pending.clone(), exchange.body.bytes().cloned());
    assert!(hook.apply(object, &mut exchange).is_ok(), "an object that nobody changed was not applied");
    let (head, pending, body) = before;
    assert_eq!(exchange.body.bytes(), body.as_ref());
    let parts = |head: &Head| {
        (head.method_text().to_owned(), head.target.clone(), head.headers.clone(), head.unsendable.clone())
    };
    assert_eq!(parts(&exchange.head), parts(&head));
    let parts = |pending: &Pending| (pending.target.clone(), pending.method.clone());
    assert_eq!(exchange.passage.pending.as_deref().map(parts), pending.as_deref().map(parts));
}

/// A plugin's own answer frames nothing.
fn answered(reply: &Reply) {
    let status = reply.status().as_u16();
    assert!((200..1000).contains(&status), "{status}");
    assert!(reply.headers().keys().all(|name| !is_hop_by_hop(name) && name != CONTENT_LENGTH));
    assert!(!matches!(status, 204 | 304) || body(reply).is_empty());
}

fn body(reply: &Reply) -> Bytes {
    reply.body().bytes().cloned().unwrap_or_default()
}

fn reply(returned: Object, head_request: bool) {
    let hook = hook(HookType::Response);
    let exchange = exchange(if head_request { "HEAD" } else { "GET" }, false);
    let upstream = Response::builder().status(201).header("X-A", "1").header("X-A", "2").header("Content-Length", "5");
    let mut reply = upstream.body(Body::whole("hello")).expect("the reply is legal");
    let sent = hook.object(&exchange, Some(&reply)).expect("the reply is text").response.expect("it is told");
    let wanted = returned.response.clone();
    match (hook.apply_to_reply(returned, &sent.headers, &exchange, &mut reply), wanted) {
        (Ok(()), Some(wanted)) => rewritten(&wanted, &reply, head_request),
        (Err(error), _) => return assert!(!error.answer().1.is_empty()),
        (Ok(()), None) => panic!("an object without a response was applied"),
    }
    reply_told_again(&hook, &exchange, reply, head_request);
}

fn rewritten(wanted: &ResponseObject, reply: &Reply, head_request: bool) {
    let status = if wanted.status_code == 0 { 201 } else { wanted.status_code };
    assert_eq!(i32::from(reply.status().as_u16()), status);
    assert!(status >= 200);
    assert_eq!(body(reply), wanted.raw_body);
    // The upstream's answer to HEAD had this one.
    let length = if head_request { 5 } else { wanted.raw_body.len() };
    assert_eq!(reply.headers().get(CONTENT_LENGTH), Some(&HeaderValue::from(length)));
}

/// The next hook is told of the reply as it stands, and if it changes nothing, nothing changes.
fn reply_told_again(hook: &Hook, exchange: &Exchange, mut reply: Reply, head_request: bool) {
    let object = hook.object(exchange, Some(&reply)).expect("what plugins return is text");
    let (status, headers, bytes) = (reply.status(), reply.headers().clone(), body(&reply));
    let sent = object.response.as_ref().map(|response| response.headers.clone()).unwrap_or_default();
    assert!(hook.apply_to_reply(object, &sent, exchange, &mut reply).is_ok());
    assert_eq!((reply.status(), body(&reply)), (status, bytes));
    let values = |headers: &http::HeaderMap| {
        let all = headers.iter().filter(|(name, _)| head_request || *name != CONTENT_LENGTH);
        all.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
    };
    let (mut got, mut wanted) = (values(reply.headers()), values(&headers));
    got.sort_by(|one, other| (one.0.as_str(), &one.1).cmp(&(other.0.as_str(), &other.1)));
    wanted.sort_by(|one, other| (one.0.as_str(), &one.1).cmp(&(other.0.as_str(), &other.1)));
    assert_eq!(got, wanted);
}
