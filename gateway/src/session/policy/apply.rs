//! Policies laid over a session, in the order in which it names them.
//!
//! What several policies say about one API is merged: rights are united, and of two limits the
//! more generous one holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Partitions, Policies, Policy, PolicyError};
use crate::json;
use crate::session::{AccessDefinition, AllowedUrl, Endpoint, EndpointLimit, EndpointMethod, Limit, State};

/// The metadata entry with policies of the session's own.
const INLINE: &str = "policies";
/// The largest quota and depth: none at all.
const UNLIMITED: i64 = -1;

/// See [`Policies::apply`].
pub(super) fn apply(policies: &Policies, state: &mut State, org_id: &str) -> Result<(), PolicyError> {
    let ids: Vec<_> = state.policy_ids().map(str::to_owned).collect();
    clear(policies, state, org_id, &ids);
    let Some(chosen) = choose(policies, state, org_id, &ids)? else {
        scope_own_limits(state);
        return Ok(());
    };
    state.is_inactive = chosen.iter().any(|policy| policy.is_inactive);
    let mut merge = Merge { root: state.root_limit(), ..Merge::default() };
    for policy in &chosen {
        merge.add(policy, state)?;
        note(policy, state);
    }
    merge.finish(state)
}

/// Zeroes what the policies govern, up to the first that does not exist.
fn clear(policies: &Policies, state: &mut State, org_id: &str, ids: &[String]) {
    for policy in ids.iter().map_while(|id| policies.get(org_id, id)) {
        let governed = policy.partitions.governed();
        if governed.quota {
            (state.quota_max, state.quota_remaining) = (0, 0);
        }
        if governed.rate_limit {
            (state.rate, state.per, state.smoothing) = (0.0, 0.0, Value::Null);
            (state.throttle_interval, state.throttle_retry_limit) = (0.0, 0);
        }
        if governed.complexity {
            state.max_query_depth = 0;
        }
    }
}

/// The policies to apply; nothing if the session names none.
fn choose(
    policies: &Policies,
    state: &State,
    org_id: &str,
    ids: &[String],
) -> Result<Option<Vec<Arc<Policy>>>, PolicyError> {
    if let Some(Value::Array(inline)) = state.meta_data.get(INLINE)
        && !inline.is_empty()
    {
        return inline.iter().map(|policy| read_inline(policy, org_id)).collect::<Result<_, _>>().map(Some);
    }
    match ids {
        [] => Ok(None),
        [id] => {
            let policy = policies.find(org_id, id)?.ok_or_else(|| PolicyError::Unknown(id.clone()))?;
            Ok(Some(vec![Arc::clone(policy)]))
        }
        ids => {
            let found = ids.iter().filter_map(|id| policies.find(org_id, id).transpose());
            found.map(|policy| policy.cloned()).collect::<Result<_, _>>().map(Some)
        }
    }
}

fn read_inline(written: &Value, org_id: &str) -> Result<Arc<Policy>, PolicyError> {
    let policy: Policy = json::shape(written.clone()).map_err(|error| PolicyError::Inline(error.to_string()))?;
    match policy.org_id == org_id {
        true => Ok(Arc::new(policy)),
        false => Err(PolicyError::OtherOrganisation(policy.id)),
    }
}

/// Without policies, an API's own limits are counted apart.
fn scope_own_limits(state: &mut State) {
    for (api_id, rights) in &mut state.access_rights {
        if !rights.limit.is_empty() {
            rights.allowance_scope.clone_from(api_id);
        }
    }
}

/// What a policy says about the session as a whole.
fn note(policy: &Policy, state: &mut State) {
    unite(&mut state.tags, policy.tags.iter().flatten());
    let notes = policy.meta_data.iter().flatten();
    state.meta_data.extend(notes.map(|(name, value)| (name.clone(), value.clone())));
    if policy.last_updated > state.last_updated {
        state.last_updated.clone_from(&policy.last_updated);
    }
    if !policy.post_expiry_action.is_empty() {
        state.post_expiry_action.clone_from(&policy.post_expiry_action);
    }
    if policy.post_expiry_grace_period != 0 {
        state.post_expiry_grace_period = policy.post_expiry_grace_period;
    }
    state.hmac_enabled |= policy.hmac_enabled;
    state.enable_http_signature_validation |= policy.enable_http_signature_validation;
}

/// What the policies grant so far.
#[derive(Default)]
struct Merge {
    root: Limit,
    rights: BTreeMap<String, Granted>,
    per_api: bool,
    partitioned: bool,
}

/// What they grant on one API.
#[derive(Default)]
struct Granted {
    rights: AccessDefinition,
    /// What some policy has governed.
    governed: Partitions,
    /// The scope, or else the policy, that granted it last.
    set_by: String,
}

impl Merge {
    fn add(&mut self, policy: &Policy, state: &State) -> Result<(), PolicyError> {
        let Partitions { per_api, .. } = policy.partitions;
        let partitioned = policy.partitions.is_partitioned();
        if per_api && partitioned {
            return Err(PolicyError::PerApiAndPartition(policy.id.clone()));
        }
        self.per_api |= per_api;
        self.partitioned |= partitioned;
        if self.per_api && self.partitioned {
            return Err(PolicyError::Mixed);
        }
        match per_api {
            true => self.add_per_api(policy, state),
            false => self.add_overall(policy, state),
        }
        Ok(())
    }

    /// A policy with one set of limits for all its APIs.
    fn add_overall(&mut self, policy: &Policy, state: &State) {
        let (governed, limit) = (policy.partitions.governed(), policy.limit());
        if policy.rights().next().is_none() {
            set(&mut self.root, &limit, governed);
        }
        for (api_id, written) in policy.rights() {
            raise(&mut self.root, &limit, governed);
            let granted = self.rights.entry(api_id.clone()).or_default();
            if governed.acl {
                granted.open(written, &policy.id);
            }
            raise(&mut granted.rights.limit, &written.limit, governed);
            raise(&mut granted.rights.limit, &limit, governed);
            if governed.rate_limit {
                merge_endpoints(&mut granted.rights.endpoints, &written.endpoints);
            }
            granted.count(governed);
            carry_figures(&mut granted.rights.limit, state, api_id);
        }
    }

    /// A policy with limits for each of its APIs.
    fn add_per_api(&mut self, policy: &Policy, state: &State) {
        let governed = policy.partitions.governed();
        for (api_id, written) in policy.rights() {
            let (limit, scope) = match written.limit.is_empty() {
                true => (policy.limit(), &policy.id),
                false => (written.limit.clone(), api_id),
            };
            let granted = self.rights.entry(api_id.clone()).or_default();
            granted.open(written, scope);
            granted.rights.allowance_scope.clone_from(scope);
            raise(&mut granted.rights.limit, &limit, governed);
            merge_endpoints(&mut granted.rights.endpoints, &written.endpoints);
            granted.count(governed);
            carry_figures(&mut granted.rights.limit, state, api_id);
        }
    }

    /// Gives the session what was granted.
    fn finish(mut self, state: &mut State) -> Result<(), PolicyError> {
        self.rights.retain(|_, granted| granted.governed.acl);
        if self.rights.is_empty() {
            return Err(PolicyError::NoneValid);
        }
        let apart = self.rights.values().map(|granted| &granted.set_by).collect::<BTreeSet<_>>().len() > 1;
        for granted in self.rights.values_mut() {
            granted.inherit(&self.root);
            if apart && granted.rights.allowance_scope.is_empty() {
                granted.rights.allowance_scope.clone_from(&granted.set_by);
            }
        }
        state.access_rights =
            self.rights.into_iter().map(|(api_id, granted)| (api_id, Box::new(granted.rights))).collect();
        if let [only] = state.access_rights.values().collect::<Vec<_>>()[..] {
            let quota_remaining = self.root.quota_remaining;
            self.root = Limit { quota_remaining, ..only.limit.clone() };
        }
        state.set_root_limit(self.root);
        Ok(())
    }
}

impl Granted {
    /// Opens what an entry of a policy opens, beside what is open.
    fn open(&mut self, written: &AccessDefinition, set_by: &str) {
        if self.governed.acl {
            unite(&mut self.rights.versions, &written.versions);
            self.rights.disable_introspection |= written.disable_introspection;
        } else {
            let so_far = std::mem::take(&mut self.rights);
            let AccessDefinition { limit, endpoints, allowance_scope, .. } = so_far;
            self.rights = AccessDefinition { limit, endpoints, allowance_scope, ..written.clone() };
            self.rights.allowed_urls.clear();
        }
        for url in &written.allowed_urls {
            unite_url(&mut self.rights.allowed_urls, url);
        }
        set_by.clone_into(&mut self.set_by);
    }

    fn count(&mut self, governed: Partitions) {
        self.governed.quota |= governed.quota;
        self.governed.rate_limit |= governed.rate_limit;
        self.governed.complexity |= governed.complexity;
        self.governed.acl |= governed.acl;
    }

    /// Takes from the session what no policy governs.
    fn inherit(&mut self, root: &Limit) {
        let Partitions { quota, rate_limit, complexity, .. } = self.governed;
        let missing =
            Partitions { quota: !quota, rate_limit: !rate_limit, complexity: !complexity, ..Partitions::default() };
        set(&mut self.rights.limit, root, missing);
        if missing.quota {
            self.rights.limit.quota_renews = root.quota_renews;
        }
    }
}

/// Replaces what is governed.
fn set(limit: &mut Limit, by: &Limit, governed: Partitions) {
    if governed.quota {
        (limit.quota_max, limit.quota_renewal_rate) = (by.quota_max, by.quota_renewal_rate);
    }
    if governed.rate_limit {
        set_rate(limit, by);
        (limit.throttle_interval, limit.throttle_retry_limit) = (by.throttle_interval, by.throttle_retry_limit);
    }
    if governed.complexity {
        limit.max_query_depth = by.max_query_depth;
    }
}

/// Keeps the more generous of two limits, in what is governed.
fn raise(limit: &mut Limit, offer: &Limit, governed: Partitions) {
    if governed.quota {
        limit.quota_max = larger(limit.quota_max, offer.quota_max);
        limit.quota_renewal_rate = limit.quota_renewal_rate.max(offer.quota_renewal_rate);
    }
    if governed.rate_limit {
        let offered = interval(offer.rate, offer.per);
        if offered.is_some_and(|offered| interval(limit.rate, limit.per).is_none_or(|held| offered < held)) {
            set_rate(limit, offer);
        }
        limit.throttle_interval = limit.throttle_interval.max(offer.throttle_interval);
        limit.throttle_retry_limit = limit.throttle_retry_limit.max(offer.throttle_retry_limit);
    }
    if governed.complexity {
        limit.max_query_depth = larger(limit.max_query_depth, offer.max_query_depth);
    }
}

fn set_rate(limit: &mut Limit, by: &Limit) {
    (limit.rate, limit.per) = (by.rate, by.per);
    limit.smoothing.clone_from(&by.smoothing);
}

fn larger(a: i64, b: i64) -> i64 {
    if a == UNLIMITED || b == UNLIMITED { UNLIMITED } else { a.max(b) }
}

/// Seconds between two requests; none where no rate is given, zero where there is no limit.
fn interval(rate: f64, per: f64) -> Option<f64> {
    if rate == 0.0 {
        return None;
    }
    Some(if rate < 0.0 { 0.0 } else { per.max(1.0) / rate })
}

/// Where the quota of an API stands does not come from policies.
fn carry_figures(limit: &mut Limit, state: &State, api_id: &str) {
    let known = state.access_rights.get(api_id).map(|rights| &rights.limit);
    if let Some(known) = known.filter(|known| !known.is_empty()) {
        (limit.quota_renews, limit.quota_remaining) = (known.quota_renews, known.quota_remaining);
    }
}

fn unite<'a>(texts: &mut Vec<String>, more: impl IntoIterator<Item = &'a String>) {
    for text in more {
        if !texts.contains(text) {
            texts.push(text.clone());
        }
    }
}

fn unite_url(urls: &mut Vec<AllowedUrl>, more: &AllowedUrl) {
    match urls.iter_mut().find(|url| url.url == more.url) {
        Some(url) => unite(&mut url.methods, &more.methods),
        None => urls.push(more.clone()),
    }
}

/// Keeps of each path and method the higher rate.
fn merge_endpoints(endpoints: &mut Vec<Endpoint>, more: &[Endpoint]) {
    for offer in more {
        match endpoints.iter_mut().find(|endpoint| endpoint.path == offer.path) {
            Some(endpoint) => offer.methods.iter().for_each(|method| merge_method(&mut endpoint.methods, method)),
            None => endpoints.push(offer.clone()),
        }
    }
}

fn merge_method(methods: &mut Vec<EndpointMethod>, offer: &EndpointMethod) {
    // No rate is no limit here, and so the highest.
    let interval = |limit: &EndpointLimit| interval(limit.rate, limit.per).unwrap_or(0.0);
    match methods.iter_mut().find(|method| method.name.eq_ignore_ascii_case(&offer.name)) {
        Some(method) if interval(&offer.limit) < interval(&method.limit) => method.limit.clone_from(&offer.limit),
        Some(_) => {}
        None => methods.push(offer.clone()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
