//! Queries by the contract's rules: decoded as forms, written anew with names sorted.

use std::collections::BTreeMap;

/// All values by name.
pub type Values = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

/// The values of a query; pairs with a semicolon or a bad escape do not count.
pub fn decode(query: &str) -> Values {
    let mut values = Values::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(name), Some(value)) = (plain(name), plain(value)) {
            values.entry(name).or_default().push(value);
        }
    }
    values
}

/// The values as a query.
pub fn encode(values: &Values) -> String {
    let pair = |name: &[u8], value: &[u8]| format!("{}={}", escaped(name), escaped(value));
    let pairs = values.iter().flat_map(|(name, all)| all.iter().map(move |value| pair(name, value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn plain(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'%' => {
                let digits = std::str::from_utf8(after.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                &after[2..]
            }
            b'+' => {
                bytes.push(b' ');
                after
            }
            other => {
                bytes.push(*other);
                after
            }
        };
    }
    Some(bytes)
}

fn escaped(bytes: &[u8]) -> String {
    let byte = |byte: &u8| match byte {
        b' ' => "+".to_owned(),
        b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(byte).collect()
}
