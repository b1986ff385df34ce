//! API definitions: a text is served, or refused with reasons.

use std::sync::LazyLock;

use outrigger_gateway::api::{self, Unservable};
use outrigger_gateway::certificate::Certificates;
use outrigger_gateway::chain::Shared;
use outrigger_gateway::cluster::Nodes;
use outrigger_gateway::config::Config;
use outrigger_gateway::definition::{Definition, DefinitionError};
use outrigger_gateway::error::Pages;
use outrigger_gateway::event;
use outrigger_gateway::upstream::Ways;

/// A gateway's configuration with a plugin server, and what its APIs share.
static GATEWAY: LazyLock<(Config, Shared)> = LazyLock::new(|| {
    let variables = [
        ("TYK_GW_OMITCONFIGFILE", "true"),
        ("TYK_GW_APPPATH", "apps"),
        ("TYK_GW_COPROCESSOPTIONS_ENABLECOPROCESS", "true"),
        ("TYK_GW_COPROCESSOPTIONS_COPROCESSGRPCSERVER", "tcp://127.0.0.1:1"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::load(None, variables.into_iter(), None).expect("the configuration is usable").config;
    let ways = Ways::new().expect("the system's certificates can be read");
    let pages = Pages::load(None, true).expect("our own pages are usable");
    let shared = Shared::new(&config, Nodes::default(), event::queue().0, ways, pages);
    (config, shared)
});

/// Loads a definition.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (config, shared) = &*GATEWAY;
    let given = Certificates::default();
    match api::parse(text, config).and_then(|definition| api::check(&definition, config, shared, &given)) {
        Ok(()) => served(text),
        Err(Unservable::Definition(DefinitionError::Unsupported(refusals))) => {
            assert!(!refusals.is_empty(), "refused, and nobody knows why");
            for refusal in refusals {
                assert!(
                    !refusal.path.is_empty() && !refusal.reason.is_empty(),
                    "a refusal says too little: {refusal:?}"
                );
            }
        }
        Err(Unservable::Definition(error)) => assert!(!error.to_string().is_empty()),
        Err(Unservable::Chain(error)) => {
            assert!(!error.path.is_empty() && !error.reason.is_empty(), "a refusal says too little: {error:?}");
        }
    }
}

/// What is served has a place, and is read alike a second time.
fn served(text: &str) {
    // References to the environment are replaced before the text is read.
    if text.contains("env://") || text.contains("secrets://") {
        return;
    }
    let parsed = Definition::parse(text).expect("what is served can be parsed");
    let listen_path = parsed.definition.listen_path().expect("what is served has a listen path");
    assert!(listen_path.starts_with('/'), "{listen_path:?}");
}
