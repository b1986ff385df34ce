//! Who is to hear of what, as definitions and `tyk.conf` write it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Refusal;

/// The kind of handler that tells a plugin server.
pub const PLUGIN: &str = "cp_dynamic_handler";

/// The handlers of events.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventHandlers {
    /// By the event's name.
    pub events: BTreeMap<String, Vec<EventHandler>>,
}

/// One handler.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventHandler {
    /// Its kind.
    pub handler_name: String,
    /// What this kind needs.
    pub handler_meta: Map<String, Value>,
}

impl EventHandlers {
    /// Each handler with the name of its event and its JSON path.
    pub fn each(&self) -> impl Iterator<Item = (&str, String, &EventHandler)> {
        self.events.iter().flat_map(|(name, handlers)| {
            let path = move |at| format!("event_handlers.events.{name}[{at}]");
            handlers.iter().enumerate().map(move |(at, handler)| (name.as_str(), path(at), handler))
        })
    }

    /// Handlers of plugin servers that have no name to be told by.
    pub(super) fn nameless(&self) -> impl Iterator<Item = Refusal> {
        let nameless = |handler: &EventHandler| {
            handler.handler_name == PLUGIN && !handler.handler_meta.get("name").is_some_and(Value::is_string)
        };
        self.each().filter(move |(_, _, handler)| nameless(handler)).map(|(_, path, _)| Refusal {
            path: format!("{path}.handler_meta.name"),
            reason: "a plugin server knows its handlers by name: write one".to_owned(),
        })
    }
}
