//! The whole thing on one machine: gateway, plugin server and upstream, to look at and to copy from.

mod plugin;
mod upstream;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::CliError;
use super::serve::{hang_up_signal, runtime, serve, stop_signal, system};
use crate::config::Config;
use crate::store::Opened;
use crate::telemetry::{self, Hooks};

pub(super) use plugin::run as plugin;
pub(super) use upstream::run as upstream;

const PORT: u16 = 8080;

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Runs the demo until a signal ends it.
pub(super) fn run(port: Option<u16>) -> Result<(), CliError> {
    let (_child, plugin) = start_plugin()?;
    runtime()?.block_on(async {
        let (stop, hang_up) = (stop_signal()?, hang_up_signal()?);
        let upstream = upstream::start(ANY_PORT).await?;
        let folder =
            write_files(&plugin, upstream).map_err(|source| system("the demo's files cannot be written", source))?;
        let conf = folder.path().join("tyk.conf");
        let loaded = Config::load(Some(&conf), std::iter::empty(), Some(port.unwrap_or(PORT)))?;
        telemetry::init(&loaded.config.log, Hooks::Watched);
        let store = Opened::open(&loaded.config.storage)?;
        serve(loaded.config, store, stop, hang_up, |address| welcome(address, &plugin, folder.path())).await
    })
}

/// A plugin server in a process of its own, which ends when this one does.
struct PluginProcess(Child);

impl Drop for PluginProcess {
    fn drop(&mut self) {
        // It ends by itself when its standard input closes.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Starts this binary again as the plugin server; gives its address, which is its first line.
fn start_plugin() -> Result<(PluginProcess, String), CliError> {
    let failed = |source| system("the demo's plugin server cannot be started", source);
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("demo-plugin").stdin(Stdio::piped()).stdout(Stdio::piped());
    // Ctrl-C is for the gateway, which ends the plugin server last.
    let mut child = PluginProcess(command.process_group(0).spawn().map_err(failed)?);
    let stdout = child.0.stdout.take().expect("stdout is piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(failed)?;
    match line.trim() {
        "" => Err(CliError::Demo("the demo's plugin server ended before it listened".to_owned())),
        address => Ok((child, address.to_owned())),
    }
}

/// The operator's files, as `outrigger --conf` takes them.
fn write_files(plugin: &str, upstream: SocketAddr) -> std::io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("outrigger-demo-").tempdir()?;
    let apps: PathBuf = folder.path().join("apps");
    fs::create_dir(&apps)?;
    let conf = json!({
        "listen_address": "127.0.0.1",
        "listen_port": PORT,
        "app_path": apps,
        "storage": {"type": "embedded", "path": folder.path().join("data")},
        "coprocess_options": {"enable_coprocess": true, "coprocess_grpc_server": plugin},
    });
    fs::write(folder.path().join("tyk.conf"), format!("{conf:#}\n"))?;
    let definition = include_str!("demo/api.json").replace("UPSTREAM", &upstream.to_string());
    fs::write(apps.join("demo.json"), definition)?;
    Ok(folder)
}

#[allow(clippy::print_stdout)]
fn welcome(address: SocketAddr, plugin: &str, folder: &Path) {
    let (url, folder) = (format!("http://{address}/demo"), folder.display());
    println!(
        "Outrigger listens on http://{address}; its plugin server is another process, on {plugin}.
The files of this demo, until it ends: {folder}

Allowed, as the auth hook knows the key; the same call again makes no auth call for a minute:
  curl -i {url}/hello -H 'Authorization: open-sesame'
Refused by the auth hook:
  curl -i {url}/hello -H 'Authorization: open-barley'
Answered by a Pre hook, the upstream hears nothing:
  curl -i {url}/teapot
Changed on its way back by a Response hook:
  curl -i {url}/json -H 'Authorization: open-sesame'

Each hook call leaves a line here, and so does one that the session cache spared. Ctrl-C ends everything.
"
    );
}
