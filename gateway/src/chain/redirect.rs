//! Targets of the form `tyk://API/path`: the request goes to an API of this gateway.

use thiserror::Error;

use super::Elsewhere;
use crate::error::Failure;
use crate::exchange::{Exchange, Target, query};

/// How often a request may be sent to an API again, unless its target says otherwise.
const MOST: u32 = 5;
/// The API that the request is in.
const ITSELF: &str = "self";

/// Why a request cannot be sent to another API.
#[derive(Debug, Error)]
pub enum LoopError {
    /// It was sent on too often.
    #[error("the request was sent on more than {0} times")]
    TooDeep(u32),
    /// There is no such API.
    #[error("no API has the id or name {0:?}")]
    Unknown(String),
}

/// Where a request goes whose target names an API; its target, method and limits are made ready for that.
pub(super) fn follow(exchange: &mut Exchange) -> Result<Option<Elsewhere>, Failure> {
    let target = &exchange.head.target;
    let Some(("tyk", api)) = target.origin() else { return Ok(None) };
    let api = api.to_owned();
    let mut values = query::values(target.query().unwrap_or_default());
    let mut take = |name: &str| {
        let value = values.remove(name.as_bytes())?.into_iter().next()?;
        String::from_utf8(value.into_owned()).ok()
    };
    let [method, limit, check] = ["method", "loop_limit", "check_limits"].map(&mut take);
    let controlled = method.is_some() || limit.is_some() || check.is_some();
    let path = Target::upstream(&format!("http://{api}"), target.path(), target.query());
    exchange.head.target = if controlled { path.with_query(encoded(&values).as_deref()) } else { path };
    if let Some(method) = method {
        exchange.head.set_method(method);
    }
    let passage = &mut exchange.passage;
    passage.most_loops = limit.and_then(|limit| limit.parse().ok()).or(passage.most_loops);
    let most = passage.most_loops.filter(|most| *most > 0).unwrap_or(MOST);
    if passage.loops > most {
        return Err(LoopError::TooDeep(most).into());
    }
    passage.loops += 1;
    passage.version_in_path = None;
    passage.returned = api == ITSELF && check.as_deref() != Some("true");
    passage.ignored = false;
    Ok(Some(if api == ITSELF { Elsewhere::Itself } else { Elsewhere::Api { name: api } }))
}

fn encoded(values: &query::Values<'_>) -> Option<String> {
    Some(query::encode(values)).filter(|query| !query.is_empty())
}
