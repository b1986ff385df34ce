//! From a request's head to the client's answer: limits, routing, the API's chain, one line of log.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;

use super::answers::Answers;
use super::entrance::Door;
use super::{Gateway, batch};
use crate::api::Api;
use crate::chain::{End, LoopError, cors};
use crate::config::RateHeaders;
use crate::control;
use crate::error::{Failure, Layers, Refusal, Stop};
use crate::exchange::{
    Body, Client, Exchange, Flow, Head, HeadError, Notes, Passage, ReadError, Reply, Standing, Streaming, Upgrade,
};
use crate::sockets::Sockets;
use crate::telemetry::Access;

/// How many chains one request may go through, whatever its target or definitions allow.
const MOST_CHAINS: u32 = 100;

/// Answers one request.
pub(super) async fn answer(
    gateway: &Gateway,
    sockets: &Arc<Sockets>,
    mut request: Request<Incoming>,
    client: &Client,
    door: Door,
    uploads: &Arc<Flow>,
) -> Reply {
    if request.headers().len() > gateway.config.guards.headers {
        return text(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "431 Request Header Fields Too Large");
    }
    let notes = Notes::start();
    let upgrade = if gateway.config.http.upgrades { Upgrade::wished(&mut request) } else { None };
    let (parts, incoming) = request.into_parts();
    let head = match Head::received(parts) {
        Ok(head) => head,
        Err(error) => {
            tracing::debug!(%error, "a request's head is malformed");
            return match error {
                HeadError::Coding(_) => text(StatusCode::NOT_IMPLEMENTED, "Unsupported transfer encoding"),
                _ => bad_request(),
            };
        }
    };
    let body = Body::Stream(Streaming::new(incoming, uploads));
    let (session, standing, client, context) = (None, Standing::default(), client.clone(), None);
    let passage = Passage::default();
    let mut exchange = Box::new(Exchange { head, body, upgrade, session, standing, passage, client, context, notes });
    if let Some(limit) = gateway.config.http.max_request_body_size
        && let Err(refusal) = measure(&mut exchange.body, limit).await
    {
        return refusal;
    }
    route(gateway, sockets, door, exchange).await
}

/// Refuses a body of more than `limit` bytes; one that does not tell its length is read.
async fn measure(body: &mut Body, limit: u64) -> Result<(), Reply> {
    match body.size_hint().exact() {
        Some(length) if length > limit => Err(too_large()),
        Some(_) => Ok(()),
        None => match body.read(Some(limit)).await {
            Ok(_) => Ok(()),
            Err(ReadError::TooLarge) => Err(too_large()),
            Err(ReadError::Broken(_)) => Err(bad_request()),
            Err(ReadError::NoRoom) => Err(no_room()),
        },
    }
}

async fn route(gateway: &Gateway, sockets: &Arc<Sockets>, door: Door, mut exchange: Box<Exchange>) -> Reply {
    let path = exchange.head.target.decoded_path();
    if let Some(clean) = unclean(&path).filter(|_| !gateway.config.http.skip_url_cleaning) {
        return moved(&exchange.head.target.with_decoded_path(&clean));
    }
    if let Some(place) = control::place(gateway, &path).filter(|_| door.has_control(gateway)) {
        drop(path);
        // Rare and large: it must not make every request's future large.
        return Box::pin(control::answer(place, gateway, sockets, &mut exchange)).await;
    }
    if door == Door::Control {
        return not_found();
    }
    let registry = gateway.registry.load();
    let Some(api) = registry.find(door.port(), exchange.head.host_name(), &path).map(Arc::clone) else {
        return not_found();
    };
    drop((path, registry));
    if batch::is_one(&api, &exchange) {
        // Rare and large: it must not make every request's future large.
        return Box::pin(batch::answer(gateway, sockets, &api, exchange)).await;
    }
    serve(gateway, sockets, &api, exchange).await
}

/// Takes a request through its API's chain; one line in the access log tells of it.
pub(super) async fn serve(gateway: &Gateway, sockets: &Arc<Sockets>, api: &Api, exchange: Box<Exchange>) -> Reply {
    let mut access = Access::new(&api.id, exchange);
    let (outcome, last) = run(gateway, sockets, api, &mut access.exchange).await;
    let overrides = [last.as_deref().unwrap_or(api).chain.overrides.as_ref(), gateway.config.error_overrides.as_ref()];
    let answers = Answers { pages: &gateway.shared.pages, overrides: Layers(overrides), exchange: &access.exchange };
    let proxied = outcome.is_ok();
    let (mut reply, failure) = match outcome {
        Ok(reply) => (reply, None),
        Err(Stop::Answer(reply)) => (*reply, None),
        Err(Stop::Refusal(refusal)) => {
            let Refusal { status, text, headers, .. } = *refusal;
            (answers.error(status, &text, None, headers), None)
        }
        Err(Stop::Failure(failure)) => {
            if failure.is_fault() {
                tracing::error!(api_id = &*api.id, error = %failure, "request failed");
            }
            let (status, text) = gateway.config.override_messages.answer(&failure);
            (answers.error(status, &text, failure.flag(), failure.headers()), Some(failure))
        }
    };
    if let Some(failure) = &failure {
        access.because(failure);
    }
    if let Some(told) = access.exchange.passage.reply_headers.take() {
        match proxied {
            true => cors::tell(*told, reply.headers_mut()),
            false => cors::tell_beside(&told, reply.headers_mut()),
        }
    }
    let told = gateway.config.limits.headers == RateHeaders::Rates;
    if let Some(rate) = access.exchange.standing.rate.filter(|_| told) {
        rate.write(reply.headers_mut());
    }
    access.answered(reply.status());
    reply
}

/// Takes an exchange through the chain of its API, and of those that it is sent to; also gives the
/// last of these.
async fn run(
    gateway: &Gateway,
    sockets: &Arc<Sockets>,
    api: &Api,
    exchange: &mut Exchange,
) -> (Result<Reply, Stop>, Option<Arc<Api>>) {
    let mut other: Option<Arc<Api>> = None;
    for _ in 0..MOST_CHAINS {
        let chain = &other.as_deref().unwrap_or(api).chain;
        let end = chain.run(exchange, sockets).await;
        chain.report(end.as_ref().err(), exchange).await;
        match end {
            Ok(End::Reply(reply)) => return (Ok(reply), other),
            Err(stop) => return (Err(stop), other),
            Ok(End::Elsewhere(to)) => match gateway.registry.load().elsewhere(to, other.clone()) {
                Ok(next) => other = next,
                Err(failure) => return (Err(failure.into()), other),
            },
        }
        // Who goes round lets others go first.
        tokio::task::yield_now().await;
    }
    (Err(Failure::from(LoopError::TooDeep(MOST_CHAINS)).into()), other)
}

/// The path that an unclean one should have been: rooted, without empty, `.` and `..` segments.
pub(super) fn unclean(path: &str) -> Option<String> {
    let suspicious = |pair: &[u8]| pair[0] == b'/' && (pair[1] == b'/' || pair[1] == b'.');
    let suspicious = !path.starts_with('/') || path.as_bytes().windows(2).any(suspicious);
    if !suspicious || path == "*" {
        return None;
    }
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    let clean = format!("/{}{slash}", kept.join("/"));
    (clean != path).then_some(clean)
}

pub(super) fn moved(to: &crate::exchange::Target) -> Reply {
    let mut reply = Reply::new(Body::empty());
    *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(location) = HeaderValue::from_str(to.as_str()) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply
}

fn bad_request() -> Reply {
    text(StatusCode::BAD_REQUEST, "400 Bad Request")
}

pub(super) fn no_room() -> Reply {
    text(StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable")
}

fn not_found() -> Reply {
    text(StatusCode::NOT_FOUND, "Not Found")
}

fn too_large() -> Reply {
    let mut reply = text(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large\n");
    reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// An answer in plain text.
pub(super) fn text(status: StatusCode, text: &'static str) -> Reply {
    let mut reply = Reply::new(Body::whole(text));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unclean_paths_are_cleaned_and_clean_ones_left() {
        for (path, clean) in [
            ("/a//b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/a/../b", "/b"),
            ("/..", "/"),
            ("//", "/"),
            ("", "/"),
            ("/a/.", "/a"),
        ] {
            assert_eq!(unclean(path).as_deref(), Some(clean), "{path}");
        }
        for path in ["/", "/a/b/", "/.well-known/x", "/a..b", "*"] {
            assert_eq!(unclean(path), None, "{path}");
        }
    }
}
