//! Whether the gateway is well.

use http::{Method, StatusCode};
use serde::Serialize;

use super::answer::{document, status};
use crate::exchange::Reply;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    description: &'static str,
}

/// The process lives.
pub(super) fn live(method: &Method) -> Reply {
    pass(method, "Tyk GW")
}

/// It takes traffic, unless it is about to stop.
pub(super) fn ready(method: &Method, draining: bool) -> Reply {
    if draining {
        return status(StatusCode::SERVICE_UNAVAILABLE, "error", "Gateway is shutting down");
    }
    pass(method, "Tyk GW Ready")
}

fn pass(method: &Method, description: &'static str) -> Reply {
    if method != Method::GET && method != Method::HEAD {
        return status(StatusCode::METHOD_NOT_ALLOWED, "error", "Method Not Allowed");
    }
    document(&Health { status: "pass", version: concat!("v", env!("CARGO_PKG_VERSION")), description })
}
