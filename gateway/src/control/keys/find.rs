//! Finds the key that a call means.

use std::iter::once;

use crate::control::answer::Problem;
use crate::control::request::Request;
use crate::json;
use crate::session::{Key, State};
use crate::store::Space;

/// A stored key, its policies not applied.
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) state: State,
}

/// The key of this id: a token, a custom id, a user's name or a hash, as the query says. Custom ids
/// are looked for in the organisation or API that the query names; else in this organisation first,
/// then in all.
pub(super) async fn find(request: &Request<'_>, id: &str, org_id: &str) -> Result<Option<Found>, Problem> {
    first(request, keys(request, id, org_id)?).await
}

/// The key that the store knows by this name: a hash where keys are hashed.
pub(super) async fn named(request: &Request<'_>, name: &str) -> Result<Option<Found>, Problem> {
    first(request, vec![Key { id: name.into(), name: name.into() }]).await
}

async fn first(request: &Request<'_>, keys: Vec<Key>) -> Result<Option<Found>, Problem> {
    let names: Vec<_> = keys.iter().map(|key| &*key.name).collect();
    let Some((at, stored)) = request.store.session(Space::Key, &names).await? else { return Ok(None) };
    let text = String::from_utf8_lossy(&stored);
    match json::read::<State>(&text) {
        Ok((state, _)) => Ok(keys.into_iter().nth(at).map(|key| Found { key, state })),
        Err(error) => {
            tracing::error!(key = names[at], %error, "a stored session cannot be read");
            Ok(None)
        }
    }
}

fn keys(request: &Request<'_>, id: &str, org_id: &str) -> Result<Vec<Key>, Problem> {
    let keys = &request.gateway.shared.keys;
    let hashing = keys.hashing();
    if request.is("hashed") {
        if !hashing.hash_keys {
            return Err(Problem::bad("Key requested by hash but key hashing is not enabled"));
        }
        return Ok(vec![Key { id: id.into(), name: id.into() }]);
    }
    if request.is("username") {
        return Ok(vec![keys.key(&hashing.token(request.parameter("org_id"), id))]);
    }
    let mut ids: Vec<String> = Vec::new();
    for candidate in organisations(request, org_id).iter().flat_map(|org_id| hashing.candidates(org_id, id)) {
        if !ids.contains(&candidate) {
            ids.push(candidate);
        }
    }
    Ok(ids.iter().map(|id| keys.key(id)).collect())
}

fn organisations(request: &Request<'_>, first: &str) -> Vec<String> {
    let registry = request.gateway.registry.load();
    let named = match request.parameter("org_id") {
        "" => registry.api(request.parameter("api_id")).map(|api| api.org_id.clone()),
        org_id => Some(org_id.to_owned()),
    };
    let all = || once(first.to_owned()).chain(registry.apis().iter().map(|api| api.org_id.clone())).collect();
    named.map_or_else(all, |org_id| vec![org_id])
}
