//! Upstreams over https.

use std::sync::Arc;

use http::Response;
use http_body_util::Full;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::harness::{Api, Gateway, Setup, Upstream, listen};

/// An upstream with a certificate for `localhost`; the certificate of the authority that signed it.
async fn upstream() -> (Upstream, Api, String) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();

    let listener = listen().await;
    let upstream = Upstream::at(listener.local_addr().unwrap());
    let (serving, acceptor) = (upstream.clone(), TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A client that does not trust us ends the handshake.
            if let Ok(socket) = acceptor.accept(socket).await {
                tokio::spawn(serving.clone().serve(socket, Arc::new(|_| Response::new(Full::from("secret")))));
            }
        }
    });
    let api = Api::to(&format!("https://localhost:{}/", upstream.address.port()));
    (upstream, api, authority.pem())
}

#[tokio::test]
async fn a_certificate_that_the_system_trusts_is_accepted() {
    let (upstream, api, authority) = upstream().await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("roots.pem");
    std::fs::write(&trusted, authority).unwrap();
    let gateway = Gateway::start(Setup::from(api).env("SSL_CERT_FILE", trusted.display().to_string())).await;

    let answer = gateway.get("/x").await;

    assert_eq!((answer.status(), answer.text()), (200, "secret"));
    assert_eq!(upstream.request().target, "/x");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (upstream, api, _) = upstream().await;
    let gateway = Gateway::start(api).await;

    let answer = gateway.get("/x").await;

    assert_eq!((answer.status(), answer.error()), (500, "There was a problem proxying the request".to_owned()));
    let line = gateway.process.says("did not answer").await;
    assert!(line.contains("certificate"), "{line}");
    assert_eq!(upstream.requests(), []);
}
