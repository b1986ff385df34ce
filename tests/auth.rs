//! Standard methods of auth, alone, together, and beside a plugin; keys are made over the control API.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Response;
use http_body_util::Full;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use outrigger_plugin::{AuthRequest, HookResult, Plugin, Session};
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Gateway, Redis, Setup, Upstream, api, request, serve, until};

const SECRET: &str = "control-secret";

/// A gateway with this API and a control API.
async fn start(api: Api) -> Gateway {
    Gateway::start(Setup::from(api).conf(json!({"secret": SECRET}))).await
}

fn protected(upstream: &Upstream, methods: Value) -> Api {
    api(upstream).with(json!({"use_keyless": false})).with(methods)
}

/// Makes a key for the API; gives its token.
async fn key(gateway: &Gateway, path: &str, session: Value) -> String {
    let mut document =
        json!({"org_id": "default", "access_rights": {"api": {"api_id": "api", "versions": ["Default"]}}});
    document.as_object_mut().unwrap().extend(session.as_object().unwrap().clone());
    let call = request("POST", path).header("X-Tyk-Authorization", SECRET);
    let answer = gateway.send(call, &document.to_string()).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.json()["key"].as_str().unwrap().to_owned()
}

async fn with(gateway: &Gateway, name: &str, value: &str) -> Answer {
    gateway.send(request("GET", "/x").header(name, value), "").await
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status(), answer.error())
}

#[tokio::test]
async fn a_stored_key_opens_the_api_from_header_parameter_or_cookie() {
    let upstream = Upstream::start().await;
    let places = json!({"auth_configs": {"authToken": {"use_param": true, "param_name": "key", "use_cookie": true, "cookie_name": "sid"}}});
    let gateway = start(protected(&upstream, places).with(json!({"strip_auth_data": true}))).await;
    let key = key(&gateway, "/tyk/keys/create", json!({})).await;

    for value in [key.clone(), format!("Bearer {key}"), format!("bearer {key}")] {
        assert_eq!(with(&gateway, "Authorization", &value).await.status(), 200);
    }
    assert_eq!(gateway.get(&format!("/x?key={key}&a=1")).await.status(), 200);
    assert_eq!(with(&gateway, "Cookie", &format!("b=2; sid={key}")).await.status(), 200);
    for received in upstream.requests() {
        assert!(!format!("{received:?}").contains(&key), "the upstream sees no credential: {received:?}");
    }
    assert_eq!(upstream.requests()[3].target, "/x?a=1");

    assert_eq!(told(&gateway.get("/x").await), (401, "Authorization field missing".to_owned()));
    let unknown = with(&gateway, "Authorization", "nobodys").await;
    assert_eq!(told(&unknown), (403, "Access to this API has been disallowed".to_owned()));
}

#[tokio::test]
async fn the_name_of_a_user_with_a_password_is_no_token() {
    let upstream = Upstream::start().await;
    let gateway = start(protected(&upstream, json!({}))).await;
    key(&gateway, "/tyk/keys/bob", json!({})).await;
    key(&gateway, "/tyk/keys/ann", json!({"basic_auth_data": {"password": "pw"}})).await;
    let status = async |token: &str| with(&gateway, "Authorization", token).await.status();
    assert_eq!([status("bob").await, status("ann").await], [200, 403]);
}

#[tokio::test]
async fn a_user_gets_in_with_the_right_password_only() {
    let upstream = Upstream::start().await;
    let gateway = start(protected(&upstream, json!({"use_basic_auth": true, "name": "Shop"}))).await;
    key(&gateway, "/tyk/keys/ann", json!({"basic_auth_data": {"password": "pw"}})).await;

    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    for _ in 0..2 {
        assert_eq!(with(&gateway, "Authorization", &basic("ann:pw")).await.status(), 200);
    }
    for wrong in ["ann:no", "bob:pw", "ann:"] {
        let answer = with(&gateway, "Authorization", &basic(wrong)).await;
        assert_eq!(told(&answer), (401, "User not authorised".to_owned()));
        assert_eq!(answer.header("WWW-Authenticate"), Some("Basic realm=\"Shop\""));
    }
    let none = gateway.get("/x").await;
    assert_eq!(told(&none), (401, "Authorization field missing".to_owned()));
    assert_eq!(none.header("WWW-Authenticate"), Some("Basic realm=\"Shop\""));
    assert_eq!(with(&gateway, "Authorization", "Basic %%%").await.status(), 400);
}

/// A JWT that is signed with HMAC.
pub fn jwt(secret: &[u8], claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn policies() -> Setup {
    let rights = json!({"api": {"api_id": "api", "versions": ["Default"]}});
    let policy = json!({"gold": {"id": "gold", "org_id": "default", "active": true, "rate": 2, "per": 3600, "access_rights": rights}});
    Setup::new()
        .conf(json!({"policies": {"policy_source": "file", "policy_record_name": "policies.json"}}))
        .file("policies.json", policy.to_string())
}

#[tokio::test]
async fn a_jwt_stands_for_its_owner_with_the_policy_that_it_names() {
    let upstream = Upstream::start().await;
    let methods = json!({"enable_jwt": true, "jwt_signing_method": "hmac", "jwt_source": STANDARD.encode("s3cret"),
        "jwt_policy_field_name": "plan"});
    let gateway = Gateway::start(policies().api(protected(&upstream, methods))).await;
    let send = async |token: String| with(&gateway, "Authorization", &format!("Bearer {token}")).await;

    let later = 4_000_000_000_i64;
    let ann = json!({"sub": "ann", "plan": "gold", "exp": later});
    for status in [200, 200, 429] {
        assert_eq!(send(jwt(b"s3cret", &ann)).await.status(), status, "the policy's rate counts per owner");
    }
    let bob = |changes: Value| {
        let mut claims = json!({"sub": "bob", "plan": "gold", "exp": later});
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    let not = |text: &str| (401, format!("Key not authorized: {text}"));
    for (token, expected) in [
        (jwt(b"other", &bob(json!({}))), (403, "Key not authorized".to_owned())),
        (jwt(b"s3cret", &bob(json!({"exp": 1}))), not("token has expired")),
        (jwt(b"s3cret", &bob(json!({"nbf": later}))), not("token is not valid yet")),
        (jwt(b"s3cret", &bob(json!({"iat": later}))), not("token used before issued")),
        (jwt(b"s3cret", &bob(json!({"plan": "none"}))), (403, "key not authorized: no matching policy".to_owned())),
        (unsigned(&bob(json!({}))), (403, "Key not authorized: Unexpected signing method".to_owned())),
        ("a.b.c".to_owned(), (403, "Key not authorized".to_owned())),
    ] {
        assert_eq!(told(&send(token.clone()).await), expected, "{token}");
    }
    assert_eq!(told(&gateway.get("/x").await), (400, "Authorization field missing".to_owned()));
    assert_eq!(upstream.requests().len(), 2);
}

/// A JWT that nobody signed.
fn unsigned(claims: &Value) -> String {
    let [header, claims] = [&json!({"alg": "none"}), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.")
}

#[tokio::test]
async fn keys_are_fetched_from_where_they_are_published_once_for_many_requests() {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let set = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "x": x, "y": y}]}).to_string();
    let issuer = Upstream::answering(move |_| Response::new(Full::from(set.clone()))).await;

    let (upstream, redis) = (Upstream::start().await, Redis::start().await);
    let methods = json!({"enable_jwt": true, "jwt_signing_method": "ecdsa", "jwt_default_policies": ["gold"],
        "jwt_jwks_uris": [{"url": format!("http://{}/keys", issuer.address)}]});
    let secrets = json!({"secret": SECRET, "node_secret": "of all nodes"});
    let node = || policies().api(protected(&upstream, methods.clone())).conf(secrets.clone()).conf(redis.conf());
    let gateway = Gateway::start(node()).await;
    let sign = |kid: &str, owner: &str| {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        let token = encode(&header, &json!({"sub": owner}), &EncodingKey::from_ec_der(pkcs8.as_ref())).unwrap();
        format!("Bearer {token}")
    };

    for owner in ["ann", "bob", "cyd"] {
        assert_eq!(with(&gateway, "Authorization", &sign("one", owner)).await.status(), 200);
    }
    assert_eq!(with(&gateway, "Authorization", &sign("two", "ann")).await.status(), 403);
    assert_eq!(issuer.requests().len(), 1, "an unknown name makes no fetch so soon after another");

    let forget = request("DELETE", "/tyk/cache/jwks/api").header("X-Tyk-Authorization", SECRET);
    assert_eq!(gateway.send(forget, "").await.status(), 200);
    assert_eq!(with(&gateway, "Authorization", &sign("one", "ann")).await.status(), 200);
    assert_eq!(issuer.requests().len(), 2, "what was forgotten is fetched again");

    let other = Gateway::start(node()).await;
    with(&other, "Authorization", &sign("one", "ann")).await;
    assert_eq!(issuer.drain().len(), 3);
    let forget = request("DELETE", "/tyk/cache/jwks").header("X-Tyk-Authorization", SECRET);
    assert_eq!(gateway.send(forget, "").await.status(), 200);
    until("the other node's fetch", async || {
        with(&other, "Authorization", &sign("one", "ann")).await;
        !issuer.requests().is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_signed_request_gets_in_while_its_date_is_near() {
    let upstream = Upstream::start().await;
    let methods = json!({"enable_signature_checking": true, "hmac_allowed_clock_skew": 5000});
    let gateway = start(protected(&upstream, methods)).await;
    let key = key(&gateway, "/tyk/keys/signer", json!({"hmac_enabled": true, "hmac_string": "shared"})).await;

    let sign = |secret: &str, date: &str| {
        let message = format!("(request-target): get /x\ndate: {date}");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
        let signature = STANDARD.encode(tag).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let parts = format!(
            "keyId=\"{key}\",algorithm=\"hmac-sha256\",headers=\"(request-target) date\",signature=\"{signature}\""
        );
        request("GET", "/x").header("Date", date).header("Authorization", format!("Signature {parts}"))
    };
    let now = httpdate::fmt_http_date(std::time::SystemTime::now());
    assert_eq!(gateway.send(sign("shared", &now), "").await.status(), 200);
    let refusal = (400, "Authorization field missing, malformed or invalid".to_owned());
    for (secret, date) in [("other", now.as_str()), ("shared", "Tue, 07 Jun 2014 20:51:35 GMT")] {
        assert_eq!(told(&gateway.send(sign(secret, date), "").await), refusal);
    }
    assert_eq!(told(&gateway.get("/x").await), refusal);
}

struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        match request.header("X-Plugin").map(str::to_owned) {
            Some(name) => request.allow(Session::new(name).quota(7, std::time::Duration::from_secs(60))),
            None => request.reject(401, "no plugin credential"),
        }
    }
}

#[tokio::test]
async fn several_methods_must_all_let_the_caller_in_and_the_named_one_says_who_it_is() {
    let upstream = Upstream::start().await;
    let plugin = serve(Doorkeeper).await;
    for (identity, limit) in [("", "9"), ("auth_token", "9"), ("custom_auth", "7")] {
        let methods = json!({"use_standard_auth": true, "base_identity_provided_by": identity});
        let gateway = start(api(&upstream).auth(plugin.clone()).with(methods)).await;
        let key = key(&gateway, "/tyk/keys/create", json!({"quota_max": 9, "quota_renewal_rate": 60})).await;

        let both = request("GET", "/x").header("X-Plugin", "p").header("Authorization", &key);
        let answer = gateway.send(both, "").await;
        assert_eq!((answer.status(), answer.header("X-Ratelimit-Limit")), (200, Some(limit)), "{identity}");
        assert_eq!(told(&with(&gateway, "Authorization", &key).await), (401, "no plugin credential".to_owned()));
        assert_eq!(told(&with(&gateway, "X-Plugin", "p").await), (401, "Authorization field missing".to_owned()));
    }
}

#[tokio::test]
async fn an_identity_from_a_method_that_is_off_lets_nobody_in() {
    let upstream = Upstream::start().await;
    let gateway =
        start(api(&upstream).auth(serve(Doorkeeper).await).with(json!({"base_identity_provided_by": "auth_token"})))
            .await;
    let answer = with(&gateway, "X-Plugin", "p").await;
    assert_eq!(answer.status(), 400);
    assert!(answer.error().starts_with("Session state is missing or unset!"));
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_hook_that_cannot_be_called_is_told_on_open_paths_too_and_after_the_methods_before_it() {
    let upstream = Upstream::start().await;
    let open = json!({"custom_middleware": {"driver": "typo"}, "version_data": {"versions": {"Default": {
        "use_extended_paths": true, "extended_paths": {"ignored": [{"path": "/open"}]},
    }}}});
    let plugin = serve(Doorkeeper).await;
    let setup = Setup::new()
        .api(api(&upstream).named("one").auth(plugin.clone()).with(open.clone()))
        .api(api(&upstream).named("two").auth(plugin).with(open).with(json!({"use_basic_auth": true})));
    let gateway = Gateway::start(setup).await;
    let broken = (500, "Internal Server Error".to_owned());
    for path in ["/one/x", "/one/open", "/two/open", "/one/tyk/rate-limits/"] {
        assert_eq!(told(&gateway.get(path).await), broken, "{path}");
    }
    assert_eq!(gateway.get("/two/x").await.status(), 401);
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_key_opens_the_versions_that_its_rights_list_and_no_other() {
    let upstream = Upstream::start().await;
    let version = |name: &str| json!({"name": name});
    let place = json!({"location": "header", "key": "ver", "fallback_to_default": true});
    let versions = json!({"not_versioned": false, "default_version": "v1", "versions": {
        "Default": version("Default"), "v1": version("v1"), "v2": version("v2"),
    }});
    let versioned = json!({"use_keyless": false, "definition": place, "version_data": versions});
    let gateway = start(api(&upstream).named("api").with(versioned)).await;
    let rights = |versions: &[&str]| json!({"access_rights": {"api": {"api_id": "api", "versions": versions}}});
    let statuses = async |key: &str, path: &str| {
        let mut statuses = Vec::new();
        for version in ["", "v1", "v2", "none"] {
            let call = request("GET", path).header("Authorization", key).header("ver", version);
            statuses.push(gateway.send(call, "").await.status());
        }
        statuses
    };
    for path in ["/api/x", "/api/tyk/rate-limits/"] {
        for (versions, expected) in [
            (&["v1"][..], [200, 200, 403, 200]),
            (&["v2"], [403, 403, 200, 403]),
            (&["v2", "v1"], [200; 4]),
            (&["Default"], [403; 4]),
            (&[], [403; 4]),
        ] {
            let key = key(&gateway, "/tyk/keys/create", rights(versions)).await;
            assert_eq!(statuses(&key, path).await, expected, "{versions:?} {path}");
        }
    }
    let other = key(&gateway, "/tyk/keys/create", rights(&["v2"])).await;
    let call = request("GET", "/api/x").header("Authorization", &other);
    assert_eq!(told(&gateway.send(call, "").await), (403, "Access to this API has been disallowed".to_owned()));
}

#[tokio::test]
async fn allowed_urls_match_as_the_gateway_is_told_that_paths_match() {
    let upstream = Upstream::start().await;
    let session = json!({"access_rights": {"api": {"api_id": "api", "versions": ["Default"], "allowed_urls": [
        {"url": "/user/{id}", "methods": ["GET"]},
    ]}}});
    let paths = ["/api/user/7", "/api/admin/user/7", "/api/user/7/keys", "/api/user"];
    for (prefix, suffix, expected) in [
        (false, false, [200, 200, 200, 403]),
        (true, false, [200, 403, 200, 403]),
        (false, true, [200, 200, 403, 403]),
        (true, true, [200, 403, 403, 403]),
    ] {
        let matching = json!({"enable_path_prefix_matching": prefix, "enable_path_suffix_matching": suffix});
        let setup = Setup::from(api(&upstream).named("api").with(json!({"use_keyless": false})))
            .conf(json!({"secret": SECRET, "http_server_options": matching}));
        let gateway = Gateway::start(setup).await;
        let key = key(&gateway, "/tyk/keys/create", session.clone()).await;
        let mut statuses = Vec::new();
        for path in paths {
            statuses.push(gateway.send(request("GET", path).header("Authorization", &key), "").await.status());
        }
        assert_eq!(statuses, expected, "prefix {prefix}, suffix {suffix}");
    }
}

#[tokio::test]
async fn refusals_have_the_texts_and_statuses_that_the_operator_gives_them() {
    let upstream = Upstream::start().await;
    let words = json!({"auth.auth_field_missing": {"message": "a key, please"}, "auth.key_not_found": {"code": 404}});
    let setup = Setup::from(protected(&upstream, json!({}))).conf(json!({"override_messages": words}));
    let gateway = Gateway::start(setup).await;
    assert_eq!(told(&gateway.get("/x").await), (401, "a key, please".to_owned()));
    let unknown = with(&gateway, "Authorization", "nobody").await;
    assert_eq!(told(&unknown), (404, "Access to this API has been disallowed".to_owned()));
}
