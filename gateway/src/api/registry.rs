//! Which API a host and path belong to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use rustls::sign::CertifiedKey;

use super::{Api, Port};
use crate::certificate;
use crate::chain::{Elsewhere, LoopError, VersionError};
use crate::error::Failure;
use crate::pattern::{Host, ListenPath};

/// Where an API listens.
pub struct Route {
    /// The port, unless it is the gateway's own.
    pub port: Option<Port>,
    /// The host it is limited to.
    pub host: Option<Host>,
    /// Its listen path.
    pub path: ListenPath,
    /// What serves it.
    pub api: Arc<Api>,
}

/// The APIs that are served; replaced as a whole.
#[derive(Default)]
pub struct Registry {
    main: Site,
    /// By port, and whether it speaks TLS.
    others: BTreeMap<u16, (bool, Site)>,
    strict: bool,
    /// Each once, routed or not.
    apis: Vec<Arc<Api>>,
    /// Those of them that have certificates of their own.
    certified: Vec<Arc<Api>>,
}

/// Routes of one port.
#[derive(Default)]
struct Site {
    /// Whether some API wants to see certificates of clients.
    asks: bool,
    /// Routes bound to a host come before those that are not.
    bound: Vec<(Host, Table)>,
    open: Table,
}

/// Routes of one host: the longest listen path wins.
#[derive(Default)]
struct Table {
    literal: HashMap<String, Arc<Api>, RandomState>,
    /// Lengths of the literal paths, longest first.
    lengths: Vec<usize>,
    patterns: Vec<(ListenPath, Arc<Api>)>,
}

impl Registry {
    /// A registry of these routes and of APIs without one; `strict` as in `enable_strict_routes`.
    pub fn new(routes: Vec<Route>, internal: Vec<Arc<Api>>, strict: bool) -> Self {
        let mut registry = Self { strict, apis: internal, ..Self::default() };
        for Route { port, host, path, api } in routes {
            if registry.apis.iter().all(|known| !Arc::ptr_eq(known, &api)) {
                registry.apis.push(Arc::clone(&api));
            }
            let site = registry.site(port);
            site.asks |= api.asks_for_certificates;
            site.table(host).add(path, api);
        }
        registry.certified = registry.apis.iter().filter(|api| !api.certificates.is_empty()).cloned().collect();
        registry
    }

    fn site(&mut self, port: Option<Port>) -> &mut Site {
        match port {
            None => &mut self.main,
            Some(Port { number, secure }) => &mut self.others.entry(number).or_insert((secure, Site::default())).1,
        }
    }

    /// Whether some API on this port (none is the gateway's own) wants to see certificates of clients.
    pub fn asks_for_certificates(&self, port: Option<u16>) -> bool {
        port.map_or(Some(&self.main), |port| self.others.get(&port).map(|(_, site)| site)).is_some_and(|site| site.asks)
    }

    /// The certificate of an API for clients that ask for this server: one that names it, or else one
    /// of an API that has this domain.
    pub fn certificate(&self, server: &str) -> Option<Arc<CertifiedKey>> {
        let all = || self.certified.iter().flat_map(|api| api.certificates.iter().map(move |key| (api, key)));
        let named = all().find(|(_, key)| certificate::covers(key, server));
        let found = named.or_else(|| all().find(|(api, _)| api.domain.eq_ignore_ascii_case(server)));
        found.map(|(_, key)| Arc::clone(key))
    }

    /// The ports of APIs, and whether they speak TLS.
    pub fn ports(&self) -> impl Iterator<Item = (u16, bool)> {
        self.others.iter().map(|(port, (secure, _))| (*port, *secure))
    }

    /// All APIs.
    pub fn apis(&self) -> &[Arc<Api>] {
        &self.apis
    }

    /// The API of this id.
    pub fn api(&self, id: &str) -> Option<&Arc<Api>> {
        self.apis.iter().find(|api| *api.id == *id)
    }

    /// The API of this id, or of this name: all but letters and digits as dashes, in any case.
    pub fn named(&self, name: &str) -> Option<&Arc<Api>> {
        self.api(name).or_else(|| self.apis.iter().find(|api| api.name.eq_ignore_ascii_case(name)))
    }

    /// The API that a request is sent to from this one; none is the one that it came to first.
    pub fn elsewhere(&self, to: Elsewhere, from: Option<Arc<Api>>) -> Result<Option<Arc<Api>>, Failure> {
        match to {
            Elsewhere::Itself => Ok(from),
            Elsewhere::Api { name } => {
                let api = self.named(&name).map(Arc::clone);
                api.map(Some).ok_or(LoopError::Unknown(name).into())
            }
            Elsewhere::Version { id } => {
                let api = self.api(&id).map(Arc::clone);
                api.map(Some).ok_or(VersionError::NoApi.into())
            }
        }
    }

    /// The API for a port (none is the gateway's own), a host (without port) and a path (without escapes).
    pub fn find(&self, port: Option<u16>, host: &str, path: &str) -> Option<&Arc<Api>> {
        let site = match port {
            None => &self.main,
            Some(port) => &self.others.get(&port)?.1,
        };
        site.find(host, path, self.strict)
    }
}

impl Route {
    /// The number of the port, unless it is the gateway's own.
    pub fn number(&self) -> Option<u16> {
        self.port.map(|port| port.number)
    }
}

impl Site {
    fn table(&mut self, host: Option<Host>) -> &mut Table {
        let Some(host) = host else { return &mut self.open };
        let same = |known: &Host| match (known, &host) {
            (Host::Name(a), Host::Name(b)) => a == b,
            (Host::Pattern(a), Host::Pattern(b)) => a.as_str() == b.as_str(),
            _ => false,
        };
        let at = self.bound.iter().position(|(known, _)| same(known)).unwrap_or_else(|| {
            self.bound.push((host.clone(), Table::default()));
            self.bound.len() - 1
        });
        &mut self.bound[at].1
    }

    fn find(&self, host: &str, path: &str, strict: bool) -> Option<&Arc<Api>> {
        let bound = self.bound.iter().filter(|(known, _)| known.matches(host)).map(|(_, table)| table);
        bound.chain([&self.open]).find_map(|table| table.find(path, strict))
    }
}

impl Table {
    /// The first of two equal paths stays.
    fn add(&mut self, path: ListenPath, api: Arc<Api>) {
        if path.is_pattern() {
            let at = self.patterns.partition_point(|(known, _)| known.as_str().len() >= path.as_str().len());
            return self.patterns.insert(at, (path, api));
        }
        let length = path.as_str().len();
        self.literal.entry(path.as_str().to_owned()).or_insert(api);
        if let Err(at) = self.lengths.binary_search_by(|known| length.cmp(known)) {
            self.lengths.insert(at, length);
        }
    }

    fn find(&self, path: &str, strict: bool) -> Option<&Arc<Api>> {
        let literal = self.lengths.iter().find_map(|&length| {
            let prefix = path.get(..length)?;
            let api = self.literal.get(prefix)?;
            let whole = !strict || prefix.ends_with('/') || path.len() == length || path[length..].starts_with('/');
            whole.then_some((length, api))
        });
        let longer = |pattern: &ListenPath| literal.is_none_or(|(length, _)| pattern.as_str().len() > length);
        let pattern = self.patterns.iter().find(|(pattern, _)| longer(pattern) && pattern.matches(path, strict));
        pattern.map(|(_, api)| api).or(literal.map(|(_, api)| api))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use serde_json::Value;

    use super::*;
    use crate::certificate::Certificates;
    use crate::chain::{self, Shared};
    use crate::cluster::Nodes;
    use crate::config::Config;
    use crate::definition::Definition;
    use crate::error::Pages;
    use crate::event;
    use crate::upstream::Ways;

    fn route(host: Option<&str>, path: &str) -> Route {
        let mut definition = Definition { use_keyless: true, ..Default::default() };
        definition.proxy.target_url = "http://up/".into();
        let path = ListenPath::parse(path).unwrap();
        let variables = [("TYK_GW_OMITCONFIGFILE", "true"), ("TYK_GW_APPPATH", "apps")];
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(None, environment, None).unwrap().config;
        let pages = Pages::load(None, true).unwrap();
        let shared = Shared::new(&config, Nodes::default(), event::queue().0, Ways::new().unwrap(), pages);
        let chain = chain::compile(&definition, &path, &config, &shared, &Certificates::default()).unwrap();
        let host = host.map(|host| Host::parse(host).unwrap());
        let id = path.as_str().into();
        let lifetimes = chain::lifetimes(&definition, &config);
        let api = Api {
            id,
            name: String::new(),
            org_id: String::new(),
            lifetimes,
            file: PathBuf::new(),
            document: Value::Null,
            listen_path: String::new(),
            asks_for_certificates: false,
            domain: String::new(),
            certificates: Vec::new(),
            stored: BTreeSet::new(),
            batches: None,
            chain,
        };
        Route { port: None, host, path, api: Arc::new(api) }
    }

    fn found(registry: &Registry, host: &str, path: &str) -> Option<String> {
        registry.find(None, host, path).map(|api| api.id.to_string())
    }

    #[test]
    fn the_longest_listen_path_wins() {
        let routes = ["/", "/a/", "/a/b/", "/{any}/b/c/"].map(|path| route(None, path));
        let registry = Registry::new(routes.into(), Vec::new(), false);
        let id = |path| found(&registry, "", path).unwrap();
        assert_eq!((id("/x"), id("/a/x"), id("/a/b/x")), ("/".into(), "/a/".into(), "/a/b/".into()));
        assert_eq!(id("/a/b/c/d"), "/{any}/b/c/");
    }

    #[test]
    fn a_path_without_an_api_finds_nothing() {
        let registry = Registry::new(vec![route(None, "/foo/"), route(None, "/bar")], Vec::new(), true);
        assert_eq!(found(&registry, "", "/foo"), None);
        assert_eq!(found(&registry, "", "/barn"), None);
        assert_eq!(found(&registry, "", "/bar/x").as_deref(), Some("/bar"));
    }

    #[test]
    fn routes_bound_to_the_host_come_first_and_others_stay_hidden() {
        let registry =
            Registry::new(vec![route(None, "/a/long/path/"), route(Some("x.test"), "/a/")], Vec::new(), false);
        assert_eq!(found(&registry, "X.test", "/a/long/path/").as_deref(), Some("/a/"));
        assert_eq!(found(&registry, "y.test", "/a/b"), None);
        assert_eq!(found(&registry, "y.test", "/a/long/path/").as_deref(), Some("/a/long/path/"));
    }
}
