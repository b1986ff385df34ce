//! What the counters of a session are called: by its key, or by the name that it gives them.

use super::key::Function;

/// The name of a rate's counter.
pub fn rate(scope: &str, name: &str) -> String {
    let dash = if scope.is_empty() { "" } else { "-" };
    format!("rate-limit-{scope}{dash}{name}")
}

/// The name of the counter of a path that has a rate of its own.
pub fn endpoint(scope: &str, name: &str, method: &str, path: &str) -> String {
    let method = method.to_ascii_uppercase();
    let hash = Function::Murmur32.hash(format!("{method}:{path}").as_bytes());
    format!("{}-{hash}", rate(scope, name))
}

/// The name of what a rate's limit is kept under while it is smoothed.
pub fn allowance(rate: &str) -> String {
    format!("{rate}-allowance")
}

/// The name of a quota's counter.
pub fn quota(scope: &str, name: &str) -> String {
    let dash = if scope.is_empty() { "" } else { "-" };
    format!("quota-{scope}{dash}{name}")
}
