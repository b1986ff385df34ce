//! The REST API: who may call, and which handler answers.

use http::StatusCode;

use super::answer::{Answer, Problem, nowhere, ok};
use super::request::{Request, segments};
use super::{apis, authority, certificates, keys, organisations, policies};
use crate::exchange::{Exchange, ReadError, Reply};
use crate::listener::Gateway;
use crate::sockets::Sockets;

/// The largest body taken, in bytes.
const LARGEST: u64 = 8 << 20;

pub(super) async fn answer(gateway: &Gateway, sockets: &Sockets, exchange: &mut Exchange) -> Reply {
    if !authority::permits(&gateway.config.control, &exchange.head.headers) {
        let message = "Attempted administrative access with invalid or missing key!";
        return Problem::new(StatusCode::FORBIDDEN, message).reply();
    }
    if gateway.config.certificates.control.is_some()
        && let Err(unwelcome) = gateway.shared.guests.load().control.admit(exchange.client.certificate.as_deref())
    {
        return Problem::new(StatusCode::FORBIDDEN, unwelcome.to_string()).reply();
    }
    let body = match exchange.body.read(Some(LARGEST)).await {
        Ok(body) => body.clone(),
        Err(ReadError::TooLarge) => {
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large").reply();
        }
        Err(ReadError::NoRoom) => {
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Too many bodies are in memory").reply();
        }
        Err(ReadError::Broken(_)) => return Problem::bad("Request malformed").reply(),
    };
    let request = Request::new(gateway, &sockets.store, &exchange.head, body);
    let path = segments(&exchange.head);
    route(&request, &path.iter().map(String::as_str).collect::<Vec<_>>())
        .await
        .unwrap_or_else(|problem| problem.reply())
}

async fn route(request: &Request<'_>, path: &[&str]) -> Answer {
    match path {
        ["keys", below @ ..] => keys::answer(request, below).await,
        ["policies"] => policies::answer(request, None).await,
        ["policies", id] => policies::answer(request, Some(id)).await,
        ["org", "keys"] => organisations::answer(request, None).await,
        ["org", "keys", id] => organisations::answer(request, Some(id)).await,
        ["apis"] => apis::answer(request, None).await,
        ["apis", id] if *id != "oas" && *id != "mcps" => apis::answer(request, Some(id)).await,
        ["certs"] => certificates::answer(request, None).await,
        ["certs", ids] => certificates::answer(request, Some(ids)).await,
        ["cache", "jwks"] => key_sets(request, None).await,
        ["cache", "jwks", id] => key_sets(request, Some(id)).await,
        ["cache", id] => answers(request, id).await,
        ["reload"] => reload(request).await,
        ["reload", "group"] => reload_group(request).await,
        ["health"] => health(request),
        ["session-cache"] => apis::session_caches(request),
        _ => Ok(nowhere()),
    }
}

/// Forgets the sets of keys that others publish, of one API or of all.
async fn key_sets(request: &Request<'_>, id: Option<&str>) -> Answer {
    request.only(http::Method::DELETE)?;
    let registry = request.gateway.registry.load_full();
    for api in registry.apis().iter().filter(|api| id.is_none_or(|id| *api.id == *id)) {
        if api.chain.forget_key_sets() {
            request.publish_key_sets(&api.id).await;
        }
    }
    Ok(ok("cache invalidated"))
}

/// Forgets the replies that are kept of an API.
async fn answers(request: &Request<'_>, id: &str) -> Answer {
    request.only(http::Method::DELETE)?;
    let registry = request.gateway.registry.load_full();
    if let Some(api) = registry.api(id)
        && let Err(error) = api.chain.forget_answers(request.store).await
    {
        tracing::error!(%error, api_id = id, "cached replies could not be removed");
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Cache invalidation failed"));
    }
    Ok(ok("cache invalidated"))
}

async fn reload(request: &Request<'_>) -> Answer {
    request.only(http::Method::GET)?;
    let done = request.gateway.reload.ask();
    if request.is("block") {
        // A reload that fails says so in the log, and the last good set is served on.
        let _ = done.await;
    }
    Ok(ok(""))
}

async fn reload_group(request: &Request<'_>) -> Answer {
    request.only(http::Method::GET)?;
    request.publish_reload().await?;
    Ok(ok(""))
}

/// The figures of an API: none are taken.
fn health(request: &Request<'_>) -> Answer {
    request.only(http::Method::GET)?;
    Err(Problem::bad("Health checks are not enabled for this node"))
}
