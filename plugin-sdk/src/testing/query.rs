//! A target's query, as the gateway tells it to plugins: decoded, the first value of each name.

use std::collections::HashMap;

pub(super) fn params(target: &str) -> HashMap<String, String> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut params = HashMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        params.entry(decoded(name)).or_insert_with(|| decoded(value));
    }
    params
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(part.bytes().skip(2));
            }
            None => {
                bytes.push(b'%');
                bytes.extend(part.bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::params;

    #[test]
    fn a_query_is_told_decoded_and_by_first_values() {
        for (target, name, value) in [
            ("/x?a=b&a=c", "a", Some("b")),
            ("/x?na%20me=a+b%C3%A4", "na me", Some("a b\u{e4}")),
            ("/x?a", "a", Some("")),
            ("/x?a=100%", "a", Some("100%")),
            ("/x", "a", None),
        ] {
            assert_eq!(params(target).get(name).map(String::as_str), value, "{target}");
        }
    }
}
