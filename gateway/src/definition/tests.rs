//! Definitions as people write them, and what becomes of them.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

/// A keyless definition with some of its keys replaced.
fn keyless(changes: Value) -> String {
    let mut definition = json!({
        "name": "demo", "slug": "demo", "api_id": "demo", "org_id": "default", "active": true,
        "use_keyless": true,
        "auth": {"auth_header_name": "Authorization"},
        "auth_configs": {"authToken": {"auth_header_name": "Authorization"}},
        "definition": {"location": "header", "key": "x-api-version"},
        "version_data": {"not_versioned": true, "versions": {"Default": {
            "name": "Default", "expires": "3000-01-02 15:04", "use_extended_paths": true,
            "extended_paths": {"ignored": [], "white_list": [], "black_list": []},
        }}},
        "proxy": {"listen_path": "/demo/", "target_url": "http://127.0.0.1:9001/", "strip_listen_path": true},
        "custom_middleware": {"driver": "grpc", "pre": [{"name": "Pre", "require_session": false}]},
    });
    merge(&mut definition, changes);
    definition.to_string()
}

/// The same with custom auth.
fn custom(changes: Value) -> String {
    let mut definition = json!({
        "use_keyless": false, "custom_plugin_auth_enabled": true,
        "custom_middleware": {"auth_check": {"name": "Auth"}},
    });
    merge(&mut definition, changes);
    keyless(definition)
}

fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, changes) => *into = changes,
    }
}

fn version(changes: Value) -> String {
    keyless(json!({"version_data": {"versions": {"Default": changes}}}))
}

fn refused(text: &str) -> Vec<String> {
    match Definition::parse(text).unwrap_err() {
        DefinitionError::Unsupported(refusals) => refusals.into_iter().map(|refusal| refusal.path).collect(),
        other => vec![other.to_string()],
    }
}

#[test]
fn keyless_and_custom_definitions_are_read_as_written() {
    let parsed = Definition::parse(&keyless(json!({"config_data": {"B": 1, "a": null}}))).unwrap();
    let definition = parsed.definition;
    assert!(parsed.ignored.is_empty());
    assert_eq!(definition.custom_middleware.pre[0].name, "Pre");
    assert_eq!(definition.custom_middleware.auth_check, Hook::default());
    assert_eq!(definition.auth_configs["authToken"].auth_header_name, "Authorization");
    assert_eq!(Value::Object(definition.config_data.clone().unwrap()), json!({"B": 1, "a": null}));
    assert_eq!(definition.listen_path().unwrap(), "/demo/");
    assert!(!definition.custom_auth());

    for switch in ["custom_plugin_auth_enabled", "enable_coprocess_auth", "use_go_plugin_auth"] {
        let text = custom(json!({"custom_plugin_auth_enabled": false, switch: true}));
        assert!(Definition::parse(&text).unwrap().definition.custom_auth(), "{switch}");
    }
}

#[test]
fn keys_match_in_any_case() {
    let text = r#"{"Use_Keyless": true, "PROXY": {"Listen_Path": "x", "Target_URL": "HTTP://h"}, "GraphQL": {"Enabled": true}}"#;
    assert_eq!(refused(text), ["graphql.enabled"]);
}

#[test]
fn text_that_is_not_a_definition_says_where() {
    assert_eq!(refused("{\"proxy\": }"), ["line 1, column 11: expected value"]);
    assert_eq!(refused(r#"{"proxy": {"listen_path": 5}}"#), ["proxy.listen_path: expected text, found 5"]);
    assert_eq!(refused(r#"{"listen_port": 0}"#), ["proxy.listen_path", "proxy.target_url"]);
}

#[test]
fn an_unusable_listen_path_or_target_is_refused() {
    for path in ["", "/a b/"] {
        assert_eq!(refused(&keyless(json!({"proxy": {"listen_path": path}}))), ["proxy.listen_path"]);
    }
    for target in ["", "127.0.0.1:80", "ftp://h", "tyk://self", "http://", "http:///x"] {
        assert_eq!(refused(&keyless(json!({"proxy": {"target_url": target}}))), ["proxy.target_url"]);
    }
}

#[test]
fn methods_of_auth_are_read_or_refused_by_name() {
    for switch in ["use_standard_auth", "use_basic_auth", "enable_jwt", "enable_signature_checking"] {
        assert!(Definition::parse(&keyless(json!({"use_keyless": false, switch: true}))).is_ok(), "{switch}");
        assert!(Definition::parse(&custom(json!({switch: true}))).is_ok(), "{switch}");
    }
    assert!(Definition::parse(&keyless(json!({"use_keyless": false}))).is_ok(), "stored keys decide");
    for switch in ["use_oauth2", "use_openid"] {
        assert_eq!(refused(&keyless(json!({"use_keyless": false, switch: true}))), [switch]);
    }
    assert_eq!(refused(&custom(json!({"external_oauth": {"enabled": true}}))), ["external_oauth.enabled"]);
    let certificate = json!({"auth_configs": {"jwt": {"use_certificate": true}}});
    assert_eq!(refused(&custom(certificate)), ["auth_configs.jwt.use_certificate"]);
    assert_eq!(refused(&custom(json!({"auth": {"validate_signature": true}}))), ["auth.validate_signature"]);
}

#[test]
fn methods_of_auth_count_for_nothing_on_a_keyless_api() {
    let text = keyless(json!({"use_standard_auth": true, "enable_jwt": true, "custom_plugin_auth_enabled": true}));
    assert!(Definition::parse(&text).is_ok());
}

#[test]
fn clients_are_asked_for_certificates_by_a_switch_that_counts() {
    let switch = |text: &str| Definition::parse(text).unwrap().definition.asks_for_certificates();
    let token = json!({"auth_configs": {"authToken": {"use_certificate": true}}});
    assert_eq!(switch(&keyless(token.clone())), None);
    assert_eq!(switch(&custom(token)), Some("auth_configs.authToken.use_certificate"));
    assert_eq!(switch(&keyless(json!({"use_mutual_tls_auth": true}))), Some("use_mutual_tls_auth"));
}

#[test]
fn custom_auth_needs_its_hook_and_the_identity_a_method_that_exists() {
    let middleware = |changes: Value| custom(json!({"custom_middleware": changes}));
    assert_eq!(
        refused(&middleware(json!({"auth_check": {"disabled": true}}))),
        ["custom_middleware.auth_check.disabled"]
    );
    for unnamed in [json!({"auth_check": {"name": ""}}), json!({"auth_check": null})] {
        assert!(Definition::parse(&middleware(unnamed)).is_ok(), "it is called by no name");
    }
    assert_eq!(refused(&custom(json!({"base_identity_provided_by": "oidc_user"}))), ["base_identity_provided_by"]);
    for method in ["", "custom_auth", "auth_token"] {
        assert!(Definition::parse(&custom(json!({"base_identity_provided_by": method}))).is_ok(), "{method}");
    }
}

#[test]
fn steps_that_are_not_built_are_refused_by_their_path() {
    for (changes, path) in [
        (json!({"response_processors": [{"name": "response_body_transform_jq"}]}), "response_processors[0].name"),
        (json!({"custom_middleware_bundle": "b.zip"}), "custom_middleware_bundle"),
        (
            json!({"custom_middleware": {"response": [{"name": "f", "path": "./p.so"}]}}),
            "custom_middleware.response[0].path",
        ),
        (
            json!({"custom_middleware": {"pre": [{"name": "p", "timeout_ms": 5}]}}),
            "custom_middleware.pre[0].timeout_ms",
        ),
        (
            json!({"custom_middleware": {"auth_check": {"name": "a", "on_failure": {"action": "skip"}}}}),
            "custom_middleware.auth_check.on_failure",
        ),
        (json!({"proxy": {"enable_load_balancing": true, "target_list": ["a", "ftp://a"]}}), "proxy.target_list[1]"),
        (
            json!({"uptime_tests": {"check_list": [{"url": "a", "enable_proxy_protocol": true}]}}),
            "uptime_tests.check_list[0].enable_proxy_protocol",
        ),
        (
            json!({"uptime_tests": {"check_list": [{"url": "a", "commands": [{"name": "shout"}]}]}}),
            "uptime_tests.check_list[0].commands[0].name",
        ),
        (json!({"listen_port": 90000}), "listen_port"),
        (json!({"protocol": "tcp"}), "protocol"),
        (json!({"is_oas": true}), "is_oas"),
        (json!({"config_data": {"key": "vault://a"}}), "config_data.key"),
    ] {
        assert_eq!(refused(&keyless(changes)), [path]);
    }
}

#[test]
fn what_is_switched_off_is_not_refused() {
    for changes in [
        json!({"custom_middleware_bundle": "b.zip", "custom_middleware_bundle_disabled": true}),
        json!({"proxy": {"target_list": ["ftp://a"]}}),
        json!({"uptime_tests": {"disabled": true, "check_list": [{"url": "a", "enable_proxy_protocol": true}]}}),
        json!({"custom_middleware": {"response": [{"path": "./p.so", "disabled": true}]}}),
        json!({"expiration": "-1"}),
        json!({"version_data": null}),
    ] {
        assert!(Definition::parse(&keyless(changes.clone())).is_ok(), "{changes}");
    }
}

#[test]
fn rules_of_versions_that_requests_get_are_refused_unless_they_are_built() {
    let list = |of: &str, path: &str| format!("version_data.versions.{of}.extended_paths.{path}");
    let disabled = json!({"extended_paths": {"transform": [{"path": "/a", "disabled": true}, {"path": "/b"}]}});
    assert_eq!(refused(&version(disabled)), [list("Default", "transform[1]")]);
    let virtual_endpoint = json!({"extended_paths": {"virtual": [{"path": "/a"}]}});
    assert_eq!(refused(&version(virtual_endpoint.clone())), [list("Default", "virtual[0]")]);
    for changes in [
        json!({"extended_paths": {"black_list": [{"path": "/a"}], "url_rewrites": [{"path": "/a"}]}}),
        json!({"use_extended_paths": false, "extended_paths": {"virtual": [{"path": "/a"}]}}),
    ] {
        assert!(Definition::parse(&version(changes.clone())).is_ok(), "{changes}");
    }
    let mut info = json!({"use_extended_paths": true});
    merge(&mut info, virtual_endpoint);
    let two =
        |versioned: bool| keyless(json!({"version_data": {"not_versioned": !versioned, "versions": {"v2.0": info}}}));
    assert!(Definition::parse(&two(false)).is_ok(), "no request gets it");
    assert_eq!(refused(&two(true)), [list("v2.0", "virtual[0]")]);
}

#[test]
fn what_decides_nothing_is_named_once() {
    let parsed = Definition::parse(&keyless(json!({
        "detailed_tracing": true,
        "tags": ["a"], "tags_disabled": true,
        "version_data": {"versions": {"Default": {"extended_paths": {
            "track_endpoints": [{"path": "/a", "method": "GET"}, {"path": "/b", "method": "GET"}],
        }}}},
    })));
    let tracked = "version_data.versions.*.extended_paths.track_endpoints";
    assert_eq!(parsed.unwrap().ignored, ["detailed_tracing", tracked]);
}

#[test]
fn an_event_handler_of_a_plugin_server_needs_a_name() {
    let handler = |meta: Value| {
        keyless(json!({"event_handlers": {"events": {"AuthFailure": [
            {"handler_name": "eh_log_handler"},
            {"handler_name": "cp_dynamic_handler", "handler_meta": meta},
        ]}}}))
    };
    for meta in [json!({}), json!({"name": 5}), json!({"name": null})] {
        assert_eq!(refused(&handler(meta)), ["event_handlers.events.AuthFailure[1].handler_meta.name"]);
    }
    assert!(Definition::parse(&handler(json!({"name": "h"}))).is_ok());
}

#[test]
fn refusals_read_as_one_sentence_each() {
    let error = Definition::parse(&keyless(json!({"listen_port": 90000, "is_oas": true}))).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("listen_port: 90000 is no port"), "{text}");
    assert!(text.contains("; is_oas: "), "{text}");
}
