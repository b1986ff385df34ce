//! How a request goes through chains: what its way so far decides about the steps ahead.

use http::HeaderMap;

use super::Target;

/// What is known of a request's way.
#[derive(Clone, Debug, Default)]
pub struct Passage {
    /// Its path is open to everybody: no auth, no limits of callers.
    pub ignored: bool,
    /// How often it was sent to an API again.
    pub loops: u32,
    /// How often it may be, where its target says so.
    pub most_loops: Option<u32>,
    /// It came back to the API that it was in: limits do not count again, and neither does auth.
    pub returned: bool,
    /// So many bytes into its path, below the listen path, the version still stands.
    pub version_in_path: Option<usize>,
    /// It named no version, and got the default one.
    pub version_implied: bool,
    /// Its target's host is where it goes, whatever the API's upstream is.
    pub rewritten: bool,
    /// What its reply tells web pages, whoever makes the reply.
    pub reply_headers: Option<Box<HeaderMap>>,
    /// What becomes of it at the end of the chain.
    pub pending: Option<Box<Pending>>,
}

/// What a definition changes for the upstream only; hooks after it see it as done.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    /// The target.
    pub target: Option<Target>,
    /// The method, which may be none that HTTP can carry.
    pub method: Option<String>,
}
