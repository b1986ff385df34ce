//! The shapes of answers: JSON in one line, and a line feed.

use std::borrow::Cow;

use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::exchange::{Body, Reply};
use crate::store::StoreError;

/// What a call of the REST API came to.
pub(super) type Answer = Result<Reply, Problem>;

/// Why a call was in vain.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    message: Cow<'static, str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn bad(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn missing(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not supported")
    }

    pub(super) fn reply(&self) -> Reply {
        status(self.status, "error", &self.message)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a call of the control API failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Change<'a> {
    key: &'a str,
    status: &'a str,
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hash: Option<&'a str>,
}

pub(super) fn ok(message: &str) -> Reply {
    status(StatusCode::OK, "ok", message)
}

pub(super) fn status(code: StatusCode, status: &str, message: &str) -> Reply {
    with_status(code, &Status { status, message })
}

/// Something was added, modified, deleted or updated.
pub(super) fn changed(key: &str, action: &str) -> Reply {
    document(&Change { key, status: "ok", action, key_hash: None })
}

/// A key was; its hash where keys are hashed.
pub(super) fn key_changed(key: &str, action: &str, hash: Option<&str>) -> Reply {
    document(&Change { key, status: "ok", action, key_hash: hash })
}

pub(super) fn document(document: &impl Serialize) -> Reply {
    with_status(StatusCode::OK, document)
}

fn with_status(status: StatusCode, document: &impl Serialize) -> Reply {
    let mut text = match serde_json::to_vec(document) {
        Ok(text) => text,
        Err(error) => return plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    };
    text.push(b'\n');
    let mut reply = Reply::new(Body::whole(text));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// A path that leads nowhere.
pub(super) fn nowhere() -> Reply {
    plain(StatusCode::NOT_FOUND, "404 page not found\n".to_owned())
}

fn plain(status: StatusCode, text: String) -> Reply {
    let mut reply = Reply::new(Body::whole(text));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}
