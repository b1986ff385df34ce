//! The way around the plugin: what the session cache and the store know of a caller, and what they
//! are told.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{CustomAuth, Extraction, asked};
use crate::auth::methods::Identity;
use crate::auth::session_cache::{Counts, Fresh, Known, Refused, SessionCache};
use crate::clock;
use crate::error::{Failure, Refusal, Stop};
use crate::exchange::{Exchange, Recall};
use crate::session::Session;
use crate::sockets::Sockets;
use crate::store::Store;

impl CustomAuth {
    /// Says who is calling: a session whose deadline has not passed, or else the plugin. Many
    /// requests of one new caller make one call.
    pub(super) async fn recall_or_ask(
        self: &Arc<Self>,
        Extraction { extractor, cache }: &Extraction,
        exchange: &mut Exchange,
        sockets: &Arc<Sockets>,
    ) -> Result<Identity, Stop> {
        let value = extractor.extract(exchange).await.map_err(Failure::NoIdentity)?;
        let now = clock::unix_seconds();
        match cache.get(&value, &self.lookup.keys, now).await {
            Some(Known::Session(fresh)) => {
                if fresh.is_due(now) {
                    let value = value.into_owned();
                    self.refresh(exchange, sockets, value).await;
                }
                Ok(self.spared(fresh.session, exchange, &cache.counts.hits, Recall::Hit))
            }
            Some(Known::Refusal(refused)) => Err(self.refused(&refused, exchange, &cache.counts.refusals)),
            None => {
                let value = value.into_owned();
                // Rare and large: it must not make every connection large.
                Box::pin(self.look_up_once(cache, exchange, sockets, &value)).await
            }
        }
    }

    async fn look_up_once(
        &self,
        cache: &SessionCache,
        exchange: &mut Exchange,
        sockets: &Sockets,
        value: &[u8],
    ) -> Result<Identity, Stop> {
        let mut own = None;
        let shared = cache.once(value, async {
            let (answer, known) = self.look_up_or_ask(cache, exchange, sockets, value).await;
            own = Some(answer);
            known
        });
        match (shared.await, own) {
            (_, Some(answer)) => answer,
            (Some(Known::Session(fresh)), None) => {
                Ok(self.spared(fresh.session, exchange, &cache.counts.waits, Recall::Wait))
            }
            (Some(Known::Refusal(refused)), None) => Err(self.refused(&refused, exchange, &cache.counts.waits)),
            // Another request asked, and its answer is only for itself.
            (None, None) => {
                let id = self.session_id(value);
                self.ask_counted(cache, exchange, sockets, id).await.map(asked)
            }
        }
    }

    /// The answer, and what of it other requests may use.
    async fn look_up_or_ask(
        &self,
        cache: &SessionCache,
        exchange: &mut Exchange,
        sockets: &Sockets,
        value: &[u8],
    ) -> (Result<Identity, Stop>, Option<Known>) {
        let id = self.session_id(value);
        let epoch = self.lookup.keys.epoch();
        let stored = self.lookup.find(&sockets.store, &id).await;
        if let Some(fresh) = stored.as_ref().and_then(|session| self.fresh(cache, session, epoch)) {
            self.touch(&sockets.store, &fresh.session).await;
            let identity = self.spared(Arc::clone(&fresh.session), exchange, &cache.counts.hits, Recall::Hit);
            return (Ok(identity), Some(Known::Session(fresh)));
        }
        let answer = self.ask_counted(cache, exchange, sockets, id).await;
        if let (Err(stop), Some(stored)) = (&answer, &stored)
            && stop.is_unreachable_plugin()
            && let Some(stale) = cache.stale(stored, epoch, clock::unix_seconds())
        {
            let identity = self.spared(Arc::clone(stored), exchange, &cache.counts.stale, Recall::Stale);
            return (Ok(identity), Some(Known::Session(stale)));
        }
        let known = self.known(cache, &answer, epoch);
        (answer.map(asked), known)
    }

    /// What of the plugin's answer other requests may use.
    fn known(&self, cache: &SessionCache, answer: &Result<Arc<Session>, Stop>, epoch: u64) -> Option<Known> {
        match answer {
            Ok(session) => self.fresh(cache, session, epoch).map(Known::Session),
            Err(Stop::Refusal(refusal)) => cache.refusal(refusal, epoch, clock::unix_seconds()).map(Known::Refusal),
            Err(_) => None,
        }
    }

    fn fresh(&self, cache: &SessionCache, session: &Arc<Session>, epoch: u64) -> Option<Fresh> {
        let now = clock::unix_seconds();
        cache.session(session, &self.lookup.keys, epoch, self.lifetimes.of(&session.state, now), now)
    }

    /// Asks the plugin anew, beside the request, which has a session that still counts.
    async fn refresh(self: &Arc<Self>, exchange: &mut Exchange, sockets: &Arc<Sockets>, value: Vec<u8>) {
        let Ok(mut apart) = exchange.apart().await else { return };
        let (auth, sockets) = (Arc::clone(self), Arc::clone(sockets));
        tokio::spawn(async move {
            let Some(Extraction { cache, .. }) = &auth.extraction else { return };
            Counts::add(&cache.counts.refreshes);
            let epoch = auth.lookup.keys.epoch();
            let answer = auth.ask(&mut apart, &sockets, Some(auth.session_id(&value))).await;
            match &answer {
                Err(Stop::Failure(error)) => {
                    tracing::error!(%error, "a session could not be made anew ahead of its deadline")
                }
                Err(_) => auth.end(&sockets.store, &auth.session_id(&value)).await,
                Ok(_) => {}
            }
            if !answer.as_ref().is_err_and(Stop::is_unreachable_plugin) {
                cache.renew(value, auth.known(cache, &answer, epoch)).await;
            }
        });
    }

    /// The plugin has changed its mind about a caller: from now on it is asked again.
    async fn end(&self, store: &Store, id: &str) {
        if let Some(session) = self.lookup.find(store, id).await {
            let mut session = Session::clone(&session);
            session.state.id_extractor_deadline = 0;
            self.save(store, &session).await;
        }
    }

    /// The plugin need not be called: this is who is calling.
    fn spared(&self, session: Arc<Session>, exchange: &mut Exchange, count: &AtomicU64, recall: Recall) -> Identity {
        Counts::add(count);
        exchange.notes.recall = Some(recall);
        self.hook.trace_spared(recall);
        Identity { session, prevails: true }
    }

    /// The plugin need not be called: this is what it said a moment ago.
    fn refused(&self, refused: &Refused, exchange: &mut Exchange, count: &AtomicU64) -> Stop {
        Counts::add(count);
        exchange.notes.recall = Some(Recall::Refusal);
        self.hook.trace_spared(Recall::Refusal);
        Stop::Refusal(Box::new(Refusal::clone(&refused.refusal)))
    }

    async fn ask_counted(
        &self,
        cache: &SessionCache,
        exchange: &mut Exchange,
        sockets: &Sockets,
        id: String,
    ) -> Result<Arc<Session>, Stop> {
        Counts::add(&cache.counts.misses);
        exchange.notes.recall = Some(Recall::Miss);
        self.ask(exchange, sockets, Some(id)).await
    }
}
