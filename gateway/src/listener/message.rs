//! A reply as a message of HTTP: no body where there is none, and its status in the original's words.

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, StatusCode};
use http_body::Body as _;
use hyper::ext::ReasonPhrase;

use crate::exchange::{Body, Reply};

/// Takes the body from a reply to HEAD, which keeps its length, and from one whose status has none.
pub(super) fn end_with_head(asked_head: bool, reply: &mut Reply) {
    let bodiless = matches!(reply.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !bodiless && !asked_head {
        return;
    }
    let length = reply.body().size_hint().exact().filter(|length| *length > 0);
    *reply.body_mut() = Body::empty();
    if bodiless {
        reply.headers_mut().remove(CONTENT_LENGTH);
    } else if let Some(length) = length {
        reply.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
}

/// Gives a status the phrase that the original has for it, where ours is another.
pub(super) fn name_status(reply: &mut Reply) {
    let status = reply.status();
    let phrase = match status {
        StatusCode::OK => return,
        StatusCode::NON_AUTHORITATIVE_INFORMATION => ReasonPhrase::from_static(b"Non-Authoritative Information"),
        StatusCode::PAYLOAD_TOO_LARGE => ReasonPhrase::from_static(b"Request Entity Too Large"),
        StatusCode::URI_TOO_LONG => ReasonPhrase::from_static(b"Request URI Too Long"),
        StatusCode::RANGE_NOT_SATISFIABLE => ReasonPhrase::from_static(b"Requested Range Not Satisfiable"),
        status if status.canonical_reason().is_some() => return,
        status => match ReasonPhrase::try_from(format!("status code {}", status.as_u16())) {
            Ok(phrase) => phrase,
            Err(_) => return,
        },
    };
    reply.extensions_mut().insert(phrase);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ended(asked_head: bool, status: u16, length: Option<u64>, body: &'static str) -> (Option<String>, usize) {
        let mut reply = Reply::new(Body::whole(body));
        *reply.status_mut() = StatusCode::from_u16(status).unwrap();
        if let Some(length) = length {
            reply.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        end_with_head(asked_head, &mut reply);
        let length = reply.headers().get(CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned());
        (length, reply.body().bytes().unwrap().len())
    }

    #[test]
    fn the_answer_to_head_has_its_length_alone() {
        assert_eq!(ended(true, 404, None, "abc"), (Some("3".to_owned()), 0));
        assert_eq!(ended(true, 200, Some(1234), "abc"), (Some("1234".to_owned()), 0));
        assert_eq!(ended(true, 200, None, ""), (None, 0));
        assert_eq!(ended(false, 404, None, "abc"), (None, 3));
    }

    #[test]
    fn a_status_without_a_body_has_no_length_either() {
        for status in [204, 304] {
            assert_eq!(ended(false, status, Some(3), "abc"), (None, 0), "{status}");
            assert_eq!(ended(true, status, Some(1234), ""), (None, 0), "{status}");
        }
    }

    #[test]
    fn statuses_have_the_originals_words() {
        let said = |status| {
            let mut reply = Reply::new(Body::empty());
            *reply.status_mut() = StatusCode::from_u16(status).unwrap();
            name_status(&mut reply);
            reply
                .extensions()
                .get::<ReasonPhrase>()
                .map(|phrase| String::from_utf8_lossy(phrase.as_bytes()).into_owned())
        };
        assert_eq!([200, 204, 404, 418].map(said), [const { None }; 4]);
        assert_eq!(said(413).as_deref(), Some("Request Entity Too Large"));
        assert_eq!(said(599).as_deref(), Some("status code 599"));
    }
}
