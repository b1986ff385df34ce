//! Builds the object that a plugin gets.

use std::collections::HashMap;

use bytes::Bytes;
use coprocess::{MiniRequestObject, Object, ResponseObject, ReturnOverrides};
use http::{HeaderMap, HeaderValue};
use thiserror::Error;

use super::{Hook, session_part, text_of};
use crate::exchange::{Exchange, Head, Pending, canonical, query};

/// Why a request or reply cannot be put into an object: its strings must be UTF-8.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ObjectError {
    /// A header's value.
    #[error("the value of header {0} is not UTF-8, which plugins cannot be sent")]
    Header(String),
    /// A query parameter.
    #[error("query parameter {0:?} is not UTF-8, which plugins cannot be sent")]
    Param(String),
}

/// The object for one call of `hook`.
pub(super) fn build(
    hook: &Hook,
    exchange: &Exchange,
    body: &Bytes,
    response: Option<ResponseObject>,
) -> Result<Object, ObjectError> {
    let session = session_part(hook.kind, exchange);
    let metadata = match (&session, &exchange.session) {
        (Some(session), Some(_)) => session.metadata.clone(),
        _ => HashMap::new(),
    };
    Ok(Object {
        hook_type: hook.kind.on_the_wire().into(),
        hook_name: hook.name.to_string(),
        request: Some(MiniRequestObject {
            scheme: if exchange.client.tls { "https" } else { "http" }.to_owned(),
            ..request(&exchange.head, exchange.passage.pending.as_deref(), body, hook.raw_body_only)?
        }),
        session,
        metadata,
        spec: HashMap::clone(&hook.spec),
        response,
    })
}

/// A request as it stands, with what is pending as if it were done; how it came is not in it.
fn request(
    head: &Head,
    pending: Option<&Pending>,
    body: &Bytes,
    raw_body_only: bool,
) -> Result<MiniRequestObject, ObjectError> {
    let rewrite = pending.and_then(|pending| pending.target.as_ref());
    let method = pending.and_then(|pending| pending.method.as_deref());
    Ok(MiniRequestObject {
        headers: request_headers(head)?,
        body: text_of(body, raw_body_only),
        url: rewrite.unwrap_or(&head.target).as_str().to_owned(),
        params: params(head.target.query())?,
        return_overrides: Some(ReturnOverrides { response_code: -1, ..Default::default() }),
        method: method.unwrap_or_else(|| head.method_text()).to_owned(),
        request_uri: rewrite.map_or_else(|| request_uri(head), |target| target.resource().into_owned()),
        raw_body: body.clone(),
        ..Default::default()
    })
}

fn request_uri(head: &Head) -> String {
    match (head.uri.scheme(), head.uri.path_and_query()) {
        (None, Some(origin_form)) => origin_form.as_str().to_owned(),
        _ => head.uri.to_string(),
    }
}

fn request_headers(head: &Head) -> Result<HashMap<String, String>, ObjectError> {
    let mut out = first_values(&head.headers)?;
    for (name, value) in &head.unsendable.headers {
        out.insert(name.clone(), value.clone());
    }
    if let Some(host) = head.host.as_ref().filter(|host| !host.is_empty()) {
        out.insert("Host".to_owned(), text("Host", host)?);
    }
    Ok(out)
}

/// The first value of each header under its canonical name.
pub(super) fn first_values(headers: &HeaderMap) -> Result<HashMap<String, String>, ObjectError> {
    let mut out = HashMap::with_capacity(headers.keys_len() + 1);
    for name in headers.keys() {
        if let Some(value) = headers.get(name) {
            let name = canonical(name);
            let value = text(&name, value)?;
            out.insert(name, value);
        }
    }
    Ok(out)
}

/// A header's value as text.
pub(super) fn text(name: &str, value: &HeaderValue) -> Result<String, ObjectError> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| ObjectError::Header(name.to_owned()))?;
    Ok(text.to_owned())
}

/// The first value of each decoded query parameter.
fn params(query: Option<&str>) -> Result<HashMap<String, String>, ObjectError> {
    let mut out = HashMap::new();
    for (name, value) in query::pairs(query.unwrap_or_default()) {
        let bad = |bytes: &[u8]| ObjectError::Param(String::from_utf8_lossy(bytes).into_owned());
        let name = String::from_utf8(name.into_owned()).map_err(|error| bad(error.as_bytes()))?;
        let value = std::str::from_utf8(&value).map_err(|_| bad(name.as_bytes()))?;
        out.entry(name).or_insert_with(|| value.to_owned());
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::Request;

    use super::*;

    fn head(target: &str, headers: &[(&str, &[u8])]) -> Head {
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Head::new(request.body(()).unwrap().into_parts().0).unwrap()
    }

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn headers_come_with_canonical_names_first_values_and_the_host() {
        let head = head("/x", &[("host", b"h.test"), ("x-a", b"1"), ("x-a", b"2"), ("empty", b"")]);
        let object = request(&head, None, &Bytes::new(), false).unwrap();
        assert_eq!(object.headers, map(&[("Host", "h.test"), ("X-A", "1"), ("Empty", "")]));
    }

    #[test]
    fn a_host_that_is_empty_is_none() {
        let object = request(&head("/x", &[("host", b"")]), None, &Bytes::new(), false).unwrap();
        assert_eq!(object.headers, map(&[]));
    }

    #[test]
    fn params_are_decoded_first_values() {
        let object = request(&head("/x?a=1&a=2&b&c=x+y&f=%zz", &[]), None, &Bytes::new(), false).unwrap();
        assert_eq!(object.params, map(&[("a", "1"), ("b", ""), ("c", "x y")]));
    }

    #[test]
    fn a_body_is_text_only_if_it_is_utf8_and_wanted() {
        let head = head("/x", &[]);
        let body = |bytes: &'static [u8], raw| request(&head, None, &Bytes::from_static(bytes), raw).unwrap();
        assert_eq!(body(b"text", false).body, "text");
        assert_eq!((body(b"text", true).body, body(b"\xff", false).body), (String::new(), String::new()));
        assert_eq!(body(b"\xff", false).raw_body, Bytes::from_static(b"\xff"));
    }

    #[test]
    fn bytes_that_are_no_utf8_make_no_object() {
        let refused = |head: &Head| request(head, None, &Bytes::new(), false).unwrap_err();
        assert_eq!(refused(&head("/x", &[("x-l", b"caf\xe9")])), ObjectError::Header("X-L".into()));
        assert_eq!(refused(&head("/x?a=%ff", &[])), ObjectError::Param("a".into()));
    }
}
