//! Clients that show certificates, and what these open.

use http::Request;
use rustls::version::TLS12;
use serde_json::{Value, json};

use crate::harness::{Identity, SECRET, Secured, Setup, Upstream, api};

fn ok() -> (u16, String) {
    (200, "hello from upstream".to_owned())
}

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[tokio::test]
async fn an_api_with_a_list_of_certificates_lets_their_holders_in_and_nobody_else() {
    let [by_id, by_file, global, stranger] = [(); 4].map(|()| Identity::new());
    let expired = Identity::until(2020);
    let upstream = Upstream::start().await;
    let listed = json!([by_id.id(), "client.pem", "expired.pem"]);
    let strict = api(&upstream).with(json!({"use_mutual_tls_auth": true, "client_certificates": listed}));
    let setup = Setup::from(strict)
        .api(api(&upstream).named("free"))
        .file("client.pem", by_file.pem.clone())
        .file("expired.pem", expired.pem.clone())
        .file("global.pem", global.pem.clone())
        .conf(json!({"security": {"certificates": {"apis": ["global.pem"]}}}));
    let gateway = Secured::start(setup).await;
    assert_eq!(gateway.upload("default", &by_id.pem).await, by_id.id());
    gateway.reload().await;

    for identity in [&by_id, &by_file, &global] {
        assert_eq!(gateway.hears(Some(identity), None).await, ok());
    }
    assert_eq!(gateway.hears(None, None).await, said(403, "Client TLS certificate is required"));
    let refusal = format!("Certificate with SHA256 {} not allowed", stranger.fingerprint());
    assert_eq!(gateway.hears(Some(&stranger), None).await, said(403, &refusal));
    assert_eq!(gateway.hears(Some(&expired), None).await, said(403, "Certificate has expired"));
    let over_tls12 = |identity| gateway.ask_over(&TLS12, identity, Request::get("/x"), "");
    assert_eq!([over_tls12(Some(&by_id)).await.0, over_tls12(Some(&stranger)).await.0], [200, 403]);
    assert_eq!(gateway.ask(None, Request::get("/free/x"), "").await, ok());
    assert_eq!(gateway.ask(Some(&stranger), Request::get("/free/x"), "").await, ok());
}

#[tokio::test]
async fn an_api_that_asks_for_certificates_in_vain_is_not_served() {
    let upstream = Upstream::start().await;
    let with = |id: &str, list: Value| {
        api(&upstream).named(id).with(json!({"use_mutual_tls_auth": true, "client_certificates": list}))
    };
    let unknown = "a".repeat(64);
    let setup = Setup::new().api(with("nobody", json!([]))).api(with("nowhere", json!(["/no/such.pem"])));
    let gateway = Secured::start(setup.api(with("unknown", json!([unknown])))).await;
    for path in ["/nobody/", "/nowhere/", "/unknown/"] {
        assert_eq!(gateway.ask(None, Request::get(path), "").await.0, 404, "{path}");
    }
    let said = gateway.process.lines().join("\n");
    assert!(said.contains("client_certificates: nobody could call"), "{said}");
    assert!(said.contains("client_certificates[0]: /no/such.pem: neither an id nor a PEM file"), "{said}");
    let missing = format!("client_certificates[0]: {unknown}: the store has no certificate of this id: POST it to");
    assert!(said.contains(&missing), "{said}");

    let clear = crate::harness::Gateway::start(with("clear", json!(["0".repeat(64)]))).await;
    assert_eq!(clear.get("/clear/").await.status(), 404);
    clear.process.says("use_mutual_tls_auth: certificates are shown over TLS only").await;
}

#[tokio::test]
async fn a_certificate_stands_for_the_key_that_belongs_to_it() {
    let (owner, stranger, expired) = (Identity::new(), Identity::new(), Identity::until(2020));
    let upstream = Upstream::start().await;
    let keyed = json!({"use_keyless": false, "auth_configs": {"authToken": {"use_certificate": true}}});
    let gateway = Secured::serving(api(&upstream).with(keyed)).await;
    let (status, made) = gateway.make_key("/tyk/keys/create", json!({"certificate": owner.id()})).await;
    assert_eq!(status, 200, "{made}");
    let key = made["key"].as_str().unwrap();
    gateway.make_key("/tyk/keys/free", json!({})).await;

    const DISALLOWED: &str = "Access to this API has been disallowed";
    assert_eq!(gateway.hears(Some(&owner), None).await, ok());
    assert_eq!(gateway.hears(Some(&owner), Some(key)).await, ok());
    assert_eq!(gateway.hears(None, None).await, said(401, "Authorization field missing"));
    assert_eq!(gateway.hears(None, Some(key)).await, said(401, "Client certificate required"));
    assert_eq!(gateway.hears(Some(&stranger), Some(key)).await, said(401, DISALLOWED));
    assert_eq!(gateway.hears(Some(&stranger), None).await, said(401, DISALLOWED));
    assert_eq!(gateway.hears(Some(&expired), None).await, said(403, "Certificate has expired"));
    assert_eq!(gateway.hears(None, Some("free")).await, ok());
    assert_eq!(gateway.hears(Some(&owner), Some("unknown")).await, said(403, DISALLOWED));
}

#[tokio::test]
async fn a_key_that_belongs_to_a_certificate_goes_without_it_only_where_the_operator_says_so() {
    let owner = Identity::new();
    let upstream = Upstream::start().await;
    let keyed = json!({"use_keyless": false, "auth_configs": {"authToken": {"use_certificate": true}}});
    let setup =
        Setup::from(api(&upstream).with(keyed)).conf(json!({"security": {"allow_unsafe_dynamic_mtls_token": true}}));
    let gateway = Secured::start(setup).await;
    let (_, made) = gateway.make_key("/tyk/keys/create", json!({"certificate": owner.id()})).await;

    assert_eq!(gateway.hears(None, made["key"].as_str()).await, ok());
    assert_eq!(gateway.hears(Some(&Identity::new()), made["key"].as_str()).await.0, 401);
}

#[tokio::test]
async fn a_key_that_is_bound_to_certificates_is_for_their_holders() {
    let [bound, other] = [(); 2].map(|()| Identity::new());
    let expired = Identity::until(2020);
    let upstream = Upstream::start().await;
    let listed = json!(["bound.pem", "other.pem"]);
    let keyed = json!({"use_keyless": false, "use_mutual_tls_auth": true, "client_certificates": listed});
    let asked = api(&upstream).named("asked").with(json!({"use_mutual_tls_auth": false, "use_keyless": false}));
    let rights = json!({"api": {"api_id": "api"}, "asked": {"api_id": "asked"}});
    let setup = Setup::from(api(&upstream).with(keyed)).api(asked);
    let setup = setup.file("bound.pem", bound.pem.clone()).file("other.pem", other.pem.clone());
    let gateway = Secured::start(setup).await;
    let bindings = json!([bound.id(), expired.id()]);
    let fields = json!({"mtls_static_certificate_bindings": bindings, "access_rights": rights});
    assert_eq!(gateway.make_key("/tyk/keys/mine", fields).await.0, 200);
    let nonsense = json!({"mtls_static_certificate_bindings": ["certificate"]});
    assert_eq!(gateway.make_key("/tyk/keys/none", nonsense).await.0, 400);

    const DISALLOWED: &str = "Access to this API has been disallowed";
    assert_eq!(gateway.hears(Some(&bound), Some("mine")).await, ok());
    assert_eq!(gateway.hears(Some(&other), Some("mine")).await, said(401, DISALLOWED));
    let on_asked = async |identity| {
        let request = Request::get("/asked/").header("authorization", "mine");
        gateway.ask(identity, request, "").await.0
    };
    assert_eq!(on_asked(None).await, 401);
    assert_eq!([on_asked(Some(&expired)).await, on_asked(Some(&bound)).await], [403, 200]);
}

#[tokio::test]
async fn the_control_api_may_ask_for_certificates_beside_the_secret() {
    let (operator, stranger) = (Identity::new(), Identity::new());
    let security = json!({"control_api_use_mutual_tls": true, "certificates": {"control_api": ["operator.pem"]}});
    let setup = Setup::new().conf(json!({"security": security})).file("operator.pem", operator.pem.clone());
    let gateway = Secured::start(setup).await;
    let ask = async |identity, secret| {
        let request = Request::get("/tyk/apis").header("x-tyk-authorization", secret);
        let (status, text) = gateway.ask(identity, request, "").await;
        let message = serde_json::from_str::<Value>(&text).unwrap()["message"].as_str().map(str::to_owned);
        (status, message.unwrap_or_default())
    };

    assert_eq!(ask(Some(&operator), SECRET).await.0, 200);
    assert_eq!(ask(None, SECRET).await, said(403, "Client TLS certificate is required"));
    let refusal = format!("Certificate with SHA256 {} not allowed", stranger.fingerprint());
    assert_eq!(ask(Some(&stranger), SECRET).await, said(403, &refusal));
    assert_eq!(ask(Some(&operator), "wrong").await.0, 403);
    assert_eq!(gateway.ask(None, Request::get("/hello"), "").await.0, 200);
}
