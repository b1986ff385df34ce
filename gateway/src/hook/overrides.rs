//! What a plugin's return overrides mean: go on, refuse, or answer the client.

use std::collections::HashMap;

use coprocess::ReturnOverrides;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::edit::{EditError, check_headers};
use super::sniff;
use crate::error::Refusal;
use crate::exchange::{Body, Reply, is_hop_by_hop};

/// A plugin's decision.
pub(super) enum Verdict {
    /// The chain goes on.
    Continue,
    /// The gateway writes an error document with the plugin's text.
    Refuse(Box<Refusal>),
    /// The plugin's own answer goes out.
    Answer(Box<Reply>),
}

/// Reads the overrides; `response_error` is the older name of the text and wins. A refusal keeps the
/// token by which the plugin calls the caller.
pub(super) fn verdict(overrides: ReturnOverrides, token: impl FnOnce() -> String) -> Result<Verdict, EditError> {
    let code = overrides.response_code;
    if code <= 0 {
        return Ok(Verdict::Continue);
    }
    let status = u16::try_from(code).ok().filter(|code| *code >= 200).and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(EditError::ResponseCode(code))?;
    let text = if overrides.response_error.is_empty() { overrides.response_body } else { overrides.response_error };
    check_headers(overrides.headers.len())?;
    let headers = headers(&overrides.headers);
    if code >= 400 && !overrides.override_error {
        let text = if text.is_empty() { "Key not authorised".to_owned() } else { text };
        return Ok(Verdict::Refuse(Box::new(Refusal { status, text, headers, token: token() })));
    }
    Ok(Verdict::Answer(Box::new(answer(status, text, headers))))
}

fn answer(status: StatusCode, text: String, mut headers: HeaderMap) -> Reply {
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let text = if bodiless { String::new() } else { text };
    if !text.is_empty() && !headers.contains_key(CONTENT_TYPE) && !headers.contains_key(CONTENT_ENCODING) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(sniff::content_type(&text)));
    }
    let mut reply = Reply::new(Body::whole(text));
    *reply.status_mut() = status;
    *reply.headers_mut() = headers;
    reply
}

/// A plugin's headers without those that frame a message or belong to the connection.
fn headers(given: &HashMap<String, String>) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(given.len());
    for (name, value) in given {
        if let Some((name, value)) =
            header(name, value).filter(|(name, _)| !is_hop_by_hop(name) && name != CONTENT_LENGTH)
        {
            out.insert(name, value);
        }
    }
    out
}

/// A header for the client: line breaks in the value become spaces, an illegal one is dropped.
pub(super) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::try_from(name).ok()?;
    let value =
        HeaderValue::try_from(value).or_else(|_| HeaderValue::try_from(value.replace(['\r', '\n'], " "))).ok()?;
    Some((name, value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn over(code: i32, text: &str, override_error: bool) -> Result<Verdict, EditError> {
        verdict(
            ReturnOverrides {
                response_code: code,
                response_body: text.into(),
                override_error,
                headers: [("Content-Length", "99"), ("Keep-Alive", "1"), ("X-A", "a\r\nb"), ("b d", "1")]
                    .map(|(k, v)| (k.to_owned(), v.to_owned()))
                    .into(),
                ..Default::default()
            },
            String::new,
        )
    }

    #[test]
    fn codes_up_to_zero_go_on_and_codes_without_a_status_are_refused() {
        assert!(matches!(over(0, "x", false), Ok(Verdict::Continue)));
        assert!(matches!(over(-1, "x", true), Ok(Verdict::Continue)));
        for code in [1, 99, 101, 199, 1000] {
            assert!(matches!(over(code, "x", true), Err(EditError::ResponseCode(c)) if c == code));
        }
    }

    #[test]
    fn more_headers_than_a_message_can_have_are_refused() {
        let answer = |count: i32| {
            let headers = (0..count).map(|n| (format!("x-{n}"), String::new())).collect();
            verdict(ReturnOverrides { response_code: 200, headers, ..Default::default() }, String::new)
        };
        assert!(answer(16_384).is_ok());
        assert!(matches!(answer(40_000), Err(EditError::Headers(40_000))));
    }

    #[test]
    fn an_error_is_wrapped_unless_the_plugin_overrides_it() {
        let Ok(Verdict::Refuse(refusal)) = over(403, "", false) else { panic!("not refused") };
        assert_eq!((refusal.status.as_u16(), refusal.text.as_str()), (403, "Key not authorised"));
        let Ok(Verdict::Answer(reply)) = over(403, "{}", true) else { panic!("not answered") };
        assert_eq!((reply.status().as_u16(), reply.body().bytes().unwrap().as_ref()), (403, b"{}".as_ref()));
    }

    #[test]
    fn framing_and_hop_by_hop_headers_are_not_the_plugins() {
        let Ok(Verdict::Answer(reply)) = over(200, "x", false) else { panic!("not answered") };
        let names: Vec<_> = reply.headers().iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(names, [("x-a", "a  b"), ("content-type", "text/plain; charset=utf-8")]);
    }

    #[test]
    fn a_status_without_a_body_has_none() {
        let Ok(Verdict::Answer(reply)) = over(204, "text", false) else { panic!("not answered") };
        assert!(reply.body().bytes().unwrap().is_empty() && !reply.headers().contains_key(CONTENT_TYPE));
    }
}
