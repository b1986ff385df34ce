//! How many nodes there are. Each says every two seconds that it is there, and is forgotten after four.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tracing::debug;
use uuid::Uuid;

use crate::store::Redis;

const LIST: &str = "outrigger-nodes";
const EVERY: Duration = Duration::from_secs(2);
const FORGOTTEN: Duration = Duration::from_secs(4);

/// How many nodes share the store; clones share the count.
#[derive(Clone, Debug)]
pub struct Nodes(Arc<AtomicUsize>);

impl Default for Nodes {
    /// This node alone.
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(1)))
    }
}

impl Nodes {
    /// All nodes, this one too; what was last known while the store is away.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Says that this node is there, and counts, until dropped.
pub async fn attend(redis: &Redis, nodes: &Nodes) {
    let name = Uuid::new_v4().simple().to_string();
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        match redis.attend(LIST, &name, FORGOTTEN).await {
            Ok(present) => nodes.0.store(present.max(1), Ordering::Relaxed),
            Err(error) => debug!(%error, "the nodes cannot be counted"),
        }
    }
}
