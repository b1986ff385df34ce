//! Sessions as plugins know them.

use coprocess::{AccessSpec, BasicAuthData, JwtData, Monitor, SessionState};
use serde_json::Value;

use super::state::{AccessDefinition, AllowedUrl, BasicAuth, Jwt, State};
use crate::json;

/// The session that a plugin returned.
pub fn from_plugin(session: SessionState) -> State {
    let basic_auth = session.basic_auth_data.unwrap_or_default();
    State {
        last_check: session.last_check,
        allowance: session.allowance,
        rate: session.rate,
        per: session.per,
        max_query_depth: session.max_query_depth,
        expires: session.expires,
        quota_max: session.quota_max,
        quota_renews: session.quota_renews,
        quota_remaining: session.quota_remaining,
        quota_renewal_rate: session.quota_renewal_rate,
        access_rights: session
            .access_rights
            .into_iter()
            .map(|(id, rights)| (id, Box::new(from_rights(rights))))
            .collect(),
        org_id: session.org_id,
        oauth_client_id: session.oauth_client_id,
        oauth_keys: session.oauth_keys.into_iter().collect(),
        certificate: session.certificate,
        basic_auth_data: BasicAuth { password: basic_auth.password, hash_type: basic_auth.hash },
        jwt_data: Jwt { secret: session.jwt_data.unwrap_or_default().secret },
        hmac_enabled: session.hmac_enabled,
        hmac_string: session.hmac_secret,
        is_inactive: session.is_inactive,
        apply_policy_id: session.apply_policy_id,
        apply_policies: session.apply_policies,
        data_expires: session.data_expires,
        monitor: super::state::Monitor { trigger_limits: session.monitor.unwrap_or_default().trigger_limits },
        enable_detailed_recording: session.enable_detailed_recording,
        meta_data: session.metadata.into_iter().map(|(name, text)| (name, Value::String(text))).collect(),
        tags: session.tags,
        alias: session.alias,
        last_updated: session.last_updated,
        id_extractor_deadline: session.id_extractor_deadline,
        session_lifetime: session.session_lifetime,
        post_expiry_action: session.post_expiry_action,
        post_expiry_grace_period: session.post_expiry_grace_period,
        ..State::default()
    }
}

fn from_rights(rights: coprocess::AccessDefinition) -> AccessDefinition {
    let url = |url: AccessSpec| AllowedUrl { url: url.url, methods: url.methods };
    AccessDefinition {
        api_name: rights.api_name,
        api_id: rights.api_id,
        versions: rights.versions,
        allowed_urls: rights.allowed_urls.into_iter().map(url).collect(),
        ..AccessDefinition::default()
    }
}

/// What plugins are told of a session: never a certificate nor a query depth, of access rights
/// only what may be called, and always the three parts.
pub(super) fn for_plugin(state: &State, key_id: &str) -> SessionState {
    SessionState {
        last_check: state.last_check,
        allowance: state.allowance,
        rate: state.rate,
        per: state.per,
        expires: state.expires,
        quota_max: state.quota_max,
        quota_renews: state.quota_renews,
        quota_remaining: state.quota_remaining,
        quota_renewal_rate: state.quota_renewal_rate,
        access_rights: state.access_rights.iter().map(|(id, rights)| (id.clone(), for_rights(id, rights))).collect(),
        org_id: state.org_id.clone(),
        oauth_client_id: state.oauth_client_id.clone(),
        oauth_keys: state.oauth_keys.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        basic_auth_data: Some(BasicAuthData {
            password: state.basic_auth_data.password.clone(),
            hash: state.basic_auth_data.hash_type.clone(),
        }),
        jwt_data: Some(JwtData { secret: state.jwt_data.secret.clone() }),
        hmac_enabled: state.hmac_enabled,
        hmac_secret: state.hmac_string.clone(),
        is_inactive: state.is_inactive,
        apply_policy_id: state.apply_policy_id.clone(),
        data_expires: state.data_expires,
        monitor: Some(Monitor { trigger_limits: state.monitor.trigger_limits.clone() }),
        enable_detailed_recording: state.enable_detailed_recording || state.enable_detail_recording,
        metadata: state.meta_data.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        tags: state.tags.clone(),
        alias: state.alias.clone(),
        last_updated: state.last_updated.clone(),
        id_extractor_deadline: state.id_extractor_deadline,
        session_lifetime: state.session_lifetime,
        apply_policies: state.apply_policies.clone(),
        key_id: key_id.to_owned(),
        post_expiry_action: state.post_expiry_action.clone(),
        post_expiry_grace_period: state.post_expiry_grace_period,
        ..SessionState::default()
    }
}

/// Rights that say nothing name their API: written empty, they would be left out of the map's entry,
/// which some decoders do not take.
fn for_rights(id: &str, rights: &AccessDefinition) -> coprocess::AccessDefinition {
    let url = |url: &AllowedUrl| AccessSpec { url: url.url.clone(), methods: url.methods.clone() };
    let told = coprocess::AccessDefinition {
        api_name: rights.api_name.clone(),
        api_id: rights.api_id.clone(),
        versions: rights.versions.clone(),
        allowed_urls: rights.allowed_urls.iter().map(url).collect(),
    };
    match told == coprocess::AccessDefinition::default() {
        true => coprocess::AccessDefinition { api_id: id.to_owned(), ..told },
        false => told,
    }
}

/// Metadata is text to plugins.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => json::compact(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plugins_never_see_a_certificate_or_a_query_depth() {
        let state = State { certificate: "c".into(), max_query_depth: 7, alias: "a".into(), ..State::default() };
        let expected = SessionState {
            alias: "a".into(),
            key_id: "key".into(),
            basic_auth_data: Some(BasicAuthData::default()),
            jwt_data: Some(JwtData::default()),
            monitor: Some(Monitor::default()),
            ..SessionState::default()
        };
        assert_eq!(for_plugin(&state, "key"), expected);
    }

    #[test]
    fn what_a_plugin_returned_comes_back_to_it() {
        let rights = coprocess::AccessDefinition {
            api_name: "n".into(),
            api_id: "i".into(),
            versions: vec!["v".into()],
            allowed_urls: vec![AccessSpec { url: "/x".into(), methods: vec!["GET".into()] }],
        };
        let returned = SessionState {
            rate: 1.5,
            access_rights: [("i".to_owned(), rights)].into(),
            hmac_secret: "s".into(),
            metadata: [("k".to_owned(), "v".to_owned())].into(),
            basic_auth_data: Some(BasicAuthData { password: "p".into(), hash: "bcrypt".into() }),
            jwt_data: Some(JwtData { secret: "j".into() }),
            monitor: Some(Monitor { trigger_limits: vec![80.0] }),
            post_expiry_action: "retain".into(),
            key_id: "k".into(),
            ..SessionState::default()
        };
        assert_eq!(for_plugin(&from_plugin(returned.clone()), "k"), returned);
    }

    #[test]
    fn rights_that_say_nothing_name_their_api() {
        let state = State { access_rights: [("i".to_owned(), Box::default())].into(), ..State::default() };
        assert_eq!(for_plugin(&state, "").access_rights["i"].api_id, "i");
    }

    #[test]
    fn metadata_that_is_no_text_is_told_as_json() {
        let meta_data = json!({"n": 1, "l": ["<"], "t": "<"}).as_object().cloned().unwrap_or_default();
        let told = for_plugin(&State { meta_data, ..State::default() }, "").metadata;
        assert_eq!((told["n"].as_str(), told["l"].as_str(), told["t"].as_str()), ("1", "[\"\\u003c\"]", "<"));
    }
}
