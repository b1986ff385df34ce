//! The examples as processes, built through Cargo once per run so that none is stale.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tokio::process::Command;

use super::{PluginServer, Process};

/// What an example is written in.
#[derive(Clone, Copy)]
pub enum Language {
    Rust,
    /// In the environment that `tests/run` makes for it.
    Python,
    /// With the packages that `tests/run` installs beside it.
    Node,
}

/// Starts an example at this address; gives its process and where it listens.
pub async fn example(language: Language, name: &str, address: &str) -> (Process, PluginServer) {
    let mut command = match language {
        Language::Rust => rust(name),
        Language::Python => python(name),
        Language::Node => node(name),
    };
    command.arg(address);
    listening(Process::start(name, command)).await
}

fn rust(name: &str) -> Command {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build);
    let mut command = Command::new(folder().join("examples").join(name));
    command.env_clear();
    command
}

fn python(name: &str) -> Command {
    let python = folder().parent().unwrap().join("python/bin/python");
    assert!(python.exists(), "there is no {}; tests/run makes it", python.display());
    let mut command = Command::new(python);
    command.arg(examples().join(format!("python/{name}.py"))).env_clear();
    command
}

fn node(name: &str) -> Command {
    let packages = examples().join("node/node_modules");
    assert!(packages.exists(), "there is no {}; tests/run makes it", packages.display());
    let mut command = Command::new("node");
    command.arg(examples().join(format!("node/{name}.js")));
    command
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
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
    let mut command = std::process::Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--workspace", "--examples", "--profile", profile, "--manifest-path"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    command.arg("--target-dir").arg(folder().parent().unwrap());
    assert!(command.status().unwrap().success(), "the examples do not build");
}
