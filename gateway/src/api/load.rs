//! Loads the definitions: one broken file never stops the others.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use serde_json::Value;
use thiserror::Error;
use tracing::{error, info, warn};

use super::{Api, Port, Registry, Route, port};
use crate::certificate::{Certificates, is_id};
use crate::chain::{self, Shared};
use crate::config::{Certificate, Config};
use crate::definition::{Definition, DefinitionError};
use crate::pattern::{Host, ListenPath, PatternError};
use crate::source::{self, SourceError, Sourced};

/// Reads what lies in `app_path`.
pub fn read(config: &Config) -> Result<Vec<Sourced>, SourceError> {
    source::load(&config.app_path, &config.secrets, &|name| std::env::var(name).ok())
}

/// Loads what was read; says in the log why a definition is not served. An API whose definition is
/// as before stays as it is, with its session cache and its connections.
pub fn load(
    sourced: Vec<Sourced>,
    config: &Config,
    shared: &Shared,
    given: &Certificates,
    previous: &Registry,
) -> Registry {
    let mut loader = Loader { previous: Some(previous), ..Loader::new(config, shared, given) };
    // Who has a listen path keeps it, wherever the file of another stands.
    let (settled, new): (Vec<_>, Vec<_>) = sourced.into_iter().partition(|sourced| loader.is_settled(sourced));
    for Sourced { file, written, outcome } in settled.into_iter().chain(new) {
        match outcome {
            Ok(parsed) => {
                if !parsed.ignored.is_empty() {
                    let keys = parsed.ignored.join(", ");
                    warn!(file = %file.display(), keys, "keys that are not supported yet have no effect");
                }
                loader.add(file, written, &parsed.definition);
            }
            Err(error) => loader.refuse(&file, &error),
        }
    }
    let (served, refused) = (loader.routes.len(), loader.refused);
    info!(served, refused, folder = %config.app_path.display(), "API definitions loaded");
    let (routes, internal) = loader.routes();
    Registry::new(routes, internal, config.http.strict_routes)
}

/// Why a definition would not be served.
#[derive(Debug, Error)]
pub enum Unservable {
    /// It cannot be read, or asks for what there is not.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Nothing that runs can be made of it.
    #[error(transparent)]
    Chain(#[from] chain::CompileError),
}

/// Reads a definition as it would be read from a file.
pub fn parse(text: &str, config: &Config) -> Result<Definition, Unservable> {
    Ok(source::parse(text, &config.secrets, &|name| std::env::var(name).ok())?.definition)
}

/// Whether a definition could be served, by the checks of loading.
pub fn check(
    definition: &Definition,
    config: &Config,
    shared: &Shared,
    given: &Certificates,
) -> Result<(), Unservable> {
    Loader::new(config, shared, given).route(Path::new(""), Value::Null, definition)?;
    Ok(())
}

struct Loader<'a> {
    config: &'a Config,
    shared: &'a Shared,
    given: &'a Certificates,
    previous: Option<&'a Registry>,
    taken: HashSet<(Option<u16>, String, String)>,
    /// Which ports there are, and whether they speak TLS.
    ports: HashMap<u16, bool>,
    routes: Vec<Route>,
    internal: Vec<Arc<Api>>,
    refused: usize,
}

impl<'a> Loader<'a> {
    fn new(config: &'a Config, shared: &'a Shared, given: &'a Certificates) -> Self {
        let (taken, ports, routes, internal) = (HashSet::new(), HashMap::new(), Vec::new(), Vec::new());
        Self { config, shared, given, previous: None, taken, ports, routes, internal, refused: 0 }
    }

    fn refuse(&mut self, file: &Path, error: &dyn std::error::Error) {
        self.refused += 1;
        error!(file = %file.display(), %error, "API definition refused, its path answers 404");
    }

    fn add(&mut self, file: PathBuf, written: Value, definition: &Definition) {
        let route = self.route(&file, written, definition);
        for fault in route.iter().flat_map(|route| route.api.chain.faults()) {
            error!(file = %file.display(), api_id = definition.api_id, "{fault}; every request that comes to it fails");
        }
        for refusal in route.iter().flat_map(|route| route.api.chain.left_out()) {
            warn!(file = %file.display(), api_id = definition.api_id, "{refusal}; this event handler hears nothing");
        }
        if definition.cors.options_passthrough {
            let consequence = "OPTIONS requests reach the upstream past auth, limits and hooks";
            warn!(file = %file.display(), api_id = definition.api_id, json_path = "CORS.options_passthrough", "{consequence}");
        }
        match route {
            // Only other APIs may reach an internal one.
            Ok(route) if definition.internal => {
                info!(api_id = definition.api_id, "internal API is not routed");
                self.internal.push(route.api);
            }
            Ok(route) => {
                self.ports.extend(route.port.map(|port| (port.number, port.secure)));
                self.taken.insert((route.number(), self.domain(definition), route.path.as_str().to_owned()));
                self.routes.push(route);
            }
            Err(error) => self.refuse(&file, &error),
        }
    }

    fn route(&self, file: &Path, document: Value, definition: &Definition) -> Result<Route, chain::CompileError> {
        let listen_path = definition.listen_path().map_err(|refusal| at("proxy.listen_path", refusal))?;
        let host = self.host(definition).map_err(|error| at("domain", error))?;
        let port = self.port(definition)?;
        let listen_path = self.unique(file, definition, port, listen_path);
        let path = ListenPath::parse(&listen_path).map_err(|error| at("proxy.listen_path", error))?;
        let stored = self.stored(definition);
        let unchanged = self.unchanged(file, &document, &listen_path).filter(|_| names_no_file(definition));
        if let Some(api) = unchanged.filter(|api| api.stored == stored) {
            return Ok(Route { port, host, path, api: Arc::clone(api) });
        }
        let switch = definition.asks_for_certificates();
        if let Some(switch) = switch.filter(|_| !port.map_or(self.config.use_ssl, |port| port.secure)) {
            let reason = "certificates are shown over TLS only, and the API's port speaks http: set use_ssl in tyk.conf, \
                          or give the API a listen_port with protocol https";
            return Err(at(switch, reason));
        }
        let chain = chain::compile(definition, &path, self.config, self.shared, self.given)?;
        let api = Arc::new(Api {
            id: definition.api_id.as_str().into(),
            name: loop_name(&definition.name),
            org_id: definition.org_id.clone(),
            lifetimes: chain::lifetimes(definition, self.config),
            file: file.to_owned(),
            document,
            listen_path,
            asks_for_certificates: switch.is_some(),
            domain: self.domain(definition),
            certificates: self.certificates(definition)?,
            stored,
            batches: definition.enable_batch_request_support.then(|| path.clone()),
            chain,
        });
        Ok(Route { port, host, path, api })
    }

    /// The API's own port; the first API on a port says what is spoken there.
    fn port(&self, definition: &Definition) -> Result<Option<Port>, chain::CompileError> {
        let Some(port) = port::of(definition, self.config)? else { return Ok(None) };
        match self.ports.get(&port.number) {
            Some(secure) if *secure != port.secure => Err(at(
                "protocol",
                format!("another API has port {} with another protocol: use one of both", port.number),
            )),
            _ => Ok(Some(port)),
        }
    }

    /// The ids of what it names and the store has.
    fn stored(&self, definition: &Definition) -> BTreeSet<String> {
        definition.named_certificates().filter(|name| self.given.shelf.has(name)).map(str::to_owned).collect()
    }

    /// What is shown to clients.
    fn certificates(&self, definition: &Definition) -> Result<Vec<Arc<CertifiedKey>>, chain::CompileError> {
        let load = |(index, name): (usize, &String)| {
            let path = format!("certificates[{index}]");
            match Certificate::named(&path, name, &self.given.shelf) {
                Ok(found) => Some(Ok(found?.key)),
                Err(error) => Some(Err(at(&path, format!("{name:?}: {}", error.reason)))),
            }
        };
        definition.certificates.iter().enumerate().filter_map(load).collect()
    }

    /// Whether it is of an API that is served where it wants to be.
    fn is_settled(&self, Sourced { outcome, .. }: &Sourced) -> bool {
        let (Some(previous), Ok(parsed)) = (self.previous, outcome) else { return false };
        let definition = &parsed.definition;
        let Ok(listen_path) = definition.listen_path() else { return false };
        let domain = self.domain(definition);
        let served =
            |api: &Arc<Api>| *api.id == *definition.api_id && api.listen_path == listen_path && api.domain == domain;
        previous.apis().iter().any(served)
    }

    /// The API that was made of the same definition before.
    fn unchanged(&self, file: &Path, document: &Value, listen_path: &str) -> Option<&Arc<Api>> {
        let same = |api: &&Arc<Api>| api.file == file && api.document == *document && api.listen_path == listen_path;
        self.previous?.apis().iter().find(same)
    }

    fn host(&self, definition: &Definition) -> Result<Option<Host>, PatternError> {
        let own = Some(self.domain(definition)).filter(|domain| !domain.is_empty());
        own.or(self.config.hostname.clone()).map(|host| Host::parse(&host)).transpose()
    }

    /// The domain that tells equal listen paths apart.
    fn domain(&self, definition: &Definition) -> String {
        let counts = self.config.custom_domains && !definition.domain_disabled;
        if counts { definition.domain.to_ascii_lowercase() } else { String::new() }
    }

    /// A listen path that another API has already is changed, and the operator told.
    fn unique(&self, file: &Path, definition: &Definition, port: Option<Port>, wanted: String) -> String {
        let domain = self.domain(definition);
        let number = port.map(|port| port.number);
        let taken = |path: &str| self.taken.contains(&(number, domain.clone(), path.to_owned()));
        if !taken(&wanted) {
            return wanted;
        }
        let mut path = format!("{wanted}-{}", definition.api_id);
        while taken(&path) {
            path.push('_');
        }
        error!(
            file = %file.display(),
            json_path = "proxy.listen_path",
            value = wanted,
            served_at = path,
            "another API has this listen path; give each API one of its own"
        );
        path
    }

    /// All routes, and for each API a second one under its id; and the APIs that have none.
    fn routes(self) -> (Vec<Route>, Vec<Arc<Api>>) {
        let alias = |route: &Route| {
            let path = ListenPath::parse(&format!("/{}/", route.api.id)).ok()?;
            Some(Route { port: route.port, host: route.host.clone(), path, api: Arc::clone(&route.api) })
        };
        let aliases: Vec<_> = self.routes.iter().filter(|route| !route.api.id.is_empty()).filter_map(alias).collect();
        (self.routes.into_iter().chain(aliases).collect(), self.internal)
    }
}

/// Whether no file can have changed that counts at the listener.
fn names_no_file(definition: &Definition) -> bool {
    !definition.use_mutual_tls_auth && definition.certificates.iter().all(|name| is_id(name))
}

/// What stands before a category, as in `Orders #shop`: all but letters and digits as dashes.
fn loop_name(name: &str) -> String {
    let name = name.split(" #").next().unwrap_or(name);
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

pub(super) fn at(path: &str, reason: impl ToString) -> chain::CompileError {
    chain::CompileError { path: path.to_owned(), reason: reason.to_string() }
}
