//! Lists keys.

use serde::Serialize;

use crate::control::answer::{Answer, Problem, document};
use crate::control::request::Request;
use crate::json;
use crate::session::State;
use crate::session::key::{org_of, token_start};
use crate::store::Space;

#[derive(Serialize)]
struct Listed {
    keys: Vec<String>,
}

/// The ids of all keys, or their hashes; `filter` is how ids begin, `api_id` what they must open.
pub(super) async fn answer(request: &Request<'_>) -> Answer {
    let hashed = request.gateway.shared.keys.hashing().hash_keys;
    let (filter, api_id) = (request.parameter("filter"), request.parameter("api_id"));
    if hashed && !request.gateway.config.control.hashes_listed {
        return Err(Problem::missing("Hashed key listing is disabled in config (enable_hashed_keys_listing)"));
    }
    if !hashed && !api_id.is_empty() && filter.is_empty() {
        return Err(Problem::bad("api_id needs filter, the beginning of the ids to look at"));
    }
    let mut keys = if hashed { all(request, "").await? } else { named(request, filter).await? };
    if !api_id.is_empty() {
        keys = opening(request, keys, api_id).await?;
    }
    Ok(document(&Listed { keys }))
}

async fn all(request: &Request<'_>, prefix: &str) -> Result<Vec<String>, Problem> {
    Ok(request.store.sessions(Space::Key, prefix).await?)
}

/// The keys whose ids begin like this, or that are tokens of the organisation of this name.
async fn named(request: &Request<'_>, filter: &str) -> Result<Vec<String>, Problem> {
    let mut keys = all(request, filter).await?;
    if !filter.is_empty() {
        let tokens = all(request, &token_start(filter)).await?;
        keys.extend(tokens.into_iter().filter(|token| org_of(token).as_deref() == Some(filter)));
    }
    Ok(keys)
}

async fn opening(request: &Request<'_>, names: Vec<String>, api_id: &str) -> Result<Vec<String>, Problem> {
    let mut opening = Vec::new();
    for name in names {
        let stored = request.store.session(Space::Key, &[&name]).await?;
        let state = stored.and_then(|(_, json)| json::read::<State>(std::str::from_utf8(&json).ok()?).ok());
        if state.is_some_and(|(state, _)| state.access_rights.contains_key(api_id)) {
            opening.push(name);
        }
    }
    Ok(opening)
}
