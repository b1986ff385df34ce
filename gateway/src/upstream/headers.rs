//! The headers that a proxy adds and takes away.

use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, Entry, HOST, RANGE, TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;

use super::pool::Lease;
use crate::exchange::{Body, Gunzip, Head, Reply, Streaming};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const OUR_NAME: HeaderValue = HeaderValue::from_static(concat!("Outrigger/", env!("CARGO_PKG_VERSION")));

/// The headers for the upstream.
pub(super) struct Outgoing {
    pub(super) headers: HeaderMap,
    /// Whether it was us who asked for gzip, so that the client must not see it.
    pub(super) asks_gzip: bool,
}

impl Outgoing {
    pub(super) fn new(head: &Head, host: &HeaderValue, client: &HeaderValue, body: &Body) -> Self {
        let mut headers = head.headers.clone();
        headers.insert(HOST, host.clone());
        frame(&mut headers, &head.method, body);
        if !head.anonymous {
            forwarded_for(&mut headers, client);
        }
        headers.entry(USER_AGENT).or_insert(OUR_NAME);
        let asks_gzip = head.method != Method::HEAD && !headers.contains_key(RANGE) && ask_gzip(&mut headers);
        Self { headers, asks_gzip }
    }
}

/// The codec writes the length of a body; methods that expect one are told when there is none, and it is
/// told of one where it expects none.
fn frame(headers: &mut HeaderMap, method: &Method, body: &Body) {
    headers.remove(CONTENT_LENGTH);
    match method.as_str() {
        "POST" | "PUT" | "PATCH" if body.is_end_stream() => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        "GET" | "HEAD" if !body.is_end_stream() && body.size_hint().exact().is_none() => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        _ => {}
    }
}

/// Asks for gzip, unless the client said what it wants.
fn ask_gzip(headers: &mut HeaderMap) -> bool {
    match headers.entry(ACCEPT_ENCODING) {
        Entry::Occupied(_) => false,
        Entry::Vacant(entry) => {
            entry.insert(HeaderValue::from_static("gzip"));
            true
        }
    }
}

/// Earlier values in one line, the client's address behind them.
fn forwarded_for(headers: &mut HeaderMap, client: &HeaderValue) {
    let mut entry = match headers.entry(FORWARDED_FOR) {
        Entry::Occupied(entry) => entry,
        Entry::Vacant(entry) => {
            entry.insert(client.clone());
            return;
        }
    };
    let mut line = Vec::with_capacity(40);
    for earlier in &entry {
        line.extend_from_slice(earlier.as_bytes());
        line.extend_from_slice(b", ");
    }
    line.extend_from_slice(client.as_bytes());
    if let Ok(line) = HeaderValue::from_maybe_shared(bytes::Bytes::from(line)) {
        entry.insert(line);
    }
}

/// The upstream's reply as hooks see it: without framing, in no words of its own for the status, and unpacked if it was us who asked for gzip.
pub(super) fn incoming(response: Response<Incoming>, lease: Option<Lease>, asked_gzip: bool) -> Reply {
    let (mut parts, incoming) = response.into_parts();
    // An old upstream must not cost the client its kept connection.
    parts.version = Version::HTTP_11;
    parts.extensions.remove::<ReasonPhrase>();
    if parts.headers.remove(TRANSFER_ENCODING).is_some() {
        // Chunks say how long the body is, and no length beside them counts.
        parts.headers.remove(CONTENT_LENGTH);
    }
    let body = if asked_gzip && is_gzip(&parts.headers) && !incoming.is_end_stream() {
        parts.headers.remove(CONTENT_ENCODING);
        parts.headers.remove(CONTENT_LENGTH);
        Body::Packed(Box::new(Gunzip::new(Streaming::leased(incoming, lease))))
    } else {
        Body::Stream(Streaming::leased(incoming, lease))
    };
    Reply::from_parts(parts, body)
}

/// The transfer coding of a reply that nobody here undoes.
pub(super) fn foreign_coding(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get_all(TRANSFER_ENCODING).iter().find(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

fn is_gzip(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::Request;

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut out = HeaderMap::new();
        for (name, value) in pairs {
            out.append(*name, HeaderValue::from_static(value));
        }
        out
    }

    fn outgoing(method: &str, headers: &[(&'static str, &'static str)], body: Body) -> HeaderMap {
        let (mut parts, ()) = Request::builder().method(method).uri("/").body(()).unwrap().into_parts();
        parts.headers = map(headers);
        Outgoing::new(
            &Head::new(parts).unwrap(),
            &HeaderValue::from_static("up"),
            &HeaderValue::from_static("10.0.0.1"),
            &body,
        )
        .headers
    }

    #[test]
    fn the_proxy_adds_what_the_client_left_out() {
        let headers = outgoing("GET", &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")], Body::empty());
        assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 10.0.0.1");
        assert_eq!((&headers["host"], &headers["accept-encoding"]), (&"up".parse().unwrap(), &"gzip".parse().unwrap()));
        assert!(headers["user-agent"].to_str().unwrap().starts_with("Outrigger/"));
        let asked = outgoing("GET", &[("accept-encoding", "br"), ("user-agent", "")], Body::empty());
        assert_eq!((&asked["accept-encoding"], &asked["user-agent"]), (&"br".parse().unwrap(), &"".parse().unwrap()));
    }

    #[test]
    fn an_empty_body_is_announced_only_where_one_is_expected() {
        let length = |method| outgoing(method, &[("content-length", "7")], Body::empty()).get(CONTENT_LENGTH).cloned();
        assert_eq!((length("GET"), length("POST")), (None, Some(HeaderValue::from_static("0"))));
    }
}
