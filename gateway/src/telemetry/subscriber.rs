//! Where log lines go: to standard error, for people on a terminal, as JSON elsewhere.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::watch::Watch;
use crate::config::{Log, LogFormat};

/// Whether every hook call leaves a line too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// At level debug.
    Debug,
    /// Always, and little else: somebody wants to watch them.
    Watched,
}

/// Starts logging; once per process.
pub fn init(log: &Log, hooks: Hooks) {
    let registry = tracing_subscriber::registry();
    if hooks == Hooks::Watched {
        let calls = Targets::new().with_target("outrigger::hook", LevelFilter::DEBUG);
        let troubles = fmt::layer().without_time().with_target(false).with_writer(io::stderr);
        return registry.with(Watch.with_filter(calls)).with(troubles.with_filter(LevelFilter::WARN)).init();
    }
    let json = match log.format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let targets = targets(log.level);
    if json {
        let layer = fmt::layer().json().flatten_event(true).with_writer(io::stderr);
        registry.with(layer.with_filter(targets)).init();
    } else {
        let layer = fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
        registry.with(layer.with_filter(targets)).init();
    }
}

/// Our own lines at the operator's level; libraries only when something is wrong.
fn targets(level: LevelFilter) -> Targets {
    Targets::new().with_default(LevelFilter::WARN.min(level)).with_target("outrigger", level)
}
