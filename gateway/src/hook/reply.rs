//! What a response hook gets of a reply, and what its answer makes of it.

use std::collections::HashMap;

use coprocess::{Header, ResponseObject};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};

use super::edit::{EditError, check_headers};
use super::object::{ObjectError, first_values, text};
use super::overrides::header;
use super::{text_of, with_bytes};
use crate::exchange::{Reply, canonical};

/// The response part of an object; the body has been read.
pub(super) fn object(reply: &Reply, raw_body_only: bool) -> Result<ResponseObject, ObjectError> {
    let raw_body = reply.body().bytes().cloned().unwrap_or_default();
    Ok(ResponseObject {
        status_code: reply.status().as_u16().into(),
        body: text_of(&raw_body, raw_body_only),
        raw_body,
        headers: first_values(reply.headers())?,
        multivalue_headers: all_values(reply.headers())?,
    })
}

fn all_values(headers: &HeaderMap) -> Result<Vec<Header>, ObjectError> {
    let entry = |name| {
        let key = canonical(name);
        let values = headers.get_all(name).iter().map(|value| text(&key, value)).collect::<Result<_, _>>()?;
        Ok(Header { key, values })
    };
    headers.keys().map(entry).collect()
}

/// Puts the returned response in the reply's place; `sent` are the `headers` that the plugin got.
/// The length is always that of the body, but the answer to a HEAD request keeps the upstream's.
pub(super) fn apply(
    response: ResponseObject,
    sent: &HashMap<String, String>,
    head_request: bool,
    reply: &mut Reply,
) -> Result<(), EditError> {
    if let Some(status) = status(response.status_code)? {
        *reply.status_mut() = status;
    }
    let values = response.multivalue_headers.iter().map(|entry| entry.values.len().max(1)).sum::<usize>();
    check_headers(response.headers.len() + values)?;
    let length = match head_request {
        true => reply.headers().get(CONTENT_LENGTH).cloned(),
        false => Some(response.raw_body.len().into()),
    };
    let entries = synchronise(&response.headers, response.multivalue_headers, sent);
    *reply.headers_mut() = header_map(&entries);
    match length {
        Some(length) => drop(reply.headers_mut().insert(CONTENT_LENGTH, length)),
        None => drop(reply.headers_mut().remove(CONTENT_LENGTH)),
    }
    with_bytes(reply, response.raw_body);
    Ok(())
}

/// `None` for the zero that a plugin leaves which built the response anew.
fn status(code: i32) -> Result<Option<StatusCode>, EditError> {
    if code == 0 {
        return Ok(None);
    }
    let status = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    // An interim status cannot end an exchange.
    status.filter(|status| !status.is_informational()).map(Some).ok_or(EditError::StatusCode(code))
}

/// The headers to send. Unless `headers` changed, `all` stands as returned; else first values come
/// from `headers`, new names go in front, and names that `headers` lacks are dropped.
fn synchronise(headers: &HashMap<String, String>, mut all: Vec<Header>, sent: &HashMap<String, String>) -> Vec<Header> {
    if headers == sent {
        return all;
    }
    let mut added = Vec::new();
    for (key, value) in headers {
        match all.iter_mut().find(|entry| entry.key == *key) {
            Some(entry) => {
                if let Some(first) = entry.values.first_mut() {
                    first.clone_from(value);
                }
            }
            None => added.push(Header { key: key.clone(), values: vec![value.clone()] }),
        }
    }
    all.retain(|entry| headers.contains_key(&entry.key));
    added.extend(all);
    added
}

fn header_map(entries: &[Header]) -> HeaderMap {
    let mut out = HeaderMap::new();
    for entry in entries {
        for value in &entry.values {
            if let Some((name, value)) = header(&entry.key, value) {
                out.append(name, value);
            }
        }
    }
    out
}

/// What a plugin changed in `reply`, for people who watch.
pub(super) fn summary(response: &ResponseObject, reply: &Reply, sent: &HashMap<String, String>) -> String {
    let mut parts = Vec::new();
    if response.status_code != i32::from(reply.status().as_u16()) {
        parts.push(format!("status {}", response.status_code));
    }
    let is_new = |(name, value): &(&String, &String)| sent.get(*name) != Some(*value);
    let mut set: Vec<_> = response.headers.iter().filter(is_new).map(|(name, _)| name.as_str()).collect();
    set.sort_unstable();
    if !set.is_empty() {
        parts.push(format!("set header {}", set.join(", ")));
    }
    if reply.body().bytes() != Some(&response.raw_body) {
        parts.push(format!("body of {} bytes", response.raw_body.len()));
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::exchange::Body;

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn entry(key: &str, values: &[&str]) -> Header {
        Header { key: key.into(), values: values.iter().map(|v| (*v).to_owned()).collect() }
    }

    fn reply() -> Reply {
        let reply = http::Response::builder().status(201).header("content-length", "1234").header("x-u", "1");
        reply.body(Body::empty()).unwrap()
    }

    #[test]
    fn unchanged_headers_leave_the_list_as_returned() {
        let sent = map(&[("A", "1")]);
        assert_eq!(synchronise(&sent, vec![entry("B", &["2", "3"])], &sent), [entry("B", &["2", "3"])]);
        assert_eq!(synchronise(&sent, vec![], &sent), []);
    }

    #[test]
    fn changed_headers_rule_first_values_and_names() {
        let headers = map(&[("A", "9"), ("a", "0"), ("E", "1")]);
        let all = vec![entry("A", &["1", "2"]), entry("Lost", &["x"]), entry("E", &[])];
        let synced = synchronise(&headers, all, &map(&[("A", "1")]));
        assert_eq!(synced, [entry("a", &["0"]), entry("A", &["9", "2"]), entry("E", &[])]);
    }

    #[test]
    fn a_zero_status_keeps_the_upstreams_and_others_must_exist() {
        let apply = |code| {
            let mut reply = reply();
            apply(ResponseObject { status_code: code, ..Default::default() }, &HashMap::new(), false, &mut reply)
                .map(|()| reply.status().as_u16())
        };
        assert_eq!((apply(0).unwrap(), apply(418).unwrap()), (201, 418));
        assert!([-1, 99, 101, 1000].into_iter().all(|code| apply(code).is_err()));
    }

    #[test]
    fn more_headers_than_a_message_can_have_are_refused() {
        let mut reply = reply();
        let multivalue_headers = (0..40_000).map(|n| entry(&format!("x-{n}"), &["1"])).collect();
        let response = ResponseObject { multivalue_headers, ..Default::default() };
        let applied = apply(response, &HashMap::new(), false, &mut reply);
        assert!(matches!(applied, Err(EditError::Headers(40_000))));
    }

    #[test]
    fn only_the_answer_to_head_keeps_a_length_that_is_not_the_bodys() {
        let length = |head| {
            let mut reply = reply();
            apply(ResponseObject::default(), &HashMap::new(), head, &mut reply).unwrap();
            reply.headers().get(CONTENT_LENGTH).map(|v| v.to_str().unwrap().to_owned())
        };
        assert_eq!((length(true), length(false)), (Some("1234".to_owned()), Some("0".to_owned())));
    }
}
