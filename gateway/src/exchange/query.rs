//! Query strings as Go's form decoder reads and writes them, because plugins were promised that.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::target::{push_escaped, unescape};

/// Decoded names and values, names sorted, values in order.
pub type Values<'a> = BTreeMap<Cow<'a, [u8]>, Vec<Cow<'a, [u8]>>>;

/// The decoded pairs of a query in order; pairs with a semicolon or a bad escape are left out.
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')).filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((unescape(name, true)?, unescape(value, true)?))
    })
}

/// All values by name.
pub fn values(query: &str) -> Values<'_> {
    let mut out = Values::new();
    for (name, value) in pairs(query) {
        out.entry(name).or_default().push(value);
    }
    out
}

/// Values as a query: names sorted, spaces as `+`.
pub fn encode(values: &Values<'_>) -> String {
    let mut out = String::new();
    for (name, all) in values {
        for value in all {
            if !out.is_empty() {
                out.push('&');
            }
            push_component(&mut out, name);
            out.push('=');
            push_component(&mut out, value);
        }
    }
    out
}

/// A text as a name or value of a query.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_component(&mut out, text.as_bytes());
    out
}

fn push_component(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => push_escaped(out, byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_a_semicolon_or_a_bad_escape_are_left_out() {
        let query = "a=1&a=2&b&c=x+y&d=1;e=2&f=%zz&&";
        assert_eq!(encode(&values(query)), "a=1&a=2&b=&c=x+y");
    }

    #[test]
    fn encoding_sorts_names_and_keeps_the_order_of_values() {
        assert_eq!(encode(&values("z=%20x&a=2&a=1&ü=/")), "a=2&a=1&z=+x&%C3%BC=%2F");
        assert_eq!(encode(&Values::new()), "");
    }
}
