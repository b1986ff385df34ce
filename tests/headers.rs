//! Headers that every request or reply of an API gets or loses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Response;
use http_body_util::Full;
use outrigger_plugin::{AuthRequest, HookResult, Plugin, Session};
use serde_json::{Value, json};

use crate::auth::jwt;
use crate::harness::{Gateway, Setup, Upstream, api, request, serve};

struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        request.allow(Session::new("k").metadata("user", "ann"))
    }
}

#[tokio::test]
async fn headers_are_set_and_removed_both_ways_with_what_is_known_of_the_caller() {
    let upstream = Upstream::answering(|_| {
        let reply = Response::builder().header("Server", "secret/1.0").header("X-Kept", "1");
        reply.body(Full::from("hello")).unwrap()
    })
    .await;
    let change = json!({
        "enable_context_vars": true,
        "response_processors": [{"name": "header_injector"}],
        "version_data": {"versions": {"Default": {
            "global_headers": {"X-User": "$tyk_meta.user", "X-Agent": "via $tyk_context.headers_User_Agent", "X-Plain": "p"},
            "global_headers_remove": ["X-Debug", "X-Plain"],
            "global_response_headers": {"X-For": "$tyk_meta.user"},
            "global_response_headers_remove": ["Server"],
        }}},
    });
    let gateway = Gateway::start(api(&upstream).auth(serve(Doorkeeper).await).with(change)).await;

    let sent = request("GET", "/x").header("X-Debug", "1").header("X-Plain", "clients").header("User-Agent", "test");
    let answer = gateway.send(sent, "").await;
    let received = upstream.request();
    let seen = ["X-User", "X-Agent", "X-Plain", "X-Debug"].map(|name| received.header(name));
    assert_eq!(seen, [Some("ann"), Some("via test"), Some("p"), None]);
    assert_eq!(["X-For", "Server", "X-Kept"].map(|name| answer.header(name)), [Some("ann"), None, Some("1")]);
}

#[tokio::test]
async fn a_processor_counts_where_the_versions_headers_are_off() {
    let upstream = Upstream::start().await;
    let change = json!({
        "response_processors": [{"name": "header_injector", "options": {"add_headers": {"X-Injected": "1"}}}],
        "version_data": {"versions": {"Default": {
            "global_response_headers_disabled": true, "global_response_headers": {"X-Off": "1"},
        }}},
    });
    let gateway = Gateway::start(api(&upstream).with(change)).await;

    let answer = gateway.get("/").await;

    assert_eq!((answer.header("X-Injected"), answer.header("X-Off")), (Some("1"), None));
}

#[tokio::test]
async fn no_client_can_stand_in_for_a_header_that_cannot_be_made() {
    let upstream = Upstream::start().await;
    let change = json!({
        "enable_context_vars": true,
        "version_data": {"versions": {"Default": {
            "global_headers": {"X-User": "$tyk_context.request_data_user"},
            "global_response_headers": {"X-For": "$tyk_context.request_data_user"},
        }}},
    });
    let gateway = Gateway::start(api(&upstream).with(change)).await;
    let sent = |path: &str| request("GET", path).header("X-User", "admin");
    let refused = gateway.send(sent("/x?user=a%0D%0AX-B:%20b"), "").await;
    assert_eq!((refused.status(), refused.error().as_str()), (500, "There was a problem proxying the request"));
    assert_eq!(gateway.send(sent("/x"), "").await.header("X-For"), Some(""));
    assert_eq!(upstream.request().header("X-User"), Some(""), "the only one that was sent");
}

#[tokio::test]
async fn variables_tell_of_the_request_as_it_came_whatever_auth_and_upstream_made_of_it() {
    let upstream = Upstream::start().await;
    let change = json!({
        "enable_context_vars": true,
        "strip_auth_data": true,
        "proxy": {"target_url": format!("http://{}/base/", upstream.address)},
        "version_data": {"versions": {"Default": {
            "global_headers": {"X-Token": "$tyk_context.headers_Authorization", "X-Request": "$tyk_context.request_id"},
            "global_headers_remove": ["X-Forwarded-For"],
            "global_response_headers": {"X-Path": "$tyk_context.path", "X-Request": "$tyk_context.request_id"},
        }}},
        "response_processors": [
            {"name": "header_injector", "options": {"add_headers": {"X-Form": "$tyk_context.request_data"}, "remove_headers": ["X-Path-2"]}},
        ],
    });
    let gateway = Gateway::start(api(&upstream).auth(serve(Doorkeeper).await).with(change)).await;
    let sent = request("POST", "/x%20y?b=2")
        .header("Authorization", "t")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("X-Forwarded-For", "1.1.1.1");
    let answer = gateway.send(sent, "a=1").await;
    let received = upstream.request();
    assert_eq!((received.target.as_str(), received.text()), ("/base/x%20y?b=2", "a=1"));
    let seen = ["X-Token", "Authorization", "X-Forwarded-For"].map(|name| received.header(name));
    assert_eq!(seen, [Some("t"), None, None]);
    assert_eq!(["X-Path", "X-Form"].map(|name| answer.header(name)), [Some("/x y"), Some("a:1;b:2")]);
    assert!(answer.header("X-Request").is_some_and(|id| id.len() == 36));
    assert_eq!(answer.header("X-Request"), received.header("X-Request"));
}

/// An API for callers with JWTs, whose policy is this one.
fn for_jwts(upstream: &Upstream, change: Value, mut policy: Value) -> Setup {
    policy["id"] = "gold".into();
    policy["org_id"] = "default".into();
    policy["access_rights"] = json!({"api": {"api_id": "api", "versions": ["Default"]}});
    let jwts = json!({"use_keyless": false, "enable_jwt": true, "jwt_signing_method": "hmac",
        "jwt_source": STANDARD.encode("s3cret"), "jwt_default_policies": ["gold"], "enable_context_vars": true});
    Setup::from(api(upstream).with(jwts).with(change))
        .conf(json!({"policies": {"policy_source": "file", "policy_record_name": "policies.json"}}))
        .file("policies.json", json!({ "gold": policy }).to_string())
}

async fn with_claims(gateway: &Gateway, path: &str, claims: Value) -> crate::harness::Answer {
    let call = request("GET", path).header("Authorization", format!("Bearer {}", jwt(b"s3cret", &claims)));
    gateway.send(call, "").await
}

#[tokio::test]
async fn variables_tell_of_the_caller_its_claims_and_what_is_left_to_it() {
    let upstream = Upstream::start().await;
    let change = json!({"version_data": {"versions": {"Default": {
        "use_extended_paths": true,
        "extended_paths": {"url_rewrites": [
            {"path": "/me", "method": "GET", "match_pattern": "/me", "rewrite_to": "/users/$tyk_context.jwt_claims_sub"},
        ]},
        "global_headers": {
            "X-Claims": "$tyk_context.jwt_claims_sub/$tyk_context.jwt_claims_n/$tyk_context.jwt_claims_roles/\
                         $tyk_context.jwt_claims_alg/$tyk_context.jwt_claims_none",
            "X-Rate": "$tyk_context.rate_limit_limit/$tyk_context.rate_limit_remaining/$tyk_context.rate_limit_reset",
            "X-Quota": "$tyk_context.quota_limit/$tyk_context.quota_remaining",
            "X-Reset": "$tyk_context.quota_reset",
            "X-Token": "$tyk_context.token",
            "X-All": "[$tyk_context.headers]",
        },
        "global_response_headers": {"X-For": "$tyk_context.jwt_claims_sub"},
    }}}});
    let policy = json!({"rate": 5, "per": 3600, "quota_max": 9, "quota_renewal_rate": 3600});
    let gateway = Gateway::start(for_jwts(&upstream, change, policy)).await;

    let claims = json!({"sub": "ann", "n": 1_893_456_789, "roles": ["a", "b"]});
    let answer = with_claims(&gateway, "/me", claims).await;
    assert_eq!((answer.status(), answer.header("X-For")), (200, Some("ann")));
    assert_eq!(answer.header("X-Ratelimit-Limit"), Some("9"), "clients are told of the quota as before");
    let received = upstream.request();
    let header = |name: &str| received.header(name).unwrap_or_default().to_owned();
    assert_eq!(received.target, "/users/ann");
    assert_eq!(header("X-Claims"), "ann/1893456789/a,b/HS256/");
    assert_eq!((header("X-Quota"), header("X-All")), ("9/8".to_owned(), "[]".to_owned()));
    let rate = header("X-Rate");
    let reset: u64 = rate.strip_prefix("5/4/").unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&reset), "{rate}");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let renews: u64 = header("X-Reset").parse().unwrap();
    assert!((now + 3500..=now + 3600).contains(&renews), "{renews}");
    assert!(header("X-Token").starts_with("default"), "{}", header("X-Token"));
}

#[tokio::test]
async fn a_claim_can_name_the_counters_of_callers_though_no_rule_uses_it() {
    let upstream = Upstream::start().await;
    let meta = json!({"rate_limit_pattern": "tenant-$tyk_context.jwt_claims_tenant"});
    let policy = json!({"rate": 1, "per": 3600, "meta_data": meta});
    let gateway = Gateway::start(for_jwts(&upstream, json!({}), policy)).await;
    for (owner, tenant, status) in [("ann", "a", 200), ("bob", "a", 429), ("eve", "b", 200)] {
        let answer = with_claims(&gateway, "/x", json!({"sub": owner, "tenant": tenant})).await;
        assert_eq!(answer.status(), status, "{owner} of {tenant}");
    }
}

#[tokio::test]
async fn a_variable_without_anything_to_tell_of_is_empty() {
    let upstream = Upstream::start().await;
    let names = ["token", "jwt_claims_sub", "rate_limit_limit", "rate_limit_reset", "quota_limit", "quota_remaining"];
    let all: String = names.iter().map(|name| format!("$tyk_context.{name}|")).collect();
    let headers = json!({"version_data": {"versions": {"Default": {"global_headers": {"X-All": all}}}}});
    let gateway = Gateway::start(api(&upstream).with(json!({"enable_context_vars": true})).with(headers)).await;
    assert_eq!(gateway.get("/x").await.status(), 200);
    assert_eq!(upstream.request().header("X-All"), Some("||||||"));
}

#[tokio::test]
async fn secrets_of_the_operator_are_known_to_headers() {
    let upstream = Upstream::start().await;
    let headers =
        json!({"X-Env": "Bearer $secret_env.up_token", "X-Conf": "$secret_conf.key", "X-None": "$secret_env.none"});
    let change = json!({"version_data": {"versions": {"Default": {"global_headers": headers}}}});
    let setup =
        Setup::from(api(&upstream).with(change)).conf(json!({"secrets": {"key": "k"}})).env("TYK_SECRET_UP_TOKEN", "t");
    let gateway = Gateway::start(setup).await;
    gateway.process.says("$secret_env.none").await;
    gateway.get("/").await;
    let received = upstream.request();
    let seen = ["X-Env", "X-Conf", "X-None"].map(|name| received.header(name));
    assert_eq!(seen, [Some("Bearer t"), Some("k"), Some("")]);
}

#[tokio::test]
async fn what_is_no_header_is_refused_with_its_path() {
    let upstream = Upstream::start().await;
    let in_version = |headers| json!({"version_data": {"versions": {"Default": {"global_headers": headers}}}});
    let options = json!({"remove_headers": ["X A"]});
    for (change, said) in [
        (
            in_version(json!({"X A": "1"})),
            "version_data.versions.Default.global_headers.X A: \\\"X A\\\" is no name of a header",
        ),
        (
            in_version(json!({"X-A": "$secret_vault.a"})),
            "version_data.versions.Default.global_headers.X-A: the variable $secret_vault.a is not supported",
        ),
        (
            json!({"response_processors": [{"name": "header_injector", "options": options}]}),
            "response_processors[0].options.remove_headers[0]: ",
        ),
    ] {
        let gateway = Gateway::start(api(&upstream).with(change)).await;
        gateway.process.says(said).await;
        assert_eq!(gateway.get("/").await.status(), 404);
    }
}
