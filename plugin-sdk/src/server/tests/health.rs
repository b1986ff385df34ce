//! The health check, as probes and load balancers ask it.

use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn the_server_and_its_dispatcher_serve_from_the_start() {
    let server = start("127.0.0.1:0").await;
    let mut client = HealthClient::new(server.channel().await);

    for service in ["", "coprocess.Dispatcher"] {
        let reply = client.check(of(service)).await.unwrap();
        assert_eq!(reply.get_ref().status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = client.check(of("other.Service")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn a_watch_hears_of_the_stop_and_does_not_hold_it_up() {
    let server = start("127.0.0.1:0").await;
    let mut client = HealthClient::new(server.channel().await);
    let mut watch = client.watch(of("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    let before = std::time::Instant::now();
    server.stopped().await;

    assert!(before.elapsed() < DRAIN_IN_TESTS);
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(watch.message().await.unwrap(), None);
}

#[tokio::test]
async fn while_calls_finish_the_server_is_not_healthy() {
    let server = start("127.0.0.1:0").await;
    let mut client = HealthClient::new(server.channel().await);
    let mut watch = client.watch(of("coprocess.Dispatcher")).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    let mut hanging = server.client().await;
    let call = tokio::spawn(async move { hanging.dispatch(pre("/hangs")).await });
    server.hangs(true).await;

    let stopping = tokio::spawn(server.stopped());

    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(!call.is_finished());
    stopping.await.unwrap();
}
