//! The gateway under a service manager, and how it tells whether it is well.

use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::harness::{Gateway, Process, Redis, Setup, Upstream, api, until, within};

/// The next thing that the gateway tells its service manager.
async fn told(manager: &UnixDatagram) -> String {
    let mut message = [0; 1024];
    let count = within("a message to the service manager", manager.recv(&mut message)).await.unwrap();
    String::from_utf8_lossy(&message[..count]).into_owned()
}

#[tokio::test]
async fn the_service_manager_hears_of_the_start_of_reloads_and_of_the_end() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let upstream = Upstream::start().await;
    let setup = Setup::from(api(&upstream)).env("NOTIFY_SOCKET", socket.display().to_string());
    let mut gateway = Gateway::start(setup).await;

    assert_eq!(told(&manager).await.trim(), "READY=1");
    gateway.process.tell(Signal::HUP);
    let reloading = told(&manager).await;
    assert!(reloading.contains("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(told(&manager).await.trim(), "READY=1");
    gateway.process.tell(Signal::TERM);
    assert_eq!(told(&manager).await.trim(), "STOPPING=1");
    assert_eq!(gateway.process.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_socket_of_the_service_manager_takes_the_place_of_the_port() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    fcntl_setfd(&listener, FdFlags::empty()).unwrap();
    let folder = Setup::new().conf(json!({"listen_port": 1})).write();
    let script = format!(
        "exec 3<&{} && export LISTEN_PID=$$ LISTEN_FDS=1 && exec {} --conf tyk.conf",
        listener.as_raw_fd(),
        env!("CARGO_BIN_EXE_outrigger")
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(folder.path()).env_clear();
    let mut process = Process::start("the gateway", command);

    let said: Value = serde_json::from_str(&process.says("\"listening\"").await).unwrap();
    assert_eq!(said["address"], address.to_string());
    drop(listener);
    let url = format!("http://{address}/hello");
    let mut asks = crate::harness::outrigger(&["healthcheck", "--url", &url]);
    assert!(within("an answer", asks.status()).await.unwrap().success());
    process.tell(Signal::TERM);
    assert_eq!(process.end().await.code(), Some(0));
}

// === Health ===

#[tokio::test]
async fn health_tells_of_the_store_after_the_first_look_and_readiness_needs_it() {
    let mut redis = Redis::start().await;
    let conf = json!({"liveness_check": {"check_duration": 200_000_000}});
    let gateway = Gateway::start(Setup::new().conf(conf).conf(redis.conf())).await;
    let hello = async || gateway.get("/hello").await.json();
    until("the first look", async || hello().await["details"]["redis"]["status"] == "pass").await;
    let component = &hello().await["details"]["redis"];
    assert_eq!((&component["componentType"], component.get("output")), (&json!("datastore"), None));
    assert!(component["time"].as_str().unwrap().contains('T'));
    assert_eq!(gateway.get("/ready").await.status(), 200);

    redis.stop();

    until("trouble to be seen", async || hello().await["status"] == "fail").await;
    assert_eq!(gateway.get("/hello").await.status(), 200);
    assert!(hello().await["details"]["redis"]["output"].is_string());
    let ready = gateway.get("/ready").await;
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.json(), json!({"status": "error", "message": "Redis connection not available"}));

    redis.start_again().await;
    until("the gateway to be ready again", async || gateway.get("/ready").await.status() == 200).await;
}

#[tokio::test]
async fn health_tells_of_the_embedded_store_too() {
    let conf = json!({"liveness_check": {"check_duration": Duration::from_millis(50).as_nanos() as u64}});
    let gateway = Gateway::start(Setup::new().conf(conf)).await;

    let details = async || gateway.get("/hello").await.json()["details"]["embedded"]["status"].clone();
    until("the first look", async || details().await == "pass").await;
}
