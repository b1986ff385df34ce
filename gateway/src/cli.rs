//! What the operator types: arguments, sub-commands, exit codes.

mod demo;
mod healthcheck;
mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use thiserror::Error;

use self::healthcheck::HealthError;
use crate::config::ConfigError;
use crate::control::{LoadError, WatchError};
use crate::error::TemplateError;
use crate::listener::{BindError, StartError};
use crate::store::StoreError;

/// Bad usage or configuration, as in `sysexits.h`.
const USAGE: u8 = 64;

/// An API gateway that hosts plugins out of process.
#[derive(Debug, Parser)]
#[command(name = "outrigger", version)]
struct Arguments {
    #[command(flatten)]
    run: Run,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What the gateway is run with.
#[derive(Debug, Args)]
struct Run {
    /// The configuration file; without it ./tyk.conf, then /etc/tyk/tyk.conf.
    #[arg(long, value_name = "FILE")]
    conf: Option<PathBuf>,
    /// Listen on this port instead of the configured one.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The same as no command: runs the gateway.
    Start(Run),
    /// Runs a gateway, a plugin server and an upstream on this machine, to look at.
    Demo {
        /// Listen on this port instead of 8080.
        #[arg(long, value_name = "PORT")]
        port: Option<u16>,
    },
    /// The demo's plugin server.
    #[command(hide = true)]
    DemoPlugin,
    /// The demo's upstream, where others can reach it.
    #[command(hide = true)]
    DemoUpstream {
        #[arg(value_name = "HOST:PORT")]
        address: SocketAddr,
    },
    /// Exits with 0 if the gateway at a URL answers 200, and with 1 otherwise.
    Healthcheck {
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/hello")]
        url: healthcheck::Place,
        #[command(flatten)]
        trust: healthcheck::Trust,
    },
}

/// Why a command failed.
#[derive(Debug, Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error("storage: {0}")]
    Store(#[from] StoreError),
    #[error("{source}; stop what uses it, or choose another port with {key}")]
    Bind { key: &'static str, source: BindError },
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{what}: {source}")]
    System { what: String, source: std::io::Error },
    #[error("{0}")]
    Demo(String),
    #[error(transparent)]
    Health(#[from] HealthError),
}

impl CliError {
    fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Template(_) | Self::Load(_) => USAGE,
            Self::Bind { .. }
            | Self::Start(_)
            | Self::Watch(_)
            | Self::Store(_)
            | Self::System { .. }
            | Self::Demo(_)
            | Self::Health(_) => 1,
        }
    }
}

/// Runs the command line to its end.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let Run { conf, port } = arguments.run;
    let result = match arguments.command {
        None => serve::run(conf.as_deref(), port),
        Some(Command::Start(own)) => serve::run(own.conf.or(conf).as_deref(), own.port.or(port)),
        Some(Command::Demo { port: own }) => demo::run(own.or(port)),
        Some(Command::DemoPlugin) => demo::plugin(),
        Some(Command::DemoUpstream { address }) => demo::upstream(address),
        Some(Command::Healthcheck { url, trust }) => healthcheck::run(&url, &trust),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(error.code())
        }
    }
}

/// Errors that end the process go to whoever started it, whatever the log does.
#[allow(clippy::print_stderr)]
fn complain(error: &CliError) {
    eprintln!("outrigger: {error}");
}
