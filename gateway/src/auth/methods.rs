//! The methods of auth of an API: all must let the caller in, and one of them says who it is.

use std::borrow::Cow;
use std::sync::Arc;

use super::credential::{Source, strip_bearer};
use super::session_cache::Counts;
use super::{AuthError, BasicAuth, CustomAuth, JwtAuth, SignatureAuth, TokenAuth};
use super::{binding, custom};
use crate::error::{Failure, Stop};
use crate::exchange::{Exchange, Head};
use crate::hook::Hook;
use crate::session::Session;
use crate::sockets::Sockets;

/// All that must let a caller in, in their order.
pub struct Auth {
    methods: Vec<Method>,
    /// `base_identity_provided_by`: the method whose session counts; the last one's if empty.
    identity: String,
}

/// One way to know a caller.
pub enum Method {
    /// A user name and a password.
    Basic(BasicAuth),
    /// A signature.
    Signature(SignatureAuth),
    /// A JWT.
    Jwt(JwtAuth),
    /// A plugin.
    Custom(Arc<CustomAuth>),
    /// A stored key.
    Token(TokenAuth),
}

/// What a method found out.
pub(super) struct Identity {
    /// Who is calling.
    pub(super) session: Arc<Session>,
    /// Whether it counts even where another method is to say who is calling.
    pub(super) prevails: bool,
}

impl Auth {
    /// These methods, one of which may be named to say who is calling.
    pub fn new(methods: Vec<Method>, identity: &str) -> Self {
        Self { methods, identity: identity.to_owned() }
    }

    /// The hook among them.
    pub fn hook(&self) -> Option<&Hook> {
        self.custom().map(|custom| &custom.hook)
    }

    /// Refuses where its hook cannot be called, for requests that nobody need be asked about, too.
    pub fn callable(&self) -> Result<(), Failure> {
        self.hook().map_or(Ok(()), |hook| hook.server().map(drop))
    }

    /// Why its id extractor fails for every request, if it does.
    pub fn flaw(&self) -> Option<String> {
        let extraction = self.custom()?.extraction.as_ref()?;
        Some(extraction.extractor.flaw()?.to_string())
    }

    /// How often the session cache was of use, if there is one.
    pub fn session_cache(&self) -> Option<&Counts> {
        Some(&self.custom()?.extraction.as_ref()?.cache.counts)
    }

    /// Forgets the keys that others published for JWTs, and says whether JWTs are a method here.
    pub fn forget_key_sets(&self) -> bool {
        let jwt = self.methods.iter().find_map(|method| match method {
            Method::Jwt(jwt) => Some(jwt),
            _ => None,
        });
        jwt.map(JwtAuth::forget_key_sets).is_some()
    }

    /// The credential that a method presented in vain, as others are told of it.
    pub fn presented<'a>(&self, failure: &Failure, head: &'a Head) -> Option<Cow<'a, str>> {
        let (method, source) = self.methods.iter().find_map(|method| Some((method, method.refused(failure)?)))?;
        let credential = source.read(head)?;
        if let Method::Custom(_) = method {
            return Some(credential);
        }
        Some(match credential {
            Cow::Borrowed(text) => strip_bearer(text).into(),
            Cow::Owned(text) => strip_bearer(&text).to_owned().into(),
        })
    }

    fn custom(&self) -> Option<&CustomAuth> {
        self.methods.iter().find_map(|method| match method {
            Method::Custom(custom) => Some(&**custom),
            _ => None,
        })
    }

    /// Lets the caller in by every method.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<(), Stop> {
        for method in &self.methods {
            let Identity { session, prevails } = method.run(exchange, sockets).await?;
            bound(&session, exchange)?;
            if prevails || self.identity.is_empty() || self.identity == method.name() {
                exchange.session = Some(session);
            }
        }
        Ok(())
    }
}

/// Whoever presents a key that is bound to certificates must have shown one of them.
fn bound(session: &Session, exchange: &Exchange) -> Result<(), AuthError> {
    let bindings = &session.state.mtls_static_certificate_bindings;
    if bindings.is_empty() {
        return Ok(());
    }
    Ok(binding::check(bindings.iter().map(String::as_str), exchange.client.certificate.as_deref())?)
}

impl Method {
    /// As `base_identity_provided_by` names it.
    fn name(&self) -> &'static str {
        match self {
            Self::Basic(_) => "basic_auth_user",
            Self::Signature(_) => "hmac_key",
            Self::Jwt(_) => "jwt_claim",
            Self::Custom(_) => custom::NAME,
            Self::Token(_) => "auth_token",
        }
    }

    /// Where it looks for credentials, if this is its failure.
    fn refused(&self, failure: &Failure) -> Option<&Source> {
        match (self, failure) {
            (Self::Basic(basic), Failure::Auth(AuthError::Basic(_))) => Some(&basic.source),
            (Self::Signature(signature), Failure::Auth(AuthError::Signature(_))) => Some(&signature.source),
            (Self::Jwt(jwt), Failure::Auth(AuthError::Jwt(_))) => Some(&jwt.source),
            (Self::Custom(custom), Failure::NoSession(_)) => Some(&custom.source),
            (Self::Token(token), Failure::Auth(AuthError::Token(_))) => Some(&token.source),
            _ => None,
        }
    }

    async fn run(&self, exchange: &mut Exchange, sockets: &Arc<Sockets>) -> Result<Identity, Stop> {
        let (session, prevails) = match self {
            Self::Basic(basic) => (basic.run(exchange, sockets).await?, false),
            Self::Signature(signature) => (signature.run(exchange, sockets).await?, false),
            Self::Jwt(jwt) => (jwt.run(exchange, sockets).await?, jwt.is_one_to_one()),
            Self::Custom(custom) => return custom.run(exchange, sockets).await,
            Self::Token(token) => (token.run(exchange, sockets).await?, false),
        };
        Ok(Identity { session, prevails })
    }
}
