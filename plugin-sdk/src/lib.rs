//! Write a plugin server for an API gateway that speaks `coprocess.Dispatcher`.
//!
//! The gateway calls the server around each request; a plugin reads the request, edits it, answers
//! it or says who is calling. Implement [`Plugin`] and serve it:
//!
//! ```no_run
//! use outrigger_plugin::{HookResult, Plugin, Request, ServerError, serve};
//!
//! struct Teapot;
//!
//! impl Plugin for Teapot {
//!     async fn pre(&self, request: &mut Request) -> HookResult {
//!         request.reject(418, "short and stout")
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), ServerError> {
//!     serve(Teapot, "127.0.0.1:5555").await
//! }
//! ```
//!
//! The API definition names the hooks, the gateway's configuration the server:
//!
//! ```json
//! "custom_middleware": {"driver": "grpc", "pre": [{"name": "Teapot"}]}
//! "coprocess_options": {"enable_coprocess": true, "coprocess_grpc_server": "tcp://127.0.0.1:5555"}
//! ```
//!
//! | to | use |
//! |---|---|
//! | read and edit the request | [`Request`] |
//! | let a caller in | [`AuthRequest::allow`] with a [`Session`] |
//! | know the caller | [`SessionRequest::session`] |
//! | change the upstream's answer | [`Response`] |
//! | refuse, or fail with `?` | [`Refusal`] |
//! | hear of events | [`Plugin::on_event`] |
//! | serve several plugins, on a port or a socket file, with TLS | [`Server`] |
//! | test hooks without a gateway | [`testing`] |

mod address;
mod error;
mod event;
mod header;
mod hooks;
mod plugin;
mod request;
mod response;
mod server;
mod session;
pub mod testing;

pub use address::Address;
pub use error::{ConfigError, HookResult, Refusal};
pub use event::Event;
pub use plugin::Plugin;
pub use request::{AuthRequest, Request, SessionRequest};
pub use response::Response;
pub use server::{Bound, Server, ServerError, serve, stop_signal};
pub use session::{Session, SessionView};
