//! Calls over gRPC that pass through, to upstreams in the clear and over TLS.

use outrigger_plugin::{Plugin, Server};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::{Api, Gateway, PluginServer, Secure, Setup, host, serve, within};

struct Idle;

impl Plugin for Idle {}

/// A gRPC server that can be talked to.
pub async fn idle() -> PluginServer {
    serve(Idle).await
}

/// A client's connection to the gateway, without TLS.
async fn channel(gateway: &Gateway) -> Channel {
    Endpoint::from_shared(format!("http://{}", gateway.address)).unwrap().connect().await.unwrap()
}

fn question(symbol: &str) -> ServerReflectionRequest {
    let asked = MessageRequest::FileContainingSymbol(symbol.to_owned());
    ServerReflectionRequest { host: String::new(), message_request: Some(asked) }
}

/// Talks to the upstream, of which each answer comes before the next question is asked.
pub async fn talk(channel: Channel) {
    let mut client = ServerReflectionClient::new(channel);
    let (ask, questions) = mpsc::unbounded_channel();
    ask.send(question("coprocess.Dispatcher")).unwrap();
    let mut answers =
        client.server_reflection_info(UnboundedReceiverStream::new(questions)).await.unwrap().into_inner();
    for symbol in ["coprocess.Object", "coprocess.MiniRequestObject", "coprocess.Dispatcher"] {
        let answer = answers.message().await.unwrap().unwrap();
        assert!(matches!(answer.message_response, Some(MessageResponse::FileDescriptorResponse(_))), "{answer:?}");
        ask.send(question(symbol)).unwrap();
    }
    assert!(answers.message().await.unwrap().is_some());
    drop(ask);
    // Without the status that only trailers hold this would be an error.
    assert!(answers.message().await.unwrap().is_none());
    assert!(answers.trailers().await.unwrap().is_some());
}

#[tokio::test]
async fn both_sides_stream_in_the_clear() {
    let server = idle().await;
    let gateway = Gateway::start(Api::to(&format!("h2c://{}", bare(&server.address)))).await;

    let channel = channel(&gateway).await;

    within("two talks over one connection", async { tokio::join!(talk(channel.clone()), talk(channel)) }).await;
}

#[tokio::test]
async fn both_sides_stream_over_tls() {
    let secure = Secure::start().await;
    let (certificate, key) = secure.identity();
    let (certificate, key) = (secure.file("certificate.pem", &certificate), secure.file("key.pem", &key));
    let server = host(Server::new().plugin(Idle).tls(certificate, key), "127.0.0.1:0").await;
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let api = Api::to(&format!("https://localhost:{port}"));
    let gateway = secure.trusted(Setup::from(api).conf(json!({"proxy_enable_http2": true}))).await;

    within("a talk", talk(channel(&gateway).await)).await;
}

#[tokio::test]
async fn a_status_in_place_of_an_answer_reaches_the_client() {
    // A gRPC server that knows no such service says so without a body.
    let server = idle().await;
    let gateway = Gateway::start(Api::to(&format!("h2c://{}/no.such", bare(&server.address)))).await;
    let mut client = ServerReflectionClient::new(channel(&gateway).await);

    let status =
        within("a status", client.server_reflection_info(tokio_stream::once(question("x")))).await.unwrap_err();

    assert_eq!(status.code(), Code::Unimplemented);
}

pub fn bare(address: &str) -> &str {
    address.rsplit("//").next().unwrap()
}
