//! Texts with variables: `$tyk_meta.NAME` is an entry of the session's metadata, `$tyk_context.NAME`
//! something of the request.

use std::borrow::Cow;
use std::fmt::Write;

use http::HeaderName;
use http::header::COOKIE;
use serde_json::Value;
use thiserror::Error;

use super::Exchange;

const META: &str = "$tyk_meta.";
const CONTEXT: &str = "$tyk_context.";

/// A text, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Meta(String),
    Header(HeaderName),
    Cookie(String),
    Path,
    RemoteAddress,
}

/// A variable that there is not.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the variable $tyk_context.{0} is not supported yet: write headers_NAME, cookies_NAME, path or remote_addr")]
pub struct UnknownVariable(String);

impl Template {
    /// Takes a text apart; variables of the request are text like any other unless `context` says
    /// that they count (`enable_context_vars`).
    pub fn parse(text: &str, context: bool) -> Result<Self, UnknownVariable> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = next(rest, context) {
            push(&mut pieces, before);
            let (piece, left) = variable(after)?;
            pieces.push(piece);
            rest = left;
        }
        push(&mut pieces, rest);
        Ok(Self { pieces })
    }

    /// The text, if there is nothing else in it.
    pub fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether variables of the request are in it.
    pub fn has_context(&self) -> bool {
        self.pieces.iter().any(|piece| !matches!(piece, Piece::Text(_) | Piece::Meta(_)))
    }

    /// The text with what its variables stand for now; what is not there is empty.
    pub fn expand(&self, exchange: &Exchange) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Meta(name) => meta(exchange, name, &mut text),
                Piece::Header(name) => text.push_str(&header(exchange, name)),
                Piece::Cookie(name) => text.push_str(&cookie(exchange, name)),
                Piece::Path => text.push_str(&exchange.head.target.decoded_path()),
                Piece::RemoteAddress => text.push_str(exchange.client.to_str().unwrap_or_default()),
            }
        }
        text
    }
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// What stands before the first variable, and the rest from its mark on.
fn next(text: &str, context: bool) -> Option<(&str, &str)> {
    let found = [text.find(META), text.find(CONTEXT).filter(|_| context)];
    found.into_iter().flatten().min().map(|at| text.split_at(at))
}

/// The variable that a text begins with, and what follows.
fn variable(text: &str) -> Result<(Piece, &str), UnknownVariable> {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let split = |rest: &'_ str| rest.find(|c| !named(c)).unwrap_or(rest.len());
    if let Some(rest) = text.strip_prefix(META) {
        let (name, rest) = rest.split_at(split(rest));
        return Ok((Piece::Meta(name.to_owned()), rest));
    }
    let rest = &text[CONTEXT.len()..];
    let (name, rest) = rest.split_at(split(rest));
    Ok((context(name).ok_or_else(|| UnknownVariable(name.to_owned()))?, rest))
}

fn context(name: &str) -> Option<Piece> {
    if let Some(header) = name.strip_prefix("headers_") {
        return header.replace('_', "-").parse().ok().map(Piece::Header);
    }
    match (name, name.strip_prefix("cookies_")) {
        (_, Some(cookie)) => Some(Piece::Cookie(cookie.to_owned())),
        ("path", _) => Some(Piece::Path),
        ("remote_addr", _) => Some(Piece::RemoteAddress),
        _ => None,
    }
}

/// Texts verbatim, everything else as JSON.
fn meta(exchange: &Exchange, name: &str, into: &mut String) {
    match exchange.session.as_ref().and_then(|session| session.state.meta_data.get(name)) {
        None => {}
        Some(Value::String(text)) => into.push_str(text),
        // Writing to a string cannot fail.
        Some(other) => drop(write!(into, "{other}")),
    }
}

fn header<'a>(exchange: &'a Exchange, name: &HeaderName) -> Cow<'a, str> {
    let host = exchange.head.host.as_ref().filter(|_| name == http::header::HOST);
    let value = host.or_else(|| exchange.head.headers.get(name));
    value.map_or(Cow::Borrowed(""), |value| String::from_utf8_lossy(value.as_bytes()))
}

fn cookie<'a>(exchange: &'a Exchange, name: &str) -> Cow<'a, str> {
    let lines = exchange.head.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map_or("", |(_, value)| value).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::exchange::{Body, Head, Notes, Standing};
    use crate::session::{Session, State};

    fn exchange() -> Exchange {
        let request =
            http::Request::get("http://h.test/a%20b?q=1").header("X-Two-Words", "w").header("cookie", "a=1; b=2");
        let head = Head::new(request.body(()).unwrap().into_parts().0).unwrap();
        let meta = json!({"user": "ann", "plan": {"n": [1]}});
        let state = State { meta_data: meta.as_object().unwrap().clone(), ..State::default() };
        let session = Session::new(state, Default::default());
        let client = HeaderValue::from_static("10.0.0.1");
        let (session, standing, notes) = (Some(Arc::new(session)), Standing::default(), Notes::start());
        Exchange { head, body: Body::empty(), upgrade: None, session, standing, client, notes }
    }

    #[test]
    fn variables_stand_for_what_the_exchange_has() {
        let exchange = exchange();
        let expand = |text: &str| Template::parse(text, true).unwrap().expand(&exchange);
        for (text, expanded) in [
            ("plain $tyk text", "plain $tyk text"),
            ("<$tyk_meta.user>", "<ann>"),
            ("$tyk_meta.user/$tyk_meta.plan", "ann/{\"n\":[1]}"),
            ("[$tyk_meta.nobody]", "[]"),
            ("$tyk_context.headers_X_Two_Words|$tyk_context.headers_Host", "w|h.test"),
            ("$tyk_context.cookies_b|$tyk_context.cookies_c|", "2||"),
            ("$tyk_context.path from $tyk_context.remote_addr", "/a b from 10.0.0.1"),
        ] {
            assert_eq!(expand(text), expanded, "{text}");
        }
    }

    #[test]
    fn variables_of_the_request_count_where_they_are_switched_on_and_exist() {
        let text = "$tyk_context.path $tyk_context.nothing";
        assert_eq!(Template::parse(text, false).unwrap().constant(), Some(text));
        assert_eq!(Template::parse(text, true), Err(UnknownVariable("nothing".into())));
        assert_eq!(Template::parse("", true).unwrap().constant(), Some(""));
        assert_eq!(Template::parse("$tyk_meta.a", true).unwrap().constant(), None);
    }
}
