//! Makes keys and changes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::find::{Found, find, named};
use super::{password, quota};
use crate::certificate::Fingerprint;
use crate::clock;
use crate::control::answer::{Answer, Problem, key_changed};
use crate::control::request::Request;
use crate::control::stamp;
use crate::event::Name;
use crate::session::lifetime::longest;
use crate::session::{Key, Session, State};
use crate::store::Space;

/// What the original calls it, whether the key was there or not.
const MODIFIED: &str = "Key modified.";

/// A key with an id of our making.
pub(super) async fn generated(request: &Request<'_>) -> Answer {
    let unread = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Unmarshalling failed");
    let mut state: State = request.json(unread)?;
    let failed =
        |error: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("Failed to create key - {error}"));
    presentable(&state)?;
    if opens_everything(request, &state).map_err(failed)? && !request.gateway.config.control.master_keys {
        return Err(Problem::bad("Failed to create key, keys must have at least one Access Rights record set."));
    }
    expire_by_policy(request, &mut state);
    if state.hmac_enabled {
        state.hmac_string = STANDARD.encode(Uuid::new_v4().simple().to_string());
    }
    let hashing = request.gateway.shared.keys.hashing();
    let id = match state.certificate.as_str() {
        "" => hashing.generate(&state.org_id),
        certificate => hashing.token(&state.org_id, certificate),
    };
    let key = request.gateway.shared.keys.key(&id);
    store(request, &key, &mut state, None).await?;
    request.tell(Name::TokenCreated, "Key generated.", &state.org_id, &id);
    Ok(key_changed(&id, "added", request.shown_hash(&key)))
}

/// A key with an id of the caller's.
pub(super) async fn custom(request: &Request<'_>, id: Option<&str>) -> Answer {
    let mut state: State = request.json(|_| Problem::bad("Request malformed"))?;
    let hashing = request.gateway.shared.keys.hashing();
    let shortest = request.gateway.config.keys.shortest;
    if id.is_some_and(|id| id.len() < shortest) {
        return Err(Problem::bad(format!(
            "the key's id is too short: it needs {shortest} characters (min_token_length)"
        )));
    }
    let id = id.map_or_else(|| hashing.generate(&state.org_id), |id| hashing.token(&state.org_id, id));
    secure(request, &state)?;
    password::hide(&mut state, None, request.gateway.config.control.password_function).await?;
    let key = request.gateway.shared.keys.key(&id);
    if request.store.session(Space::Key, &[&key.name]).await?.is_none() {
        expire_by_policy(request, &mut state);
    }
    store(request, &key, &mut state, None).await?;
    request.tell(Name::TokenCreated, MODIFIED, &state.org_id, &id);
    let shown = if hashing.hash_keys && !state.basic_auth_data.password.is_empty() { "" } else { &id };
    Ok(key_changed(shown, "added", request.shown_hash(&key)))
}

/// Another session for a key that there is.
pub(super) async fn replaced(request: &Request<'_>, id: &str) -> Answer {
    let mut state: State = request.json(|_| Problem::bad("Request malformed"))?;
    let found = find(request, id, &state.org_id).await?;
    let Found { key, state: previous } = found.ok_or_else(|| Problem::missing("Key is not found"))?;
    secure(request, &state)?;
    password::hide(&mut state, Some(&previous), request.gateway.config.control.password_function).await?;
    store(request, &key, &mut state, Some(&previous)).await?;
    request.tell(Name::TokenUpdated, MODIFIED, &state.org_id, id);
    Ok(key_changed(id, "modified", request.shown_hash(&key)))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PolicyChange {
    policy: String,
    apply_policies: Vec<String>,
}

/// Other policies for a key that is known by its hash.
pub(super) async fn policies(request: &Request<'_>, hash: &str) -> Answer {
    let PolicyChange { policy, apply_policies } = request.json(|_| Problem::bad("Request malformed"))?;
    let missing = || Problem::missing("Key not found");
    let Found { key, mut state } = named(request, hash).await?.ok_or_else(missing)?;
    (state.apply_policy_id, state.apply_policies) = (policy, apply_policies);
    secure(request, &state)?;
    save(request, &key, &state).await?;
    Ok(key_changed(hash, "updated", None))
}

/// Refuses a key that is bound to something that no certificate is known by: nobody could present it.
fn presentable(state: &State) -> Result<(), Problem> {
    for id in &state.mtls_static_certificate_bindings {
        let told = |error| Problem::bad(format!("mtls_static_certificate_bindings: {id:?} is no certificate: {error}"));
        Fingerprint::parse(id).map_err(told)?;
    }
    Ok(())
}

/// Lets a new key expire as its policies say; the last one that says something counts.
fn expire_by_policy(request: &Request<'_>, state: &mut State) {
    let policies = request.gateway.shared.keys.policies();
    let lifetimes = state.policy_ids().filter_map(|id| Some(policies.get(&state.org_id, id)?.key_expires_in));
    if let Some(seconds) = lifetimes.filter(|seconds| *seconds > 0).last() {
        state.expires = clock::unix_seconds().saturating_add(seconds);
    }
}

/// Refuses policies that cannot be applied, and a key that opens everything unless that is allowed.
fn secure(request: &Request<'_>, state: &State) -> Result<(), Problem> {
    presentable(state)?;
    let message = "Failed to create key, ensure security settings are correct.";
    match opens_everything(request, state) {
        Ok(everything) if !everything || request.gateway.config.control.master_keys => Ok(()),
        _ => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message)),
    }
}

/// Whether a session names no API, its policies applied; why they cannot be.
fn opens_everything(request: &Request<'_>, state: &State) -> Result<bool, String> {
    let mut applied = state.clone();
    let policies = request.gateway.shared.keys.policies();
    policies.apply(&mut applied, &state.org_id).map_err(|error| error.to_string())?;
    Ok(applied.access_rights.is_empty())
}

/// Stores a session under a key, in place of the previous one if there is one.
async fn store(request: &Request<'_>, key: &Key, state: &mut State, previous: Option<&State>) -> Result<(), Problem> {
    let now = clock::unix_seconds();
    // A key is not made to be expired: the caller sent back what it read.
    if state.expires > 1 && state.expires < now {
        state.expires = previous.map_or(0, |previous| previous.expires);
    }
    state.date_created = previous.map_or_else(stamp::created, |previous| previous.date_created.clone());
    let keeps = request.is("suppress_reset");
    match previous {
        Some(previous) if keeps => {
            state.last_updated.clone_from(&previous.last_updated);
            (state.quota_renews, state.quota_remaining) = (previous.quota_renews, previous.quota_remaining);
        }
        _ => {
            state.last_updated = stamp::updated();
            if state.quota_max > 0 {
                state.quota_remaining = state.quota_max;
                state.quota_renews = now.saturating_add(state.quota_renewal_rate.max(0));
            }
        }
    }
    save(request, key, state).await?;
    if keeps { Ok(()) } else { quota::reset(request, &key.name, &applied(request, state)).await }
}

async fn save(request: &Request<'_>, key: &Key, state: &State) -> Result<(), Problem> {
    let keys = &request.gateway.shared.keys;
    let session = Session::new(state.clone(), key.clone());
    let registry = request.gateway.registry.load();
    let applied = applied(request, state);
    let apis = applied.access_rights.keys().filter_map(|id| registry.api(id)).map(|api| api.lifetimes);
    let apis: Vec<_> = apis.chain([request.gateway.config.lifetimes]).collect();
    keys.save(request.store, &session, longest(apis, state, clock::unix_seconds())).await?;
    request.publish_keys(&[&key.name]).await;
    Ok(())
}

/// A session with its policies.
fn applied(request: &Request<'_>, state: &State) -> State {
    let mut applied = state.clone();
    // They could be applied a moment ago; if not now, nobody can use the key.
    let _ = request.gateway.shared.keys.policies().apply(&mut applied, &state.org_id);
    applied
}
