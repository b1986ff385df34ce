//! Changes of headers that a definition asks for: removals come before additions.

use std::collections::BTreeMap;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};

use super::CompileError;
use crate::exchange::{Exchange, Reply, Scope, Template, canonical};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is removed and what is set.
#[derive(Debug)]
pub struct HeaderChange {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Value)>,
}

#[derive(Debug)]
enum Value {
    Constant(HeaderValue),
    Varying(Template),
}

impl HeaderChange {
    /// Reads what stands at these JSON paths; nothing if nothing is asked for.
    pub fn compile(
        (remove_path, remove): (&str, &[String]),
        (set_path, set): (&str, &BTreeMap<String, String>),
        scope: Scope<'_>,
    ) -> Result<Option<Self>, CompileError> {
        if remove.is_empty() && set.is_empty() {
            return Ok(None);
        }
        let remove = remove.iter().enumerate().map(|(at, written)| name(&format!("{remove_path}[{at}]"), written));
        let set = set.iter().map(|(written, text)| {
            let path = format!("{set_path}.{written}");
            Ok::<_, CompileError>((name(&path, written)?, Value::compile(&path, text, scope)?))
        });
        Ok(Some(Self { remove: remove.collect::<Result<_, _>>()?, set: set.collect::<Result<_, _>>()? }))
    }

    /// The texts with variables.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.set.iter().filter_map(|(_, value)| match value {
            Value::Varying(template) => Some(template),
            Value::Constant(_) => None,
        })
    }

    /// Changes the request. One that gets a value that no header can carry is not sent: the client's
    /// own header must not stand in its place.
    pub fn run_on_request(&self, exchange: &mut Exchange) {
        for name in &self.remove {
            exchange.head.remove(name.as_str());
            exchange.head.anonymous |= name == FORWARDED_FOR;
        }
        for (name, value) in &self.set {
            let value = value.of(exchange);
            exchange.head.remove(name.as_str());
            match value {
                Ok(value) => drop(exchange.head.headers.insert(name, value)),
                Err(text) => exchange.head.unsendable.headers.push((canonical(name), text)),
            }
        }
    }

    /// Changes the reply. Line breaks become spaces; a value that no header can carry is left out.
    pub fn run_on_reply(&self, exchange: &Exchange, reply: &mut Reply) {
        let headers = reply.headers_mut();
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            let value = value.of(exchange).or_else(|text| HeaderValue::try_from(text.replace(['\r', '\n'], " ")));
            match value {
                Ok(value) => drop(headers.insert(name, value)),
                Err(error) => {
                    tracing::debug!(%error, %name, "a header is left out of the reply");
                    headers.remove(name);
                }
            }
        }
    }
}

impl Value {
    fn compile(path: &str, text: &str, scope: Scope<'_>) -> Result<Self, CompileError> {
        let template = Template::parse(text, scope).map_err(|error| refusal(path, error.to_string()))?;
        let Some(constant) = template.constant() else { return Ok(Self::Varying(template)) };
        // The value may be secret; what was written is not.
        let value = HeaderValue::from_str(constant);
        value.map(Self::Constant).map_err(|_| refusal(path, format!("{text:?} is no value of a header")))
    }

    /// The value now; its text where a variable brings what no header can carry.
    fn of(&self, exchange: &Exchange) -> Result<HeaderValue, String> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Varying(template) => {
                let text = template.expand(exchange);
                HeaderValue::try_from(&text).map_err(|_| text)
            }
        }
    }
}

/// Host and framing are the gateway's own.
fn name(path: &str, written: &str) -> Result<HeaderName, CompileError> {
    let name =
        HeaderName::try_from(written).map_err(|_| refusal(path, format!("{written:?} is no name of a header")))?;
    if [HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
        return Err(refusal(path, format!("the gateway itself writes {written}: remove it")));
    }
    Ok(name)
}

fn refusal(path: &str, reason: String) -> CompileError {
    CompileError { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(remove: &[&str], set: &[(&str, &str)]) -> Result<Option<HeaderChange>, String> {
        let remove: Vec<_> = remove.iter().map(|name| (*name).to_owned()).collect();
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let scope = Scope { context: true, secrets: None };
        HeaderChange::compile(("r", &remove), ("s", &set), scope).map_err(|error| error.path)
    }

    #[test]
    fn what_no_header_can_be_is_refused_where_it_stands() {
        assert!(matches!(compile(&[], &[]), Ok(None)));
        assert!(matches!(compile(&["X-A"], &[("X-B", "$tyk_meta.b")]), Ok(Some(_))));
        for (remove, set, path) in [
            (&["X-A", "a b"][..], &[][..], "r[1]"),
            (&["Content-Length"], &[], "r[0]"),
            (&[], &[("Host", "h")], "s.Host"),
            (&[], &[("X-A", "a\nb")], "s.X-A"),
            (&[], &[("X-A", "$tyk_context.nothing")], "s.X-A"),
        ] {
            assert_eq!(compile(remove, set).err().as_deref(), Some(path));
        }
    }
}
