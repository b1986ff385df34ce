//! What is remembered of an exchange for its line in the access log.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Times and outcomes of one exchange.
#[derive(Debug)]
pub struct Notes {
    /// When its head had been read.
    pub started: Instant,
    /// The hooks that were called, in order.
    pub hooks: Vec<HookNote>,
    /// From sending the request upstream to the head of the answer.
    pub upstream: Option<Duration>,
}

/// One hook call.
#[derive(Debug)]
pub struct HookNote {
    /// The hook's name.
    pub name: Arc<str>,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a hook call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The chain went on.
    Continued,
    /// The plugin answered in the upstream's place, with this status.
    Answered(u16),
    /// There was no usable answer.
    Failed,
}

impl Notes {
    /// Starts the clock.
    pub fn start() -> Self {
        Self { started: Instant::now(), hooks: Vec::new(), upstream: None }
    }
}
