use serde_json::{Value, json};

use super::*;
use crate::json as reader;

fn policies(written: Value) -> Policies {
    let mut policies = Policies::default();
    for (id, policy) in written.as_object().unwrap() {
        let policy: Policy = reader::shape(policy.clone()).unwrap();
        policies.add(Policy { id: id.clone(), org_id: "o".into(), ..policy });
    }
    policies
}

fn applied(written: Value, session: Value) -> Result<State, PolicyError> {
    let mut state: State = reader::shape(session).unwrap();
    apply(&policies(written), &mut state, "o").map(|()| state)
}

#[test]
fn a_policy_replaces_rights_and_limits_of_the_session() {
    let written = json!({"p": {"rate": 5, "per": 2, "quota_max": 7, "quota_renewal_rate": 60, "tags": ["gold"],
        "meta_data": {"k": "policy"}, "access_rights": {"a": {"versions": ["Default"]}}}});
    let session = json!({"apply_policies": ["p"], "rate": 1, "quota_max": 1, "tags": ["own"],
        "meta_data": {"k": "own", "l": "own"}, "access_rights": {"b": {}}});
    let state = applied(written, session).unwrap();
    assert_eq!(state.access_rights.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!((state.rate, state.per, state.quota_max), (5.0, 2.0, 7), "of the one API that resulted");
    assert_eq!((state.meta_data["k"].as_str(), state.meta_data["l"].as_str()), (Some("policy"), Some("own")));
    assert!(state.tags.contains(&"gold".to_owned()) && state.tags.contains(&"own".to_owned()));
}

#[test]
fn of_two_policies_the_more_generous_limit_holds_and_rights_are_united() {
    let rights = |url: &str| json!({"a": {"allowed_urls": [{"url": url, "methods": ["GET"]}]}});
    let written = json!({
        "p": {"rate": 1, "per": 1, "quota_max": 10, "access_rights": rights("/x")},
        "q": {"rate": 9, "per": 1, "quota_max": 5, "access_rights": rights("/y")}});
    let state = applied(written, json!({"apply_policies": ["p", "q"]})).unwrap();
    let rights = &state.access_rights["a"];
    assert_eq!((rights.limit.rate, rights.limit.quota_max), (9.0, 10));
    assert_eq!(rights.allowed_urls.iter().map(|url| url.url.as_str()).collect::<Vec<_>>(), ["/x", "/y"]);
    assert_eq!(rights.allowance_scope, "", "one API is counted on the session");
}

#[test]
fn sessions_whose_policies_grant_nothing_are_refused() {
    let written = json!({
        "quota": {"quota_max": 5, "partitions": {"quota": true}, "access_rights": {"a": {}}},
        "empty": {"rate": 1},
        "each": {"partitions": {"per_api": true}, "access_rights": {"a": {}}},
        "both": {"partitions": {"per_api": true, "acl": true}, "access_rights": {"a": {}}}});
    let refused = |ids: Value| applied(written.clone(), json!({"apply_policies": ids})).unwrap_err();
    assert_eq!(refused(json!(["nobody"])), PolicyError::Unknown("nobody".into()));
    assert_eq!(refused(json!(["quota"])), PolicyError::NoneValid);
    assert_eq!(refused(json!(["empty"])), PolicyError::NoneValid);
    assert_eq!(refused(json!(["both"])), PolicyError::PerApiAndPartition("both".into()));
    assert_eq!(refused(json!(["each", "quota"])), PolicyError::Mixed);
}

#[test]
fn an_unknown_policy_among_known_ones_is_skipped_and_inactivity_is_the_policies() {
    let written = json!({"p": {"access_rights": {"a": {}}}, "off": {"is_inactive": true, "access_rights": {"a": {}}}});
    let state = |ids: Value| applied(written.clone(), json!({"apply_policies": ids, "is_inactive": true})).unwrap();
    assert!(!state(json!(["nobody", "p"])).is_inactive);
    assert!(state(json!(["p", "off"])).is_inactive);
    assert!(applied(written.clone(), json!({"is_inactive": true})).unwrap().is_inactive, "its own without policies");
}

#[test]
fn a_policy_of_another_organisation_is_refused() {
    let mut policies = policies(json!({}));
    policies.add(Policy { id: "p".into(), org_id: "other".into(), ..Policy::default() });
    let mut state = State { apply_policy_id: "p".into(), ..State::default() };
    assert_eq!(apply(&policies, &mut state, "o"), Err(PolicyError::OtherOrganisation("p".into())));
}
