//! What keys have used of their quotas.

use std::collections::BTreeSet;

use crate::control::answer::Problem;
use crate::control::request::Request;
use crate::session::{EndpointMethod, State, counters};
use crate::store::{Quota, Store, StoreError};

/// Forgets what was counted of a key whose policies are applied.
pub(super) async fn reset(request: &Request<'_>, key: &str, state: &State) -> Result<(), Problem> {
    let scopes = scopes(state);
    let mut names: Vec<_> = scopes.iter().map(|scope| counters::quota(scope, key)).collect();
    for rate in scopes.iter().map(|scope| counters::rate(scope, key)).chain(endpoints(state, key)) {
        request.gateway.shared.limiter.forget(&rate);
        names.extend([format!("{rate}.BLOCKED"), counters::allowance(&rate), rate]);
    }
    Ok(request.store.reset(&names).await?)
}

/// The counters of paths that have rates of their own.
fn endpoints(state: &State, key: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rights in state.access_rights.values() {
        for endpoint in &rights.endpoints {
            let name = |method: &EndpointMethod| {
                counters::endpoint(&rights.allowance_scope, key, &method.name, &endpoint.path)
            };
            names.extend(endpoint.methods.iter().map(name));
        }
    }
    names
}

/// Notes in a session what its counters say; where there is none, nothing has been used.
pub(super) async fn refresh(store: &Store, key: &str, state: &mut State) -> Result<(), StoreError> {
    let limits: BTreeSet<_> = limits(state).into_iter().filter(|(_, max, _)| *max > 0).collect();
    let names: Vec<_> = limits.iter().map(|(scope, ..)| counters::quota(scope, key)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for ((scope, max, renews), quota) in limits.iter().zip(store.quotas(&names).await?) {
        let Quota { used, renews } = quota.unwrap_or(Quota { used: 0, renews: *renews });
        state.note_quota(scope, max.saturating_sub(used).max(0), renews);
    }
    Ok(())
}

/// The scopes of its limits.
fn scopes(state: &State) -> BTreeSet<String> {
    limits(state).into_iter().map(|(scope, ..)| scope).collect()
}

/// The quotas of a session, its own and those of single APIs: scope, size, and when it was to renew.
fn limits(state: &State) -> Vec<(String, i64, i64)> {
    let rights = state.access_rights.values().filter(|rights| !rights.limit.is_empty());
    let own = rights.map(|rights| (rights.allowance_scope.clone(), rights.limit.quota_max, rights.limit.quota_renews));
    own.chain([(String::new(), state.quota_max, state.quota_renews)]).collect()
}
