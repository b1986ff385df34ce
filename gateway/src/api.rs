//! Definitions made runnable, and which of them a request is for.

mod load;
mod registry;

use std::sync::Arc;

pub use load::load;
pub use registry::{Registry, Route};

use crate::chain::Chain;

/// An API definition made runnable.
pub struct Api {
    /// Its `api_id`.
    pub id: Arc<str>,
    /// What happens to its requests.
    pub chain: Chain,
}
