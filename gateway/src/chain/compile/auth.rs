//! Makes the methods of auth of a definition.

use std::sync::Arc;

use super::hooks::Hooks;
use super::{CompileError, Shared, lifetimes};
use crate::auth::extractor::IdExtractor;
use crate::auth::session_cache::SessionCache;
use crate::auth::{Auth, BasicAuth, CustomAuth, Extraction, JwtAuth, Method, SignatureAuth, TokenAuth};
use crate::config::Config;
use crate::definition::Definition;
use crate::hook::HookType;

/// The methods of auth in the order of the original. Where none is asked for, stored keys decide.
pub(super) fn compile(
    definition: &Definition,
    hooks: &Hooks<'_>,
    config: &Config,
    shared: &Shared,
) -> Result<Auth, CompileError> {
    let keys = || Arc::clone(&shared.keys);
    let lifetimes = lifetimes(definition, config);
    let mut methods = Vec::new();
    if definition.use_basic_auth {
        methods.push(Method::Basic(BasicAuth::compile(definition, keys())?));
    }
    if definition.enable_signature_checking {
        methods.push(Method::Signature(SignatureAuth::compile(definition, keys())?));
    }
    if definition.enable_jwt {
        methods.push(Method::Jwt(JwtAuth::compile(definition, keys(), lifetimes)?));
    }
    if definition.custom_auth() {
        let extractor = IdExtractor::compile(definition)?;
        let hook = hooks.hook(HookType::CustomKeyCheck, "auth_check", &definition.custom_middleware.auth_check)?;
        let settings = &definition.custom_middleware.id_extractor.session_cache;
        let cache = || SessionCache::new(settings, &shared.callers);
        let extraction = extractor.map(|extractor| Extraction { extractor, cache: cache() });
        let custom = CustomAuth::compile(definition, hook, keys(), lifetimes, extraction)?;
        methods.push(Method::Custom(Arc::new(custom)));
    }
    if definition.use_standard_auth || methods.is_empty() {
        methods.push(Method::Token(TokenAuth::compile(definition, keys(), &config.certificates)?));
    }
    Ok(Auth::new(methods, &definition.base_identity_provided_by))
}
