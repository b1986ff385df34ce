//! Makes destinations and tests of what a definition says.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Method};

use super::Upstream;
use super::balance::{Balance, Destination};
use super::check::{Check, Question, Word};
use super::elsewhere::Elsewhere;
use super::host::Hosts;
use super::origin::Origin;
use super::transport::{Choices, Settings, Speech, TlsError, Transports};
use crate::certificate::Shelf;
use crate::config;
use crate::definition::{CheckCommand, Definition, HostCheck, Refusal};
use crate::exchange::Target;
use crate::pattern::ListenPath;

/// How long a test takes that names no limit.
const PATIENCE: Duration = Duration::from_secs(10);

/// What all upstreams share: the ways to make connections, and what is known of hosts.
pub struct Ways {
    transports: Transports,
    hosts: Hosts,
}

impl Ways {
    /// Trusts the system's roots; knows of no host.
    pub fn new() -> Result<Self, TlsError> {
        Ok(Self { transports: Transports::new()?, hosts: Hosts::default() })
    }

    /// How connections are made.
    pub fn transports(&self) -> &Transports {
        &self.transports
    }
}

/// Makes what a definition asks for.
pub struct Planner<'a> {
    definition: &'a Definition,
    choices: Arc<Choices>,
    ways: Arc<Ways>,
    tested: bool,
}

impl<'a> Planner<'a> {
    /// Reads what all upstreams of a definition have in common.
    pub fn new(
        definition: &'a Definition,
        config: &config::Upstream,
        ways: &Arc<Ways>,
        shelf: &Shelf,
    ) -> Result<Self, Refusal> {
        let choices = Arc::new(Choices::read(definition, &config.tls, shelf)?);
        let tested = !config.tests.disabled && !definition.uptime_tests.disabled;
        Ok(Self { definition, choices, ways: Arc::clone(ways), tested })
    }

    /// Where requests go: to the target that stands `instead`, at this path, of those of the definition;
    /// those that are rewritten may go anywhere.
    pub fn upstream(
        &self,
        listen_path: &ListenPath,
        instead: Option<(&str, &str)>,
        rewritten: bool,
    ) -> Result<Upstream, Refusal> {
        let proxy = &self.definition.proxy;
        let balance = match instead {
            Some((target, path)) => Balance::new(vec![self.destination(target, false, path)?]),
            None => self.balance()?,
        };
        let listen_path = proxy.strip_listen_path.then(|| listen_path.clone());
        let elsewhere = rewritten.then(|| Elsewhere::new(Arc::clone(&self.choices), Arc::clone(&self.ways)));
        let preserve_host = proxy.preserve_host_header;
        Ok(Upstream { balance, elsewhere: elsewhere.map(Box::new), listen_path, preserve_host })
    }

    fn balance(&self) -> Result<Balance, Refusal> {
        let proxy = &self.definition.proxy;
        let listed = self.definition.targets();
        let single = [proxy.target_url.clone()];
        let (targets, tested) = match listed.is_empty() {
            true => (&single[..], false),
            false => (listed, proxy.check_host_against_uptime_tests),
        };
        let named = targets.iter().enumerate().map(|(at, target)| {
            if listed.is_empty() {
                return self.destination(target, tested, "proxy.target_url");
            }
            let path = format!("proxy.target_list[{at}]");
            match (target.contains("://"), self.definition.protocol.as_str()) {
                (true, _) | (false, "") => self.destination(target, tested, &path),
                (false, protocol) => self.destination(&format!("{protocol}://{target}"), tested, &path),
            }
        });
        Ok(Balance::new(named.collect::<Result<_, _>>()?))
    }

    fn destination(&self, target: &str, tested: bool, path: &str) -> Result<Destination, Refusal> {
        let made = self.choices.destination(&self.ways, target, path)?;
        let health = tested.then(|| self.ways.hosts.named(made.origin.authority.as_str()));
        Ok(Destination { keep_slash: self.definition.proxy.disable_strip_slash, health, ..made })
    }

    /// The tests of its hosts.
    pub fn checks(&self) -> Result<Vec<Check>, Refusal> {
        if !self.tested {
            return Ok(Vec::new());
        }
        let listed = self.definition.uptime_tests.check_list.iter().enumerate();
        listed.map(|(at, check)| self.check(check, &format!("uptime_tests.check_list[{at}]"))).collect()
    }

    fn check(&self, written: &HostCheck, path: &str) -> Result<Check, Refusal> {
        let url = format!("{path}.url");
        let (protocol, place) = match written.url.split_once("://") {
            Some(parts) => parts,
            None if written.protocol.is_empty() => ("http", written.url.as_str()),
            None => (written.protocol.as_str(), written.url.as_str()),
        };
        let (scheme, talks) = match protocol.to_ascii_lowercase().as_str() {
            "http" => ("http", false),
            "https" => ("https", false),
            "tcp" => ("http", true),
            "tls" => ("https", true),
            other => {
                return Err(refusal(
                    &url,
                    &format!("{other:?} cannot be tested: write an http, https, tcp or tls URL"),
                ));
            }
        };
        let (target, origin, settings) = self.choices.origin(&self.ways, &format!("{scheme}://{place}"), &url)?;
        // Tests must not wait for one another, and lines of text need a connection of their own.
        let origin = at(&self.ways, &origin, settings.over_http1(), &url)?;
        let timeout = u64::try_from(written.timeout).ok().filter(|timeout| *timeout > 0);
        // Equal tests that go the same way are one.
        let tally = self.ways.hosts.tally(origin.authority.as_str(), format!("{} {written:?}", origin.key));
        let question = if talks { Question::Talk(talk(written)) } else { request(written, &target, path)? };
        let timeout = timeout.map_or(PATIENCE, Duration::from_nanos);
        Ok(Check { tally, origin: Arc::new(origin), timeout, question, written: Arc::new(written.clone()) })
    }
}

impl Choices {
    /// The upstream that a text names, which stands at this path or comes from there.
    pub(super) fn destination(&self, ways: &Ways, target: &str, path: &str) -> Result<Destination, Refusal> {
        let (target, origin, settings) = self.origin(ways, target, path)?;
        let for_upgrades = match settings.speech {
            Speech::Http1Or2 => Some(Box::new(at(ways, &origin, settings.over_http1(), path)?)),
            Speech::Http1 | Speech::Http2 => None,
        };
        let host = HeaderValue::from_str(origin.authority.as_str()).map_err(|error| refusal(path, &error))?;
        Ok(Destination { origin, for_upgrades, host, target, keep_slash: false, health: None })
    }

    fn origin(&self, ways: &Ways, text: &str, path: &str) -> Result<(Target, Origin, Settings), Refusal> {
        let unusable =
            |reason: &dyn ToString| refusal(path, &format!("{text:?} cannot be used: {}", reason.to_string()));
        let target = match text.contains("://") {
            true => Target::parse(text),
            false => Target::parse(&format!("http://{text}")),
        };
        let target = target.map_err(|error| unusable(&error))?;
        let (scheme, authority) =
            target.origin().ok_or_else(|| unusable(&"it has no scheme and host, as in http://host/path"))?;
        let authority = Authority::try_from(authority).map_err(|error| unusable(&error))?;
        let settings = self.of(scheme, &authority, path)?;
        let transport = ways.transports.get(settings.clone()).map_err(|error| refusal(path, &error))?;
        let scheme = if transport.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let origin = Origin::new(scheme, authority, transport);
        Ok((target, origin, settings))
    }
}

/// The same place by other means.
fn at(ways: &Ways, origin: &Origin, settings: Settings, path: &str) -> Result<Origin, Refusal> {
    let transport = ways.transports.get(settings).map_err(|error| refusal(path, &error))?;
    Ok(Origin::new(origin.scheme.clone(), origin.authority.clone(), transport))
}

fn talk(written: &HostCheck) -> Vec<Word> {
    let word = |CheckCommand { name, message }: &CheckCommand| match name.as_str() {
        "send" => Word::Say(message.clone()),
        _ => Word::Hear(message.clone()),
    };
    written.commands.iter().map(word).collect()
}

fn request(written: &HostCheck, target: &Target, path: &str) -> Result<Question, Refusal> {
    let method = if written.method.is_empty() { "GET" } else { &written.method };
    let method = Method::try_from(method).map_err(|error| refusal(&format!("{path}.method"), &error))?;
    let header = |(name, value): (&String, &String)| {
        let unusable = |error: &dyn ToString| refusal(&format!("{path}.headers.{name}"), error);
        let value = HeaderValue::try_from(value).map_err(|error| unusable(&error))?;
        Ok((HeaderName::try_from(name).map_err(|error| unusable(&error))?, value))
    };
    Ok(Question::Request {
        method,
        resource: target.resource().parse().map_err(|error| refusal(&format!("{path}.url"), &error))?,
        headers: written.headers.iter().map(header).collect::<Result<_, Refusal>>()?,
        body: written.body.clone().into(),
    })
}

fn refusal(path: &str, reason: &dyn ToString) -> Refusal {
    Refusal { path: path.to_owned(), reason: reason.to_string() }
}
