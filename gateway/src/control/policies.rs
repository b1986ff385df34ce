//! Policies: shown as they are in force, and written to the folder from which they are read.

use std::io;
use std::path::PathBuf;

use http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::answer::{Answer, Problem, changed, document};
use super::files;
use super::request::Request;
use crate::config::PolicySource;
use crate::session::policy::{self, Policy};

pub(super) async fn answer(request: &Request<'_>, id: Option<&str>) -> Answer {
    match (&request.method, id) {
        (&Method::GET, None) => {
            Ok(document(&request.gateway.shared.keys.policies().iter().map(|policy| &**policy).collect::<Vec<_>>()))
        }
        (&Method::GET, Some(id)) => show(request, id),
        (&Method::POST, None) => write(request, None, "added").await,
        (&Method::PUT, Some(id)) => write(request, Some(id), "modified").await,
        (&Method::DELETE, Some(id)) => remove(request, id).await,
        _ => Err(Problem::method()),
    }
}

fn show(request: &Request<'_>, id: &str) -> Answer {
    let policies = request.gateway.shared.keys.policies();
    let found = policies.iter().find(|policy| policy.id == id);
    found.map(|policy| document(&**policy)).ok_or_else(|| Problem::missing("Policy not found"))
}

/// It is in force after the next reload.
async fn write(request: &Request<'_>, id: Option<&str>, action: &str) -> Answer {
    let malformed = |_| Problem::bad("Request malformed");
    let mut written: Map<String, Value> = request.json(malformed)?;
    let policy: Policy = request.json(malformed)?;
    if id.is_some_and(|id| !policy.id.is_empty() && policy.id != id) {
        let message = "Request ID does not match that in policy! For Update operations these must match.";
        return Err(Problem::bad(message));
    }
    let id = id.unwrap_or(&policy.id);
    if id.is_empty() {
        return Err(Problem::bad("Unable to create policy without id."));
    }
    files::identify(&mut written, "id", id);
    let file = file(request, id).await?;
    files::write(file, written).await.map_err(|error| failed("Failed to create file!", &error))?;
    Ok(changed(id, action))
}

async fn remove(request: &Request<'_>, id: &str) -> Answer {
    match files::remove(file(request, id).await?).await {
        Ok(()) => Ok(changed(id, "deleted")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Problem::missing("Policy not found")),
        Err(error) => Err(failed("Delete failed", &error)),
    }
}

/// The file of a policy, where policies have files of their own: the one that holds it, or one of its id.
async fn file(request: &Request<'_>, id: &str) -> Result<PathBuf, Problem> {
    let PolicySource::Folder(folder) = &request.gateway.config.policies else {
        let message =
            "Unable to access policy storage. Policies can be written where policies.policy_path names a folder.";
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message));
    };
    let named =
        files::named(folder, id).ok_or_else(|| Problem::bad("Invalid policy ID: write letters, digits, -, _ and ."))?;
    let (folder, id) = (folder.clone(), id.to_owned());
    let holder = files::apart(move || policy::file::holder(&folder, &id)).await;
    Ok(holder.map_err(|error| failed("Unable to access policy storage.", &error))?.unwrap_or(named))
}

fn failed(message: &'static str, error: &io::Error) -> Problem {
    tracing::error!(%error, "a policy's file cannot be changed");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}
