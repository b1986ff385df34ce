//! Batches: one request that holds others of the same API, and gets all their replies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method, StatusCode, request};
use serde::{Deserialize, Serialize, Serializer};

use super::Gateway;
use super::front_door::{moved, no_room, serve, text as plain, unclean};
use crate::api::Api;
use crate::exchange::{
    Body, Exchange, HELD, Head, Notes, OF_THE_CLIENT, Passage, ReadError, Reply, Standing, canonical,
};
use crate::json;
use crate::sockets::Sockets;

/// Where, below the listen path, batches are taken.
const PLACES: [&str; 2] = ["/tyk/batch/", "/tyk/batch"];
/// The longest batch, in bytes.
const LONGEST: u64 = 8 << 20;
/// The longest body of a reply to one of its parts.
const LONGEST_REPLY: usize = 2 << 20;
/// The longest bodies of all its replies together: as JSON they may be six times as long.
const LONGEST_REPLIES: usize = 16 << 20;
/// The most parts.
const PARTS: usize = 100;
/// How many parts are under way at once.
const AT_ONCE: usize = 8;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Batch {
    requests: Vec<Part>,
    suppress_parallel_execution: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    method: String,
    headers: BTreeMap<String, String>,
    body: String,
    relative_url: String,
}

/// The reply to a part.
#[derive(Serialize)]
struct Answered {
    relative_url: String,
    code: u16,
    headers: BTreeMap<String, Vec<String>>,
    #[serde(serialize_with = "text")]
    body: Bytes,
}

/// Whether a request is a batch, and its API takes those.
pub(super) fn is_one(api: &Api, exchange: &Exchange) -> bool {
    let Some(listen_path) = &api.batches else { return false };
    exchange.head.method == Method::POST && PLACES.contains(&&*listen_path.strip(&exchange.head.target))
}

/// Takes every part through the API's chain, each as a request of its own.
pub(super) async fn answer(gateway: &Gateway, sockets: &Arc<Sockets>, api: &Api, mut exchange: Box<Exchange>) -> Reply {
    let refuse = |status, text: &str, exchange: &Exchange| {
        gateway.shared.pages.page(status, text, &exchange.head.headers, http::HeaderMap::new())
    };
    let batch = match exchange.body.read(Some(LONGEST)).await {
        Ok(body) => read(body),
        Err(ReadError::TooLarge) => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large", &exchange);
        }
        Err(ReadError::NoRoom) => return no_room(),
        Err(ReadError::Broken(_)) => None,
    };
    let Some(batch) = batch else { return refuse(StatusCode::BAD_REQUEST, "Batch request malformed", &exchange) };
    if batch.requests.len() > PARTS {
        return refuse(StatusCode::BAD_REQUEST, &format!("Batch request has more than {PARTS} parts"), &exchange);
    }
    let at_once = if batch.suppress_parallel_execution { 1 } else { AT_ONCE };
    let room = AtomicUsize::new(LONGEST_REPLIES);
    let parts = stream::iter(batch.requests).map(|part| run(gateway, sockets, api, &exchange, part, &room));
    whole(&parts.buffered(at_once).collect::<Vec<_>>().await)
}

fn read(body: &Bytes) -> Option<Batch> {
    json::read::<Batch>(std::str::from_utf8(body).ok()?).ok().map(|(batch, _)| batch)
}

fn whole(replies: &[Answered]) -> Reply {
    let text = json::go_escaped(serde_json::to_string(replies).unwrap_or_default());
    let Some(text) = HELD.hold(text.into()) else { return no_room() };
    let mut reply = Reply::new(Body::whole(text));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

async fn run(
    gateway: &Gateway,
    sockets: &Arc<Sockets>,
    api: &Api,
    batch: &Exchange,
    part: Part,
    room: &AtomicUsize,
) -> Answered {
    let relative_url = part.relative_url.clone();
    let reply = match request(batch, part) {
        Some(exchange) => match unclean(&exchange.head.target.decoded_path()) {
            Some(clean) => moved(&exchange.head.target.with_decoded_path(&clean)),
            None => serve(gateway, sockets, api, exchange).await,
        },
        None => plain(StatusCode::BAD_REQUEST, "400 Bad Request"),
    };
    told(relative_url, reply, room).await
}

/// A part as a request; nothing, if it cannot be one.
fn request(batch: &Exchange, Part { method, headers, body, relative_url }: Part) -> Option<Box<Exchange>> {
    let path = batch.head.target.path();
    let front = PLACES.iter().find_map(|place| path.strip_suffix(place))?;
    let method = if method.is_empty() { "GET" } else { &method };
    let uri = format!("{front}/{}", relative_url.trim_start_matches('/'));
    let mut request = request::Builder::new().method(method).uri(uri);
    if let Some(host) = &batch.head.host {
        request = request.header(HOST, host);
    }
    let (mut parts, ()) = request.body(()).ok()?.into_parts();
    for (name, value) in headers {
        parts.headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    // They are true of the batch, so that parts may not say otherwise.
    for name in OF_THE_CLIENT {
        parts.headers.remove(&name);
        for value in batch.head.headers.get_all(&name) {
            parts.headers.append(&name, value.clone());
        }
    }
    parts.headers.remove(CONTENT_LENGTH);
    if !body.is_empty() {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let (head, body, client) = (Head::new(parts).ok()?, Body::whole(body), batch.client.clone());
    let (upgrade, session, standing, context) = (None, None, Standing::default(), None);
    let (passage, notes) = (Passage::default(), Notes::start());
    Some(Box::new(Exchange { head, body, upgrade, session, standing, passage, client, context, notes }))
}

async fn told(relative_url: String, mut reply: Reply, room: &AtomicUsize) -> Answered {
    let mut headers = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in reply.headers() {
        headers.entry(canonical(name)).or_default().push(lossy(value.as_bytes()));
    }
    let code = reply.status().as_u16();
    let longest = LONGEST_REPLY.min(room.load(Ordering::Relaxed));
    let read = match reply.body_mut().read(Some(longest as u64)).await {
        Ok(body) if body.len() > longest => Err(ReadError::TooLarge),
        read => read.cloned(),
    };
    match read {
        Ok(body) => {
            let _ =
                room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| Some(room.saturating_sub(body.len())));
            Answered { relative_url, code, headers, body }
        }
        Err(error) => {
            tracing::warn!(%error, relative_url, "the reply to a part of a batch could not be read");
            let body = Bytes::from_static(b"the reply is too long or broke off");
            Answered { relative_url, code: 500, headers: BTreeMap::new(), body }
        }
    }
}

fn text<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
