//! Applies what a plugin changed in a request.

use std::collections::HashMap;

use coprocess::{MiniRequestObject, ReturnOverrides};
use http::{HeaderName, HeaderValue, header::HOST};
use thiserror::Error;

use crate::exchange::{Exchange, Head, Pending, Target, TargetError, query};

/// Why a returned object cannot be applied.
#[derive(Debug, Error)]
pub enum EditError {
    /// The returned `request.url` is no request target.
    #[error("the plugin returned an unusable request.url: {0}")]
    Url(#[from] TargetError),
    /// A status that HTTP does not have.
    #[error("the plugin returned response_code {0}; use -1 to go on or 200 to 999")]
    ResponseCode(i32),
    /// A status that HTTP does not have, for a reply.
    #[error("the plugin returned response.status_code {0}; use 200 to 999")]
    StatusCode(i32),
    /// More headers than any message has.
    #[error("the plugin returned {0} headers; a message can have {MOST_HEADERS}")]
    Headers(usize),
}

/// How many headers a message can have; well below what a `HeaderMap` can hold, as the gateway adds its own.
const MOST_HEADERS: usize = 16_384;

/// Refuses more headers than a message can have.
pub(super) fn check_headers(count: usize) -> Result<(), EditError> {
    if count > MOST_HEADERS { Err(EditError::Headers(count)) } else { Ok(()) }
}

/// Applies body, headers, query, url and method, in this order; gives the overrides back.
pub(super) fn apply(request: MiniRequestObject, exchange: &mut Exchange) -> Result<Option<ReturnOverrides>, EditError> {
    if exchange.body.bytes() != Some(&request.raw_body) {
        exchange.body.replace(request.raw_body);
    }
    let head = &mut exchange.head;
    edit_headers(head, &request.delete_headers, request.set_headers)?;
    let pending = exchange.passage.pending.as_deref_mut();
    let (rewrite, method) =
        pending.map_or((None, None), |Pending { target, method }| (target.as_mut(), method.as_mut()));
    let (params, url) = ((&*request.delete_params, &request.add_params), &request.url);
    match rewrite {
        Some(rewrite) => rewrite_target(&mut head.target, rewrite, url, params)?,
        None => {
            if let Some(target) = edit_target(&head.target, url, params)? {
                head.target = target;
            }
        }
    }
    match method {
        Some(pending) => *pending = request.method,
        None => head.set_method(request.method),
    }
    Ok(request.return_overrides)
}

/// Deletions first, so that a plugin can replace; `Host` is not theirs to change.
fn edit_headers(head: &mut Head, delete: &[String], set: HashMap<String, String>) -> Result<(), EditError> {
    check_headers(head.headers.len() + set.len())?;
    for name in delete {
        head.remove(name);
    }
    for (name, value) in set {
        head.remove(&name);
        match (HeaderName::try_from(&name), HeaderValue::try_from(&value)) {
            (Ok(name), _) if name == HOST => {}
            (Ok(name), Ok(value)) => drop(head.headers.insert(name, value)),
            _ => head.unsendable.headers.push((name, value)),
        }
    }
    Ok(())
}

/// Of a request that is rewritten the url is the new target as it is; parameters are edited in the old one.
fn rewrite_target(
    current: &mut Target,
    rewrite: &mut Target,
    url: &str,
    params: (&[String], &HashMap<String, String>),
) -> Result<(), TargetError> {
    if url != rewrite.as_str() {
        *rewrite = Target::written(url)?;
    }
    let unchanged = current.as_str().to_owned();
    if let Some(edited) = edit_target(current, &unchanged, params)? {
        *current = edited;
    }
    Ok(())
}

/// The target that the url and the parameter edits make; `None` if nothing changed. The query of
/// the url counts only where it says the same as the current query after the edits.
fn edit_target(
    current: &Target,
    url: &str,
    (delete, add): (&[String], &HashMap<String, String>),
) -> Result<Option<Target>, TargetError> {
    let untouched = delete.is_empty() && add.is_empty();
    if untouched && url == current.as_str() {
        return Ok(None);
    }
    let returned = if url == current.as_str() { current.clone() } else { Target::written(url)? };
    if untouched && returned.query() == current.query() {
        return Ok(Some(returned));
    }
    let mut wanted = query::values(current.query().unwrap_or_default());
    for name in delete {
        wanted.remove(name.as_bytes());
    }
    for (name, value) in add {
        wanted.insert(name.as_bytes().into(), vec![value.as_bytes().into()]);
    }
    if wanted == query::values(returned.query().unwrap_or_default()) {
        return Ok(Some(returned));
    }
    let encoded = query::encode(&wanted);
    Ok(Some(returned.with_query(Some(encoded.as_str()).filter(|query| !query.is_empty()))))
}

/// What a plugin asks to change, for people who watch.
pub(super) fn summary(request: &MiniRequestObject, session: bool) -> String {
    let mut parts = Vec::new();
    let mut names = |what: &str, mut names: Vec<&str>| {
        if !names.is_empty() {
            names.sort_unstable();
            parts.push(format!("{what} {}", names.join(", ")));
        }
    };
    names("set header", request.set_headers.keys().map(String::as_str).collect());
    names("deleted header", request.delete_headers.iter().map(String::as_str).collect());
    names("added parameter", request.add_params.keys().map(String::as_str).collect());
    names("deleted parameter", request.delete_params.iter().map(String::as_str).collect());
    if let Some(code) = request.return_overrides.as_ref().map(|o| o.response_code).filter(|code| *code > 0) {
        parts.push(format!("answered {code}"));
    }
    if session {
        parts.push("returned a session".to_owned());
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::Request;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn head() -> Head {
        let request = Request::get("/x?a=1").header("host", "h.test").header("x-a", "1").header("x-a", "2");
        Head::new(request.body(()).unwrap().into_parts().0).unwrap()
    }

    fn target(current: &str, url: &str, delete: &[&str], add: &[(&str, &str)]) -> String {
        let current = Target::parse(current).unwrap();
        let delete: Vec<_> = delete.iter().map(|name| (*name).to_owned()).collect();
        let edited = edit_target(&current, url, (&delete, &map(add))).unwrap();
        edited.unwrap_or(current).as_str().to_owned()
    }

    #[test]
    fn set_wins_over_delete_and_replaces_all_values() {
        let mut head = head();
        edit_headers(&mut head, &["X-A".into()], map(&[("x-a", "9")])).unwrap();
        assert_eq!(head.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["9"]);
    }

    #[test]
    fn the_host_stays_whatever_a_plugin_writes() {
        let mut head = head();
        edit_headers(&mut head, &["Host".into()], map(&[("Host", "evil.test")])).unwrap();
        assert_eq!((head.host.unwrap().to_str().unwrap(), head.headers.get(HOST)), ("h.test", None));
    }

    #[test]
    fn more_headers_than_a_message_can_have_are_refused() {
        let set = (0..40_000).map(|n| (format!("x-{n}"), String::new())).collect();
        assert!(matches!(edit_headers(&mut head(), &[], set), Err(EditError::Headers(_))));
    }

    #[test]
    fn illegal_headers_are_kept_aside_until_a_hook_deletes_them() {
        let mut head = head();
        edit_headers(&mut head, &[], map(&[("bad name", "v"), ("X-A", "a\r\nX-B: b")])).unwrap();
        assert_eq!((head.unsendable.headers.len(), head.headers.get("x-a")), (2, None));
        edit_headers(&mut head, &["BAD name".into(), "x-a".into()], HashMap::new()).unwrap();
        assert!(head.unsendable.is_empty());
    }

    #[test]
    fn the_query_of_the_url_is_not_effective() {
        assert_eq!(target("/x?a=1", "/q?b=2", &[], &[]), "/q?a=1");
        assert_eq!(target("/x", "/q?b=2", &[], &[]), "/q");
        assert_eq!(target("/x?a=1", "/q", &[], &[]), "/q?a=1");
        assert_eq!(target("/x?a=1&b=2", "/x?b=2&a=1", &[], &[]), "/x?b=2&a=1");
        assert_eq!(target("/x?a=1", "*", &[], &[]), "*?a=1");
        assert_eq!(target("*?a=1", "*?a=1", &[], &[("b", "2")]), "*?a=1&b=2");
    }

    #[test]
    fn parameter_edits_sort_and_encode_the_query() {
        assert_eq!(target("/x?z=1&a=2", "/x?z=1&a=2", &[], &[("n", "1")]), "/x?a=2&n=1&z=1");
        assert_eq!(target("/x?a=1&a=2", "/x?a=1&a=2", &["a"], &[]), "/x");
        assert_eq!(target("/x?a=1", "/x?a=1", &["a"], &[("a", "9")]), "/x?a=9");
        assert_eq!(target("/x?z=1&a=2&x", "/x?z=1&a=2&x", &[], &[]), "/x?z=1&a=2&x");
    }

    #[test]
    fn no_method_is_get_and_an_illegal_one_is_kept_aside() {
        let mut head = head();
        head.set_method("post".into());
        assert_eq!(head.method.as_str(), "post");
        head.set_method("GE T".into());
        assert_eq!((head.method_text(), head.unsendable.is_empty()), ("GE T", false));
        head.set_method(String::new());
        assert_eq!((head.method_text(), head.unsendable.is_empty()), ("GET", true));
    }
}
