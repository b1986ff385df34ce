//! What a session may do, checked after PostKeyAuth hooks.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::error::Failure;
use crate::exchange::Exchange;
use crate::session::access::{check_expiry, check_rights, check_urls};
use crate::session::limits::{Limiter, check_quota};

/// The checks of one API.
#[derive(Debug)]
pub struct Limits {
    /// The API's id, as access rights name it.
    pub api_id: Arc<str>,
    /// Counts requests per key; `None` if the API has `disable_rate_limit`.
    pub rate: Option<Arc<Limiter>>,
    /// Whether quotas count here.
    pub quota: bool,
}

impl Limits {
    /// Lets the session pass, or says why not.
    pub fn check(&self, exchange: &Exchange) -> Result<(), Failure> {
        let session = exchange.session.as_ref().ok_or(Failure::SessionMissing)?.state();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        check_expiry(session, i64::try_from(now).unwrap_or(i64::MAX))?;
        check_rights(session, &self.api_id)?;
        check_urls(session, &self.api_id, exchange.head.method_text(), &exchange.head.target.decoded_path())?;
        if let Some(limiter) = &self.rate {
            limiter.admit(session, Instant::now())?;
        }
        if self.quota {
            check_quota(session)?;
        }
        Ok(())
    }
}
