//! Finds the key that a call means.

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

/// The key of this id: a token, a custom id, a user's name or a hash, as the query says.
pub(super) async fn find(request: &Request<'_>, id: &str) -> Result<Option<Found>, Problem> {
    let keys = keys(request, id)?;
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

fn keys(request: &Request<'_>, id: &str) -> Result<Vec<Key>, Problem> {
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
    for org_id in organisations(request) {
        ids.extend(hashing.candidates(&org_id, id));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids.iter().map(|id| keys.key(id)).collect())
}

/// In whose keys to look: those of the organisation or API that the query names, or else of all.
fn organisations(request: &Request<'_>) -> Vec<String> {
    let registry = request.gateway.registry.load();
    match (request.parameter("org_id"), request.parameter("api_id")) {
        ("", "") => registry.apis().iter().map(|api| api.org_id.clone()).chain([String::new()]).collect(),
        ("", api_id) => registry.api(api_id).map(|api| api.org_id.clone()).into_iter().collect(),
        (org_id, _) => vec![org_id.to_owned()],
    }
}
