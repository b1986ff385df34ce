//! API definitions: shown as they are served, and written to the folder from which they are read.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{Answer, Problem, changed, document};
use super::files;
use super::request::Request;
use crate::api::{self, Unservable};
use crate::auth::session_cache::Counts;
use crate::certificate::{Certificates, Shelf};
use crate::definition::Definition;
use crate::json;
use crate::listener::Gateway;
use crate::source;

/// Names the API that knows another as one of its versions.
const BASE_ID: HeaderName = HeaderName::from_static("x-tyk-base-api-id");
/// Whether it has such versions, and which.
const ENABLED: &str = "definition.enabled";
const VERSIONS: &str = "definition.versions.*";

pub(super) async fn answer(request: &Request<'_>, id: Option<&str>) -> Answer {
    match (&request.method, id) {
        (&Method::GET, None) => list(request),
        (&Method::GET, Some(id)) => show(request, id),
        (&Method::POST, None) => add(request).await,
        (&Method::PUT, Some(id)) => modify(request, id).await,
        (&Method::DELETE, Some(id)) => remove(request, id).await,
        _ => Err(Problem::method()),
    }
}

fn list(request: &Request<'_>) -> Answer {
    let registry = request.gateway.registry.load();
    let documents: Vec<_> = registry.apis().iter().map(|api| &api.document).collect();
    Ok(document(&documents))
}

fn show(request: &Request<'_>, id: &str) -> Answer {
    let registry = request.gateway.registry.load();
    let mut reply = registry.api(id).map(|api| document(&api.document)).ok_or_else(missing)?;
    let knows = |document: &Value| {
        json::is_set_at(document, ENABLED) && json::find(document, VERSIONS).iter().any(|found| *found.value == id)
    };
    let base = registry.apis().iter().find(|api| knows(&api.document));
    if let Some(base) = base.and_then(|base| HeaderValue::from_str(&base.id).ok()) {
        reply.headers_mut().insert(BASE_ID, base);
    }
    Ok(reply)
}

fn missing() -> Problem {
    Problem::missing("API not found")
}

/// It is served after the next reload.
async fn add(request: &Request<'_>) -> Answer {
    let (id, mut written) = definition(request)?;
    let id = if id.is_empty() { Uuid::new_v4().simple().to_string() } else { id };
    files::identify(&mut written, "api_id", &id);
    write(request, &id, written).await?;
    Ok(changed(&id, "added"))
}

async fn modify(request: &Request<'_>, id: &str) -> Answer {
    let (named, written) = definition(request)?;
    if named != id {
        let message = "Request APIID does not match that in Definition! For Update operations these must match.";
        return Err(Problem::bad(message));
    }
    file(request, id)?.1.then_some(()).ok_or_else(missing)?;
    write(request, id, written).await?;
    Ok(changed(id, "modified"))
}

async fn remove(request: &Request<'_>, id: &str) -> Answer {
    let (file, exists) = file(request, id)?;
    if !exists {
        return Err(missing());
    }
    files::remove(file).await.map_err(|error| failed("Delete failed", &error))?;
    Ok(changed(id, "deleted"))
}

/// The API's id, and the definition as it came.
fn definition(request: &Request<'_>) -> Result<(String, Map<String, Value>), Problem> {
    let Definition { api_id, .. } = request.json(malformed)?;
    Ok((api_id, request.json(malformed)?))
}

fn malformed(_: String) -> Problem {
    Problem::bad("Request malformed")
}

fn invalid(reason: String) -> Problem {
    Problem::bad(format!("Validation of API Definition failed. Reason: {reason}."))
}

/// Writes only what would be served.
async fn write(request: &Request<'_>, id: &str, written: Map<String, Value>) -> Result<(), Problem> {
    let (file, _) = file(request, id)?;
    let Gateway { config, shared, .. } = request.gateway;
    let unservable = |error: Unservable| invalid(error.to_string());
    let definition = api::parse(&Value::Object(written.clone()).to_string(), config).map_err(unservable)?;
    if let Some(method) = definition.auth_without_source() {
        let reason = "at least one of header/cookie/query must be enabled";
        return Err(invalid(format!("all auth sources are disabled for {method}, {reason}")));
    }
    let password = config.certificates.password.clone();
    let shelf = Shelf::fetch(|| Ok(request.store.clone()), definition.named_certificates(), password).await?;
    let given = Certificates { shelf, guests: shared.guests.load_full() };
    api::check(&definition, config, shared, &given).map_err(unservable)?;
    files::write(file, written).await.map_err(|error| failed("Failed to create file!", &error))
}

/// The file of an API, and whether it is there: the one that it was read from, or one of its id.
fn file(request: &Request<'_>, id: &str) -> Result<(PathBuf, bool), Problem> {
    let registry = request.gateway.registry.load();
    let file = match registry.api(id) {
        Some(api) => api.file.clone(),
        None => {
            let named = files::named(&request.gateway.config.app_path, id);
            named.filter(|file| source::is_classic(file)).ok_or_else(|| Problem::bad("Invalid API ID"))?
        }
    };
    let exists = file.exists();
    Ok((file, exists))
}

fn failed(message: &'static str, error: &io::Error) -> Problem {
    tracing::error!(%error, "an API definition's file cannot be changed");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

/// How often the session cache of each API that has one was of use, since the API was loaded.
pub(super) fn session_caches(request: &Request<'_>) -> Answer {
    request.only(Method::GET)?;
    let registry = request.gateway.registry.load();
    let counted = registry.apis().iter().filter_map(|api| Some((&*api.id, figures(api.chain.session_cache()?))));
    Ok(document(&counted.collect::<BTreeMap<_, _>>()))
}

fn figures(counts: &Counts) -> Value {
    let Counts { hits, misses, waits, stale, refusals, refreshes } = counts;
    let [hits, misses, waits, stale, refusals, refreshes] =
        [hits, misses, waits, stale, refusals, refreshes].map(|count| count.load(Ordering::Relaxed));
    json!({"hits": hits, "misses": misses, "waits": waits, "stale": stale, "refusals": refusals, "refreshes": refreshes})
}
