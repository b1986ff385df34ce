//! Outrigger, an API gateway that hosts plugins out of process.
//!
//! The life of a request:
//!
//! 1. [`listener`]: a worker reads its head; the front door finds the [`api`] for host and path.
//! 2. [`exchange`]: the request becomes an exchange, its body still on the wire.
//! 3. [`chain`]: the API's steps take it in turn. A step that is a [`hook`] makes a coprocess object
//!    of the exchange, lets [`dispatch`] call the plugin server, and applies what comes back;
//!    [`auth`] and [`session`] say who calls and what they may, out of what [`store`] keeps.
//! 4. [`upstream`]: what is left goes to the API's target, and its reply comes back through the
//!    response hooks.
//! 5. [`error`]: whatever ended the chain early becomes the client's answer, in one place, and
//!    maybe an [`event`] that others hear of.
//!
//! Before the first request, [`config`] reads `tyk.conf`, and [`source`] and [`definition`] the API
//! definitions. Nodes that share a store tell each other of changes in [`cluster`]. [`telemetry`]
//! writes logs, [`supervisor`] tells the service manager. [`cli`] is what the operator types.

pub mod api;
pub mod auth;
pub mod certificate;
pub mod chain;
pub mod cli;
mod clock;
pub mod cluster;
pub mod config;
pub mod control;
pub mod definition;
pub mod dispatch;
pub mod error;
pub mod event;
pub mod exchange;
pub mod hook;
mod json;
mod key_proof;
pub mod listener;
pub mod one_piece;
pub mod pattern;
pub mod session;
mod shards;
pub mod sockets;
pub mod source;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod upstream;
