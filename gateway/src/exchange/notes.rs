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
    /// How the session cache answered, if it was asked.
    pub recall: Option<Recall>,
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

/// How the session cache answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recall {
    /// The session was known.
    Hit,
    /// The plugin had to be asked.
    Miss,
    /// Another request was asking the plugin, and its answer counted.
    Wait,
    /// The plugin server is away, and the last session counts.
    Stale,
    /// The plugin refused the caller a moment ago.
    Refusal,
}

impl Recall {
    /// One word for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Wait => "wait",
            Self::Stale => "stale",
            Self::Refusal => "refusal",
        }
    }
}

impl Notes {
    /// Starts the clock.
    pub fn start() -> Self {
        Self { started: Instant::now(), hooks: Vec::new(), recall: None, upstream: None }
    }
}
