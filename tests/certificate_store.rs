//! The store of certificates: what goes in, what is told of it, and where ids stand.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use rcgen::{CertificateParams, CertifiedKey, KeyPair, PKCS_RSA_SHA256, SigningKey, generate_simple_self_signed};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Gateway, Identity, Redis, SECRET, Secure, Secured, Setup, Upstream, api, fingerprint, request,
};

/// Where a gateway keeps what it is told.
enum Place {
    Embedded,
    Redis(Redis),
}

impl Place {
    async fn both() -> [Self; 2] {
        [Self::Embedded, Self::Redis(Redis::start().await)]
    }

    fn conf(&self) -> Value {
        match self {
            Self::Embedded => json!({"secret": SECRET}),
            Self::Redis(redis) => {
                let mut conf = redis.conf();
                conf["secret"] = SECRET.into();
                conf
            }
        }
    }
}

async fn call(gateway: &Gateway, method: &str, path: &str, body: &str) -> Answer {
    gateway.send(request(method, path).header("X-Tyk-Authorization", SECRET), body).await
}

async fn upload(gateway: &Gateway, org_id: &str, pem: &str) -> String {
    let added = call(gateway, "POST", &format!("/tyk/certs?org_id={org_id}"), pem).await;
    assert_eq!(added.status(), 200, "{}", added.text());
    added.json()["id"].as_str().unwrap().to_owned()
}

/// The lines of a private key.
fn lines_of_key(pem: &str) -> Vec<&str> {
    let key = pem.split_once("PRIVATE KEY-----").unwrap().1;
    key.lines().filter(|line| !line.is_empty() && !line.contains("-----")).collect()
}

// === What operators do ===

#[tokio::test]
async fn certificates_are_stored_listed_told_of_and_removed() {
    for place in Place::both().await {
        let gateway = Gateway::start(Setup::new().conf(place.conf())).await;
        let (first, second) = (Identity::new(), Identity::new());
        let added = call(&gateway, "POST", "/tyk/certs?org_id=acme", &first.both()).await;
        let id = format!("acme{}", first.fingerprint());
        assert_eq!(added.json(), json!({"id": id, "status": "ok", "message": "Certificate added"}));
        let again = call(&gateway, "POST", "/tyk/certs?org_id=acme", &first.pem).await;
        let message = format!("Certificate with {id} id already exists");
        assert_eq!((again.status(), again.json()), (403, json!({"status": "error", "message": message})));
        let other = upload(&gateway, "acme2", &second.pem).await;
        let free = upload(&gateway, "", &second.pem).await;

        let list = async |path| call(&gateway, "GET", path, "").await.json()["certs"].clone();
        assert_eq!(list("/tyk/certs?org_id=acme").await, json!([id]));
        assert_eq!(list("/tyk/certs?org_id=nobody").await, json!([]));
        assert_eq!(list("/tyk/certs").await.as_array().unwrap().len(), 3);
        let detailed = list("/tyk/certs?org_id=acme&mode=detailed").await;
        assert_eq!([&detailed[0]["id"], &detailed[0]["has_private"]], [&json!(id), &json!(true)]);

        let shown = call(&gateway, "GET", &format!("/tyk/certs/{id}"), "").await.json();
        assert_eq!([&shown["id"], &shown["fingerprint"]], [&json!(id), &json!(first.fingerprint())]);
        assert_eq!([&shown["dns_names"], &shown["has_private"]], [&json!(["client"]), &json!(true)]);
        let several = call(&gateway, "GET", &format!("/tyk/certs/{other},nothing"), "").await.json();
        assert_eq!([&several[0]["id"], &several[1]], [&json!(other), &Value::Null]);
        let missing = call(&gateway, "GET", "/tyk/certs/nothing", "").await;
        let message = json!("Certificate with given SHA256 fingerprint not found");
        assert_eq!((missing.status(), &missing.json()["message"]), (404, &message));

        for id in [&id, &free] {
            let removed = call(&gateway, "DELETE", &format!("/tyk/certs/{id}"), "").await;
            assert_eq!(removed.json(), json!({"status": "ok", "message": "removed"}));
        }
        assert_eq!(list("/tyk/certs").await, json!([other]));
        assert_eq!(call(&gateway, "PUT", "/tyk/certs", "").await.status(), 405);
    }
}

#[tokio::test]
async fn what_is_no_certificate_is_not_stored() {
    let gateway = Gateway::start(Setup::new().conf(json!({"secret": SECRET}))).await;
    let (one, two) = (Identity::new(), Identity::new());
    let mixed = one.pem.clone() + two.both().split_once("-----END CERTIFICATE-----").unwrap().1;
    for (body, message) in [
        ("nonsense", "Failed to decode certificate. It should be PEM encoded."),
        (&Identity::until(2020).pem, "certificate is expired"),
        (&mixed, "tls: private key does not match public key"),
    ] {
        let answer = call(&gateway, "POST", "/tyk/certs", body).await;
        assert_eq!((answer.status(), answer.json()["message"].as_str()), (403, Some(message)));
    }
    assert_eq!(call(&gateway, "GET", "/tyk/certs", "").await.json(), json!({"certs": []}));
    let open = gateway.post("/tyk/certs", &one.pem).await;
    assert_eq!(open.status(), 403, "without the secret");
}

#[tokio::test]
async fn a_private_key_is_nowhere_to_be_read() {
    for place in Place::both().await {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup::new().conf(json!({"storage": {"path": folder.path()}, "log_level": "debug"}));
        let gateway = Gateway::start(setup.conf(place.conf())).await;
        let both = Identity::new().both();
        let id = upload(&gateway, "default", &both).await;
        let told = call(&gateway, "GET", &format!("/tyk/certs/{id}"), "").await;

        let (_, lines) = gateway.stop().await;
        let mut kept = told.text().to_owned() + &lines.join("\n");
        match &place {
            Place::Embedded => kept += &files(folder.path()),
            Place::Redis(redis) => {
                let text: String = redis.say(&["GET", &format!("cert-raw-{id}")]);
                assert!(text.contains("BEGIN ENCRYPTED PRIVATE KEY") && text.contains("DEK-Info: AES-256-CBC,"));
                let index: Vec<String> = redis.say(&["LRANGE", "cert-default-index", "0", "-1"]);
                assert_eq!(index, [format!("raw-{id}")]);
                kept += &text;
            }
        }
        assert!(kept.contains(&id));
        for line in lines_of_key(&both) {
            assert!(!kept.contains(line), "{line}");
        }
    }
}

/// All that lies in a folder.
fn files(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    entries.map(|path| if path.is_dir() { files(&path) } else { text(&path) }).collect()
}

#[tokio::test]
async fn no_private_key_is_stored_where_there_is_nothing_to_encrypt_it_with() {
    let open = json!({"allow_unauthenticated_control_api": true});
    let gateway = Gateway::start(Setup::new().conf(open)).await;
    let identity = Identity::new();
    let refused = gateway.post("/tyk/certs", &identity.both()).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().contains("security.private_certificate_encoding_secret"), "{}", refused.text());
    assert_eq!(gateway.post("/tyk/certs", &identity.pem).await.status(), 200);
}

// === Where ids stand ===

#[tokio::test]
async fn a_stored_certificate_lets_its_holder_in_from_one_reload_to_another() {
    let redis = Redis::start().await;
    let (caller, upstream) = (Identity::new(), Upstream::start().await);
    let listed = json!({"use_mutual_tls_auth": true, "client_certificates": [caller.id()]});
    for conf in [json!({}), redis.conf()] {
        let gateway = Secured::start(Setup::from(api(&upstream).with(listed.clone())).conf(conf)).await;
        assert_eq!(gateway.hears(Some(&caller), None).await.0, 404);
        gateway.upload("default", &caller.pem).await;
        assert_eq!(gateway.hears(Some(&caller), None).await.0, 404);
        gateway.reload().await;
        assert_eq!(gateway.hears(Some(&caller), None).await.0, 200);
        gateway.reload().await;
        assert_eq!(gateway.hears(Some(&caller), None).await.0, 200);
        gateway.control("DELETE", &format!("/tyk/certs/{}", caller.id()), "").await;
        assert_eq!(gateway.hears(Some(&caller), None).await.0, 200);
        gateway.reload().await;
        assert_eq!(gateway.hears(Some(&caller), None).await.0, 404);
        let missing = format!("client_certificates[0]: {}: the store has no certificate of this id", caller.id());
        assert_eq!(gateway.process.says_times(2, &missing).await.len(), 2);
    }
}

#[tokio::test]
async fn whom_the_operator_welcomes_by_id_is_welcome_as_long_as_the_certificate_is_stored() {
    let redis = Redis::start().await;
    let (caller, operator, upstream) = (Identity::new(), Identity::new(), Upstream::start().await);
    let security = json!({
        "control_api_use_mutual_tls": true,
        "certificates": {"apis": [caller.id()], "control_api": [operator.id()]},
    });
    let conf = redis.conf();
    let (code, said) = Gateway::refused(
        Setup::new()
            .conf(json!({"security": {"certificates": {"apis": [caller.id()]}}, "secret": SECRET}))
            .conf(conf.clone()),
    )
    .await;
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("security.certificates.apis[0] is") && said.contains("POST it to /tyk/certs"), "{said}");

    let first = Gateway::start(Setup::new().conf(conf.clone()).conf(json!({"secret": SECRET}))).await;
    upload(&first, "default", &caller.pem).await;
    upload(&first, "default", &operator.pem).await;
    let strict = api(&upstream).with(json!({"use_mutual_tls_auth": true}));
    let free = strict.clone().named("other").with(json!({"use_mutual_tls_auth": true}));
    let file = Setup::from(strict).api(free).conf(conf).conf(json!({"security": security}));
    let gateway = Secured::start(file).await;
    assert_eq!(gateway.hears(Some(&caller), None).await.0, 200);
    let ask = async |path| {
        let request = Request::get(path).header("x-tyk-authorization", SECRET);
        gateway.ask(Some(&operator), request, "").await.0
    };
    assert_eq!(ask("/tyk/apis").await, 200);

    for id in [caller.id(), operator.id()] {
        assert_eq!(call(&first, "DELETE", &format!("/tyk/certs/{id}"), "").await.status(), 200);
    }
    assert_eq!(ask("/tyk/reload?block=true").await, 200);
    gateway.process.says("security.certificates.control_api[0]").await;
    assert_eq!(ask("/tyk/apis").await, 403);
    assert_ne!(gateway.hears(Some(&caller), None).await.0, 200);
}

#[tokio::test]
async fn upstreams_are_shown_stored_certificates_and_held_to_stored_keys() {
    let secure = Secure::start().await;
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["gateway.test".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &secure.authority).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let conf = json!({"secret": SECRET, "storage": {"path": folder.path()}});
    let first = Gateway::start(Setup::new().conf(conf.clone())).await;
    let shown = upload(&first, "default", &(certificate.pem() + &key.serialize_pem())).await;
    let pin = upload(&first, "default", &secure.public_key).await;
    let wrong = upload(&first, "default", &Identity::new().pem).await;
    first.stop().await;

    let pinned = |id: &str| json!({"upstream_certificates": {"*": shown}, "pinned_public_keys": {"*": id}});
    let right = secure.api().named("right").with(pinned(&pin));
    let bad = secure.api().named("wrong").with(pinned(&wrong));
    let keyless = secure.api().named("keyless").with(json!({"upstream_certificates": {"*": wrong}}));
    let general = json!({"security": {"certificates": {"upstream": {"*": shown}}, "pinned_public_keys": {"*": wrong}}});
    let setup = Setup::from(right).api(bad).api(keyless).api(secure.api().named("general"));
    let gateway = secure.trusted(setup.conf(conf).conf(general)).await;

    assert_eq!(gateway.get("/right/").await.text(), "secret");
    assert_eq!(gateway.get("/wrong/").await.status(), 500);
    assert_eq!(gateway.get("/general/").await.status(), 500);
    assert_eq!(gateway.get("/keyless/").await.status(), 404);
    gateway.process.says("this certificate is stored without its private key").await;
    assert_eq!(secure.shaken()[0].client, Some(certificate.der().to_vec()));
}

#[tokio::test]
async fn an_api_shows_its_own_certificate_to_those_who_ask_for_its_name() {
    let upstream = Upstream::start().await;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
    let pem = cert.pem() + &signing_key.serialize_pem();
    let id = format!("default{}", fingerprint(cert.der()));
    let shop = api(&upstream).named("shop").with(json!({"certificates": [id]}));
    let filed = api(&upstream).named("filed").with(json!({"certificates": ["filed.pem"]}));
    let other = generate_simple_self_signed(["filed.test".to_owned()]).unwrap();
    let filed_pem = other.cert.pem() + &other.signing_key.serialize_pem();
    let gateway = Secured::start(Setup::from(shop).api(filed).file("filed.pem", filed_pem)).await;

    assert_ne!(gateway.shows("shop.test").await, *cert.der());
    assert_eq!(gateway.shows("filed.test").await, *other.cert.der());
    gateway.process.says("certificates[0]: ").await;
    gateway.upload("default", &pem).await;
    gateway.reload().await;
    assert_eq!(gateway.shows("shop.test").await, *cert.der());
    assert_eq!(gateway.shows("localhost").await, gateway.shows("nobody.test").await);
    gateway.control("DELETE", &format!("/tyk/certs/{id}"), "").await;
    gateway.reload().await;
    assert_ne!(gateway.shows("shop.test").await, *cert.der());
}

#[tokio::test]
async fn the_listener_shows_stored_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let conf = json!({"secret": SECRET, "storage": {"path": folder.path()}});
    let first = Gateway::start(Setup::new().conf(conf.clone())).await;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["stored.test".to_owned()]).unwrap();
    let id = upload(&first, "", &(cert.pem() + &signing_key.serialize_pem())).await;
    first.stop().await;

    let with = |id: &str, more: Value| {
        let listed = json!({"http_server_options": {"use_ssl": true, "ssl_certificates": [id]}});
        Setup::new().conf(conf.clone()).conf(listed).conf(more)
    };
    let gateway = Secured::start(with(&id, json!({}))).await;
    assert_eq!(gateway.shows("stored.test").await, *cert.der());
    gateway.process.kill().await;

    let other = json!({"security": {"private_certificate_encoding_secret": "another"}});
    for (setup, reason) in [
        (with(&"a".repeat(64), json!({})), "the store has no certificate of this id"),
        (with(&id, other), "its private key cannot be decrypted"),
    ] {
        let (code, said) = Gateway::refused(setup).await;
        assert_eq!(code, 64, "{said}");
        assert!(said.contains("http_server_options.ssl_certificates[0]") && said.contains(reason), "{said}");
    }
}

#[tokio::test]
async fn a_signature_is_checked_with_the_stored_key_of_its_caller() {
    let upstream = Upstream::start().await;
    let signed = api(&upstream).with(json!({"use_keyless": false, "enable_signature_checking": true}));
    let gateway = Gateway::start(Setup::from(signed).conf(json!({"secret": SECRET}))).await;
    let [mine, other] = [(); 2].map(|()| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
    let id = upload(&gateway, "default", &mine.public_key_pem()).await;
    let key = json!({
        "org_id": "default", "access_rights": {"api": {"api_id": "api", "versions": ["Default"]}},
        "enable_http_signature_validation": true, "rsa_certificate_id": id,
    });
    assert_eq!(call(&gateway, "POST", "/tyk/keys/signer", &key.to_string()).await.status(), 200);
    let hears = async |pair: &KeyPair| {
        const DATE: &str = "Sat, 07 Jun 2014 20:51:35 GMT";
        let signature = STANDARD.encode(pair.sign(format!("date: {DATE}").as_bytes()).unwrap());
        let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let parts = format!("keyId=\"defaultsigner\",algorithm=\"rsa-sha256\",signature=\"{signature}\"");
        let request = request("GET", "/x").header("Date", DATE).header("Authorization", format!("Signature {parts}"));
        gateway.send(request, "").await
    };

    assert_eq!(hears(&mine).await.status(), 200);
    let wrong = hears(&other).await;
    let refusal = "Authorization field missing, malformed or invalid".to_owned();
    assert_eq!((wrong.status(), wrong.error()), (400, refusal));
    assert_eq!(call(&gateway, "DELETE", &format!("/tyk/certs/{id}"), "").await.status(), 200);
    let gone = hears(&mine).await;
    assert_eq!((gone.status(), gone.error()), (500, "Certificate not found".to_owned()));
}

#[tokio::test]
async fn a_definition_is_written_that_names_what_was_just_stored_and_no_other() {
    let upstream = Upstream::start().await;
    let gateway = Secured::start(Setup::new()).await;
    let caller = Identity::new();
    let definition = api(&upstream)
        .named("new")
        .with(json!({"use_mutual_tls_auth": true, "client_certificates": [caller.id()]}))
        .document(|_| String::new())
        .to_string();
    let (status, refusal) = gateway.control("POST", "/tyk/apis", &definition).await;
    assert_eq!(status, 400, "{refusal}");
    assert!(refusal["message"].as_str().unwrap().contains("client_certificates[0]"), "{refusal}");
    gateway.upload("default", &caller.pem).await;
    assert_eq!(gateway.control("POST", "/tyk/apis", &definition).await.0, 200);
}

#[tokio::test]
async fn a_store_that_is_away_refuses_those_who_need_it_and_they_are_served_when_it_is_back() {
    let mut redis = Redis::start().await;
    let (caller, upstream) = (Identity::new(), Upstream::start().await);
    let listed = json!({"use_mutual_tls_auth": true, "client_certificates": [caller.id()]});
    redis.stop();
    let setup = Setup::from(api(&upstream).with(listed)).api(api(&upstream).named("free"));
    let gateway = Secured::start(setup.conf(redis.conf())).await;
    gateway.process.says("the certificate cannot be fetched").await;
    assert_eq!(gateway.ask(None, Request::get("/free/"), "").await.0, 200);

    redis.start_again().await;
    gateway.process.says("policies and API definitions are loaded anew").await;
    gateway.upload("default", &caller.pem).await;
    gateway.reload().await;
    assert_eq!(gateway.hears(Some(&caller), None).await.0, 200);

    redis.stop();
    gateway.reload().await;
    gateway.process.says("nothing is loaded anew, what was served is served on").await;
    assert_eq!(gateway.hears(Some(&caller), None).await.0, 200);
}
