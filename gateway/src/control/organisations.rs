//! Sessions of organisations: limits on all keys of one together.

use http::Method;
use serde::Serialize;

use super::answer::{Answer, Problem, changed, document};
use super::request::Request;
use super::stamp;
use crate::json;
use crate::session::State;
use crate::store::Space;

#[derive(Serialize)]
struct Listed {
    keys: Vec<String>,
}

pub(super) async fn answer(request: &Request<'_>, id: Option<&str>) -> Answer {
    match (&request.method, id) {
        (&Method::GET, None) => Ok(document(&Listed { keys: request.store.sessions(Space::Org, "").await? })),
        (&Method::GET, Some(id)) => show(request, id).await,
        (&Method::POST, Some(id)) => write(request, id, "added").await,
        (&Method::PUT, Some(id)) => write(request, id, "modified").await,
        (&Method::DELETE, Some(id)) => remove(request, id).await,
        _ => Err(Problem::method()),
    }
}

fn missing() -> Problem {
    Problem::missing("Org not found")
}

async fn show(request: &Request<'_>, id: &str) -> Answer {
    let (_, stored) = request.store.session(Space::Org, &[id]).await?.ok_or_else(missing)?;
    let text = String::from_utf8_lossy(&stored);
    let (state, _) = json::read::<State>(&text).map_err(|_| missing())?;
    Ok(document(&state))
}

async fn write(request: &Request<'_>, id: &str, action: &str) -> Answer {
    let mut state: State = request.json(|_| Problem::bad("Request malformed"))?;
    state.last_updated = stamp::updated();
    let text = serde_json::to_vec(&state).map_err(|error| Problem::bad(error.to_string()))?;
    request.store.put_session(Space::Org, id, &text, None).await?;
    if request.is("reset_quota") {
        let name = request.gateway.shared.keys.key(id).name;
        request.store.reset(&[format!("quota-{name}")]).await?;
    }
    request.publish_keys(&[id]).await;
    Ok(changed(id, action))
}

async fn remove(request: &Request<'_>, id: &str) -> Answer {
    if !request.store.delete_session(Space::Org, id).await? {
        return Err(missing());
    }
    request.publish_keys(&[id]).await;
    Ok(changed(id, "deleted"))
}
