//! Who is calling.

use std::sync::Arc;

use crate::error::{Failure, Stop};
use crate::exchange::Exchange;
use crate::hook::{Hook, Returned};
use crate::session::Session;
use crate::sockets::Sockets;

/// The metadata entry in which an auth plugin names its caller.
const TOKEN: &str = "token";

/// Authentication by a plugin: the hook CustomKeyCheck.
#[derive(Debug)]
pub struct CustomAuth {
    /// What is called.
    pub hook: Hook,
    /// The API's organisation, whatever the plugin says.
    pub org_id: Arc<str>,
}

impl CustomAuth {
    /// Asks the plugin who is calling; the session it returns lives for this request.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<(), Stop> {
        let returned = self.hook.run(exchange, sockets).await?;
        exchange.session = Some(Arc::new(self.session(returned)?));
        Ok(())
    }

    /// The session that the plugin made, its metadata overlaid with the object's.
    fn session(&self, returned: Returned) -> Result<Session, Failure> {
        let mut state = returned.session.ok_or(Failure::NoSession("it returned no session"))?;
        state.metadata.extend(returned.metadata);
        let token = state.metadata.get(TOKEN).filter(|token| !token.is_empty()).cloned();
        let token = token.ok_or(Failure::NoSession("it returned no metadata entry \"token\""))?;
        if !state.apply_policies.is_empty() || !state.apply_policy_id.is_empty() {
            return Err(Failure::NoSession("its session names policies, and this version knows none"));
        }
        Ok(Session::from_plugin(state, &self.org_id, &token))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use coprocess::SessionState;

    use super::*;
    use crate::hook::HookType;

    fn session(state: Option<SessionState>, token: Option<&str>) -> Result<Session, Failure> {
        let hook = Hook {
            kind: HookType::CustomKeyCheck,
            name: "Auth".into(),
            raw_body_only: false,
            server: Ok("default".into()),
            spec: Arc::default(),
        };
        let metadata: HashMap<_, _> = token.map(|token| (TOKEN.to_owned(), token.to_owned())).into_iter().collect();
        CustomAuth { hook, org_id: "org".into() }.session(Returned { session: state, metadata })
    }

    #[test]
    fn the_token_becomes_the_key_and_the_org_is_the_apis() {
        let plugins = SessionState { org_id: "other".into(), ..Default::default() };
        let made = session(Some(plugins), Some("t")).unwrap();
        assert_eq!((made.state().key_id.as_str(), made.state().org_id.as_str()), ("t", "org"));
        assert_eq!(made.state().metadata[TOKEN], "t");
    }

    #[test]
    fn without_session_token_or_known_policies_nobody_gets_in() {
        let policies = SessionState { apply_policies: vec!["gold".into()], ..Default::default() };
        for refused in
            [session(None, Some("t")), session(Some(SessionState::default()), None), session(Some(policies), Some("t"))]
        {
            assert!(matches!(refused, Err(Failure::NoSession(_))));
        }
    }
}
