//! TLS as a gateway meets it: a server it can trust, and one that trusts not everybody.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::*;

/// An authority, and a folder with the files it gives out.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        authority.write("ca.pem", &authority.issuer.pem());
        let (certificate, key) = authority.issue("localhost");
        authority.write("server.pem", &certificate);
        authority.write("server.key", &key);
        authority
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }

    fn server(&self) -> Server {
        Server::new().tls(self.path("server.pem"), self.path("server.key"))
    }

    /// A client that trusts this authority.
    fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.issuer.pem())).domain_name("localhost")
    }
}

async fn call(server: &Running, client: ClientTlsConfig) -> Result<Object, String> {
    let address = server.address.replace("tcp://", "https://");
    let endpoint = Endpoint::from_shared(address).unwrap().tls_config(client).unwrap();
    let channel = endpoint.connect().await.map_err(|error| format!("{error:?}"))?;
    let reply = DispatcherClient::new(channel).dispatch(pre("/")).await;
    reply.map(tonic::Response::into_inner).map_err(|status| format!("{status:?}"))
}

async fn refused(server: Server) -> ServerError {
    server.bind("127.0.0.1:0").await.err().unwrap()
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_answered() {
    let authority = Authority::new();
    let server = start_with(authority.server(), "127.0.0.1:0").await;

    assert!(was_seen(&call(&server, authority.client()).await.unwrap()));
    server.stopped().await;
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_leaves() {
    let server = start_with(Authority::new().server(), "127.0.0.1:0").await;

    let error = call(&server, Authority::new().client()).await.unwrap_err();

    assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{error}");
}

#[tokio::test]
async fn a_client_without_tls_is_not_answered() {
    let server = start_with(Authority::new().server(), "127.0.0.1:0").await;
    let address = server.address.replace("tcp://", "http://");
    let channel = Endpoint::from_shared(address).unwrap().connect_lazy();

    let error = DispatcherClient::new(channel).dispatch(pre("/")).await.unwrap_err();

    assert_eq!(error.message(), "transport error", "{error:?}");
}

#[tokio::test]
async fn under_a_client_ca_only_its_clients_are_answered() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = start_with(authority.server().client_ca(authority.path("ca.pem")), "127.0.0.1:0").await;
    let client = |(certificate, key)| authority.client().identity(Identity::from_pem(certificate, key));

    let nameless = call(&server, authority.client()).await.unwrap_err();
    assert!(nameless.contains("CertificateRequired"), "{nameless}");
    let strange = call(&server, client(other.issue("gateway"))).await.unwrap_err();
    assert!(strange.contains("UnknownCA") || strange.contains("DecryptError"), "{strange}");
    assert!(was_seen(&call(&server, client(authority.issue("gateway"))).await.unwrap()));
}

#[tokio::test]
async fn files_that_do_not_serve_are_named() {
    let authority = Authority::new();
    let (_, key) = authority.issue("localhost");
    authority.write("other.key", &key);
    authority.write("empty.pem", "");
    authority.write("odd.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let tls = |certificate, key| Server::new().tls(authority.path(certificate), authority.path(key));
    let ca = |file| authority.server().client_ca(authority.path(file));

    for (server, says) in [
        (tls("none.pem", "server.key"), ["cannot read", "none.pem"]),
        (tls("empty.pem", "server.key"), ["empty.pem", "holds no certificate in PEM form"]),
        (tls("server.pem", "server.pem"), ["server.pem", "holds no private key without a password in PEM form"]),
        (tls("server.pem", "other.key"), ["cannot serve TLS", "KeyMismatch"]),
        (ca("none.pem"), ["cannot read", "none.pem"]),
        (ca("empty.pem"), ["empty.pem", "holds no certificate"]),
        (ca("odd.pem"), ["odd.pem", "is no authority to know clients by"]),
        (Server::new().client_ca(authority.path("ca.pem")), ["a client_ca needs TLS", "Server::tls"]),
    ] {
        let error = refused(server).await.to_string();
        assert!(says.iter().all(|part| error.contains(part)), "{error}");
    }
}
