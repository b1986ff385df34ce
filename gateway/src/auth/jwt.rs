//! JWTs: the caller presents a signed statement of who it is.

mod claims;
mod grants;
mod jwks;
mod keys;
mod method;
mod statement;

use std::sync::Arc;

use self::claims::{Skews, identity};
use self::grants::{Base, Grants};
use self::keys::KeySource;
use self::method::Method;
use self::statement::Statement;
use super::credential::{Source, strip_bearer};
use super::error::{AuthError, JwtError};
use super::keys::Keys;
use super::lookup::{Lookup, report};
use crate::clock;
use crate::definition::{Definition, Refusal};
use crate::error::Stop;
use crate::exchange::Exchange;
use crate::session::lifetime::Lifetimes;
use crate::session::{Session, State};
use crate::sockets::Sockets;

/// The metadata entry in which a session names its own key id.
pub(super) const SESSION_ID: &str = "TykJWTSessionID";

/// Authentication by a JWT.
#[derive(Debug)]
pub struct JwtAuth {
    pub(super) source: Source,
    lookup: Lookup,
    method: Method,
    keys: KeySource,
    skews: Skews,
    /// The claim that names the owner; `sub` where it is missing.
    identity_claim: String,
    /// Whether the header's `kid` never names the key of one caller.
    skip_kid: bool,
    grants: Grants,
    lifetimes: Lifetimes,
}

impl JwtAuth {
    /// Reads what signs tokens, and what their claims are good for.
    pub fn compile(definition: &Definition, keys: Arc<Keys>, lifetimes: Lifetimes) -> Result<Self, Refusal> {
        let method = Method::parse(&definition.jwt_signing_method)?;
        Ok(Self {
            source: Source::compile(definition, "jwt")?,
            lookup: Lookup::new(keys, &definition.org_id),
            method,
            keys: KeySource::compile(definition, method)?,
            skews: Skews::new(definition),
            identity_claim: definition.jwt_identity_base_field.clone(),
            skip_kid: definition.jwt_skip_kid,
            grants: Grants::new(definition),
            lifetimes,
        })
    }

    /// Whether each caller's key holds the secret of its tokens; such a session always counts,
    /// whatever `base_identity_provided_by` says.
    pub fn is_one_to_one(&self) -> bool {
        matches!(self.keys, KeySource::PerCaller)
    }

    /// Forgets the keys that others published: they are fetched when they are next needed.
    pub fn forget_key_sets(&self) {
        self.keys.forget_sets();
    }

    /// The session that the token stands for; the first token of an owner makes it.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Arc<Session>, Stop> {
        let credential = self.source.read(&exchange.head).ok_or(AuthError::from(JwtError::Missing))?;
        let token = Statement::parse(strip_bearer(&credential)).ok_or(JwtError::Untrusted("it cannot be read"));
        let token = token.map_err(AuthError::from)?;
        let session = self.identify(&token, sockets).await.map_err(AuthError::from)?;
        if let Some(context) = &mut exchange.context {
            context.note_claims(&session, || token.into_members());
        }
        Ok(session)
    }

    async fn identify(&self, token: &Statement<'_>, sockets: &Sockets) -> Result<Arc<Session>, JwtError> {
        let algorithm = self.method.algorithm(token.alg()).ok_or(JwtError::Method)?;
        let (key, caller) = match &self.keys {
            KeySource::PerCaller => {
                let session = self.caller(token, sockets).await?;
                (self.secret(&session)?, Some(session))
            }
            KeySource::Fixed(key) => (Arc::clone(key), None),
            KeySource::Sets(sets) => (sets.find(token.kid(), self.method, &sockets.upstream).await?, None),
        };
        if !token.is_signed_by(&key, algorithm) {
            return Err(JwtError::Untrusted("its signature is wrong"));
        }
        let now = clock::unix_seconds();
        self.skews.check(&token.claims, now)?;
        match caller {
            Some(session) => Ok(session),
            None => self.owner(token, sockets, now).await,
        }
    }

    /// The session whose key the token names, before anything says that it may.
    async fn caller(&self, token: &Statement<'_>, sockets: &Sockets) -> Result<Arc<Session>, JwtError> {
        let kid = token.kid().filter(|_| !self.skip_kid);
        let id = kid.map_or_else(|| identity(&token.claims, &self.identity_claim), Ok)?;
        self.lookup.find(&sockets.store, id).await.ok_or(JwtError::Untrusted("its key is unknown"))
    }

    fn secret(&self, session: &Session) -> Result<Arc<jsonwebtoken::DecodingKey>, JwtError> {
        let key = self.method.key(session.state.jwt_data.secret.as_bytes());
        key.map(Arc::new).ok_or(JwtError::Untrusted("its key has no secret of the right kind"))
    }

    async fn owner(&self, token: &Statement<'_>, sockets: &Sockets, now: i64) -> Result<Arc<Session>, JwtError> {
        let owner = identity(&token.claims, &self.identity_claim)?;
        let base = match self.grants.base(&token.claims) {
            Base::Policy(id) => Some(id.to_owned()),
            Base::Client(id) => {
                self.lookup.find(&sockets.store, id).await.and_then(|client| first_policy(&client.state))
            }
            Base::None => None,
        };
        let policies = self.grants.policies(&token.claims, base)?;
        let id = self.lookup.hashing().session_id(&self.lookup.org_id, owner.as_bytes());
        let known = self.lookup.get(&sockets.store, id.clone()).await;
        let known = known.map_err(|_| JwtError::Untrusted("the store did not answer"))?;
        let expires = claims::expires(&token.claims);
        let state = match &known {
            Some(known) if known.state.apply_policies == policies && known.state.expires >= expires => {
                return Ok(Arc::clone(known));
            }
            Some(known) if known.state.apply_policies == policies => State { expires, ..known.state.clone() },
            Some(known) => State { expires: expires.max(known.state.expires), ..fresh(owner, &id, policies) },
            None => State { expires, ..fresh(owner, &id, policies) },
        };
        let failure = if known.is_some() { JwtError::NotApplied } else { JwtError::NoPolicy };
        self.save(state, &id, sockets, now, failure).await
    }

    async fn save(
        &self,
        mut state: State,
        id: &str,
        sockets: &Sockets,
        now: i64,
        failure: JwtError,
    ) -> Result<Arc<Session>, JwtError> {
        let Lookup { keys, org_id } = &self.lookup;
        state.org_id = org_id.to_string();
        keys.policies().apply(&mut state, org_id).map_err(|error| {
            tracing::warn!(key = id, %error, "the policies of a JWT cannot be applied");
            failure
        })?;
        let lifetime = self.lifetimes.of(&state, now);
        let session = Session::new(state, keys.key(id));
        let saved = keys.save(&sockets.store, &session, lifetime).await;
        saved.inspect_err(report).map_err(|_| JwtError::Untrusted("the store did not take its session"))?;
        Ok(Arc::new(session))
    }
}

/// A session that has nothing but its policies: nothing of former ones is left in it.
fn fresh(owner: &str, id: &str, policies: Vec<String>) -> State {
    State {
        alias: owner.to_owned(),
        apply_policies: policies,
        meta_data: [(SESSION_ID.to_owned(), id.into())].into_iter().collect(),
        ..State::default()
    }
}

fn first_policy(state: &State) -> Option<String> {
    let older = Some(&state.apply_policy_id).filter(|id| !id.is_empty());
    state.apply_policies.first().or(older).cloned()
}
