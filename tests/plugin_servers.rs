//! Where plugin servers are found: sockets, names, several endpoints.

use std::collections::BTreeSet;

use outrigger_plugin::{HookResult, Plugin, Request, Server, SessionRequest};
use serde_json::json;
use tokio::sync::mpsc;

use crate::harness::{Connection, Gateway, PluginServer, Setup, Upstream, Wire, api, host, serve, until, within};

/// Says who it is.
struct Named(&'static str);

impl Plugin for Named {
    async fn pre(&self, request: &mut Request) -> HookResult {
        request.set_header("X-Pre-By", self.0);
        Ok(())
    }

    async fn post(&self, request: &mut SessionRequest) -> HookResult {
        request.set_header("X-Post-By", self.0);
        Ok(())
    }
}

#[tokio::test]
async fn a_plugin_server_is_reached_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("plugin.sock").display());
    let upstream = Upstream::start().await;
    let plugin = host(Server::new().plugin(Named("unix")), &socket).await;
    assert!(plugin.address.starts_with("unix:///"), "{}", plugin.address);
    let gateway = Gateway::start(api(&upstream).pre(plugin)).await;

    assert_eq!(gateway.get("/").await.status(), 200);
    assert_eq!(upstream.request().header("X-Pre-By"), Some("unix"));
}

#[tokio::test]
async fn a_socket_file_left_by_a_killed_plugin_server_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("plugin.sock").display());
    let upstream = Upstream::start().await;
    // A listener of the standard library leaves its file behind.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("plugin.sock")).unwrap());
    let gateway = Gateway::start(api(&upstream).pre(PluginServer::elsewhere(&socket))).await;
    assert_eq!(gateway.get("/").await.status(), 500);

    let _plugin = host(Server::new().plugin(Named("second")), &socket).await;

    until("the new server to be called", async || gateway.get("/").await.status() == 200).await;
    assert_eq!(upstream.request().header("X-Pre-By"), Some("second"));
}

#[tokio::test]
async fn a_hook_names_the_plugin_server_that_it_calls() {
    let upstream = Upstream::start().await;
    // The harness names a second server in `plugin_servers`, and in its hook.
    let gateway =
        Gateway::start(api(&upstream).pre(serve(Named("default")).await).post(serve(Named("other")).await)).await;

    gateway.get("/").await;

    let received = upstream.request();
    assert_eq!((received.header("X-Pre-By"), received.header("X-Post-By")), (Some("default"), Some("other")));
}

#[tokio::test]
async fn calls_go_to_all_endpoints_of_a_server_and_go_on_when_one_dies() {
    let upstream = Upstream::start().await;
    let (one, two) = (serve(Named("one")).await, serve(Named("two")).await);
    let endpoints = json!([one.address, two.address]);
    let setup = Setup::from(api(&upstream).with(json!({
        "custom_middleware": {"driver": "grpc", "pre": [{"name": "MyPre", "server": "pair"}]},
    })));
    let options = json!({"enable_coprocess": true, "plugin_servers": {"pair": {"endpoints": endpoints}}});
    let gateway = Gateway::start(setup.conf(json!({"coprocess_options": options}))).await;
    let callers = |from: usize| -> BTreeSet<String> {
        let received = upstream.requests().split_off(from);
        received.iter().map(|request| request.header("X-Pre-By").unwrap().to_owned()).collect()
    };

    // One connection is one worker, and each worker takes turns of its own.
    let mut client = Connection::open(gateway.address).await.unwrap();
    for _ in 0..8 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    assert_eq!(callers(0), ["one", "two"].map(str::to_owned).into());

    one.kill();
    // Only a call under way when the server died might fail.
    for _ in 0..8 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    assert_eq!(callers(8), ["two"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_plugin_server_may_start_after_the_gateway() {
    let upstream = Upstream::start().await;
    let plugin = serve(Named("late")).await;
    let address = plugin.address.clone();
    plugin.kill();
    let gateway = Gateway::start(api(&upstream).pre(PluginServer::elsewhere(&address))).await;
    assert_eq!(gateway.get("/").await.status(), 500);

    let _plugin = host(Server::new().plugin(Named("late")), &address).await;

    until("the plugin server to be called", async || gateway.get("/").await.status() == 200).await;
}

#[tokio::test]
async fn a_call_is_cancelled_when_the_client_leaves() {
    /// Waits for ever, and tells when it is given up.
    struct Patient(mpsc::UnboundedSender<&'static str>);
    struct OnDrop(mpsc::UnboundedSender<&'static str>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.send("given up");
        }
    }
    impl Plugin for Patient {
        async fn pre(&self, _: &mut Request) -> HookResult {
            let _given_up = OnDrop(self.0.clone());
            self.0.send("called").unwrap();
            std::future::pending().await
        }
    }
    let (tell, mut told) = mpsc::unbounded_channel();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(api(&upstream).pre(serve(Patient(tell)).await)).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(within("a call", told.recv()).await, Some("called"));

    drop(client);

    assert_eq!(within("its end", told.recv()).await, Some("given up"));
    assert_eq!(gateway.access().await["status"], 499);
}
