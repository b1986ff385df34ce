//! A member of a JSON document of which only the beginning need be there.

use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What stands at the end of a way of names and numbers with dots between, as text.
pub(super) fn find(document: &[u8], path: &str) -> Option<String> {
    let way: Vec<&str> = path.split('.').collect();
    let mut found = None;
    // What is wrong behind the member does not matter.
    let _ = Search { way: &way, found: &mut found }.deserialize(&mut serde_json::Deserializer::from_slice(document));
    match found? {
        Value::String(text) => Some(text),
        value => Some(value.to_string()),
    }
}

struct Search<'a> {
    way: &'a [&'a str],
    found: &'a mut Option<Value>,
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.way.is_empty() {
            *self.found = Some(Value::deserialize(deserializer)?);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Some((first, way)) = self.way.split_first() else { return Ok(()) };
        while let Some(name) = members.next_key::<String>()? {
            if name == *first {
                return members.next_value_seed(Search { way, found: self.found });
            }
            members.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((first, way)) = self.way.split_first() else { return Ok(()) };
        let Ok(at) = first.parse::<usize>() else { return Ok(()) };
        for _ in 0..at {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        items.next_element_seed(Search { way, found: self.found }).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_by_its_way_even_if_the_rest_is_missing() {
        let document = br#"{"a": {"b": [1, {"c": "text"}, null]}, "d": "unfinis"#;
        for (path, found) in [
            ("a.b.0", Some("1")),
            ("a.b.1.c", Some("text")),
            ("a.b.2", Some("null")),
            ("a.b.1", Some(r#"{"c":"text"}"#)),
        ] {
            assert_eq!(find(document, path).as_deref(), found, "{path}");
        }
        for path in ["a.b.3", "a.c", "d", "d.e", "", "a.b.x"] {
            assert_eq!(find(document, path), None, "{path}");
        }
    }
}
