//! Upstreams that rewritten requests name: made when first needed, and remembered.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::balance::Destination;
use super::planner::Ways;
use super::transport::Choices;
use super::{Target, UpstreamError};

/// How many are remembered; when there are more, all are made anew.
const MOST: usize = 1000;

/// The upstreams of an API's rewritten requests.
pub(super) struct Elsewhere {
    choices: Arc<Choices>,
    ways: Arc<Ways>,
    known: Mutex<HashMap<String, Arc<Destination>>>,
}

impl Elsewhere {
    /// Knows none yet.
    pub(super) fn new(choices: Arc<Choices>, ways: Arc<Ways>) -> Self {
        Self { choices, ways, known: Mutex::default() }
    }

    /// The upstream of an absolute target.
    pub(super) fn of(&self, target: &Target) -> Result<Arc<Destination>, UpstreamError> {
        let unsendable = || UpstreamError::Unsendable(format!("{} has no host", target.as_str()));
        let (scheme, authority) = target.origin().ok_or_else(unsendable)?;
        let origin = format!("{scheme}://{authority}");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(destination) = known.get(&origin) {
            return Ok(Arc::clone(destination));
        }
        let made = self.choices.destination(&self.ways, &origin, "url_rewrites");
        let made = Arc::new(made.map_err(|refusal| UpstreamError::Unsendable(refusal.reason))?);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(origin, Arc::clone(&made));
        Ok(made)
    }
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elsewhere").field("choices", &self.choices).finish_non_exhaustive()
    }
}
