//! What a worker owns to reach the world: connections are never shared between workers.

use std::sync::Arc;

use crate::dispatch::Dispatcher;
use crate::store::Store;
use crate::upstream::Client;

/// The dispatcher and the upstream client of one worker.
pub struct Sockets {
    /// Calls plugins.
    pub dispatcher: Arc<dyn Dispatcher>,
    /// Calls upstreams.
    pub upstream: Client,
    /// Holds sessions and counters.
    pub store: Store,
}
