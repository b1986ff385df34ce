//! The request as `$tyk_context.NAME` tells of it: as Pre hooks left it, whatever later steps change.

use std::borrow::Cow;
use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{COOKIE, HOST};
use http::{HeaderName, HeaderValue};
use http_body::Body as _;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::text;
use crate::exchange::{Client, Exchange, Head, ReadError, form, query};
use crate::session::Session;

/// What is remembered of a request.
#[derive(Debug)]
pub struct Context {
    head: Head,
    form: Bytes,
    client: Client,
    id: OnceLock<String>,
    /// What the caller's JWT says; nothing where no rule asks for it.
    claims: Option<Map<String, Value>>,
}

/// What is remembered beside the head of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// The form in its body.
    pub forms: bool,
    /// The claims of its JWT, once auth has read it.
    pub claims: bool,
}

/// Something of a request that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Header(HeaderName),
    Cookie(String),
    /// The first value of a parameter, of the body's form or of the query.
    Field(String),
    /// All parameters.
    Fields,
    Path,
    PathParts,
    RemoteAddress,
    RequestId,
    /// A claim of the caller's JWT, or a member of its header.
    Claim(String),
}

impl Exchange {
    /// Remembers the request as it is now; a body that is read for its form stays readable. What a
    /// request that came back was known by still counts.
    pub async fn remember(&mut self, memory: Memory) -> Result<(), ReadError> {
        let mut form = Bytes::new();
        if memory.forms && form::is_read(&self.head, self.body.size_hint().lower()) {
            form = self.body.read(None).await?.clone();
            form.truncate(if form.len() > form::LONGEST { 0 } else { form.len() });
        }
        let (head, client, id) = (self.head.clone(), self.client.clone(), OnceLock::new());
        let known = self.context.take().filter(|_| self.passage.returned).and_then(|context| context.claims);
        let claims = known.or(memory.claims.then(Map::new));
        self.context = Some(Box::new(Context { head, form, client, id, claims }));
        Ok(())
    }
}

impl Variable {
    pub(super) fn parse(name: &str) -> Option<Self> {
        if let Some(header) = name.strip_prefix("headers_") {
            return header.replace('_', "-").parse().ok().map(Self::Header);
        }
        if let Some(cookie) = name.strip_prefix("cookies_") {
            return Some(Self::Cookie(cookie.to_owned()));
        }
        if let Some(field) = name.strip_prefix("request_data_") {
            return Some(Self::Field(field.to_owned()));
        }
        if let Some(claim) = name.strip_prefix("jwt_claims_") {
            return Some(Self::Claim(claim.to_owned()));
        }
        match name {
            "request_data" => Some(Self::Fields),
            "path" => Some(Self::Path),
            "path_parts" => Some(Self::PathParts),
            "remote_addr" => Some(Self::RemoteAddress),
            "request_id" => Some(Self::RequestId),
            _ => None,
        }
    }

    /// Whether a form in the body has to be read for it.
    pub(super) fn reads_form(&self) -> bool {
        matches!(self, Self::Field(_) | Self::Fields)
    }
}

impl Context {
    /// Remembers the claims of the JWT of this session, if a rule asks for them or the session's
    /// counters may be named by them.
    pub fn note_claims(&mut self, session: &Session, claims: impl FnOnce() -> Map<String, Value>) {
        let named = || session.pattern().is_some_and(|pattern| pattern.contains("$tyk_context.jwt_claims_"));
        if self.claims.is_some() || named() {
            self.claims = Some(claims());
        }
    }

    /// What a variable stands for; empty if the request has no such thing.
    pub(super) fn value(&self, variable: &Variable) -> Cow<'_, str> {
        match variable {
            Variable::Header(name) => self.header(name),
            Variable::Cookie(name) => self.cookie(name).into(),
            Variable::Field(name) => self.field(name).into(),
            Variable::Fields => self.fields().into(),
            Variable::Path => self.head.target.decoded_path(),
            Variable::PathParts => self.path_parts().into(),
            Variable::RemoteAddress => self.client.address(&self.head.headers),
            Variable::Claim(name) => self.claims.as_ref().and_then(|claims| claims.get(name)).map_or("".into(), text),
            Variable::RequestId => self.id.get_or_init(|| Uuid::new_v4().to_string()).into(),
        }
    }

    fn header(&self, name: &HeaderName) -> Cow<'_, str> {
        let value = if name == HOST {
            self.head.host.as_ref()
        } else {
            self.head.headers.get(name).or_else(|| self.underscored(name))
        };
        value.map_or(Cow::Borrowed(""), |value| String::from_utf8_lossy(value.as_bytes()))
    }

    /// The header that has underscores where this name has dashes, as variables cannot tell them apart.
    fn underscored(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let mut headers = self.head.headers.iter();
        headers.find(|(found, _)| found.as_str().replace('_', "-") == name.as_str()).map(|(_, value)| value)
    }

    /// The last cookie of the name counts.
    fn cookie(&self, name: &str) -> &str {
        let lines = self.head.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.rev().find(|(found, _)| underscores(found) == name).map_or("", |(_, value)| value);
        value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
    }

    fn field(&self, name: &str) -> String {
        let form = form::printable(&self.form);
        let mut pairs = query::pairs(&form).chain(query::pairs(self.query()));
        let found = pairs.find(|(found, _)| underscores(&String::from_utf8_lossy(found)) == name);
        found.map_or_else(String::new, |(_, value)| String::from_utf8_lossy(&value).into_owned())
    }

    /// `a:1,2;b:3`, names sorted.
    fn fields(&self) -> String {
        let form = form::printable(&self.form);
        let mut fields = query::values(&form);
        for (name, value) in query::pairs(self.query()) {
            fields.entry(name).or_default().push(value);
        }
        let fields = fields.iter().map(|(name, values)| {
            let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value)).collect();
            format!("{}:{}", String::from_utf8_lossy(name), values.join(","))
        });
        fields.collect::<Vec<_>>().join(";")
    }

    fn path_parts(&self) -> String {
        let parts = self.head.target.decoded_path().replace('/', ",");
        parts.strip_prefix(',').map(str::to_owned).unwrap_or(parts)
    }

    fn query(&self) -> &str {
        self.head.target.query().unwrap_or_default()
    }
}

fn underscores(name: &str) -> Cow<'_, str> {
    if name.contains('-') { name.replace('-', "_").into() } else { name.into() }
}
