//! From values as written to values that can be used; the first that cannot stops the start.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde_json::Value;
use tracing::level_filters::LevelFilter;

use super::written::{Message, Written};
use super::{Config, ConfigError, HttpServer, Log, LogFormat, Messages, Origins, Problem, Secret};
use super::{
    certificates, control, guards, identity, limits, monitor, plugin_servers, ports, storage, tls, trust, upstream,
};
use crate::certificate::Shelf;
use crate::definition::{ErrorOverrides, Refusal};
use crate::error::{Overrides, Wordings};
use crate::event::{Compiled, Handlers};
use crate::json::short;
use crate::pattern::endpoint::Matching;

const WORDINGS: &str = "override_messages";

/// Makes the configuration, and names what is no use in it but not fatal.
pub(super) fn validate(
    mut written: Written,
    port: Option<u16>,
    shelf: &Shelf,
    origins: &Origins<'_>,
) -> Result<(Config, Vec<Problem>), ConfigError> {
    let check = Check { origins };
    let (coprocess, mut problems) = plugin_servers::coprocess(std::mem::take(&mut written.coprocess_options), origins)?;
    let Compiled { handlers: events, left_out } = Handlers::of_the_system(&written.event_handlers);
    problems
        .extend(left_out.into_iter().map(|found| origins.problem(&found.path, "left out".to_owned(), found.reason)));
    let storage = storage::storage(std::mem::take(&mut written.storage), origins)?;
    let wordings = check.wordings(std::mem::take(&mut written.override_messages), &mut problems)?;
    let keys = identity::keys(&written, origins, &mut problems);
    let listen = check.listen(&written, port)?;
    let config = Config {
        listen,
        ports: ports::ports(&mut written, listen.port(), origins)?,
        use_ssl: written.http_server_options.use_ssl,
        app_path: check.app_path(&written.app_path)?,
        health_check_name: name(&written.health_check_endpoint_name, "hello"),
        readiness_name: name(&written.readiness_check_endpoint_name, "ready"),
        check_interval: check.interval(written.liveness_check.check_duration)?,
        hide_generator_header: written.hide_generator_header,
        close_connections: written.close_connections,
        canonical_headers: !written.ignore_canonical_mime_header_key,
        custom_domains: written.enable_custom_domains,
        http: check.http(&written),
        version_header: check.version_header(&written.version_header)?,
        guards: guards::guards(&written.http_server_options, origins)?,
        trust: trust::trust(&written.http_server_options, origins)?,
        tls: tls::tls(&mut written.http_server_options, shelf, origins)?,
        certificates: certificates::certificates(&mut written, shelf, origins)?,
        upstream: upstream::upstream(&mut written, shelf, origins)?,
        coprocess,
        keys,
        lifetimes: identity::lifetimes(&written),
        limits: limits::limits(&written, &storage, origins)?,
        policies: identity::policies(std::mem::take(&mut written.policies), origins)?,
        storage,
        control: control::control(&mut written, origins)?,
        messages: messages(&mut written),
        events,
        monitor: monitor::monitor(&written.monitor, origins)?,
        override_messages: wordings,
        error_overrides: check.error_overrides(&written.error_overrides)?,
        grace: check.seconds("graceful_shutdown_timeout_duration", written.graceful_shutdown_timeout_duration, 30)?,
        shutdown_delay: check.seconds("graceful_shutdown_delay_seconds", written.graceful_shutdown_delay_seconds, 0)?,
        log: check.log(&written)?,
        hostname: given(written.hostname),
        template_path: given(written.template_path).map(PathBuf::from),
        secrets: written.secrets,
        pid_file: given(written.pid_file_location).map(PathBuf::from),
    };
    Ok((config, problems))
}

/// An empty text is an absent one.
pub(super) fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn messages(written: &mut Written) -> Messages {
    Messages {
        secret: Secret(std::mem::take(&mut written.node_secret)),
        allow_unsigned: written.allow_insecure_configs,
        heard: !written.suppress_redis_signal_reload,
    }
}

fn name(written: &str, otherwise: &str) -> String {
    match written.trim_matches('/') {
        "" => otherwise.to_owned(),
        name => name.to_owned(),
    }
}

struct Check<'a> {
    origins: &'a Origins<'a>,
}

impl Check<'_> {
    fn refuse<T>(&self, path: &str, value: impl Into<Value>, remedy: &str) -> Result<T, ConfigError> {
        Err(self.origins.unusable(path, short(&value.into()), remedy.to_owned()))
    }

    fn listen(&self, written: &Written, port: Option<u16>) -> Result<SocketAddr, ConfigError> {
        let port = match port.map_or_else(|| u16::try_from(written.listen_port), Ok) {
            Ok(port) => port,
            Err(_) => {
                return self.refuse(
                    "listen_port",
                    written.listen_port,
                    "write a port from 0 to 65535; 0 lets the system choose",
                );
            }
        };
        let address = written.listen_address.trim();
        let ip = match address.trim_start_matches('[').trim_end_matches(']') {
            "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            literal => match literal.parse() {
                Ok(ip) => ip,
                Err(_) => {
                    return self.refuse(
                        "listen_address",
                        address,
                        "write an IP address of this machine, localhost, or nothing for all addresses",
                    );
                }
            },
        };
        Ok(SocketAddr::new(ip, port))
    }

    fn app_path(&self, written: &str) -> Result<PathBuf, ConfigError> {
        if written.is_empty() {
            return self.refuse("app_path", written, "name the folder that holds the API definitions");
        }
        Ok(PathBuf::from(written))
    }

    fn error_overrides(&self, written: &ErrorOverrides) -> Result<Option<Arc<Overrides>>, ConfigError> {
        let compiled = Overrides::compile("error_overrides", written);
        compiled.map_err(|Refusal { path, reason }| self.origins.unusable(&path, "unusable".to_owned(), reason))
    }

    fn wordings(
        &self,
        written: BTreeMap<String, Message>,
        problems: &mut Vec<Problem>,
    ) -> Result<Wordings, ConfigError> {
        let written = written.into_iter().map(|(id, Message { message, code })| (id, (message, code))).collect();
        let wordings = Wordings::compile(WORDINGS, written)
            .map_err(|Refusal { path, reason }| self.origins.unusable(&path, "unusable".to_owned(), reason))?;
        let remedy = "no refusal has this id: remove it";
        let idle = wordings.idle().map(|id| format!("{WORDINGS}.{id}"));
        problems.extend(idle.map(|path| self.origins.problem(&path, "without effect".to_owned(), remedy.to_owned())));
        Ok(wordings)
    }

    fn version_header(&self, written: &str) -> Result<Option<HeaderName>, ConfigError> {
        if written.is_empty() {
            return Ok(None);
        }
        let name = HeaderName::try_from(written).map(Some);
        name.or_else(|_| self.refuse("version_header", written, "write the name of a header, or nothing"))
    }

    fn http(&self, written: &Written) -> HttpServer {
        let ignore_case = written.ignore_endpoint_case;
        let written = &written.http_server_options;
        let (prefix, suffix) = (written.enable_path_prefix_matching, written.enable_path_suffix_matching);
        HttpServer {
            paths: Matching { prefix, suffix, ignore_case },
            max_request_body_size: u64::try_from(written.max_request_body_size).ok().filter(|size| *size > 0),
            strict_routes: written.enable_strict_routes,
            skip_url_cleaning: written.skip_url_cleaning,
            upgrades: written.enable_websockets,
        }
    }

    fn seconds(&self, path: &str, written: i64, otherwise: u64) -> Result<Duration, ConfigError> {
        match u64::try_from(written) {
            Ok(0) => Ok(Duration::from_secs(otherwise)),
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
            Err(_) => self.refuse(path, written, "write a number of seconds from 0"),
        }
    }

    fn interval(&self, nanoseconds: i64) -> Result<Duration, ConfigError> {
        match u64::try_from(nanoseconds) {
            Ok(0) => Ok(Duration::from_secs(10)),
            Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
            Err(_) => self.refuse(
                "liveness_check.check_duration",
                nanoseconds,
                "write a number of nanoseconds, as 10000000000 for ten seconds",
            ),
        }
    }

    fn log(&self, written: &Written) -> Result<Log, ConfigError> {
        let level = match written.log_level.to_ascii_lowercase().as_str() {
            "" | "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "warn" | "warning" => LevelFilter::WARN,
            "error" => LevelFilter::ERROR,
            _ => {
                return self.refuse("log_level", written.log_level.as_str(), "write debug, info, warn or error");
            }
        };
        let format = match written.log_format.to_ascii_lowercase().as_str() {
            "" | "default" | "standard" => LogFormat::Auto,
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => {
                return self.refuse("log_format", written.log_format.as_str(), "write default, text or json");
            }
        };
        Ok(Log { level, format })
    }
}
