//! A reply that is kept, and the requests that it answers.

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::exchange::{Body, Reply};

const CACHED: HeaderName = HeaderName::from_static("x-tyk-cached-response");
/// About what the cache itself needs for an answer, and for each header, in bytes.
const ENTRY: usize = 400;
/// Requests that ask for a part of a reply, or for none, under a condition that only the upstream can check.
const PARTICULAR: [HeaderName; 4] = [RANGE, IF_RANGE, IF_MATCH, IF_UNMODIFIED_SINCE];
/// Replies to such requests, and those that are no end.
const NEVER: [StatusCode; 3] = [StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::SWITCHING_PROTOCOLS];
/// Replies that never end, or end with trailers.
const STREAMS: [&str; 2] = ["text/event-stream", "application/grpc"];

/// A reply that is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    head: Head,
    body: Bytes,
}

/// Everything of it but the body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    status: StatusCode,
    headers: HeaderMap,
    /// Headers of requests that it depends on, as they were.
    vary: Vec<(HeaderName, Vec<HeaderValue>)>,
}

/// A head as it is written down.
#[derive(Serialize, Deserialize)]
struct Written {
    status: u16,
    headers: Vec<(String, String)>,
    vary: Vec<(String, Vec<String>)>,
}

/// Whether kept replies are of no use to this request, nor its reply to others.
pub(super) fn is_particular(request: &HeaderMap) -> bool {
    PARTICULAR.iter().any(|name| request.contains_key(name))
}

impl Head {
    /// What may be kept of a reply; nothing of one that is for this request alone.
    pub(super) fn of(reply: &Reply, request: &HeaderMap) -> Option<Self> {
        let headers = reply.headers();
        if NEVER.contains(&reply.status()) || headers.contains_key(SET_COOKIE) || streams(headers) {
            return None;
        }
        let mut vary = Vec::new();
        for names in headers.get_all(VARY) {
            for name in names.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                // A star is no name: no other request will do.
                let name = HeaderName::try_from(name).ok().filter(|name| name != "*")?;
                let values = request.get_all(&name).iter().cloned().collect();
                vary.push((name, values));
            }
        }
        Some(Self { status: reply.status(), headers: headers.clone(), vary })
    }

    fn is_for(&self, request: &HeaderMap) -> bool {
        self.vary.iter().all(|(name, values)| request.get_all(name).iter().eq(values))
    }
}

impl Head {
    fn written(&self) -> Option<Written> {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let header = |(name, value): (&HeaderName, _)| Some((name.to_string(), text(value)?));
        let varied = |(name, values): &(HeaderName, Vec<_>)| {
            Some((name.to_string(), values.iter().map(text).collect::<Option<_>>()?))
        };
        Some(Written {
            status: self.status.as_u16(),
            headers: self.headers.iter().map(header).collect::<Option<_>>()?,
            vary: self.vary.iter().map(varied).collect::<Option<_>>()?,
        })
    }

    fn read(Written { status, headers, vary }: Written) -> Option<Self> {
        let name = |name: String| HeaderName::try_from(name).ok();
        let value = |value: String| HeaderValue::try_from(value).ok();
        let header = |(key, text)| Some((name(key)?, value(text)?));
        let varied =
            |(key, values): (_, Vec<_>)| Some((name(key)?, values.into_iter().map(value).collect::<Option<_>>()?));
        Some(Self {
            status: StatusCode::from_u16(status).ok()?,
            headers: appended(headers.into_iter().map(header).collect::<Option<Vec<_>>>()?),
            vary: vary.into_iter().map(varied).collect::<Option<_>>()?,
        })
    }
}

/// A header may stand more than once.
fn appended(headers: Vec<(HeaderName, HeaderValue)>) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        map.append(name, value);
    }
    map
}

fn streams(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    STREAMS.iter().any(|stream| kind.starts_with(stream))
}

impl Answer {
    pub(super) fn new(head: Head, body: Bytes) -> Self {
        Self { head, body }
    }

    /// The reply to this request, if it is one to it: 304, if the client has it already.
    pub(super) fn reply_to(&self, request: &HeaderMap) -> Option<Reply> {
        let Head { status, headers, .. } = &self.head;
        if !self.head.is_for(request) {
            return None;
        }
        let known = *status == StatusCode::OK && is_known(headers.get(ETAG), request);
        let body = if known { Bytes::new() } else { self.body.clone() };
        let mut reply = Reply::new(Body::whole(body));
        *reply.status_mut() = if known { StatusCode::NOT_MODIFIED } else { *status };
        *reply.headers_mut() = headers.clone();
        if known {
            reply.headers_mut().remove(CONTENT_LENGTH);
        }
        reply.headers_mut().insert(CACHED, HeaderValue::from_static("1"));
        Some(reply)
    }

    /// About how many bytes of memory it takes.
    pub(super) fn size(&self) -> usize {
        let headers = self.head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ENTRY / 4);
        ENTRY + self.body.len() + headers.sum::<usize>()
    }

    /// A line of JSON and the body; nothing, if a header is no text.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut out = serde_json::to_vec(&self.head.written()?).ok()?;
        out.push(b'\n');
        out.extend_from_slice(&self.body);
        Some(out)
    }

    /// What [`Answer::encode`] wrote; nothing, if somebody else wrote it.
    pub(super) fn decode(written: Vec<u8>) -> Option<Self> {
        let end = written.iter().position(|byte| *byte == b'\n')?;
        let head = Head::read(serde_json::from_slice(&written[..end]).ok()?)?;
        Some(Self { head, body: Bytes::from(written).slice(end + 1..) })
    }
}

/// Whether the client's `If-None-Match` names this tag, be it a weak one.
fn is_known(tag: Option<&HeaderValue>, request: &HeaderMap) -> bool {
    let Some(tag) = tag.and_then(|tag| tag.to_str().ok()) else { return false };
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let names = |list: &HeaderValue| {
        list.to_str().is_ok_and(|list| list.split(',').any(|known| known.trim() == "*" || plain(known) == plain(tag)))
    };
    request.get_all(IF_NONE_MATCH).iter().any(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn reply(status: u16, headers: &[(&'static str, &'static str)]) -> Reply {
        let mut reply = Reply::new(Body::empty());
        *reply.status_mut() = StatusCode::from_u16(status).unwrap();
        *reply.headers_mut() = map(headers);
        reply
    }

    fn answer(headers: &[(&'static str, &'static str)], request: &[(&'static str, &'static str)]) -> Answer {
        Answer::new(Head::of(&reply(200, headers), &map(request)).unwrap(), Bytes::from_static(b"body\n"))
    }

    #[test]
    fn a_reply_for_one_request_alone_is_not_kept() {
        let kept = |status, headers: &[_]| Head::of(&reply(status, headers), &HeaderMap::new()).is_some();
        assert!(kept(200, &[("vary", "accept-encoding, origin")]) && kept(404, &[]));
        for status in [101, 206, 304] {
            assert!(!kept(status, &[]), "{status}");
        }
        for header in [("set-cookie", "a=b"), ("vary", "*"), ("content-type", "text/event-stream; charset=utf-8")] {
            assert!(!kept(200, &[header]), "{header:?}");
        }
    }

    #[test]
    fn an_answer_is_for_requests_whose_headers_are_as_they_were() {
        let german = ("accept-language", "de");
        let answer = answer(&[("vary", "Accept-Language, X-Other")], &[german]);
        let is_for = |request: &[_]| answer.reply_to(&map(request)).is_some();
        assert!(is_for(&[german]));
        assert!(!is_for(&[]) && !is_for(&[("accept-language", "en")]) && !is_for(&[german, ("x-other", "1")]));
    }

    #[test]
    fn a_client_that_has_the_reply_is_told_so() {
        let answer = answer(&[("etag", "\"a\""), ("content-length", "5")], &[]);
        let status = |tags| answer.reply_to(&map(&[("if-none-match", tags)])).unwrap().status().as_u16();
        assert_eq!(["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"].map(status), [304; 4]);
        assert_eq!(status("\"b\""), 200);
        let reply = answer.reply_to(&map(&[("if-none-match", "*")])).unwrap();
        assert_eq!((reply.headers().get(CONTENT_LENGTH), reply.body().bytes().unwrap().len()), (None, 0));
        assert_eq!(reply.headers()[CACHED], "1");
    }

    #[test]
    fn what_is_written_down_is_read_again_and_nothing_else_is() {
        let answer = answer(&[("vary", "accept"), ("x-a", "1"), ("x-a", "2\"")], &[("accept", "*/*")]);
        assert_eq!(Answer::decode(answer.encode().unwrap()).unwrap(), answer);
        for foreign in ["", "\n", "{}\n", "SFRUUC8xLjEgMjAwIE9L|1700000000"] {
            assert_eq!(Answer::decode(foreign.into()), None, "{foreign}");
        }
    }
}
