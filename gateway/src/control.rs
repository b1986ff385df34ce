//! What the gateway answers about itself.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde_json::json;

use crate::exchange::{Body, Reply};
use crate::listener::Gateway;

/// The answer to a path of the gateway's own, if it is one.
pub fn answer(gateway: &Gateway, method: &Method, path: &str) -> Option<Reply> {
    let name = path.strip_prefix('/')?;
    if name == gateway.config.health_check_name {
        return Some(health(method, "Tyk GW"));
    }
    if name == gateway.config.readiness_name {
        if gateway.is_draining() {
            return Some(status(StatusCode::SERVICE_UNAVAILABLE, "Gateway is shutting down"));
        }
        return Some(health(method, "Tyk GW Ready"));
    }
    // Calls of the control API carry its secret and must not reach an upstream.
    (name == "tyk" || name.starts_with("tyk/"))
        .then(|| status(StatusCode::NOT_FOUND, "The control API is not part of this version"))
}

fn health(method: &Method, description: &str) -> Reply {
    if method != Method::GET && method != Method::HEAD {
        return status(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    }
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    let document = format!(r#"{{"status":"pass","version":"{version}","description":"{description}"}}"#);
    json_reply(StatusCode::OK, document)
}

fn status(status: StatusCode, message: &str) -> Reply {
    json_reply(status, format!(r#"{{"status":"error","message":{}}}"#, json!(message)))
}

fn json_reply(status: StatusCode, document: String) -> Reply {
    let mut reply = Reply::new(Body::whole(document + "\n"));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
