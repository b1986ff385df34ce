//! A call of the REST API, taken apart.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;

use super::answer::Problem;
use crate::exchange::{Head, query, unescape};
use crate::json;
use crate::listener::Gateway;
use crate::session::Key;
use crate::store::Store;

/// What a handler works with.
pub(super) struct Request<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) store: &'a Store,
    pub(super) method: Method,
    query: BTreeMap<String, String>,
    pub(super) body: Bytes,
}

impl<'a> Request<'a> {
    pub(super) fn new(gateway: &'a Gateway, store: &'a Store, head: &Head, body: Bytes) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut query = BTreeMap::new();
        for (name, value) in query::pairs(head.target.query().unwrap_or_default()) {
            query.entry(text(&name)).or_insert_with(|| text(&value));
        }
        Self { gateway, store, method: head.method.clone(), query, body }
    }

    /// A query parameter; empty if it is not there.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Whether a query parameter is a yes.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self.parameter(name), "1" | "true")
    }

    /// The hash of a key, where keys are hashed.
    pub(super) fn shown_hash<'k>(&self, key: &'k Key) -> Option<&'k str> {
        self.gateway.shared.keys.hashing().hash_keys.then_some(&*key.name)
    }

    /// Refuses any other method.
    pub(super) fn only(&self, method: Method) -> Result<(), Problem> {
        if self.method == method { Ok(()) } else { Err(Problem::method()) }
    }

    /// The body as JSON; `problem` tells the caller what is wrong with it.
    pub(super) fn json<T: DeserializeOwned>(&self, problem: impl Fn(String) -> Problem) -> Result<T, Problem> {
        let text = std::str::from_utf8(&self.body).map_err(|error| problem(error.to_string()))?;
        json::read(text).map(|(typed, _)| typed).map_err(|error| problem(error.to_string()))
    }
}

/// The segments of a path below `/tyk`, each without escapes: a key may hold an escaped slash.
pub(super) fn segments(head: &Head) -> Vec<String> {
    let raw = head.target.path().split('/').filter(|segment| !segment.is_empty()).skip(1);
    raw.map(|segment| {
        unescape(segment, false).map_or_else(|| segment.to_owned(), |text| String::from_utf8_lossy(&text).into_owned())
    })
    .collect()
}
