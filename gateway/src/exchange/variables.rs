//! Texts with variables: `$tyk_meta.NAME` is an entry of the session's metadata, `$tyk_context.NAME`
//! something of the request, `$secret_env.NAME` and `$secret_conf.KEY` are secrets of the operator.
//!
//! What a variable stands for is never searched for variables again, so a client cannot ask for any.

mod context;
mod figures;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Number, Value};
use thiserror::Error;

use self::context::Variable;
pub use self::context::{Context, Memory};
use self::figures::Figure;
use super::{Exchange, query};

/// What may stand before the name of a variable, after the dollar sign.
const KINDS: [&str; 7] =
    ["tyk_meta.", "tyk_context.", "secret_env.", "secret_conf.", "secret_vault.", "secret_consul.", "secret_file."];

/// A text, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Meta(String),
    Context(Variable),
    Figure(Figure),
    /// The id of the caller's key.
    Token,
}

/// Which variables count, beside those of the session.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Whether the request's do (`enable_context_vars`); else they are empty.
    pub context: bool,
    /// What secrets stand for, where they may be used.
    pub secrets: Option<Secrets<'a>>,
}

/// Where secrets come from.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// `secrets` of `tyk.conf`.
    pub conf: &'a BTreeMap<String, String>,
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// A variable that does not count where it stands.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "the variable ${0} is not supported here: write $tyk_meta.NAME, $secret_env.NAME, $secret_conf.KEY or, of \
     $tyk_context, headers_NAME, cookies_NAME, request_data_NAME, request_data, path, path_parts, remote_addr, \
     request_id, token, jwt_claims_NAME, rate_limit_limit, rate_limit_remaining, rate_limit_reset, quota_limit, \
     quota_remaining or quota_reset"
)]
pub struct UnsupportedVariable(String);

impl Template {
    /// Takes a text apart. A secret that is missing is empty, with a warning.
    pub fn parse(text: &str, scope: Scope<'_>) -> Result<Self, UnsupportedVariable> {
        let mut template = Self { pieces: Vec::new() };
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            template.push(before);
            rest = match reference(after) {
                Some((kind, name, left)) => {
                    match scope.piece(kind, name)? {
                        Piece::Text(text) => template.push(&text),
                        piece => template.pieces.push(piece),
                    }
                    left
                }
                None => {
                    template.push("$");
                    after
                }
            };
        }
        template.push(rest);
        Ok(template)
    }

    fn push(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    /// The text, if there is nothing else in it.
    pub fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether variables of the request are in it, so that [`Exchange::remember`] has to run before.
    pub fn has_context(&self) -> bool {
        self.variables().next().is_some()
    }

    /// Whether a form in the request's body has to be remembered for it.
    pub fn reads_form(&self) -> bool {
        self.variables().any(Variable::reads_form)
    }

    /// Whether claims of a JWT have to be remembered for it.
    pub fn reads_claims(&self) -> bool {
        self.variables().any(|variable| matches!(variable, Variable::Claim(_)))
    }

    fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Context(variable) => Some(variable),
            Piece::Text(_) | Piece::Meta(_) | Piece::Figure(_) | Piece::Token => None,
        })
    }

    /// The text with what its variables stand for; what is not there is empty.
    pub fn expand(&self, exchange: &Exchange) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Meta(name) => text.push_str(&meta(exchange, name)),
                Piece::Context(variable) => {
                    let value = exchange.context.as_ref().map(|context| context.value(variable));
                    text.push_str(&value.unwrap_or_default());
                }
                Piece::Token => text.push_str(exchange.session.as_ref().map_or("", |session| &session.key.id)),
                Piece::Figure(figure) => {
                    if let Some(value) = figure.value(&exchange.standing) {
                        // A text takes whatever is written.
                        let _ = write!(text, "{value}");
                    }
                }
            }
        }
        text
    }
}

impl Scope<'_> {
    fn piece(self, kind: &str, name: &str) -> Result<Piece, UnsupportedVariable> {
        let unsupported = || UnsupportedVariable(format!("{kind}{name}"));
        match (kind, self.secrets) {
            ("tyk_meta.", _) => Ok(Piece::Meta(name.to_owned())),
            ("tyk_context.", _) if !self.context => Ok(Piece::Text(String::new())),
            ("tyk_context.", _) => about_request(name).ok_or_else(unsupported),
            ("secret_conf.", Some(secrets)) => Ok(secret(kind, name, secrets.conf.get(name).cloned())),
            ("secret_env.", Some(secrets)) => {
                Ok(secret(kind, name, (secrets.env)(&format!("TYK_SECRET_{}", name.to_ascii_uppercase()))))
            }
            _ => Err(unsupported()),
        }
    }
}

fn about_request(name: &str) -> Option<Piece> {
    match name {
        "token" => Some(Piece::Token),
        // As in the original: only a template of a body could go through them.
        "headers" => Some(Piece::Text(String::new())),
        _ => Figure::parse(name).map(Piece::Figure).or_else(|| Variable::parse(name).map(Piece::Context)),
    }
}

fn secret(kind: &str, name: &str, value: Option<String>) -> Piece {
    let value = value.unwrap_or_default();
    if value.is_empty() {
        tracing::warn!(variable = format!("${kind}{name}"), "a secret is missing, nothing stands in its place");
    }
    Piece::Text(value)
}

/// The kind and name of the variable that a text begins with, and what follows.
fn reference(text: &str) -> Option<(&'static str, &str, &str)> {
    let kind = KINDS.into_iter().find(|kind| text.starts_with(kind))?;
    let rest = text.strip_prefix(kind)?;
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let (name, left) = rest.split_at(rest.find(|c| !named(c)).unwrap_or(rest.len()));
    (!name.is_empty()).then_some((kind, name, left))
}

fn meta<'a>(exchange: &'a Exchange, name: &str) -> Cow<'a, str> {
    let value = exchange.session.as_ref().and_then(|session| session.state.meta_data.get(name));
    value.map(text).unwrap_or_default()
}

/// Texts and numbers as they are, lists of them escaped and with commas; nothing else has a text.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => text.into(),
        Value::Number(number) => decimal(number).into(),
        Value::Array(items) => {
            let texts = items.iter().map(text).filter(|text| !text.is_empty());
            texts.map(|text| query::escape(&text)).collect::<Vec<_>>().join(",").into()
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => "".into(),
    }
}

/// Without an exponent.
fn decimal(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests;
