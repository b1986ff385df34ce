//! What a session may do, checked after PostKeyAuth hooks.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::error::Failure;
use crate::exchange::Exchange;
use crate::pattern::ListenPath;
use crate::session::Denied;
use crate::session::access::{check_expiry, check_rights, check_urls};
use crate::session::limits::{Allowance, Limiter};
use crate::store::{Count, Quota, QuotaCount, Store};

/// The checks of one API.
#[derive(Debug)]
pub struct Limits {
    /// The API's id, as access rights name it.
    pub api_id: Arc<str>,
    /// Its listen path: rates of single paths are given below it.
    pub listen_path: ListenPath,
    /// Counts requests per key; `None` if the API has `disable_rate_limit`.
    pub rate: Option<Arc<Limiter>>,
    /// Whether quotas count here.
    pub quota: bool,
}

impl Limits {
    /// Lets the session pass, or says why not.
    pub async fn check(&self, exchange: &mut Exchange, store: &Store) -> Result<(), Failure> {
        let session = exchange.session.clone().ok_or(Failure::SessionMissing)?;
        let (state, head) = (&session.state, &exchange.head);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        check_expiry(state, i64::try_from(now).unwrap_or(i64::MAX))?;
        check_rights(state, &self.api_id)?;
        check_urls(state, &self.api_id, head.method_text(), &head.target.decoded_path())?;
        let path = self.listen_path.strip(&head.target);
        let allowance = Allowance::of(state, &self.api_id, head.method_text(), &path);
        if let Some(limiter) = &self.rate {
            limiter.admit(&allowance.rate_name(&session.key.name), allowance.rate, allowance.per, Instant::now())?;
        }
        if self.quota && allowance.quota_max > 0 {
            let quota = count(&allowance, &session.key.name, store).await?;
            note(exchange, allowance.scope, allowance.quota_max, quota);
            if quota.used > allowance.quota_max {
                return Err(Denied::Quota.into());
            }
        }
        Ok(())
    }
}

async fn count(allowance: &Allowance<'_>, key: &str, store: &Store) -> Result<Quota, Failure> {
    let name = allowance.quota_name(key);
    let quota = QuotaCount { name: &name, max: allowance.quota_max, renewal: allowance.quota_renewal };
    let counted = store.count(Count { rate: None, quota: Some(quota) }).await?;
    // What is not counted is not let in.
    Ok(counted.quota.ok_or(Denied::Quota)?)
}

/// Later hooks and the client are told where the quota stands.
fn note(exchange: &mut Exchange, scope: &str, max: i64, quota: Quota) {
    if let Some(session) = &mut exchange.session {
        let remaining = max.saturating_sub(quota.used).max(0);
        Arc::make_mut(session).state.note_quota(scope, remaining, quota.renews);
    }
}
