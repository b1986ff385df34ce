//! JSON written as Go's encoder writes it.

use serde_json::Value;

/// Compact JSON as Go writes it: sorted keys, numbers as 64-bit floats, `<`, `>`, `&` and the
/// line separators escaped.
pub(crate) fn compact(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("{}:{}", go_string(key), compact(value))).collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(compact).collect::<Vec<_>>().join(",")),
        Value::String(_) => go_escaped(value.to_string()),
        Value::Number(number) => go_number(number.as_f64().unwrap_or_default()),
        Value::Bool(_) | Value::Null => value.to_string(),
    }
}

fn go_string(text: &str) -> String {
    go_escaped(Value::from(text).to_string())
}

/// JSON with `<`, `>`, `&` and the line separators escaped: they stand in strings only.
pub(crate) fn go_escaped(json: String) -> String {
    let mut out = json;
    for (c, escape) in
        [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
    {
        if out.contains(c) {
            out = out.replace(c, escape);
        }
    }
    out
}

/// Plain digits between 1e-6 and 1e21, an exponent of at least two digits beyond.
fn go_number(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent:0>2}"),
        // Go drops the zero of e-09.
        _ => text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_go_writes_it() {
        let value: Value = serde_json::from_str(
            r#"{"b":10,"a":"<&>\u2028","n":12345678901234567890,"l":[1,null,true,0.1],"e":1e21,"s":1e-9,"z":-0.5}"#,
        )
        .unwrap();
        assert_eq!(
            compact(&value),
            r#"{"a":"\u003c\u0026\u003e\u2028","b":10,"e":1e+21,"l":[1,null,true,0.1],"n":12345678901234567000,"s":1e-9,"z":-0.5}"#
        );
    }
}
