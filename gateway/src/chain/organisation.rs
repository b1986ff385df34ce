//! The limits of the organisation that an API belongs to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::limiter::{Charge, Limiter};
use super::limits::{check_quota, check_rate};
use super::monitor::Monitor;
use crate::error::Failure;
use crate::json;
use crate::pattern::endpoint::Matching;
use crate::session::{Denied, Key, Realm, Session, State};
use crate::store::{Space, Store, StoreError};

/// For how long an organisation's session is remembered.
const REMEMBERED: Duration = Duration::from_secs(10);

/// The limits of one organisation, as its session in the store has them.
pub struct Organisation {
    key: Key,
    /// What the limits are told apart by from those on single APIs: an organisation has none.
    no_api: Realm,
    limiter: Arc<Limiter>,
    monitor: Option<Monitor>,
    remembered: ArcSwapOption<Remembered>,
}

struct Remembered {
    at: Instant,
    session: Option<Arc<Session>>,
}

impl Organisation {
    /// The organisation of this key; nothing is known of it yet.
    pub fn new(key: Key, limiter: Arc<Limiter>, monitor: Option<Monitor>) -> Self {
        Self {
            key,
            no_api: Realm { api_id: "".into(), paths: Matching::default() },
            limiter,
            monitor,
            remembered: ArcSwapOption::empty(),
        }
    }

    /// Lets the request pass, or says why not. An organisation without a session has no limits.
    pub async fn check(&self, store: &Store) -> Result<(), Failure> {
        let Some(session) = self.session(store).await? else { return Ok(()) };
        if session.state.is_inactive {
            return Err(Denied::OrgInactive.into());
        }
        let grant = session.grant(&self.no_api);
        let rate = grant.rate("", || "").filter(|_| session.state.per > 0.0);
        let quota = grant.quota.as_ref();
        let counted = self.limiter.count(Charge { rate, throttle: None, quota }, store).await;
        let counted = counted.map_err(|uncounted| uncounted.refuse(Denied::OrgRate, Denied::OrgQuota))?;
        check_rate(&counted, Denied::OrgRate)?;
        if let (Some(monitor), Some(quota), Some(counted)) = (&self.monitor, quota, counted.quota) {
            monitor.watch(&session, quota, counted);
        }
        quota.map_or(Ok(()), |quota| check_quota(quota, &counted, Denied::OrgQuota))
    }

    /// What is known of the organisation; what was last known while the store is away.
    async fn session(&self, store: &Store) -> Result<Option<Arc<Session>>, Failure> {
        if let Some(known) = self.remembered.load().as_ref().filter(|known| known.at.elapsed() < REMEMBERED) {
            return Ok(known.session.clone());
        }
        match self.look_up(store).await {
            Ok(session) => {
                let remembered = Remembered { at: Instant::now(), session: session.clone() };
                self.remembered.store(Some(Arc::new(remembered)));
                Ok(session)
            }
            Err(cause) => match &*self.remembered.load() {
                Some(known) => Ok(known.session.clone()),
                None => Err(Failure::Uncounted { limit: Denied::OrgQuota, cause }),
            },
        }
    }

    async fn look_up(&self, store: &Store) -> Result<Option<Arc<Session>>, StoreError> {
        let Some((_, stored)) = store.session(Space::Org, &[&self.key.id]).await? else { return Ok(None) };
        let read = std::str::from_utf8(&stored).ok().and_then(|text| json::read::<State>(text).ok());
        let Some((state, _)) = read else {
            let (place, reason) = (format!("orgkey.{}", self.key.id), "it is no session".to_owned());
            return Err(StoreError { place, reason });
        };
        Ok(Some(Arc::new(Session::new(state, self.key.clone()))))
    }
}
