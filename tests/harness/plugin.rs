//! A plugin server in the test's own process, on a thread that can be ended like a process.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use outrigger_plugin::{Plugin, Server};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A running plugin server; clones are the same one.
#[derive(Clone)]
pub struct PluginServer {
    /// As `coprocess_grpc_server` wants it.
    pub address: String,
    running: Arc<Mutex<Option<Running>>>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Serves one plugin for every hook, on a port of the system's choice.
pub async fn serve(plugin: impl Plugin) -> PluginServer {
    host(Server::new().plugin(plugin), "127.0.0.1:0").await
}

/// Runs `server` at `address`.
pub async fn host(server: Server, address: &str) -> PluginServer {
    let address = address.to_owned();
    let ((stop, stopped), (ready, bound)) = (oneshot::channel(), oneshot::channel());
    let thread = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bound = server.bind(&address).await.unwrap();
            ready.send(bound.address().to_string()).unwrap();
            tokio::select! {
                served = bound.run(std::future::pending()) => served.unwrap(),
                _ = stopped => {}
            }
        });
    });
    let address = bound.await.expect("the plugin server binds");
    PluginServer { address, running: Arc::new(Mutex::new(Some(Running { stop, thread }))) }
}

impl PluginServer {
    /// One that runs elsewhere, or not at all.
    pub fn elsewhere(address: &str) -> Self {
        Self { address: address.to_owned(), running: Arc::default() }
    }

    /// Drops every call and connection at once, as a killed process does.
    pub fn kill(&self) {
        let Running { stop, thread } = self.running.lock().unwrap().take().expect("the plugin server runs");
        drop(stop);
        thread.join().expect("the plugin server's thread did not panic");
    }
}
