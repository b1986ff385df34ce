//! Changes of headers that a definition asks for: removals come before additions.

use std::collections::BTreeMap;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::CompileError;
use crate::exchange::{Exchange, Reply, Template};

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
    /// Reads what stands at these JSON paths; nothing if nothing is asked for. `context` is
    /// `enable_context_vars`.
    pub fn compile(
        (remove_path, remove): (&str, &[String]),
        (set_path, set): (&str, &BTreeMap<String, String>),
        context: bool,
    ) -> Result<Option<Self>, CompileError> {
        if remove.is_empty() && set.is_empty() {
            return Ok(None);
        }
        let remove = remove.iter().enumerate().map(|(at, written)| name(&format!("{remove_path}[{at}]"), written));
        let set = set.iter().map(|(written, text)| {
            let path = format!("{set_path}.{written}");
            Ok::<_, CompileError>((name(&path, written)?, Value::compile(&path, text, context)?))
        });
        Ok(Some(Self { remove: remove.collect::<Result<_, _>>()?, set: set.collect::<Result<_, _>>()? }))
    }

    /// Changes the request.
    pub fn run_on_request(&self, exchange: &mut Exchange) {
        self.clear(&mut exchange.head.headers);
        for (name, value) in &self.set {
            if let Some(value) = value.of(exchange) {
                exchange.head.headers.insert(name, value);
            }
        }
    }

    /// Changes the reply.
    pub fn run_on_reply(&self, exchange: &Exchange, reply: &mut Reply) {
        self.clear(reply.headers_mut());
        for (name, value) in &self.set {
            if let Some(value) = value.of(exchange) {
                reply.headers_mut().insert(name, value);
            }
        }
    }

    fn clear(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
    }
}

impl Value {
    fn compile(path: &str, text: &str, context: bool) -> Result<Self, CompileError> {
        let template = Template::parse(text, context).map_err(|error| refusal(path, error.to_string()))?;
        let Some(text) = template.constant() else { return Ok(Self::Varying(template)) };
        let value = HeaderValue::from_str(text);
        value.map(Self::Constant).map_err(|_| refusal(path, format!("{text:?} is no value of a header")))
    }

    /// None where a variable brings what no header can carry.
    fn of(&self, exchange: &Exchange) -> Option<HeaderValue> {
        match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Varying(template) => {
                let value = HeaderValue::try_from(template.expand(exchange));
                value.inspect_err(|error| tracing::debug!(%error, "a header is left out")).ok()
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
        HeaderChange::compile(("r", &remove), ("s", &set), true).map_err(|error| error.path)
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
            (&[], &[("X-A", "$tyk_context.request_data")], "s.X-A"),
        ] {
            assert_eq!(compile(remove, set).err().as_deref(), Some(path));
        }
    }
}
