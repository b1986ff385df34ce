//! The gateway's process.

use std::net::SocketAddr;
use std::process::ExitStatus;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Answer, Connection, Process, Setup, request, until};

/// The binary that Cargo built for this run, with these arguments and nothing of our environment.
pub fn outrigger(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
    command.args(arguments).env_clear();
    command
}

/// A gateway that takes requests.
pub struct Gateway {
    pub process: Process,
    pub address: SocketAddr,
    _folder: TempDir,
    _setup: Setup,
}

impl Gateway {
    pub async fn start(setup: impl Into<Setup>) -> Self {
        let gateway = Self::listening(setup).await;
        until("/hello", async || gateway.get("/hello").await.status() == 200).await;
        gateway
    }

    /// The same where `/hello` is not to be had in the clear.
    pub async fn listening(setup: impl Into<Setup>) -> Self {
        let setup = setup.into();
        let (process, folder) = run(&setup);
        let line: Value = serde_json::from_str(&process.says("\"listening\"").await).unwrap();
        let address = line["address"].as_str().unwrap().parse().unwrap();
        Self { process, address, _folder: folder, _setup: setup }
    }

    /// Runs one that must not start; gives the exit code and what it said.
    pub async fn refused(setup: impl Into<Setup>) -> (i32, String) {
        let (mut process, _folder) = run(&setup.into());
        let code = process.end().await.code().unwrap();
        (code, process.lines().join("\n"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path), "").await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(request("POST", path), body).await
    }

    /// Sends a request over a connection of its own.
    pub async fn send(&self, request: http::request::Builder, body: &str) -> Answer {
        let request: Request<Full<Bytes>> = request.body(Bytes::copy_from_slice(body.as_bytes()).into()).unwrap();
        let mut connection = Connection::open(self.address).await.expect("the gateway accepts");
        connection.send(request).await.expect("the gateway answers")
    }

    /// The access line of the only request.
    pub async fn access(&self) -> Value {
        serde_json::from_str(&self.process.says("outrigger::access").await).unwrap()
    }

    /// Ends it as an orchestrator does.
    pub async fn stop(mut self) -> (ExitStatus, Vec<String>) {
        self.process.tell(Signal::TERM);
        (self.process.end().await, self.process.lines())
    }
}

fn run(setup: &Setup) -> (Process, TempDir) {
    let folder = setup.write();
    let mut command = outrigger(&["--conf", "tyk.conf"]);
    command.current_dir(folder.path()).envs(setup.env.iter().cloned());
    (Process::start("the gateway", command), folder)
}
