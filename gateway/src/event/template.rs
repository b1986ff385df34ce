//! Texts with places for the facts of an event.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use super::payload::originating_request;
use super::{Event, Subject, time};

/// What a webhook says unless its owner writes something else.
const DEFAULT: &str = r#"{"event":"{{.Type}}","message":"{{.Meta.Message}}","path":"{{.Meta.Path}}","origin":"{{.Meta.Origin}}","key":"{{.Meta.Key}}"}"#;

/// The same of quotas.
const OF_QUOTAS: &str = r#"{"event":"{{.Type}}","message":"{{.Meta.Message}}","org":"{{.Meta.Org}}","key":"{{.Meta.Key}}","trigger_limit":"{{.Meta.TriggerLimit}}","usage_percentage":"{{.Meta.UsagePercentage}}"}"#;

/// A text, taken apart.
#[derive(Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    /// Whether facts are escaped as JSON, which also says what the text is.
    pub(super) json: bool,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Fact(Fact),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    Type,
    TimeStamp,
    Message,
    OriginatingRequest,
    Path,
    Origin,
    Key,
    Org,
    Reason,
    TriggerLimit,
    UsagePercentage,
    ApiId,
    CircuitEvent,
    CheckUrl,
}

/// Why a template cannot be used.
#[derive(Debug, Error)]
pub(super) enum TemplateError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}; name a file that can", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It uses more of the template language than facts.
    #[error(
        "{{{{{0}}}}} is not supported; a template may use {{{{.Type}}}}, {{{{.TimeStamp}}}} and {{{{.Meta.NAME}}}}, where \
         NAME is Message, OriginatingRequest, Path, Origin, Key, Org, Reason, TriggerLimit, UsagePercentage, APIID, \
         CircuitEvent or HostInfo.CheckURL"
    )]
    Action(String),
}

impl Template {
    /// Ours.
    pub(super) fn ours() -> Result<Self, TemplateError> {
        Self::parse(DEFAULT, true)
    }

    /// Ours, of quotas.
    pub(super) fn of_quotas() -> Result<Self, TemplateError> {
        Self::parse(OF_QUOTAS, true)
    }

    /// The operator's; it is JSON if its name says so.
    pub(super) fn read(path: &Path) -> Result<Self, TemplateError> {
        let unreadable = |source| TemplateError::Unreadable { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, path.extension().is_some_and(|extension| extension == "json"))
    }

    fn parse(text: &str, json: bool) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let unended = || TemplateError::Action(after.to_owned());
            let (action, after) = after.split_once("}}").ok_or_else(unended)?;
            let fact = Fact::parse(action.trim()).ok_or_else(|| TemplateError::Action(action.to_owned()))?;
            pieces.extend([Piece::Text(before.to_owned()), Piece::Fact(fact)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self { pieces, json })
    }

    /// Whether the request is told as it came.
    pub(super) fn tells_request(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Fact(Fact::OriginatingRequest)))
    }

    /// The text about an event; facts that it lacks are empty.
    pub(super) fn render(&self, event: &Event) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Fact(fact) if self.json => out.push_str(&escaped(&fact.of(event))),
                Piece::Fact(fact) => out.push_str(&fact.of(event)),
            }
        }
        out
    }
}

impl Fact {
    fn parse(action: &str) -> Option<Self> {
        Some(match action {
            ".Type" => Self::Type,
            ".TimeStamp" => Self::TimeStamp,
            ".Meta.Message" => Self::Message,
            ".Meta.OriginatingRequest" => Self::OriginatingRequest,
            ".Meta.Path" => Self::Path,
            ".Meta.Origin" => Self::Origin,
            ".Meta.Key" => Self::Key,
            ".Meta.Org" => Self::Org,
            ".Meta.Reason" => Self::Reason,
            ".Meta.TriggerLimit" => Self::TriggerLimit,
            ".Meta.UsagePercentage" => Self::UsagePercentage,
            ".Meta.APIID" => Self::ApiId,
            ".Meta.CircuitEvent" => Self::CircuitEvent,
            ".Meta.HostInfo.CheckURL" => Self::CheckUrl,
            _ => return None,
        })
    }

    fn of(self, event: &Event) -> Cow<'_, str> {
        match (self, &event.subject) {
            (Self::Type, _) => event.name.as_str().into(),
            (Self::TimeStamp, _) => time::text(event.at).into(),
            (Self::Message, _) => event.message.into(),
            (Self::OriginatingRequest, _) => originating_request(event).into(),
            (Self::Path, Subject::Request { path, .. } | Subject::Circuit { path, .. }) => path.into(),
            (Self::Origin, Subject::Request { client, .. }) => client.into(),
            (Self::Key, Subject::Request { key, .. } | Subject::Key { key, .. } | Subject::Quota { key, .. }) => {
                key.into()
            }
            (Self::Org, Subject::Key { org_id, .. } | Subject::Quota { org_id, .. }) => org_id.into(),
            (Self::Reason, Subject::Request { reason, .. }) => reason.unwrap_or_default().into(),
            (Self::TriggerLimit, Subject::Quota { limit, .. }) => limit.to_string().into(),
            (Self::UsagePercentage, Subject::Quota { usage, .. }) => usage.to_string().into(),
            (Self::ApiId, Subject::Circuit { api_id, .. }) => api_id.into(),
            (Self::CircuitEvent, Subject::Circuit { event, .. }) => event.to_string().into(),
            (Self::CheckUrl, Subject::Host(report)) => report.url.as_str().into(),
            // The event has no such fact.
            (
                Self::Path
                | Self::Origin
                | Self::Key
                | Self::Reason
                | Self::Org
                | Self::TriggerLimit
                | Self::UsagePercentage
                | Self::ApiId
                | Self::CircuitEvent
                | Self::CheckUrl,
                _,
            ) => "".into(),
        }
    }
}

/// A text as it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::event::Name;

    fn event() -> Event {
        let (path, client, key) = ("/a".into(), "10.0.0.1".into(), "a\"b".into());
        let subject = Subject::Request { wire: b"GET".to_vec(), path, client, key, reason: None };
        Event { name: Name::RateLimitExceeded, message: "Rate Limit Exceeded", subject, at: UNIX_EPOCH }
    }

    #[test]
    fn ours_is_json_that_tells_five_facts() {
        assert_eq!(
            Template::ours().unwrap().render(&event()),
            r#"{"event":"RatelimitExceeded","message":"Rate Limit Exceeded","path":"/a","origin":"10.0.0.1","key":"a\"b"}"#
        );
    }

    #[test]
    fn a_text_keeps_facts_as_they_are_and_what_an_event_lacks_is_empty() {
        let template = Template::parse("{{ .Meta.Key }}|{{.Meta.Org}}|{{.Meta.OriginatingRequest}}", false).unwrap();
        assert_eq!(template.render(&event()), "a\"b||R0VU");
        assert!(template.tells_request() && !Template::ours().unwrap().tells_request());
    }

    #[test]
    fn other_actions_and_missing_files_are_refused() {
        for text in ["{{if .Type}}", "{{.Meta.Nothing}}", "{{.Type"] {
            assert!(matches!(Template::parse(text, true), Err(TemplateError::Action(_))), "{text}");
        }
        assert!(matches!(Template::read(Path::new("/nowhere")), Err(TemplateError::Unreadable { .. })));
    }
}
