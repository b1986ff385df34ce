//! The control API, as operators and their tools use it.

use std::time::Duration;

use outrigger_plugin::{AuthRequest, HookResult, Plugin, Session};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Gateway, Redis, Setup, Upstream, api, request, serve, until};

const SECRET: &str = "control-secret";
const REFUSED: &str = "Attempted administrative access with invalid or missing key!";

async fn call(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    gateway.send(request(method, path).header("X-Tyk-Authorization", SECRET), &body).await
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.status(), answer.json()["message"].as_str().unwrap_or_default().to_owned())
}

fn controlled(setup: impl Into<Setup>) -> Setup {
    setup.into().conf(json!({"secret": SECRET}))
}

/// An API that stored keys open.
fn keyed(upstream: &Upstream) -> Api {
    api(upstream).with(json!({"use_keyless": false}))
}

fn session(changes: Value) -> Value {
    let mut session =
        json!({"org_id": "default", "access_rights": {"api": {"api_id": "api", "versions": ["Default"]}}});
    session.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    session
}

async fn status(gateway: &Gateway, key: &str) -> u16 {
    gateway.send(request("GET", "/x").header("Authorization", key), "").await.status()
}

#[tokio::test]
async fn a_new_api_does_not_take_the_listen_path_of_one_that_is_served() {
    let [old, new] = [Upstream::answering(|_| http::Response::new("old".into())).await, Upstream::start().await];
    let setup = Setup::from(api(&old).named("orders"));
    let gateway = Gateway::start(controlled(setup)).await;
    let proxy = json!({"listen_path": "/orders/", "target_url": format!("http://{}/", new.address)});

    // Its file comes first.
    call(&gateway, "POST", "/tyk/apis", &json!({"api_id": "aaa", "use_keyless": true, "proxy": proxy})).await;
    call(&gateway, "GET", "/tyk/reload/?block=true", &Value::Null).await;

    assert_eq!(gateway.get("/orders/").await.text(), "old");
    assert!(gateway.process.says("another API has this listen path").await.contains("/orders/-aaa"));
}

#[tokio::test]
async fn only_the_secret_opens_the_control_api() {
    let gateway = Gateway::start(controlled(Setup::new())).await;
    for given in [None, Some(""), Some("wrong")] {
        for path in ["/tyk/keys", "/tyk/apis", "/tyk/reload", "/tyk/nowhere", "/tyk"] {
            let request =
                given.map_or(request("GET", path), |given| request("GET", path).header("X-Tyk-Authorization", given));
            assert_eq!(said(&gateway.send(request, "").await), (403, REFUSED.to_owned()), "{given:?} {path}");
        }
    }
    assert_eq!(call(&gateway, "GET", "/tyk/apis/", &Value::Null).await.text(), "[]\n");
    let nowhere = call(&gateway, "GET", "/tyk/nowhere", &Value::Null).await;
    assert_eq!((nowhere.status(), nowhere.text()), (404, "404 page not found\n"));
    let method = call(&gateway, "PATCH", "/tyk/apis", &Value::Null).await;
    assert_eq!(said(&method), (405, "Method not supported".to_owned()));
}

#[tokio::test]
async fn an_empty_secret_lets_nobody_in_unless_the_operator_says_so() {
    let closed = Gateway::start(Setup::new()).await;
    assert_eq!(closed.get("/tyk/apis").await.status(), 403);
    let empty = request("GET", "/tyk/apis").header("X-Tyk-Authorization", "");
    assert_eq!(closed.send(empty, "").await.status(), 403);
    let open = Gateway::start(Setup::new().conf(json!({"allow_unauthenticated_control_api": true}))).await;
    assert_eq!(open.get("/tyk/apis").await.status(), 200);
    open.process.says("the control API is open to everybody").await;
}

#[tokio::test]
async fn a_key_is_made_shown_changed_and_removed() {
    let upstream = Upstream::start().await;
    for hashed in [false, true] {
        let conf = json!({"hash_keys": hashed, "enable_hashed_keys_listing": true});
        let gateway = Gateway::start(controlled(keyed(&upstream)).conf(conf)).await;
        let made = call(&gateway, "POST", "/tyk/keys/create", &session(json!({"alias": "jane"}))).await.json();
        let (key, hash) = (made["key"].as_str().unwrap().to_owned(), made["key_hash"].as_str().map(str::to_owned));
        assert_eq!((made["action"].as_str(), hash.is_some()), (Some("added"), hashed));
        assert_eq!(status(&gateway, &key).await, 200);

        let path = format!("/tyk/keys/{key}");
        let shown = call(&gateway, "GET", &path, &Value::Null).await.json();
        assert_eq!((shown["alias"].as_str(), shown["org_id"].as_str()), (Some("jane"), Some("default")));
        let listed = call(&gateway, "GET", "/tyk/keys", &Value::Null).await.json();
        assert_eq!(listed, json!({"keys": [hash.as_ref().unwrap_or(&key)]}));
        if let Some(hash) = &hash {
            let shown = call(&gateway, "GET", &format!("/tyk/keys/{hash}?hashed=1"), &Value::Null).await.json();
            assert_eq!(shown["alias"].as_str(), Some("jane"));
        }

        let changed = call(&gateway, "PUT", &path, &session(json!({"is_inactive": true}))).await.json();
        assert_eq!(changed["action"].as_str(), Some("modified"));
        assert_eq!(status(&gateway, &key).await, 403, "a change counts at once");
        let shown_again = call(&gateway, "GET", &path, &Value::Null).await.json();
        assert_eq!((&shown_again["alias"], &shown_again["date_created"]), (&Value::Null, &shown["date_created"]));

        assert_eq!(call(&gateway, "DELETE", &path, &Value::Null).await.json()["action"].as_str(), Some("deleted"));
        assert_eq!(status(&gateway, &key).await, 403);
        let gone = call(&gateway, "GET", &path, &Value::Null).await;
        assert_eq!(said(&gone), (404, "Key not found".to_owned()));
        let gone = call(&gateway, "DELETE", &path, &Value::Null).await;
        assert_eq!(said(&gone), (404, "There is no such key found".to_owned()));
        let gone = call(&gateway, "PUT", &path, &session(json!({}))).await;
        assert_eq!(said(&gone), (404, "Key is not found".to_owned()));
    }
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_and_nothing_stored() {
    let gateway = Gateway::start(controlled(Setup::new())).await;
    let broken = gateway.send(request("POST", "/tyk/keys/create").header("X-Tyk-Authorization", SECRET), "{").await;
    assert_eq!(said(&broken), (500, "Unmarshalling failed".to_owned()));
    let master = call(&gateway, "POST", "/tyk/keys/create", &json!({})).await;
    let no_rights = "Failed to create key, keys must have at least one Access Rights record set.";
    assert_eq!(said(&master), (400, no_rights.to_owned()));
    let unknown = session(json!({"apply_policies": ["none"]}));
    assert_eq!(call(&gateway, "POST", "/tyk/keys/create", &unknown).await.status(), 500);
    let insecure = call(&gateway, "POST", "/tyk/keys/mine", &unknown).await;
    assert_eq!(said(&insecure), (500, "Failed to create key, ensure security settings are correct.".to_owned()));
    assert_eq!(call(&gateway, "POST", "/tyk/keys/ab", &session(json!({}))).await.status(), 400, "too short");
    assert_eq!(call(&gateway, "GET", "/tyk/keys", &Value::Null).await.json(), json!({"keys": []}));
}

#[tokio::test]
async fn a_key_bound_to_what_is_no_certificate_is_refused_and_one_that_is_there_opens_nothing() {
    let (upstream, redis) = (Upstream::start().await, Redis::start().await);
    let gateway = Gateway::start(controlled(keyed(&upstream)).conf(redis.conf())).await;
    let bound = session(json!({"mtls_static_certificate_bindings": ["certificate"]}));
    for path in ["/tyk/keys/create", "/tyk/keys/mine"] {
        let refused = said(&call(&gateway, "POST", path, &bound).await);
        assert!(refused.0 == 400 && refused.1.starts_with("mtls_static_certificate_bindings"), "{refused:?}");
    }
    let () = redis.say(&["SET", "apikey-free", &session(json!({})).to_string()]);
    let () = redis.say(&["SET", "apikey-bound", &bound.to_string()]);
    assert_eq!([status(&gateway, "free").await, status(&gateway, "bound").await], [200, 401]);
}

#[tokio::test]
async fn a_key_removed_from_all_apis_is_gone() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(controlled(keyed(&upstream))).await;
    call(&gateway, "POST", "/tyk/keys/mine", &session(json!({}))).await;
    assert_eq!(status(&gateway, "mine").await, 200);
    let removed = call(&gateway, "DELETE", "/tyk/keys/mine?api_id=-1", &Value::Null).await;
    assert_eq!((removed.status(), removed.text()), (200, "null\n"));
    assert_eq!(status(&gateway, "mine").await, 403);
}

#[tokio::test]
async fn tokens_are_listed_by_organisation() {
    let gateway = Gateway::start(controlled(Setup::new()).conf(json!({"hash_key_function": "murmur64"}))).await;
    let mut made = Vec::new();
    for org in ["acme", "acmes", "other"] {
        let answer = call(&gateway, "POST", "/tyk/keys/create", &session(json!({"org_id": org}))).await.json();
        made.push(answer["key"].clone());
    }
    let listed = call(&gateway, "GET", "/tyk/keys?filter=acme", &Value::Null).await.json();
    assert_eq!(listed, json!({"keys": [made[0]]}));
}

#[tokio::test]
async fn a_key_that_is_written_anew_starts_its_quota_over_unless_told_otherwise() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(controlled(keyed(&upstream))).await;
    let limited = session(json!({"quota_max": 2, "quota_renewal_rate": 3600}));
    let key = call(&gateway, "POST", "/tyk/keys/create", &limited).await.json()["key"].as_str().unwrap().to_owned();
    let path = format!("/tyk/keys/{key}");
    let remaining = async || call(&gateway, "GET", &path, &Value::Null).await.json()["quota_remaining"].clone();

    assert_eq!(status(&gateway, &key).await, 200);
    assert_eq!(remaining().await, json!(1));
    call(&gateway, "PUT", &format!("{path}?suppress_reset=1"), &limited).await;
    assert_eq!(remaining().await, json!(1));
    assert_eq!([status(&gateway, &key).await, status(&gateway, &key).await], [200, 403]);
    call(&gateway, "PUT", &path, &limited).await;
    assert_eq!(remaining().await, json!(2));
    assert_eq!(status(&gateway, &key).await, 200);
}

#[tokio::test]
async fn a_key_that_is_written_anew_may_go_as_fast_as_if_it_were_new() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(controlled(keyed(&upstream))).await;
    let limit = json!({"rate": 1, "per": 3600});
    let endpoints = json!([{"path": "/", "methods": [{"name": "get", "limit": limit}]}]);
    let rights = json!({"api": {"api_id": "api", "versions": ["Default"], "endpoints": endpoints}});
    let limited = session(json!({"access_rights": rights}));
    call(&gateway, "POST", "/tyk/keys/mine", &limited).await;
    assert_eq!([status(&gateway, "mine").await, status(&gateway, "mine").await], [200, 429]);
    call(&gateway, "PUT", "/tyk/keys/mine", &limited).await;
    assert_eq!([status(&gateway, "mine").await, status(&gateway, "mine").await], [200, 429]);
}

#[tokio::test]
async fn policies_are_written_and_in_force_after_a_reload() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let conf = json!({"policies": {"policy_source": "file", "policy_path": folder.path()}});
    let gateway = Gateway::start(controlled(keyed(&upstream)).conf(conf)).await;
    let policy = json!({"id": "gold", "org_id": "default", "active": true, "quota_max": 1, "quota_renewal_rate": 3600,
        "access_rights": {"api": {"api_id": "api", "versions": ["Default"]}}});

    let added = call(&gateway, "POST", "/tyk/policies", &policy).await.json();
    assert_eq!(added, json!({"key": "gold", "status": "ok", "action": "added"}));
    assert_eq!(
        said(&call(&gateway, "GET", "/tyk/policies/gold", &Value::Null).await),
        (404, "Policy not found".to_owned())
    );
    assert_eq!(call(&gateway, "GET", "/tyk/reload?block=true", &Value::Null).await.json()["status"], "ok");
    assert_eq!(call(&gateway, "GET", "/tyk/policies/gold", &Value::Null).await.json()["quota_max"], 1);

    let made =
        call(&gateway, "POST", "/tyk/keys/create", &json!({"org_id": "default", "apply_policies": ["gold"]})).await;
    let key = made.json()["key"].as_str().unwrap().to_owned();
    assert_eq!([status(&gateway, &key).await, status(&gateway, &key).await], [200, 403]);

    for (id, body) in [("other", &policy), (".hidden", &json!({}))] {
        assert_eq!(call(&gateway, "PUT", &format!("/tyk/policies/{id}"), body).await.status(), 400, "{id}");
    }
    assert_eq!(call(&gateway, "DELETE", "/tyk/policies/gold", &Value::Null).await.status(), 200);
    call(&gateway, "GET", "/tyk/reload/?block=true", &Value::Null).await;
    assert_eq!(status(&gateway, &key).await, 403, "a key whose policy is gone");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_policy_is_changed_in_the_file_that_holds_it_and_lets_new_keys_expire() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zz.json");
    std::fs::write(&file, json!({"ID": "gold", "org_id": "default", "rate": 1}).to_string()).unwrap();
    let conf = json!({"policies": {"policy_source": "file", "policy_path": folder.path()}});
    let gateway = Gateway::start(controlled(Setup::new()).conf(conf)).await;

    let changed = json!({"ID": "gold", "org_id": "default", "rate": 2, "per": 1, "key_expires_in": 1000,
        "access_rights": {"api": {"api_id": "api", "versions": ["Default"]}}});
    assert_eq!(call(&gateway, "PUT", "/tyk/policies/gold", &changed).await.status(), 200);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    call(&gateway, "GET", "/tyk/reload?block=true", &Value::Null).await;
    assert_eq!(call(&gateway, "GET", "/tyk/policies/gold", &Value::Null).await.json()["rate"], 2.0);

    let expires = async |method: &str, session: Value| {
        call(&gateway, method, "/tyk/keys/mine", &session).await;
        let shown = call(&gateway, "GET", "/tyk/keys/mine?org_id=default", &Value::Null).await.json();
        shown["expires"].as_i64().unwrap_or_default()
    };
    let governed = json!({"org_id": "default", "apply_policies": ["gold"]});
    assert!(expires("POST", governed.clone()).await > 1000, "a new key");
    assert_eq!(expires("PUT", governed).await, 0, "one that there is");

    assert_eq!(call(&gateway, "DELETE", "/tyk/policies/gold", &Value::Null).await.status(), 200);
    assert!(!file.exists());
}

#[tokio::test]
async fn what_would_not_be_loaded_is_not_written() {
    let upstream = Upstream::start().await;
    let setup = controlled(api(&upstream).named("first")).env("UPSTREAM", upstream.address.to_string());
    let gateway = Gateway::start(setup).await;
    let hooked = json!({"custom_middleware": {"driver": "grpc", "pre": [{"name": "MyPre", "server": "nowhere"}]}});
    for (changes, told) in
        [(hooked, "custom_middleware.pre[0]"), (json!({"proxy": {"listen_path": "/{a:(}/"}}), "proxy.listen_path")]
    {
        let broken = api(&upstream).named("first").with(changes).definition;
        let refused = said(&call(&gateway, "PUT", "/tyk/apis/first", &broken).await);
        assert!(refused.0 == 400 && refused.1.contains(told), "{refused:?}");
    }
    for id in ["../up", "first-oas"] {
        let unsafe_id = api(&upstream).named("second").with(json!({"api_id": id})).definition;
        let refused = said(&call(&gateway, "POST", "/tyk/apis", &unsafe_id).await);
        assert_eq!(refused, (400, "Invalid API ID".to_owned()), "{id}");
    }
    let referring = Api::to("http://env://UPSTREAM/").named("second").definition;
    assert_eq!(call(&gateway, "POST", "/tyk/apis", &referring).await.status(), 200);
    call(&gateway, "GET", "/tyk/reload?block=true", &Value::Null).await;
    assert_eq!([gateway.get("/first/").await.status(), gateway.get("/second/").await.status()], [200, 200]);
    assert_eq!(call(&gateway, "GET", "/tyk/apis/second", &Value::Null).await.json(), referring);
}

#[tokio::test]
async fn a_reload_that_finds_a_broken_definition_serves_the_others_and_one_that_finds_nothing_changes_nothing() {
    let (upstream, apps) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let write = |name: &str, text: String| std::fs::write(apps.path().join(name), text).unwrap();
    write("good.json", api(&upstream).named("good").definition.to_string());
    write("bad.json", api(&upstream).named("bad").definition.to_string());
    let gateway = Gateway::start(controlled(Setup::new()).conf(json!({"app_path": apps.path()}))).await;
    let served = async || [gateway.get("/good/").await.status(), gateway.get("/bad/").await.status()];
    assert_eq!(served().await, [200, 200]);

    write("bad.json", "{".to_owned());
    call(&gateway, "GET", "/tyk/reload?block=true", &Value::Null).await;
    assert_eq!(served().await, [200, 404]);
    gateway.process.says("bad.json").await;

    std::fs::rename(apps.path(), apps.path().with_extension("away")).unwrap();
    call(&gateway, "GET", "/tyk/reload?block=true", &Value::Null).await;
    assert_eq!(served().await, [200, 404]);
    gateway.process.says("nothing is loaded anew").await;
    std::fs::rename(apps.path().with_extension("away"), apps.path()).unwrap();
}

#[tokio::test]
async fn a_key_known_by_its_hash_gets_other_policies() {
    let upstream = Upstream::start().await;
    let rights = json!({"api": {"api_id": "api", "versions": ["Default"]}});
    let policies = json!({"out": {"org_id": "default", "is_inactive": true, "access_rights": rights}});
    for hashed in [false, true] {
        let conf = json!({"hash_keys": hashed, "policies": {"policy_record_name": "policies.json"}});
        let setup = controlled(keyed(&upstream)).conf(conf).file("policies.json", policies.to_string());
        let gateway = Gateway::start(setup).await;
        let made = call(&gateway, "POST", "/tyk/keys/create", &session(json!({}))).await.json();
        let (key, hash) = (made["key"].as_str().unwrap(), made["key_hash"].as_str());
        assert_eq!(status(&gateway, key).await, 200);
        let path = format!("/tyk/keys/policy/{}", hash.unwrap_or(key));
        let updated = call(&gateway, "POST", &path, &json!({"apply_policies": ["out"]})).await;
        assert_eq!(updated.json()["action"].as_str(), Some("updated"));
        assert_eq!(status(&gateway, key).await, 403, "its policy is inactive");
        let nobody = call(&gateway, "POST", "/tyk/keys/policy/nobody", &json!({"apply_policies": ["out"]})).await;
        assert_eq!(said(&nobody), (404, "Key not found".to_owned()));
    }
}

#[tokio::test]
async fn definitions_are_written_and_served_after_a_reload() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(controlled(api(&upstream).named("first"))).await;
    let second = api(&upstream).named("second").definition;

    let added = call(&gateway, "POST", "/tyk/apis", &second).await.json();
    assert_eq!(added, json!({"key": "second", "status": "ok", "action": "added"}));
    assert_eq!(gateway.get("/second/").await.status(), 404, "not before the reload");
    call(&gateway, "GET", "/tyk/reload?block=true", &Value::Null).await;
    assert_eq!(gateway.get("/second/").await.status(), 200);
    assert_eq!(call(&gateway, "GET", "/tyk/apis/second", &Value::Null).await.json(), second);
    assert_eq!(call(&gateway, "GET", "/tyk/apis", &Value::Null).await.json().as_array().unwrap().len(), 2);

    let broken = api(&upstream).named("third").with(json!({"use_oauth2": true, "use_keyless": false})).definition;
    let refused = said(&call(&gateway, "POST", "/tyk/apis", &broken).await);
    assert!(
        refused.0 == 400 && refused.1.starts_with("Validation of API Definition failed. Reason: use_oauth2: "),
        "{refused:?}"
    );
    let elsewhere = call(&gateway, "PUT", "/tyk/apis/first", &second).await;
    assert!(said(&elsewhere).1.starts_with("Request APIID does not match"), "{elsewhere:?}");

    assert_eq!(call(&gateway, "DELETE", "/tyk/apis/first", &Value::Null).await.status(), 200);
    assert_eq!(call(&gateway, "DELETE", "/tyk/apis/none", &Value::Null).await.status(), 404);
    call(&gateway, "GET", "/tyk/reload/group", &Value::Null).await;
    until("the reload", async || gateway.get("/first/").await.status() == 404).await;
    assert_eq!(gateway.get("/second/").await.status(), 200);
}

#[tokio::test]
async fn sessions_of_organisations_are_made_shown_and_removed() {
    let gateway = Gateway::start(controlled(Setup::new())).await;
    let made = call(&gateway, "POST", "/tyk/org/keys/acme", &json!({"quota_max": 5})).await.json();
    assert_eq!(made, json!({"key": "acme", "status": "ok", "action": "added"}));
    assert_eq!(call(&gateway, "GET", "/tyk/org/keys/acme", &Value::Null).await.json()["quota_max"], 5);
    assert_eq!(call(&gateway, "GET", "/tyk/org/keys", &Value::Null).await.json(), json!({"keys": ["acme"]}));
    assert_eq!(call(&gateway, "DELETE", "/tyk/org/keys/acme", &Value::Null).await.status(), 200);
    assert_eq!(
        said(&call(&gateway, "GET", "/tyk/org/keys/acme", &Value::Null).await),
        (404, "Org not found".to_owned())
    );
}

#[tokio::test]
async fn sighup_loads_anew_and_an_api_that_is_as_before_keeps_its_session_cache() {
    let upstream = Upstream::start().await;
    let hooked = api(&upstream).named("kept").auth(serve(Doorkeeper).await).with(json!({"custom_middleware": {
        "id_extractor": {"extract_from": "header", "extract_with": "value", "extractor_config": {"header_name": "X-Key"}},
    }}));
    let gateway = Gateway::start(controlled(hooked)).await;
    let hits = async || call(&gateway, "GET", "/tyk/session-cache", &Value::Null).await.json()["kept"]["hits"].clone();
    let knock = async || gateway.send(request("GET", "/kept/").header("X-Key", "k"), "").await.status();

    assert_eq!([knock().await, knock().await], [200, 200]);
    assert_eq!(hits().await, 1);
    call(&gateway, "POST", "/tyk/apis", &api(&upstream).named("new").definition).await;
    gateway.process.tell(Signal::HUP);
    until("the reload", async || gateway.get("/new/").await.status() == 200).await;
    assert_eq!((knock().await, hits().await), (200, json!(2)));
}

struct Doorkeeper;

impl Plugin for Doorkeeper {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        request.allow(Session::new("k").cache_for(Duration::from_secs(60)))
    }
}

#[tokio::test]
async fn a_definition_whose_auth_looks_nowhere_is_not_taken() {
    let (upstream, gateway) = (Upstream::start().await, Gateway::start(controlled(Setup::new())).await);
    let made = async |changes: Value| {
        let definition = keyed(&upstream).with(changes).document(|_| String::new());
        call(&gateway, "POST", "/tyk/apis", &definition).await
    };
    let blind = json!({"use_standard_auth": true, "auth_configs": {"authToken": {"disable_header": true}}});
    let reason = "Validation of API Definition failed. Reason: all auth sources are disabled for authToken, at least \
                  one of header/cookie/query must be enabled.";
    assert_eq!(said(&made(blind).await), (400, reason.to_owned()));
    let unused = json!({"use_standard_auth": true, "auth_configs": {"jwt": {"disable_header": true}}});
    assert_eq!(made(unused).await.status(), 200);
    let cookie = json!({"use_standard_auth": true,
        "auth_configs": {"authToken": {"disable_header": true, "use_cookie": true}}});
    assert_eq!(made(cookie).await.status(), 200);
}

#[tokio::test]
async fn a_version_that_is_an_api_is_shown_with_the_api_that_knows_it() {
    let upstream = Upstream::start().await;
    let family = json!({"definition": {"enabled": true, "name": "v1", "default": "self", "location": "header",
        "key": "ver", "versions": {"v2": "second"}}});
    let setup = Setup::new().api(api(&upstream).named("first").with(family)).api(api(&upstream).named("second"));
    let gateway = Gateway::start(controlled(setup)).await;
    let base = async |id: &str| {
        let shown = call(&gateway, "GET", &format!("/tyk/apis/{id}"), &Value::Null).await;
        shown.header("x-tyk-base-api-id").map(str::to_owned)
    };
    assert_eq!([base("first").await, base("second").await], [None, Some("first".to_owned())]);
}
