//! Upstreams over https: whom the gateway trusts, what it shows, and whose connections are whose.

use rcgen::{CertificateParams, KeyPair};
use rustls::ProtocolVersion;
use serde_json::{Value, json};

use crate::harness::{Api, Connection, Gateway, Secure, Setup};

fn transport(change: Value) -> Value {
    json!({"proxy": {"transport": change}})
}

// === Trust ===

#[tokio::test]
async fn a_certificate_that_the_system_trusts_is_accepted() {
    let secure = Secure::start().await;
    let gateway = secure.trusted(secure.api()).await;

    let answer = gateway.get("/x").await;

    assert_eq!((answer.status(), answer.text()), (200, "secret"));
    assert_eq!(secure.upstream.request().target, "/x");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let secure = Secure::start().await;
    let rule = json!({"error_overrides": {"500": [{"match": {"flag": "TLI"}, "response": {"message": "unknown"}}]}});
    let gateway = Gateway::start(secure.api().with(rule)).await;

    let answer = gateway.get("/x").await;

    assert_eq!((answer.status(), answer.error()), (500, "unknown".to_owned()));
    let line = gateway.process.says("did not answer").await;
    assert!(line.contains("certificate"), "{line}");
    assert_eq!(secure.upstream.requests(), []);
}

#[tokio::test]
async fn any_certificate_will_do_where_the_operator_says_so() {
    let secure = Secure::start().await;
    let setup = Setup::from(secure.api()).conf(json!({"proxy_ssl_insecure_skip_verify": true}));
    assert_eq!(Gateway::start(setup).await.get("/").await.text(), "secret");
}

#[tokio::test]
async fn an_api_that_verifies_never_uses_the_connections_of_one_that_does_not() {
    let secure = Secure::start().await;
    let lax = secure.api().named("lax").with(transport(json!({"ssl_insecure_skip_verify": true})));
    let gateway = Gateway::start(Setup::from(lax).api(secure.api().named("strict"))).await;
    // One client connection is one worker, with one pool.
    let mut client = Connection::open(gateway.address).await.unwrap();

    assert_eq!(client.get("/lax/").await.text(), "secret");
    assert_eq!(client.get("/strict/").await.status(), 500);
    assert_eq!(client.get("/lax/").await.text(), "secret");

    assert_eq!((secure.upstream.requests().len(), secure.shaken().len()), (2, 1));
}

#[tokio::test]
async fn a_common_name_counts_where_it_must_even_without_verification() {
    let secure = Secure::start().await;
    let api = secure.api().with(transport(json!({
        "ssl_force_common_name_check": true,
        "ssl_insecure_skip_verify": true,
    })));
    let gateway = Gateway::start(api).await;

    assert_eq!(gateway.get("/").await.status(), 500);

    let line = gateway.process.says("did not answer").await;
    assert!(line.contains("common name is \\\"upstream.test\\\", not \\\"localhost\\\""), "{line}");
}

// === Pins ===

#[tokio::test]
async fn an_empty_pin_is_no_pin_and_opens_nothing() {
    let secure = Secure::start().await;
    let gateway = secure.trusted(secure.api().with(json!({"pinned_public_keys": {"*": ""}}))).await;
    assert_eq!(gateway.get("/").await.status(), 404);
    gateway.process.says("pinned_public_keys.*").await;

    let conf = json!({"security": {"pinned_public_keys": {"*": ""}}});
    let (code, said) = Gateway::refused(Setup::new().conf(conf)).await;
    assert!(code == 64 && said.contains("security.pinned_public_keys.*"), "{said}");
}

#[tokio::test]
async fn a_pinned_key_must_be_the_upstreams() {
    let secure = Secure::start().await;
    let other = KeyPair::generate().unwrap().public_key_pem();
    let (right, wrong) = (secure.file("right.pem", &secure.public_key), secure.file("wrong.pem", &other));
    let right =
        secure.api().named("right").with(json!({"pinned_public_keys": {"localhost": format!("{wrong},{right}")}}));
    let wrong = secure.api().named("wrong").with(json!({
        "pinned_public_keys": {"*": wrong},
        "proxy": {"transport": {"ssl_insecure_skip_verify": true}},
    }));
    let hash = "ab".repeat(32);
    let general = secure.api().named("general").with(json!({}));
    let setup = Setup::from(right).api(wrong).api(general);
    let gateway = secure.trusted(setup.conf(json!({"security": {"pinned_public_keys": {"*": hash}}}))).await;

    assert_eq!(gateway.get("/right/").await.text(), "secret");
    assert_eq!(gateway.get("/wrong/").await.status(), 500);
    assert_eq!(gateway.get("/general/").await.status(), 500);
    assert!(gateway.process.says("did not answer").await.contains("none of the pinned ones"));
}

// === What is shown and spoken ===

#[tokio::test]
async fn a_certificate_is_shown_to_the_hosts_that_it_is_for() {
    let secure = Secure::start().await;
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["gateway.test".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &secure.authority).unwrap();
    let file = secure.file("client.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()));
    let shown = secure.api().named("shown").with(json!({"upstream_certificates": {"localhost": file}}));
    let off = shown.clone().named("off").with(json!({"upstream_certificates_disabled": true}));
    let elsewhere = secure.api().named("elsewhere").with(json!({"upstream_certificates": {"*.shop.test": file}}));
    let gateway = secure.trusted(Setup::from(shown).api(off).api(elsewhere)).await;
    let mut client = Connection::open(gateway.address).await.unwrap();

    for path in ["/shown/", "/off/", "/elsewhere/"] {
        assert_eq!(client.get(path).await.text(), "secret", "{path}");
    }

    let shown: Vec<_> = secure.shaken().into_iter().map(|shaken| shaken.client).collect();
    assert_eq!(shown, [Some(certificate.der().to_vec()), None]);
}

#[tokio::test]
async fn the_operator_shows_certificates_for_all_apis() {
    let secure = Secure::start().await;
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["gateway.test".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &secure.authority).unwrap();
    let file = secure.file("client.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()));
    let conf = json!({"security": {"certificates": {"upstream": {"*": file}}}});
    let gateway = secure.trusted(Setup::from(secure.api()).conf(conf)).await;

    assert_eq!(gateway.get("/").await.text(), "secret");
    assert_eq!(secure.shaken()[0].client, Some(certificate.der().to_vec()));
}

#[tokio::test]
async fn versions_and_suites_are_those_of_the_api_and_else_of_the_operator() {
    const SUITE: &str = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    let secure = Secure::start().await;
    let general = secure.api().named("general");
    let own = secure.api().named("own").with(transport(json!({"ssl_min_version": 772, "ssl_max_version": 772})));
    let setup = Setup::from(general).api(own).conf(json!({"proxy_ssl_max_version": 771, "proxy_ssl_ciphers": [SUITE]}));
    let gateway = secure.trusted(setup).await;

    assert_eq!(gateway.get("/general/").await.text(), "secret");
    assert_eq!(gateway.get("/own/").await.text(), "secret");

    let shaken = secure.shaken();
    assert_eq!((shaken[0].version, shaken[0].suite.as_str()), (ProtocolVersion::TLSv1_2, SUITE));
    assert_eq!(shaken[1].version, ProtocolVersion::TLSv1_3);
    assert!(!shaken[0].http2 && !shaken[1].http2);
}

// === Refusals ===

#[tokio::test]
async fn a_setting_that_cannot_be_honoured_refuses_the_api_and_says_where() {
    let secure = Secure::start().await;
    for (change, says) in [
        (transport(json!({"ssl_ciphers": ["TLS_NONE"]})), "proxy.transport.ssl_ciphers[0]: "),
        (transport(json!({"ssl_min_version": 999})), "proxy.transport.ssl_min_version: 999"),
        (transport(json!({"ssl_min_version": 772, "ssl_max_version": 770})), "proxy.transport.ssl_min_version: 772"),
        (
            transport(json!({"proxy_url": "socks4://user:word@127.0.0.1:1"})),
            "proxy.transport.proxy_url: proxies of scheme",
        ),
        (json!({"upstream_certificates": {"*": "/no/such.pem"}}), "upstream_certificates.*: "),
        (json!({"pinned_public_keys": {"up.test": "5e9d9544a1dcd60001d0ed20"}}), "pinned_public_keys.up.test: "),
    ] {
        let gateway = Gateway::start(secure.api().with(change)).await;
        assert_eq!(gateway.get("/").await.status(), 404, "{says}");
        let line = gateway.process.says("API definition refused").await;
        assert!(line.contains(says) && line.contains("apps/api.json") && !line.contains("word@"), "{line}");
    }
}

#[tokio::test]
async fn a_general_setting_that_cannot_be_honoured_stops_the_start() {
    for (conf, says) in [
        (json!({"proxy_ssl_ciphers": ["TLS_NONE"]}), "proxy_ssl_ciphers[0] is \"TLS_NONE\""),
        (json!({"proxy_ssl_min_version": 999}), "proxy_ssl_min_version is 999"),
        (json!({"proxy_ssl_max_version": 770}), "proxy_ssl_max_version is 770"),
        (json!({"security": {"certificates": {"upstream": {"*": "/no.pem"}}}}), "security.certificates.upstream.*"),
        (json!({"security": {"pinned_public_keys": {"*": "abc"}}}), "security.pinned_public_keys.*"),
    ] {
        let (code, said) = Gateway::refused(Setup::from(Api::to("http://127.0.0.1:9/")).conf(conf)).await;
        assert_eq!(code, 64, "{said}");
        assert!(said.contains(says), "{said}");
    }
}
