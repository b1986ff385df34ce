//! A server as a gateway meets it: over its sockets.

#![allow(clippy::unwrap_used)]

mod health;
mod reflection;
mod tls;

use std::path::Path;
use std::sync::Arc;

use coprocess::dispatcher_client::DispatcherClient;
use coprocess::{HookType, MiniRequestObject, Object};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use super::*;
use crate::{HookResult, Request};

const DRAIN_IN_TESTS: Duration = Duration::from_millis(300);

#[derive(Default)]
struct Plugins {
    /// Alive as long as a hook hangs.
    hanging: Arc<()>,
}

impl Plugin for Plugins {
    async fn pre(&self, request: &mut Request) -> HookResult {
        match request.path() {
            "/slow" => tokio::time::sleep(Duration::from_millis(100)).await,
            "/hangs" => {
                let _hangs = self.hanging.clone();
                std::future::pending().await
            }
            "/panics" => panic!("out of tea"),
            _ => {}
        }
        request.set_header("Seen", "yes");
        Ok(())
    }
}

struct Running {
    address: String,
    hanging: Arc<()>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServerError>>,
}

async fn start(address: &str) -> Running {
    start_with(Server::new(), address).await
}

async fn start_with(server: Server, address: &str) -> Running {
    let plugins = Plugins::default();
    let hanging = plugins.hanging.clone();
    let server = server.plugin(plugins).drain(DRAIN_IN_TESTS);
    let bound = server.bind(address).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let address = bound.address().to_string();
    let run = bound.run(async { drop(stopped.await) });
    Running { address, hanging, stop, server: tokio::spawn(run) }
}

impl Running {
    async fn channel(&self) -> Channel {
        let address = self.address.replace("tcp://", "http://");
        Endpoint::from_shared(address).unwrap().connect().await.unwrap()
    }

    async fn client(&self) -> DispatcherClient<Channel> {
        DispatcherClient::new(self.channel().await).max_decoding_message_size(MESSAGE_SIZE)
    }

    /// Waits until a hook hangs, or none does.
    async fn hangs(&self, hangs: bool) {
        while (Arc::strong_count(&self.hanging) > 2) != hangs {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn stopped(self) {
        let _ = self.stop.send(());
        self.server.await.unwrap().unwrap();
    }
}

fn pre(path: &str) -> Object {
    let request = MiniRequestObject { url: path.into(), ..Default::default() };
    Object { hook_type: HookType::Pre.into(), request: Some(request), ..Default::default() }
}

fn was_seen(object: &Object) -> bool {
    object.request.as_ref().unwrap().set_headers.contains_key("Seen")
}

fn socket(folder: &Path) -> String {
    format!("unix:{}", folder.join("p.sock").display())
}

#[tokio::test]
async fn a_server_answers_on_a_port_of_the_systems_choice() {
    let server = start("127.0.0.1:0").await;
    assert!(!server.address.ends_with(":0"));

    let reply = server.client().await.dispatch(pre("/")).await.unwrap();

    assert!(was_seen(reply.get_ref()));
    server.stopped().await;
}

#[tokio::test]
async fn a_server_answers_on_a_socket_file_and_removes_it_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&socket(folder.path())).await;
    assert!(server.address.starts_with("unix:///"));

    let reply = server.client().await.dispatch(pre("/")).await.unwrap();
    assert!(was_seen(reply.get_ref()));
    server.stopped().await;

    assert!(!folder.path().join("p.sock").exists());
}

#[tokio::test]
async fn a_socket_file_that_nobody_listens_on_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("p.sock")).unwrap());

    start(&socket(folder.path())).await.stopped().await;
}

#[tokio::test]
async fn a_socket_file_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&socket(folder.path())).await;

    let error = Server::new().bind(&socket(folder.path())).await.err().unwrap();

    assert!(matches!(error, ServerError::InUse { .. }), "{error}");
    server.client().await.dispatch(pre("/")).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.sock"), "precious").unwrap();

    let error = Server::new().bind(&socket(folder.path())).await.err().unwrap();

    assert!(matches!(error, ServerError::NotASocket { .. }), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_said_so() {
    let server = start("127.0.0.1:0").await;

    let error = Server::new().bind(&server.address).await.err().unwrap();

    assert!(error.to_string().starts_with(&format!("{} is in use", server.address)), "{error}");
}

#[tokio::test]
async fn a_panic_answers_its_call_and_no_other_suffers() {
    let server = start("127.0.0.1:0").await;
    let mut client = server.client().await;

    let failed = client.dispatch(pre("/panics")).await.unwrap().into_inner();
    assert_eq!(failed.request.unwrap().return_overrides.unwrap().response_code, 500);
    assert!(was_seen(client.dispatch(pre("/")).await.unwrap().get_ref()));
}

#[tokio::test]
async fn a_body_larger_than_grpcs_own_limit_goes_both_ways() {
    let server = start("127.0.0.1:0").await;
    let mut object = pre("/");
    object.request.as_mut().unwrap().raw_body = vec![b'x'; 8 << 20].into();

    let reply = server.client().await.dispatch(object).await.unwrap().into_inner();

    assert_eq!(reply.request.unwrap().raw_body.len(), 8 << 20);
}

#[tokio::test]
async fn a_call_in_flight_is_finished_before_the_server_stops() {
    let server = start("127.0.0.1:0").await;
    let mut client = server.client().await;
    let call = tokio::spawn(async move { client.dispatch(pre("/slow")).await });
    tokio::time::sleep(Duration::from_millis(30)).await;

    server.stopped().await;

    assert!(was_seen(call.await.unwrap().unwrap().get_ref()));
}

#[tokio::test]
async fn a_call_that_hangs_does_not_keep_the_server_from_stopping() {
    let server = start("127.0.0.1:0").await;
    let mut client = server.client().await;
    let call = tokio::spawn(async move { client.dispatch(pre("/hangs")).await });
    server.hangs(true).await;

    server.stopped().await;
    call.abort();
}

#[tokio::test]
async fn an_event_is_acknowledged_whatever_it_says() {
    let server = start("127.0.0.1:0").await;
    let event = coprocess::Event { payload: "not JSON".into() };

    server.client().await.dispatch_event(event).await.unwrap();
}

#[tokio::test]
async fn a_hook_ends_when_the_gateway_gives_its_call_up() {
    let server = start("127.0.0.1:0").await;
    let mut client = server.client().await;
    let mut other = client.clone();
    let call = tokio::spawn(async move { client.dispatch(pre("/hangs")).await });
    server.hangs(true).await;

    call.abort();

    server.hangs(false).await;
    other.dispatch(pre("/")).await.unwrap();
}

#[tokio::test]
async fn a_socket_file_is_free_for_the_next_server_while_calls_finish() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&socket(folder.path())).await;
    let mut client = server.client().await;
    let call = tokio::spawn(async move { client.dispatch(pre("/hangs")).await });
    server.hangs(true).await;

    let stopping = tokio::spawn(server.stopped());
    while folder.path().join("p.sock").exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let next = start(&socket(folder.path())).await;
    stopping.await.unwrap();

    next.client().await.dispatch(pre("/")).await.unwrap();
    call.abort();
}
