//! Makes the limits on all callers of an API together.

use std::sync::Arc;

use super::{CompileError, Shared};
use crate::chain::ApiLimit;
use crate::chain::endpoints::{Endpoints, Place};
use crate::definition::{Definition, ExtendedPaths};
use crate::session::{Rate, counters};

/// The limits of a version whose rules for single paths stand at this JSON path; nothing if there are none.
pub(super) fn compile(
    definition: &Definition,
    (at, paths): (&str, &ExtendedPaths),
    mut rules: Endpoints<Rate>,
    shared: &Shared,
) -> Result<Option<ApiLimit>, CompileError> {
    if definition.disable_rate_limit {
        return Ok(None);
    }
    // All callers have one key.
    let key = shared.keys.key(&format!("apilimiter-{}{}", definition.org_id, definition.api_id));
    let global = &definition.global_rate_limit;
    let rate = Rate::new(counters::rate("", &key.name), global.rate, global.per).filter(|_| !global.disabled);
    for (index, limit) in paths.rate_limit.iter().enumerate().filter(|(_, limit)| !limit.disabled) {
        let name = counters::endpoint("", &key.name, &limit.method, &limit.path);
        let Some(rate) = Rate::new(name, limit.rate, limit.per) else { continue };
        let written = format!("{at}.rate_limit[{index}]");
        rules.add(Place { written: &written, path: &limit.path, method: &limit.method, ignore_case: false }, rate)?;
    }
    let paths = rules.unless_empty();
    let needed = rate.is_some() || paths.is_some();
    Ok(needed.then(|| ApiLimit { rate, paths, limiter: Arc::clone(&shared.limiter) }))
}
