//! Who hears of an event.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::name::{Name, OF_APIS, OF_THE_SYSTEM};
use super::queue::HANDLER_ROOM;
use super::template::Template;
use super::webhook::Webhook;
use crate::definition::{EventHandler, EventHandlers, PLUGIN_HANDLER, Refusal};

/// All that hear of the events of one API, or of the control API.
#[derive(Debug)]
pub struct Handlers {
    pub(super) origin: Origin,
    by_name: BTreeMap<Name, Vec<Arc<Handler>>>,
}

/// Where events come from, as handlers are told.
#[derive(Debug, Default)]
pub struct Origin {
    /// The API's id.
    pub api_id: String,
    /// The API's organisation.
    pub org_id: String,
}

/// One that hears of an event.
#[derive(Debug)]
pub(super) struct Handler {
    pub(super) kind: Kind,
    /// What may be on its way to it at once.
    pub(super) room: Arc<Semaphore>,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A plugin server, by the handler's name there.
    Plugin(String),
    /// A web server.
    Webhook(Box<Webhook>),
    /// The log, after this prefix.
    Log(String),
}

/// What became of the handlers that somebody wrote.
#[derive(Debug)]
pub struct Compiled {
    /// Those that will hear, if there are any.
    pub handlers: Option<Arc<Handlers>>,
    /// Those that will not: they decide nothing, so what they were written for goes on.
    pub left_out: Vec<Refusal>,
}

impl Handlers {
    /// The handlers of an API; `no_plugins` says why a plugin server cannot be told.
    pub fn of_api(written: &EventHandlers, origin: Origin, no_plugins: Option<&str>) -> Compiled {
        compile(written, origin, &OF_APIS, no_plugins)
    }

    /// The handlers of the control API's events.
    pub fn of_the_system(written: &EventHandlers) -> Compiled {
        const NO_PLUGINS: &str =
            "plugin servers hear of the events of APIs only: remove it, or use eh_web_hook_handler";
        compile(written, Origin::default(), &OF_THE_SYSTEM, Some(NO_PLUGINS))
    }

    /// The webhook that hears how much of quotas is used, written at this path.
    pub fn of_quotas(written: &Map<String, Value>, path: &str) -> Result<Arc<Self>, Refusal> {
        let webhook = Webhook::compile(written, path, Template::of_quotas)?;
        let handler = Handler::new(Kind::Webhook(Box::new(webhook)));
        let by_name = BTreeMap::from([(Name::TriggerExceeded, vec![Arc::new(handler)])]);
        Ok(Arc::new(Self { origin: Origin::default(), by_name }))
    }

    pub(super) fn of(&self, name: Name) -> &[Arc<Handler>] {
        self.by_name.get(&name).map_or(&[], Vec::as_slice)
    }

    /// Whether anybody hears of this event.
    pub fn hear(&self, name: Name) -> bool {
        self.by_name.contains_key(&name)
    }

    /// Whether anybody wants to see the request that an event came from.
    pub fn want_request(&self, name: Name) -> bool {
        self.of(name).iter().any(|handler| match &handler.kind {
            Kind::Plugin(_) => true,
            Kind::Webhook(webhook) => webhook.tells_request(),
            Kind::Log(_) => false,
        })
    }
}

impl Handler {
    fn new(kind: Kind) -> Self {
        Self { kind, room: Arc::new(Semaphore::new(HANDLER_ROOM as usize)) }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(name) => write!(f, "plugin server's {name:?}"),
            Self::Webhook(webhook) => write!(f, "webhook {}", webhook.target),
            Self::Log(_) => f.write_str("log"),
        }
    }
}

fn compile(written: &EventHandlers, origin: Origin, names: &[Name], no_plugins: Option<&str>) -> Compiled {
    let (mut by_name, mut left_out) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for (event, path, handler) in written.each() {
        match kind(event, &path, handler, names, no_plugins) {
            Ok(Some((name, kind))) => {
                by_name.entry(name).or_default().push(Arc::new(Handler::new(kind)));
            }
            Ok(None) => {}
            Err(refusal) => left_out.push(refusal),
        }
    }
    let handlers = (!by_name.is_empty()).then(|| Arc::new(Handlers { origin, by_name }));
    Compiled { handlers, left_out }
}

/// The event and the kind of a handler, unless it is switched off.
fn kind(
    event: &str,
    path: &str,
    EventHandler { handler_name, handler_meta: meta }: &EventHandler,
    names: &[Name],
    no_plugins: Option<&str>,
) -> Result<Option<(Name, Kind)>, Refusal> {
    let refuse = |path: &str, reason: String| Err(Refusal { path: path.to_owned(), reason });
    let text = |key| meta.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = match handler_name.as_str() {
        PLUGIN_HANDLER => match no_plugins {
            None => Kind::Plugin(text("name")),
            Some(why) => return refuse(path, why.to_owned()),
        },
        "eh_log_handler" | "eh_web_hook_handler" if is_disabled(meta) => return Ok(None),
        "eh_log_handler" => Kind::Log(text("prefix")),
        "eh_web_hook_handler" => {
            Kind::Webhook(Box::new(Webhook::compile(meta, &format!("{path}.handler_meta"), Template::ours)?))
        }
        "eh_dynamic_handler" if is_disabled(meta) => return Ok(None),
        other => {
            let known = format!("{PLUGIN_HANDLER}, eh_web_hook_handler or eh_log_handler");
            let reason = format!("{other:?} is not supported: use {known}; scripts do not run in the gateway");
            return refuse(&format!("{path}.handler_name"), reason);
        }
    };
    match names.iter().find(|name| name.as_str() == event) {
        Some(name) => Ok(Some((*name, kind))),
        None => {
            let told: Vec<_> = names.iter().map(|name| name.as_str()).collect();
            refuse(path, format!("{event:?} is not told of here; these are: {}", told.join(", ")))
        }
    }
}

fn is_disabled(meta: &Map<String, Value>) -> bool {
    meta.get("disabled").and_then(Value::as_bool).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(events: Value) -> EventHandlers {
        serde_json::from_value(json!({ "events": events })).unwrap()
    }

    fn plugin() -> Value {
        json!({"handler_name": "cp_dynamic_handler", "handler_meta": {"name": "h"}})
    }

    #[test]
    fn each_event_has_its_own_handlers_and_only_some_want_the_request() {
        let log = json!({"handler_name": "eh_log_handler", "handler_meta": {"prefix": "p"}});
        let both = written(json!({"AuthFailure": [log, plugin()], "KeyExpired": [log]}));
        let Compiled { handlers, left_out } = Handlers::of_api(&both, Origin::default(), None);
        let handlers = handlers.unwrap();
        assert_eq!((handlers.of(Name::AuthFailure).len(), handlers.of(Name::KeyExpired).len()), (2, 1));
        assert!(handlers.want_request(Name::AuthFailure) && !handlers.want_request(Name::KeyExpired));
        assert!(!handlers.hear(Name::QuotaExceeded));
        assert_eq!(left_out, []);
    }

    #[test]
    fn a_handler_that_is_off_is_no_handler() {
        let off = |kind: &str| json!({"handler_name": kind, "handler_meta": {"disabled": true}});
        let all = ["eh_log_handler", "eh_web_hook_handler", "eh_dynamic_handler"].map(off);
        let Compiled { handlers, left_out } =
            Handlers::of_api(&written(json!({ "AuthFailure": all })), Origin::default(), None);
        assert!(handlers.is_none() && left_out.is_empty());
    }

    #[test]
    fn what_cannot_hear_is_left_out_and_named() {
        let left_out = |events, no_plugins| Handlers::of_api(&written(events), Origin::default(), no_plugins).left_out;
        let script = json!({"handler_name": "eh_dynamic_handler", "handler_meta": {"name": "f"}});
        let [found] = &left_out(json!({"AuthFailure": [script]}), None)[..] else { panic!("not left out") };
        assert_eq!(found.path, "event_handlers.events.AuthFailure[0].handler_name");
        assert_eq!(left_out(json!({"AuthFailure": [plugin()]}), Some("why"))[0].reason, "why");
        assert_eq!(
            left_out(json!({"UpstreamOAuthError": [plugin()]}), None)[0].path,
            "event_handlers.events.UpstreamOAuthError[0]"
        );
        assert_eq!(left_out(json!({"TokenCreated": [plugin()]}), None).len(), 1);
    }

    #[test]
    fn plugin_servers_hear_nothing_of_the_control_api() {
        let system = Handlers::of_the_system(&written(json!({ "TokenCreated": [plugin()] })));
        assert!(system.handlers.is_none());
        assert_eq!(system.left_out.len(), 1);
    }
}
