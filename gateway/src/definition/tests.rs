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
    let text =
        r#"{"Use_Keyless": true, "PROXY": {"Listen_Path": "x", "Target_URL": "HTTP://h"}, "cors": {"Enable": true}}"#;
    assert_eq!(refused(text), ["CORS.enable"]);
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
    for target in ["", "127.0.0.1:80", "h2c://h", "tyk://self", "http://", "http:///x"] {
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
    for switch in ["use_oauth2", "use_openid", "use_mutual_tls_auth"] {
        assert_eq!(refused(&keyless(json!({"use_keyless": false, switch: true}))), [switch]);
    }
    assert_eq!(refused(&custom(json!({"external_oauth": {"enabled": true}}))), ["external_oauth.enabled"]);
    let certificate = json!({"auth_configs": {"authToken": {"use_certificate": true}}});
    assert_eq!(refused(&custom(certificate)), ["auth_configs.authToken.use_certificate"]);
    assert_eq!(refused(&custom(json!({"auth": {"validate_signature": true}}))), ["auth.validate_signature"]);
}

#[test]
fn methods_of_auth_count_for_nothing_on_a_keyless_api_except_client_certificates() {
    let text = keyless(json!({"use_standard_auth": true, "enable_jwt": true, "custom_plugin_auth_enabled": true}));
    assert!(Definition::parse(&text).is_ok());
    assert_eq!(refused(&keyless(json!({"use_mutual_tls_auth": true}))), ["use_mutual_tls_auth"]);
}

#[test]
fn custom_auth_needs_its_hook_and_the_identity_a_method_that_exists() {
    let middleware = |changes: Value| custom(json!({"custom_middleware": changes}));
    assert_eq!(
        refused(&middleware(json!({"auth_check": {"disabled": true}}))),
        ["custom_middleware.auth_check.disabled"]
    );
    assert_eq!(refused(&middleware(json!({"auth_check": {"name": ""}}))), ["custom_middleware.auth_check.name"]);
    assert_eq!(refused(&middleware(json!({"auth_check": null}))), ["custom_middleware.auth_check.name"]);
    assert_eq!(refused(&custom(json!({"base_identity_provided_by": "oidc_user"}))), ["base_identity_provided_by"]);
    for method in ["", "custom_auth", "auth_token"] {
        assert!(Definition::parse(&custom(json!({"base_identity_provided_by": method}))).is_ok(), "{method}");
    }
}

#[test]
fn an_ip_list_is_refused_when_it_is_in_force() {
    assert_eq!(refused(&keyless(json!({"allowed_ips": ["10.0.0.1"]}))), ["allowed_ips"]);
    let off = json!({"blacklisted_ips": ["10.0.0.1"], "ip_access_control_disabled": true});
    assert!(Definition::parse(&keyless(off.clone())).is_ok());
    let mut on = off;
    merge(&mut on, json!({"enable_ip_blacklisting": true}));
    assert_eq!(refused(&keyless(on)), ["blacklisted_ips"]);
    assert!(Definition::parse(&keyless(json!({"enable_ip_whitelisting": true, "allowed_ips": []}))).is_ok());
}

#[test]
fn steps_that_are_not_built_are_refused_by_their_path() {
    for (changes, path) in [
        (json!({"CORS": {"options_passthrough": true}}), "CORS.options_passthrough"),
        (json!({"definition": {"enabled": true}}), "definition.enabled"),
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
        (json!({"proxy": {"enable_load_balancing": true, "target_list": ["http://a"]}}), "proxy.enable_load_balancing"),
        (json!({"proxy": {"transport": {"ssl_min_version": 772}}}), "proxy.transport.ssl_min_version"),
        (json!({"upstream_certificates": {"*": "id"}}), "upstream_certificates"),
        (json!({"pinned_public_keys": {"*": "id"}}), "pinned_public_keys"),
        (json!({"expiration": "2030-01-01 00:00"}), "expiration"),
        (json!({"listen_port": 9000}), "listen_port"),
        (json!({"protocol": "https"}), "protocol"),
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
        json!({"upstream_certificates": {"*": "id"}, "upstream_certificates_disabled": true}),
        json!({"pinned_public_keys": {"*": "id"}, "certificate_pinning_disabled": true}),
        json!({"proxy": {"target_list": ["http://a"]}}),
        json!({"custom_middleware": {"response": [{"path": "./p.so", "disabled": true}]}}),
        json!({"expiration": "-1"}),
        json!({"version_data": null}),
    ] {
        assert!(Definition::parse(&keyless(changes.clone())).is_ok(), "{changes}");
    }
}

#[test]
fn rules_of_the_version_in_force_are_refused_and_those_of_others_are_not() {
    let below = |path: &str| format!("version_data.versions.Default.{path}");
    for (changes, path) in [
        (json!({"global_size_limit": 10}), "global_size_limit"),
        (json!({"expires": "2020-01-02 15:04"}), "expires"),
        (
            json!({"extended_paths": {"black_list": [{"path": "/a", "disabled": true}, {"path": "/b"}]}}),
            "extended_paths.black_list[1]",
        ),
        (json!({"extended_paths": {"url_rewrites": [{"path": "/a"}]}}), "extended_paths.url_rewrites[0]"),
        (json!({"use_extended_paths": false, "paths": {"white_list": ["/a"]}}), "paths.white_list[0]"),
    ] {
        assert_eq!(refused(&version(changes)), [below(path)]);
    }
    for changes in [
        json!({"global_headers": {"X-A": "1"}, "global_size_limit": 1, "global_size_limit_disabled": true}),
        json!({"paths": {"white_list": ["/a"]}}),
        json!({"use_extended_paths": false, "extended_paths": {"black_list": [{"path": "/b"}]}}),
    ] {
        assert!(Definition::parse(&version(changes.clone())).is_ok(), "{changes}");
    }
    let two = |other: &str| keyless(json!({"version_data": {"versions": {other: {"global_size_limit": 1}}}}));
    assert!(Definition::parse(&two("v2.0")).is_ok());
    assert_eq!(refused(&two("default")), ["version_data.versions"]);
    assert_eq!(refused(&keyless(json!({"version_data": {"not_versioned": false}}))), ["version_data.not_versioned"]);
}

#[test]
fn what_decides_nothing_is_named_once() {
    let parsed = Definition::parse(&keyless(json!({
        "cache_options": {"enable_cache": true},
        "tags": ["a"], "tags_disabled": true,
        "version_data": {"versions": {"Default": {"extended_paths": {"cache": ["/a", "/b"]}}}},
    })));
    assert_eq!(parsed.unwrap().ignored, ["cache_options.enable_cache", "version_data.versions.*.extended_paths.cache"]);
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
    let error = Definition::parse(&keyless(json!({"listen_port": 9000, "is_oas": true}))).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("listen_port: ports of APIs are not supported"), "{text}");
    assert!(text.contains("; is_oas: "), "{text}");
}
