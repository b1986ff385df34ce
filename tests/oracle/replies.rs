//! A Response hook that returns anything: what reaches the client.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use coprocess::{Header, Object, ResponseObject};
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::{NAMES, check, runtime, same};
use crate::harness::{Answer, Connection, Gateway, RawDispatcher, Upstream, api};

/// What the upstream says beside its body.
const SAID: [(&str, &str); 3] = [("X-A", "1"), ("X-A", "2"), ("X-B", "b")];

/// What the hook returns.
#[derive(Clone, Debug)]
struct Change {
    without_response: bool,
    status: Option<i32>,
    /// The map of headers; as it came, if none.
    headers: Option<BTreeMap<String, String>>,
    /// The list of headers; as it came, if none.
    multi: Option<Vec<(String, Vec<String>)>>,
    body: Option<Vec<u8>>,
}

fn change() -> impl Strategy<Value = Change> {
    let name = || prop::sample::select(vec!["X-A", "X-B", "X-C-D"]).prop_map(str::to_owned);
    let value = || "[!-~]{1,6}";
    let status = prop_oneof![Just(0), Just(204), 200..1000_i32, -5..200_i32, 1000..2000_i32];
    (
        prop::bool::weighted(0.05),
        option::weighted(0.4, status),
        option::weighted(0.5, btree_map(name(), value(), 0..3)),
        option::weighted(0.4, vec((name(), vec(value(), 0..3)), 0..3)),
        option::weighted(0.5, vec(any::<u8>(), 0..64)),
    )
        .prop_map(|(without_response, status, headers, multi, body)| Change {
            without_response,
            status,
            headers,
            multi,
            body,
        })
}

impl Change {
    fn apply(&self, mut object: Object) -> Object {
        let response = object.response.take().unwrap_or_default();
        let header = |(key, values): (String, Vec<String>)| Header { key, values };
        object.response = (!self.without_response).then(|| ResponseObject {
            status_code: self.status.unwrap_or(response.status_code),
            headers: self
                .headers
                .clone()
                .map_or(response.headers, |headers| headers.into_iter().collect::<HashMap<_, _>>()),
            multivalue_headers: self
                .multi
                .clone()
                .map_or(response.multivalue_headers, |multi| multi.into_iter().map(header).collect()),
            raw_body: self.body.clone().map_or(response.raw_body, Bytes::from),
            ..response
        });
        object
    }

    /// The headers that reach the client: those of the list, once it agrees with the map.
    fn headers(&self) -> Vec<(String, String)> {
        let came =
            || vec![("X-A".to_owned(), vec!["1".to_owned(), "2".to_owned()]), ("X-B".to_owned(), vec!["b".to_owned()])];
        let mut multi = self.multi.clone().unwrap_or_else(came);
        if let Some(headers) = &self.headers {
            for (name, value) in headers {
                match multi.iter_mut().find(|(known, _)| known == name) {
                    Some((_, values)) => values.first_mut().into_iter().for_each(|first| first.clone_from(value)),
                    None => multi.insert(0, (name.clone(), vec![value.clone()])),
                }
            }
            multi.retain(|(name, _)| headers.contains_key(name));
        }
        multi
            .into_iter()
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
            .collect()
    }
}

fn compare(change: &Change, answer: &Answer) -> TestCaseResult {
    let status = change.status.filter(|status| *status != 0).unwrap_or(201);
    if change.without_response || !(200..1000).contains(&status) {
        same("status", answer.status(), 500)?;
        return same("error", answer.error(), "Middleware error".to_owned());
    }
    same("status", i32::from(answer.status()), status)?;
    let mut wanted = HeaderMap::new();
    for (name, value) in change.headers() {
        wanted.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    for name in NAMES {
        let values = |map: &HeaderMap| map.get_all(name).iter().cloned().collect::<Vec<_>>();
        same(name, values(&answer.headers), values(&wanted))?;
    }
    let body = if matches!(status, 204 | 304) { Vec::new() } else { change.body.clone().unwrap_or(b"hello".to_vec()) };
    same("body", answer.body.to_vec(), body)
}

#[test]
fn every_reply_reaches_the_client_as_the_contract_says() {
    let runtime = runtime();
    let (gateway, dispatcher) = runtime.block_on(async {
        let upstream = Upstream::answering(|_| {
            let reply =
                SAID.iter().fold(Response::builder().status(201), |reply, (name, value)| reply.header(*name, *value));
            reply.body(Full::from("hello")).unwrap()
        });
        let (dispatcher, server) = RawDispatcher::start().await;
        (Gateway::start(api(&upstream.await).response(server)).await, dispatcher)
    });
    let connection = tokio::sync::Mutex::new(runtime.block_on(Connection::open(gateway.address)).unwrap());
    // The map counts as changed unless it is the one that was sent, which these never are: it lacks `Date`
    // and the like.
    check(&runtime, &gateway, &change(), async |change: Change| {
        let returned = change.clone();
        dispatcher.answer(move |object| returned.apply(object));
        let request = Request::get("/x").body(Full::default()).unwrap();
        let answer = connection.lock().await.send(request).await;
        let answer = answer.map_err(|error| TestCaseError::fail(format!("no answer: {error}")))?;
        compare(&change, &answer)
    });
}
