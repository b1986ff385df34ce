//! Keys: made, shown, changed and removed.

mod find;
mod list;
mod make;
mod password;
mod quota;

use http::Method;

use self::find::{Found, find};
use super::answer::{Answer, Problem, document, key_changed, nowhere};
use super::request::Request;
use crate::event::Name;
use crate::session::State;
use crate::store::Space;

pub(super) async fn answer(request: &Request<'_>, path: &[&str]) -> Answer {
    let method = &request.method;
    match path {
        [] if method == Method::GET => list::answer(request).await,
        [] if method == Method::POST => make::custom(request, None).await,
        ["create"] if method == Method::POST => make::generated(request).await,
        ["preview"] if method == Method::POST => preview(request),
        ["policy", hash] if method == Method::POST => make::policies(request, hash).await,
        [id] if method == Method::POST => make::custom(request, Some(id)).await,
        [id] if method == Method::PUT => make::replaced(request, id).await,
        [id] if method == Method::GET => show(request, id).await,
        [id] if method == Method::DELETE => remove(request, id).await,
        [] | [_] | ["policy", _] => Err(Problem::method()),
        _ => Ok(nowhere()),
    }
}

/// The session as its policies make it; the password stays hidden.
async fn show(request: &Request<'_>, id: &str) -> Answer {
    let found = find(request, id, "").await?;
    let Found { key, mut state } = found.ok_or_else(|| Problem::missing("Key not found"))?;
    let org_id = state.org_id.clone();
    let policies = request.gateway.shared.keys.policies();
    policies.apply(&mut state, &org_id).map_err(|_| Problem::missing("Key not found"))?;
    quota::refresh(request.store, &key.name, &mut state).await?;
    state.basic_auth_data.password.clear();
    Ok(document(&state))
}

/// The session as its policies would make it; nothing is stored.
fn preview(request: &Request<'_>) -> Answer {
    let mut state: State = request.json(|_| Problem::bad("Request malformed"))?;
    let org_id = state.org_id.clone();
    let applied = request.gateway.shared.keys.policies().apply(&mut state, &org_id);
    applied.map_err(|error| Problem::bad(format!("Failed to apply policies: {error}")))?;
    Ok(document(&state))
}

async fn remove(request: &Request<'_>, id: &str) -> Answer {
    let found = find(request, id, "").await?;
    let Found { key, mut state } = found.ok_or_else(|| Problem::missing("There is no such key found"))?;
    if !request.store.delete_session(Space::Key, &key.name).await? {
        return Err(Problem::missing("There is no such key found"));
    }
    request.publish_keys(&[&key.name]).await;
    let org_id = state.org_id.clone();
    request.tell(Name::TokenDeleted, "Key deleted.", &org_id, id);
    // Policies that no longer apply leave no counters of theirs to find.
    let _ = request.gateway.shared.keys.policies().apply(&mut state, &org_id);
    quota::reset(request, &key.name, &state).await?;
    // So the original answers where a key is removed from all APIs.
    if request.parameter("api_id") == "-1" {
        return Ok(document(&()));
    }
    Ok(key_changed(id, "deleted", request.shown_hash(&key)))
}
