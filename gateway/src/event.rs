//! Events: what happened, who hears of it, and the queue between a request and whoever hears.
//!
//! Nobody waits for an event: it is put into a queue that has room for so much, and what finds no
//! room is dropped and counted. The control thread delivers, each event to each handler on its own.

mod deliver;
mod handler;
mod host;
mod name;
mod payload;
mod queue;
mod template;
mod time;
mod webhook;

use std::time::SystemTime;

pub use deliver::Couriers;
pub use handler::{Compiled, Handlers, Origin};
pub use host::HostReport;
pub use name::Name;
pub use queue::{Deliveries, Events, queue};

/// Something that happened.
#[derive(Debug)]
pub struct Event {
    /// What.
    pub name: Name,
    /// The same for people.
    pub message: &'static str,
    /// To what.
    pub subject: Subject,
    /// When.
    pub at: SystemTime,
}

/// What an event happened to.
#[derive(Debug)]
pub enum Subject {
    /// A request.
    Request {
        /// Its bytes, as far as somebody wants to see them.
        wire: Vec<u8>,
        /// Its path, without escapes.
        path: String,
        /// The client's address.
        client: String,
        /// The key or credential that it is about.
        key: String,
        /// Why its version kept it out, if that was it.
        reason: Option<&'static str>,
    },
    /// The circuit breaker of a path.
    Circuit {
        /// The bytes of the request with which it turned, as far as somebody wants to see them.
        wire: Vec<u8>,
        /// The path, as the definition has it.
        path: String,
        /// The API.
        api_id: String,
        /// 0 if it opened, 1 if it closed.
        event: u8,
    },
    /// The quota of a key or an organisation.
    Quota {
        /// Its organisation.
        org_id: String,
        /// The key's id, or the organisation's.
        key: String,
        /// Which share of the quota has been reached, per cent.
        limit: i64,
        /// The share that is used, per cent.
        usage: i64,
    },
    /// A key.
    Key {
        /// Its organisation.
        org_id: String,
        /// Its id.
        key: String,
    },
    /// A host of an upstream.
    Host(Box<HostReport>),
}
