//! Logs: where they go, and the line that every request leaves.

mod access;
mod subscriber;
mod watch;

pub use access::Access;
pub use subscriber::{Hooks, init};
