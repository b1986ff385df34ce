//! Definitions made runnable, and which of them a request is for.

mod load;
mod port;
mod registry;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use serde_json::Value;

pub use load::{Unservable, check, load, parse, read};
pub use port::Port;
pub use registry::{Registry, Route};

use crate::chain::Chain;
use crate::pattern::ListenPath;
use crate::session::lifetime::Lifetimes;

/// An API definition made runnable.
pub struct Api {
    /// Its `api_id`.
    pub id: Arc<str>,
    /// Its name, as other APIs call it.
    pub name: String,
    /// Its `org_id`.
    pub org_id: String,
    /// How long it lets sessions be stored.
    pub lifetimes: Lifetimes,
    /// Where its definition was read.
    pub file: PathBuf,
    /// The definition as it was written there: references to secrets stay references.
    pub document: Value,
    /// Its listen path, which may not be the one that is written.
    pub listen_path: String,
    /// Whether it wants to see certificates of clients.
    pub asks_for_certificates: bool,
    /// The host that it is limited to, if that counts.
    pub domain: String,
    /// What is shown to clients that ask for a name of it.
    pub certificates: Vec<Arc<CertifiedKey>>,
    /// The ids of what its definition names and the store had.
    pub stored: BTreeSet<String>,
    /// The same to compare with, if batches of requests are taken below it.
    pub batches: Option<ListenPath>,
    /// What happens to its requests.
    pub chain: Chain,
}
