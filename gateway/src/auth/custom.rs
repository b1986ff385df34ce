//! Authentication by a plugin: the hook CustomKeyCheck, and the sessions that spare its calls.

mod recall;

use std::sync::Arc;

use super::credential::Source;
use super::extractor::IdExtractor;
use super::keys::Keys;
use super::lookup::Lookup;
use super::methods::Identity;
use super::session_cache::SessionCache;
use crate::clock;
use crate::definition::{Definition, Refusal};
use crate::error::{Failure, Stop};
use crate::exchange::Exchange;
use crate::hook::{Hook, Returned};
use crate::session::lifetime::Lifetimes;
use crate::session::{Session, State, from_plugin};
use crate::sockets::Sockets;
use crate::store::Store;

/// As `base_identity_provided_by` names it.
pub(super) const NAME: &str = "custom_auth";

/// Authentication by a plugin.
pub struct CustomAuth {
    /// What is called.
    pub hook: Hook,
    /// Where others expect the credential; the plugin reads what it likes.
    pub source: Source,
    /// The sessions that are stored, all of the API's organisation, whatever the plugin says.
    lookup: Lookup,
    /// How long they are.
    lifetimes: Lifetimes,
    /// What tells callers apart before the plugin does.
    pub extraction: Option<Extraction>,
    /// Whether another method says who is calling: the plugin only lets in or not, and what it
    /// calls the caller is neither stored nor remembered.
    gate: bool,
}

/// An id extractor and the sessions of the callers that it knows.
pub struct Extraction {
    /// Where the caller's identity stands.
    pub extractor: IdExtractor,
    /// Callers about whom the plugin need not be asked.
    pub cache: SessionCache,
}

impl CustomAuth {
    /// Reads where others expect the credential; the hook decides.
    pub fn compile(
        definition: &Definition,
        hook: Hook,
        keys: Arc<Keys>,
        lifetimes: Lifetimes,
        extraction: Option<Extraction>,
    ) -> Result<Self, Refusal> {
        let source = Source::compile(definition, "coprocess")?;
        let gate = !matches!(definition.base_identity_provided_by.as_str(), "" | NAME);
        Ok(Self { hook, source, lookup: Lookup::new(keys, &definition.org_id), lifetimes, extraction, gate })
    }

    /// Says who is calling.
    pub(super) async fn run(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        sockets: &Arc<Sockets>,
    ) -> Result<Identity, Stop> {
        self.hook.server()?;
        match &self.extraction {
            Some(Extraction { extractor, .. }) if self.gate => {
                extractor.extract(exchange).await.map_err(Failure::NoIdentity)?;
                self.ask(exchange, sockets, None).await.map(asked)
            }
            Some(extraction) => self.recall_or_ask(extraction, exchange, sockets).await,
            None => self.ask(exchange, sockets, None).await.map(asked),
        }
    }

    fn session_id(&self, value: &[u8]) -> String {
        self.lookup.hashing().session_id(&self.lookup.org_id, value)
    }

    /// Calls the plugin; the session that it returns is stored, if it counts.
    async fn ask(&self, exchange: &mut Exchange, sockets: &Sockets, id: Option<String>) -> Result<Arc<Session>, Stop> {
        let returned = self.hook.run(exchange, sockets).await?;
        let (mut state, token) = self.state(returned)?;
        let id = id.unwrap_or(token);
        let Lookup { keys, org_id } = &self.lookup;
        let policies = keys.policies();
        let refused = |error| Failure::NoSession(format!("its session cannot be used: {error}").into());
        policies.apply(&mut state, org_id).map_err(refused)?;
        if self.gate {
            return Ok(Arc::new(Session::new(state, keys.key(&id))));
        }
        if let Some(stored) = self.lookup.find(&sockets.store, &id).await {
            carry_over(&stored.state, &mut state);
        }
        policies.apply(&mut state, org_id).map_err(refused)?;
        let session = Session::new(state, keys.key(&id));
        self.save(&sockets.store, &session).await;
        Ok(Arc::new(session))
    }

    /// The session that the plugin made, its metadata overlaid with the object's, and its token.
    fn state(&self, returned: Returned) -> Result<(State, String), Failure> {
        let token = returned.token().map(str::to_owned);
        let mut session = returned.session.ok_or(Failure::NoSession("it returned no session".into()))?;
        session.metadata.extend(returned.metadata);
        let token = token.ok_or(Failure::NoSession("it returned no metadata entry \"token\"".into()))?;
        session.org_id = self.lookup.org_id.to_string();
        Ok((from_plugin(session), token))
    }

    async fn save(&self, store: &Store, session: &Session) {
        let lifetime = self.lifetimes.of(&session.state, clock::unix_seconds());
        if let Err(error) = self.lookup.keys.save(store, session, lifetime).await {
            tracing::error!(%error, "a session could not be stored");
        }
    }

    /// A session in use starts its lifetime anew.
    async fn touch(&self, store: &Store, session: &Session) {
        if let Some(lifetime) = self.lifetimes.of(&session.state, clock::unix_seconds())
            && let Err(error) = self.lookup.keys.touch(store, &session.key, lifetime).await
        {
            tracing::error!(%error, "the lifetime of a session could not be renewed");
        }
    }
}

/// What has been used of a quota stays used when the plugin makes the session anew.
fn carry_over(stored: &State, state: &mut State) {
    (state.quota_renews, state.quota_remaining) = (stored.quota_renews, stored.quota_remaining);
    for (api, rights) in state.access_rights.iter_mut().filter(|(_, rights)| !rights.limit.is_empty()) {
        if let Some(stored) = stored.access_rights.get(api) {
            rights.limit.quota_renews = stored.limit.quota_renews;
            rights.limit.quota_remaining = stored.limit.quota_remaining;
        }
    }
}

fn asked(session: Arc<Session>) -> Identity {
    Identity { session, prevails: false }
}
