//! The store of certificates: private keys go in, and never come out.

mod meta;

use http::{Method, StatusCode};
use serde::Serialize;

use self::meta::{Basics, Meta};
use super::answer::{Answer, Problem, document, ok};
use super::request::Request;
use crate::certificate::{Stored, Upload};

#[derive(Serialize)]
struct Added<'a> {
    id: &'a str,
    status: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Listed<T> {
    certs: Vec<T>,
}

pub(super) async fn answer(request: &Request<'_>, ids: Option<&str>) -> Answer {
    match (&request.method, ids) {
        (&Method::GET, None) => list(request).await,
        (&Method::GET, Some(ids)) => show(request, ids).await,
        (&Method::POST, None) => add(request).await,
        (&Method::DELETE, Some(id)) => remove(request, id).await,
        _ => Err(Problem::method()),
    }
}

/// It counts from the next reload on.
async fn add(request: &Request<'_>) -> Answer {
    let refused = |error: String| Problem::new(StatusCode::FORBIDDEN, error);
    let password = &request.gateway.config.certificates.password;
    let Upload { fingerprint, text } =
        Upload::read(&request.body, password).map_err(|error| refused(error.to_string()))?;
    let id = format!("{}{fingerprint}", request.parameter("org_id"));
    if !request.store.add_certificate(&id, &text).await? {
        return Err(refused(format!("Certificate with {id} id already exists")));
    }
    Ok(document(&Added { id: &id, status: "ok", message: "Certificate added" }))
}

async fn list(request: &Request<'_>) -> Answer {
    let ids = request.store.certificate_ids(request.parameter("org_id")).await?;
    if request.parameter("mode") != "detailed" {
        return Ok(document(&Listed { certs: ids }));
    }
    let found = find(request, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let certs = found.iter().filter_map(|(id, stored)| Some(Basics::of(id, stored.as_ref()?))).collect();
    Ok(document(&Listed { certs }))
}

/// One, or several with commas between them.
async fn show(request: &Request<'_>, ids: &str) -> Answer {
    let found = find(request, &ids.split(',').collect::<Vec<_>>()).await?;
    let metas: Vec<_> = found.iter().map(|(id, stored)| Some(Meta::of(id, stored.as_ref()?))).collect();
    match metas.as_slice() {
        [Some(meta)] => Ok(document(meta)),
        [None] => Err(Problem::missing("Certificate with given SHA256 fingerprint not found")),
        several => Ok(document(&several)),
    }
}

async fn find<'a>(request: &Request<'_>, ids: &[&'a str]) -> Result<Vec<(&'a str, Option<Stored>)>, Problem> {
    let texts = request.store.certificates(ids).await?;
    let read = |(id, text): (&&'a str, Option<String>)| (*id, text.and_then(|text| readable(id, text)));
    Ok(ids.iter().zip(texts).map(read).collect())
}

fn readable(id: &str, text: String) -> Option<Stored> {
    Stored::read(text).inspect_err(|error| tracing::error!(%error, id, "a stored certificate is no use")).ok()
}

/// Nobody is told whether it was there, as in the original.
async fn remove(request: &Request<'_>, id: &str) -> Answer {
    request.store.delete_certificate(id).await?;
    Ok(ok("removed"))
}
