//! A Pre hook that returns anything: what reaches the upstream, or the client instead.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use coprocess::{MiniRequestObject, Object, ReturnOverrides};
use http::{HeaderValue, Request};
use http_body_util::Full;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::json;

use super::{NAMES, check, query, runtime, same};
use crate::harness::{Answer, Connection, Gateway, RawDispatcher, Upstream, api};

const MIDDLEWARE_ERROR: &str = "Middleware error";
const PROXY_ERROR: &str = "There was a problem proxying the request";

/// A request.
#[derive(Clone, Debug)]
struct Sent {
    method: &'static str,
    path: String,
    query: Option<String>,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

/// What the hook does with it.
#[derive(Clone, Debug)]
struct Change {
    delete_headers: Vec<String>,
    set_headers: BTreeMap<String, String>,
    delete_params: Vec<String>,
    add_params: BTreeMap<String, String>,
    url: Url,
    method: Option<&'static str>,
    body: Option<Vec<u8>>,
    overrides: Overrides,
    without_request: bool,
}

/// The returned url.
#[derive(Clone, Debug)]
enum Url {
    /// As it came.
    Same,
    /// Another path, and a query.
    Path(String, Option<String>),
    /// The same with scheme and host.
    Absolute(String, Option<String>),
    /// None at all.
    Bad(&'static str),
}

/// The returned overrides.
#[derive(Clone, Debug)]
enum Overrides {
    /// As they came.
    Untouched,
    /// Taken out.
    Missing,
    /// These.
    Written { code: i32, body: String, error: String, plain: bool, header: String },
}

/// What must come of it.
#[derive(Debug)]
enum Outcome {
    /// An error document.
    Error(u16, String),
    /// The plugin's own answer.
    Answer(u16, String, String),
    /// The upstream's, which got this.
    Proxied { method: String, target: String, headers: Vec<Vec<Vec<u8>>>, body: Vec<u8> },
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z0-9_~-]{1,6}", 1 => Just("a%2Fb".to_owned()), 1 => Just("a%20b".to_owned()), 1 => Just("a;b=c".to_owned())]
}

fn path() -> impl Strategy<Value = String> {
    vec(segment(), 1..4).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn pairs() -> impl Strategy<Value = Option<String>> {
    let part = prop_oneof![6 => "[a-c]{1,2}", 1 => Just("%41".to_owned()), 1 => Just("x+y".to_owned()), 1 => Just("%".to_owned()), 1 => Just("d;e".to_owned())];
    let pair = (part.clone(), option::of(part)).prop_map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name,
    });
    option::of(vec(pair, 0..4).prop_map(|pairs| pairs.join("&")))
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => "[!-~]{0,8}".prop_map(String::into_bytes), 1 => Just("\u{e9}".as_bytes().to_vec()), 1 => Just(vec![b'a', 0xff])]
}

fn sent() -> impl Strategy<Value = Sent> {
    let methods = prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("DELETE"), Just("x-own")];
    let headers = vec((prop::sample::select(NAMES.to_vec()), value()), 0..4);
    (methods, path(), pairs(), headers, vec(any::<u8>(), 0..64)).prop_map(|(method, path, query, headers, body)| Sent {
        method,
        path,
        query,
        headers,
        body,
    })
}

fn url() -> impl Strategy<Value = Url> {
    let bad = prop::sample::select(vec!["", "relative", "?q=1", "/bad%zz", "/ctl\u{1}", "//\n"]);
    prop_oneof![
        4 => Just(Url::Same),
        3 => (path(), pairs()).prop_map(|(path, query)| Url::Path(path, query)),
        1 => (path(), pairs()).prop_map(|(path, query)| Url::Absolute(path, query)),
        1 => bad.prop_map(Url::Bad),
    ]
}

fn overrides() -> impl Strategy<Value = Overrides> {
    let code = prop_oneof![Just(-1), Just(0), -9..1000_i32, Just(204), Just(304), Just(i32::MAX)];
    let text = || "[ -~]{0,12}";
    let written = (code, text(), text(), any::<bool>(), text()).prop_map(|(code, body, error, plain, header)| {
        Overrides::Written { code, body, error, plain, header: header.trim().to_owned() }
    });
    prop_oneof![5 => Just(Overrides::Untouched), 1 => Just(Overrides::Missing), 4 => written]
}

fn change() -> impl Strategy<Value = Change> {
    let name = || prop_oneof![6 => prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), 2 => Just("x-a".to_owned()), 1 => Just("Host".to_owned()), 1 => Just("Connection".to_owned()), 1 => Just("bad name".to_owned())];
    let value = prop_oneof![9 => "[!-~]{0,8}", 1 => Just("a\r\nX-B: b".to_owned()), 1 => Just("\u{e9}".to_owned())];
    let param = || "[a-d]{1,2}";
    let methods = prop::sample::select(vec!["", "GET", "post", "PATCH", "BAD METHOD", "x-own"]);
    (
        (vec(name(), 0..3), btree_map(name(), value, 0..3)),
        (vec(param(), 0..2), btree_map(param(), "[ -~]{0,5}", 0..2)),
        url(),
        option::weighted(0.3, methods),
        option::weighted(0.5, vec(any::<u8>(), 0..64)),
        overrides(),
        prop::bool::weighted(0.03),
    )
        .prop_map(
            |(
                (delete_headers, set_headers),
                (delete_params, add_params),
                url,
                method,
                body,
                overrides,
                without_request,
            )| {
                Change {
                    delete_headers,
                    set_headers,
                    delete_params,
                    add_params,
                    url,
                    method,
                    body,
                    overrides,
                    without_request,
                }
            },
        )
}

impl Change {
    fn apply(&self, mut object: Object) -> Object {
        if self.without_request {
            object.request = None;
            return object;
        }
        let request = object.request.take().unwrap_or_default();
        let map = |map: &BTreeMap<String, String>| map.clone().into_iter().collect::<HashMap<_, _>>();
        object.request = Some(MiniRequestObject {
            delete_headers: self.delete_headers.clone(),
            set_headers: map(&self.set_headers),
            delete_params: self.delete_params.clone(),
            add_params: map(&self.add_params),
            url: self.url(&request.url),
            method: self.method.map_or(request.method, str::to_owned),
            raw_body: self.body.clone().map_or(request.raw_body, Bytes::from),
            return_overrides: self.overrides(request.return_overrides),
            ..request
        });
        object
    }

    fn url(&self, came: &str) -> String {
        let with = |start: &str, path: &str, query: &Option<String>| match query {
            Some(query) => format!("{start}{path}?{query}"),
            None => format!("{start}{path}"),
        };
        match &self.url {
            Url::Same => came.to_owned(),
            Url::Path(path, query) => with("", path, query),
            Url::Absolute(path, query) => with("http://elsewhere.test", path, query),
            Url::Bad(bad) => (*bad).to_owned(),
        }
    }

    fn overrides(&self, came: Option<ReturnOverrides>) -> Option<ReturnOverrides> {
        match &self.overrides {
            Overrides::Untouched => came,
            Overrides::Missing => None,
            Overrides::Written { code, body, error, plain, header } => Some(ReturnOverrides {
                response_code: *code,
                response_body: body.clone(),
                response_error: error.clone(),
                override_error: *plain,
                headers: HashMap::from([("X-Over".to_owned(), header.clone())]),
            }),
        }
    }
}

/// What the contract makes of a request and what the hook returned.
fn outcome(sent: &Sent, change: &Change) -> Outcome {
    let failed = || Outcome::Error(500, MIDDLEWARE_ERROR.to_owned());
    let unreadable = |text: &[u8]| std::str::from_utf8(text).is_err();
    let first = |name: &str| sent.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    if NAMES.iter().filter_map(|name| first(name)).any(|(_, value)| unreadable(value)) {
        return failed();
    }
    let lost = change.without_request || matches!(change.overrides, Overrides::Missing);
    if lost || matches!(change.url, Url::Bad(_)) {
        return failed();
    }
    if let Some(outcome) = overridden(change) {
        return outcome;
    }
    let method = change.method.unwrap_or(sent.method);
    match headers(sent, change) {
        Some(headers) if !method.contains(' ') => Outcome::Proxied {
            method: if method.is_empty() { "GET".to_owned() } else { method.to_owned() },
            target: target(sent, change),
            headers,
            body: change.body.clone().unwrap_or_else(|| sent.body.clone()),
        },
        _ => Outcome::Error(500, PROXY_ERROR.to_owned()),
    }
}

fn overridden(change: &Change) -> Option<Outcome> {
    let Overrides::Written { code, body, error, plain, header } = &change.overrides else { return None };
    let text = if error.is_empty() { body } else { error };
    match code {
        ..=0 => None,
        1..=199 | 1000.. => Some(Outcome::Error(500, MIDDLEWARE_ERROR.to_owned())),
        400..=999 if !plain && text.is_empty() => Some(Outcome::Error(*code as u16, "Key not authorised".to_owned())),
        400..=999 if !plain => Some(Outcome::Error(*code as u16, text.clone())),
        204 | 304 => Some(Outcome::Answer(*code as u16, String::new(), header.clone())),
        code => Some(Outcome::Answer(*code as u16, text.clone(), header.clone())),
    }
}

/// The values of the headers that cases play with; nothing if one cannot be sent.
fn headers(sent: &Sent, change: &Change) -> Option<Vec<Vec<Vec<u8>>>> {
    let sendable = |(name, value): (&String, &String)| !name.contains(' ') && !value.contains(['\r', '\n']);
    if !change.set_headers.iter().filter(|(name, _)| *name != "Host").all(sendable) {
        return None;
    }
    let values = |name: &&str| {
        // Two spellings of one name: either may win, so cases do not have both.
        if let Some((_, value)) = change.set_headers.iter().find(|(set, _)| set.eq_ignore_ascii_case(name)) {
            return vec![value.clone().into_bytes()];
        }
        if change.delete_headers.iter().any(|deleted| deleted.eq_ignore_ascii_case(name)) {
            return Vec::new();
        }
        let known = sent.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map(|(_, value)| value.clone()).collect()
    };
    Some(NAMES.iter().map(values).collect())
}

fn target(sent: &Sent, change: &Change) -> String {
    let (path, returned) = match &change.url {
        Url::Path(path, query) | Url::Absolute(path, query) => (path.clone(), query.clone()),
        Url::Same | Url::Bad(_) => (sent.path.clone(), sent.query.clone()),
    };
    let mut wanted = query::decode(sent.query.as_deref().unwrap_or_default());
    for name in &change.delete_params {
        wanted.remove(name.as_bytes());
    }
    for (name, value) in &change.add_params {
        wanted.insert(name.clone().into_bytes(), vec![value.clone().into_bytes()]);
    }
    let untouched = change.delete_params.is_empty() && change.add_params.is_empty();
    let same = wanted == query::decode(returned.as_deref().unwrap_or_default());
    let query = match returned {
        returned if untouched && returned == sent.query => returned.unwrap_or_default(),
        returned if same => returned.unwrap_or_default(),
        _ => query::encode(&wanted),
    };
    let and = if query.is_empty() { "" } else { "&" };
    format!("/base{path}?t=1{and}{query}")
}

async fn compare(answer: Answer, upstream: &Upstream, wanted: Outcome) -> TestCaseResult {
    let mut received = upstream.drain();
    match wanted {
        Outcome::Error(status, text) => {
            same("requests upstream", received.len(), 0)?;
            same("status", answer.status(), status)?;
            same("error", answer.error(), text)
        }
        Outcome::Answer(status, body, header) => {
            same("requests upstream", received.len(), 0)?;
            same("status", answer.status(), status)?;
            same("body", answer.text(), &body)?;
            same("header", answer.header("X-Over"), Some(&*header))
        }
        Outcome::Proxied { method, target, headers, body } => {
            same("status", answer.status(), 200)?;
            same("requests upstream", received.len(), 1)?;
            let got = received.remove(0);
            same("method", got.method, method)?;
            same("target", got.target, target)?;
            same("body", got.body.to_vec(), body)?;
            let values = |name: &&str| {
                got.headers.get_all(*name).iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>()
            };
            same("headers", NAMES.iter().map(values).collect::<Vec<_>>(), headers)
        }
    }
}

/// Whether a case leaves open what is right: two spellings of one name, of which either may win.
fn ambiguous(change: &Change) -> bool {
    let spelled = change.set_headers.keys().filter(|name| name.eq_ignore_ascii_case("x-a"));
    spelled.count() > 1
}

#[test]
fn every_request_is_answered_and_reaches_the_upstream_as_the_contract_says() {
    let runtime = runtime();
    let (gateway, upstream, dispatcher) = runtime.block_on(async {
        let upstream = Upstream::start().await;
        let (dispatcher, server) = RawDispatcher::start().await;
        let target = json!({"proxy": {"target_url": format!("http://{}/base?t=1", upstream.address)}});
        (Gateway::start(api(&upstream).with(target).pre(server)).await, upstream, dispatcher)
    });
    let connection = tokio::sync::Mutex::new(runtime.block_on(Connection::open(gateway.address)).unwrap());
    let strategy = (sent(), change()).prop_filter("either spelling may win", |(_, change)| !ambiguous(change));
    check(&runtime, &gateway, &strategy, async |(sent, change): (Sent, Change)| {
        let returned = change.clone();
        dispatcher.answer(move |object| returned.apply(object));
        let query = sent.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let mut request = Request::builder().method(sent.method).uri(format!("{}{query}", sent.path));
        for (name, value) in &sent.headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let request = request.body(Full::from(sent.body.clone())).unwrap();
        let answer = connection.lock().await.send(request).await;
        let answer = answer.map_err(|error| TestCaseError::fail(format!("no answer: {error}")))?;
        compare(answer, &upstream, outcome(&sent, &change)).await
    });
}
