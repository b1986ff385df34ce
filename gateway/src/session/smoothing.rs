//! Smoothing of a rate: the limit follows the requests in steps, up to the rate and down again.

use serde::Deserialize;
use serde_json::Value;

use super::counters;

/// How a limit follows the requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoothing {
    /// The whole name of what the limit is kept under.
    pub name: Box<str>,
    /// The limit at first, and never less: more than none, less than the rate.
    pub threshold: i64,
    /// How far from the limit the requests must be, in steps: more than none.
    pub trigger: f64,
    /// By how much the limit changes: more than nothing.
    pub step: i64,
    /// Seconds between two changes, more than none.
    pub delay: i64,
}

/// Longer delays are not told apart; the store could not keep them. Seconds.
const FOREVER: i64 = u32::MAX as i64;

/// How a limit changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// It rose.
    Up,
    /// It fell.
    Down,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    enabled: bool,
    threshold: i64,
    trigger: f64,
    step: i64,
    delay: i64,
}

impl Smoothing {
    /// The first that counts of what is written for the rate on this counter, if any does: one that is
    /// switched off, incomplete or would let more than the rate pass counts nowhere.
    pub(super) fn choose<'a>(
        written: impl IntoIterator<Item = &'a Value>,
        counter: &str,
        rate: f64,
    ) -> Option<Box<Self>> {
        written.into_iter().find_map(|value| Self::read(value, counter, rate)).map(Box::new)
    }

    fn read(value: &Value, counter: &str, rate: f64) -> Option<Self> {
        let Written { enabled, threshold, trigger, step, delay } = Written::deserialize(value).ok()?;
        let complete = threshold > 0 && trigger > 0.0 && step > 0 && delay > 0;
        let counts = enabled && complete && (threshold as f64) < rate;
        let delay = delay.min(FOREVER);
        counts.then(|| Self { name: counters::allowance(counter).into(), threshold, trigger, step, delay })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn choose(written: &[Value], rate: f64) -> Option<i64> {
        Smoothing::choose(written, "rate-limit-k", rate).map(|smoothing| smoothing.threshold)
    }

    fn written(change: Value) -> Value {
        let mut value = json!({"enabled": true, "threshold": 5, "trigger": 0.5, "step": 2, "delay": 1});
        if let (Some(value), Value::Object(change)) = (value.as_object_mut(), change) {
            value.extend(change);
        }
        value
    }

    #[test]
    fn the_first_that_counts_is_chosen() {
        let all =
            [Value::Null, written(json!({"enabled": false})), written(json!({})), written(json!({"threshold": 6}))];
        assert_eq!(choose(&all, 10.0), Some(5));
        let named = Smoothing::choose(&all, "rate-limit-k", 10.0).map(|smoothing| smoothing.name);
        assert_eq!(named.as_deref(), Some("rate-limit-k-allowance"));
    }

    #[test]
    fn what_is_incomplete_or_not_below_the_rate_does_not_count() {
        for (key, values) in [
            ("threshold", [json!(0), json!(10), json!("5")]),
            ("trigger", [json!(0), json!(-0.5), Value::Null]),
            ("step", [json!(0), json!(-1), json!(1.5)]),
            ("delay", [json!(0), json!(-1), json!("1s")]),
        ] {
            for value in values {
                assert_eq!(choose(&[written(json!({ key: value }))], 10.0), None, "{key} {value}");
            }
        }
    }
}
