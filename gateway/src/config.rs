//! `tyk.conf` as written and the environment, made a `Config` that can be run on.

mod address;
mod certificates;
mod control;
mod environment;
mod error;
mod guards;
mod identity;
mod keys;
mod limits;
mod monitor;
mod plugin_servers;
mod ports;
mod reference;
mod storage;
mod survey;
mod tls;
mod trust;
mod upstream;
mod validate;
mod written;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde_json::Value;
use tracing::level_filters::LevelFilter;

pub use self::address::{Address, AddressError};
pub use self::certificates::ClientCertificates;
pub use self::control::Control;
use self::error::Origins;
pub use self::error::{ConfigError, Problem};
pub use self::guards::Guards;
pub use self::identity::{Keys, PolicySource};
pub use self::limits::{Limits, RateHeaders, RateLimiter};
pub use self::monitor::Monitor;
pub use self::ports::Ports;
pub use self::storage::{ClientCertificate, Messages, Redis, RedisTls, Secret, Server, Servers, Storage};
pub use self::tls::{
    Certificate, CertificateError, Files, Pem, Pin, PinError, SuiteError, Tls, Versions, provider as tls_provider,
};
pub use self::trust::Trust;
pub use self::upstream::{Upstream, UpstreamTls, UptimeTests};
use crate::certificate::Shelf;
use crate::error::{Overrides, Wordings};
use crate::event::Handlers;
use crate::json;
use crate::pattern::endpoint::Matching;
use crate::session::lifetime::Lifetimes;

/// What the gateway runs on: every value in it is usable.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the gateway listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Ports beside this one.
    pub ports: Ports,
    /// The only host name under which APIs without a domain answer.
    pub hostname: Option<String>,
    /// The folder of the API definitions.
    pub app_path: PathBuf,
    /// The folder of the error templates.
    pub template_path: Option<PathBuf>,
    /// The path, without its slash, that says the process lives.
    pub health_check_name: String,
    /// The path, without its slash, that says the gateway takes traffic.
    pub readiness_name: String,
    /// How often it is looked whether the gateway is well.
    pub check_interval: Duration,
    /// Whether error answers leave out `X-Generator`.
    pub hide_generator_header: bool,
    /// Whether each client connection serves one request only.
    pub close_connections: bool,
    /// Whether header names go out in Go's canonical spelling.
    pub canonical_headers: bool,
    /// In which header clients that named no version are told which one they got.
    pub version_header: Option<HeaderName>,
    /// Whether the `domain` of a definition counts.
    pub custom_domains: bool,
    /// The front door.
    pub http: HttpServer,
    /// What clients may use up.
    pub guards: Guards,
    /// Whose word about a client's address counts.
    pub trust: Trust,
    /// Whether the gateway's own port and that of the control API speak TLS.
    pub use_ssl: bool,
    /// How TLS is spoken where it is.
    pub tls: Option<Tls>,
    /// Whose certificates open which doors.
    pub certificates: ClientCertificates,
    /// Calls to upstreams.
    pub upstream: Upstream,
    /// Calls to plugin servers.
    pub coprocess: Coprocess,
    /// How keys are looked up.
    pub keys: Keys,
    /// How long sessions are stored, but for what an API says.
    pub lifetimes: Lifetimes,
    /// How requests are counted.
    pub limits: Limits,
    /// Where policies are.
    pub policies: PolicySource,
    /// Where sessions and counters live.
    pub storage: Storage,
    /// What operators may do over HTTP.
    pub control: Control,
    /// What nodes that share a Redis tell each other.
    pub messages: Messages,
    /// Who hears of keys that operators make, change and remove.
    pub events: Option<Arc<Handlers>>,
    /// What callers are told in other words.
    pub override_messages: Wordings,
    /// What stands in the place of error answers.
    pub error_overrides: Option<Arc<Overrides>>,
    /// Who is told how much of quotas is used.
    pub monitor: Option<Arc<Monitor>>,
    /// How long requests in flight may take after the gateway was told to stop.
    pub grace: Duration,
    /// How long the gateway says that it is not ready before it stops to accept.
    pub shutdown_delay: Duration,
    /// The log.
    pub log: Log,
    /// What `secrets://KEY` stands for.
    pub secrets: BTreeMap<String, String>,
    /// Where the process id is written.
    pub pid_file: Option<PathBuf>,
}

/// The front door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpServer {
    /// The largest request body in bytes.
    pub max_request_body_size: Option<u64>,
    /// Whether a listen path ends at a slash.
    pub strict_routes: bool,
    /// How paths of single endpoints match.
    pub paths: Matching,
    /// Whether paths are routed as received.
    pub skip_url_cleaning: bool,
    /// Whether connections may go on in another protocol.
    pub upgrades: bool,
}

/// Calls to plugin servers.
#[derive(Clone, Debug)]
pub struct Coprocess {
    /// Whether hooks may run at all.
    pub enabled: bool,
    /// The plugin servers by name.
    pub servers: BTreeMap<String, PluginServer>,
    /// What became of the server of the hooks that name none.
    pub default_server: DefaultServer,
    /// The largest message taken from a plugin server.
    pub max_receive: usize,
    /// The largest message sent to one.
    pub max_send: usize,
}

/// The name of the plugin server that a hook uses unless it names one.
pub const DEFAULT_SERVER: &str = "default";

/// What became of the plugin server named `default`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultServer {
    /// It is among the servers.
    Usable,
    /// None is configured.
    Missing,
    /// Its address is none, for this reason; its hooks fail.
    Unusable(String),
}

/// A named plugin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginServer {
    /// Where it listens.
    pub endpoints: Vec<Address>,
    /// What calls name as `:authority`, instead of the endpoint.
    pub authority: Option<String>,
    /// Whether calls are spread over all endpoints, or go to the first that answers.
    pub round_robin: bool,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least severe level that is written.
    pub level: LevelFilter,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

/// A configuration and what is to be said about it once there is a log.
#[derive(Debug)]
pub struct Loaded {
    /// What the gateway runs on.
    pub config: Config,
    /// The file that was read, unless the environment alone counts.
    pub file: Option<PathBuf>,
    /// Known keys without effect that are set, and what follows: for one warning.
    pub unsupported: Vec<(&'static str, &'static str)>,
    /// Keys and variables that nobody knows: for debugging.
    pub unknown: Vec<String>,
    /// Values that are no use, with which the gateway starts all the same: for the error log.
    pub problems: Vec<Problem>,
    /// The ids of certificates of the store that it names.
    pub stored: Vec<String>,
}

impl Config {
    /// Reads the file and lays the environment and the command line's port over it. Certificates of
    /// the store are left out: [`Self::load_with`] puts them in.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        port: Option<u16>,
    ) -> Result<Loaded, ConfigError> {
        Self::load_with(path, env, port, &Shelf::unasked())
    }

    /// The same with certificates of the store.
    pub fn load_with(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        port: Option<u16>,
        shelf: &Shelf,
    ) -> Result<Loaded, ConfigError> {
        let variables: BTreeMap<_, _> = env.collect();
        let (file, mut document) = match environment::omits_file(&variables)? {
            true => (None, Value::Null),
            false => read(path, &["tyk.conf", "/etc/tyk/tyk.conf"])?,
        };
        let overlay = environment::overlay(&mut document, &variables)?;
        let origins = Origins { file: file.as_deref(), variables: &overlay.origins };
        reference::resolve(&mut document, &variables)
            .map_err(|found| origins.unusable(&found.path, found.value, found.remedy))?;
        let survey = survey::survey(&document, &overlay.sections);
        if let Some((path, value, why)) = survey.refused.into_iter().next() {
            return Err(origins.unusable(&path, value, why.to_owned()));
        }
        let written: written::Written = json::shape(document).map_err(|error| origins.misshapen(error))?;
        let smooths = written.enable_rate_limit_smoothing;
        let stored = certificates::ids(&written);
        let (config, problems) = validate::validate(written, port, shelf, &origins)?;
        let unsmoothed = config.limits.unsmoothed().filter(|_| smooths);
        let unsupported = survey.unsupported.into_iter().chain(unsmoothed).collect();
        let unknown = survey.unknown.into_iter().chain(overlay.unknown).collect();
        Ok(Loaded { config, file, unsupported, unknown, problems, stored })
    }
}

/// Reads the named file, or else the first of the usual ones that exists.
fn read(path: Option<&Path>, usual: &[&str]) -> Result<(Option<PathBuf>, Value), ConfigError> {
    let file = match path {
        Some(path) => path.to_owned(),
        None => usual
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .ok_or_else(|| ConfigError::NoFile(usual.iter().map(PathBuf::from).collect()))?,
    };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => return Err(ConfigError::Unreadable { file, error }),
    };
    let origins = Origins { file: Some(&file), variables: &BTreeMap::new() };
    let document = json::parse(&text).map_err(|error| origins.misshapen(error))?;
    Ok((Some(file), document))
}

#[cfg(test)]
mod tests;
