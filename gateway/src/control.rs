//! What the gateway answers itself: whether it is well, and the REST API of operators.

mod answer;
mod apis;
mod authority;
mod certificates;
mod files;
mod health;
mod keys;
mod organisations;
mod policies;
mod publish;
mod reload;
mod request;
mod rest;
mod stamp;
mod watch;

use http::Method;

pub use self::health::Health;
pub use self::reload::{LoadError, Loaded, Reload, Reloads, Sources, reloads};
pub use self::watch::{Watch, WatchError};
use crate::exchange::{Exchange, Reply};
use crate::listener::Gateway;
use crate::sockets::Sockets;

/// A path of the gateway's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Whether the process lives.
    Health,
    /// Whether it takes traffic.
    Readiness,
    /// The REST API. No such request reaches an upstream: it carries the secret.
    Rest,
}

/// Which of them a path is, if any.
pub fn place(gateway: &Gateway, path: &str) -> Option<Place> {
    // Several slashes would hide the secret's path where paths are not cleaned.
    match path.trim_start_matches('/') {
        name if name == gateway.config.health_check_name => Some(Place::Health),
        name if name == gateway.config.readiness_name => Some(Place::Readiness),
        name if name == "tyk" || name.starts_with("tyk/") => Some(Place::Rest),
        _ => None,
    }
}

/// The answer to a request to such a path.
pub async fn answer(place: Place, gateway: &Gateway, sockets: &Sockets, exchange: &mut Exchange) -> Reply {
    let method: &Method = &exchange.head.method;
    match place {
        Place::Health => gateway.health.live(method),
        Place::Readiness => gateway.health.ready(method, gateway.is_draining(), &sockets.store).await,
        Place::Rest => rest::answer(gateway, sockets, exchange).await,
    }
}
