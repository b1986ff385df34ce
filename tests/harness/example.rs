//! The examples as processes, built through Cargo once per run so that none is stale.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::{PluginServer, Process};

/// Starts an example at this address; gives its process and where it listens.
pub async fn example(name: &str, address: &str) -> (Process, PluginServer) {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build);
    let mut command = tokio::process::Command::new(folder().join("examples").join(name));
    command.arg(address).env_clear();
    listening(Process::start(name, command)).await
}

/// Starts an example in Python, in the environment that `tests/run` makes for it.
pub async fn python_example(name: &str, address: &str) -> (Process, PluginServer) {
    let python = folder().parent().unwrap().join("python/bin/python");
    assert!(python.exists(), "there is no {}; tests/run makes it", python.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/python").join(name);
    let mut command = tokio::process::Command::new(python);
    command.arg(script).arg(address).env_clear();
    listening(Process::start(name, command)).await
}

/// Starts an example in Node, whose packages `tests/run` installs beside it.
pub async fn node_example(name: &str, address: &str) -> (Process, PluginServer) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/node");
    let packages = examples.join("node_modules");
    assert!(packages.exists(), "there is no {}; tests/run makes it", packages.display());
    let mut command = tokio::process::Command::new("node");
    command.arg(examples.join(name)).arg(address);
    listening(Process::start(name, command)).await
}

/// Waits for the line in which a plugin server says where it listens.
async fn listening(process: Process) -> (Process, PluginServer) {
    let line = process.says("listening on ").await;
    let server = PluginServer::elsewhere(line.trim_start_matches("listening on "));
    (process, server)
}

/// Where Cargo put the gateway, and puts the examples.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_outrigger")).parent().unwrap()
}

/// All packages are named, so that what a run of all tests has built is not built again.
fn build() {
    let profile = match folder().file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--workspace", "--examples", "--profile", profile, "--manifest-path"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    command.arg("--target-dir").arg(folder().parent().unwrap());
    assert!(command.status().unwrap().success(), "the examples do not build");
}
