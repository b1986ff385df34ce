//! HTTP/2 frames that a well-behaved client would not send, over TLS and without.

use std::time::Duration;

use crate::harness::frames::Outcome::{self, Answer, Connection, Stream};
use crate::harness::frames::*;
use crate::harness::{Gateway, Wire, until};

/// What is sent, and what may come of it.
type Case = (&'static str, Vec<Vec<u8>>, &'static [Outcome]);

/// Errors of which the connection dies.
const PROTOCOL: &[Outcome] = &[Connection(PROTOCOL_ERROR)];
/// The library has the general code for errors of size, form and compression.
const FORM: &[Outcome] = &[Connection(FRAME_SIZE_ERROR), Connection(COMPRESSION_ERROR), Connection(PROTOCOL_ERROR)];
const CLOSED: &[Outcome] = &[Stream(STREAM_CLOSED), Connection(STREAM_CLOSED), Connection(PROTOCOL_ERROR)];
/// Requests that are none.
const MALFORMED: &[Outcome] = &[Stream(PROTOCOL_ERROR), Answer(400)];
/// The library ends the connection if a field can be part of no message.
const NO_FIELD: &[Outcome] = PROTOCOL;

/// Frames where they do not belong, or of a form that is not theirs.
fn misplaced() -> Vec<Case> {
    let headers = |stream| frame(HEADERS, ALL, stream, get());
    let open = frame(HEADERS, END_HEADERS, 1, post(&[]));
    let begun = frame(HEADERS, END_STREAM, 1, get());
    let reset = frame(RST_STREAM, 0, 1, [0, 0, 0, 8]);
    vec![
        ("data on no stream", vec![frame(DATA, 0, 0, "x")], PROTOCOL),
        ("headers on no stream", vec![headers(0)], PROTOCOL),
        ("priority on no stream", vec![frame(PRIORITY, 0, 0, [0; 5])], PROTOCOL),
        ("a reset of no stream", vec![frame(RST_STREAM, 0, 0, [0; 4])], PROTOCOL),
        ("a continuation on no stream", vec![begun.clone(), frame(CONTINUATION, END_HEADERS, 0, "")], PROTOCOL),
        ("settings of a stream", vec![frame(SETTINGS, 0, 1, "")], PROTOCOL),
        ("a ping of a stream", vec![frame(PING, 0, 1, [0; 8])], PROTOCOL),
        ("a farewell of a stream", vec![frame(GOAWAY, 0, 1, [0; 8])], PROTOCOL),
        ("a push", vec![frame(PUSH_PROMISE, END_HEADERS, 1, [&[0, 0, 0, 2][..], &get()].concat())], PROTOCOL),
        ("data of an idle stream", vec![frame(DATA, END_STREAM, 1, "x")], PROTOCOL),
        ("a reset of an idle stream", vec![reset.clone()], PROTOCOL),
        ("room for an idle stream", vec![frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 9])], PROTOCOL),
        ("a continuation of nothing", vec![frame(CONTINUATION, END_HEADERS, 1, get())], PROTOCOL),
        ("a continuation of headers that have ended", vec![open.clone(), frame(CONTINUATION, 4, 1, get())], PROTOCOL),
        ("a continuation after data", vec![open.clone(), frame(DATA, 0, 1, "x"), frame(9, 4, 1, get())], PROTOCOL),
        ("priority between headers", vec![begun.clone(), frame(PRIORITY, 0, 1, [0; 5])], PROTOCOL),
        ("other headers between headers", vec![begun.clone(), headers(3)], PROTOCOL),
        ("a ping between headers", vec![begun, frame(PING, 0, 0, [0; 8])], PROTOCOL),
        ("a stream of the gateway's", vec![headers(2)], PROTOCOL),
        ("a stream that was left out", vec![frame(HEADERS, END_HEADERS, 5, post(&[])), headers(3)], CLOSED),
        ("data after the end", vec![frame(HEADERS, ALL, 1, post(&[])), frame(DATA, 1, 1, "x")], CLOSED),
        ("headers after the end", vec![frame(HEADERS, ALL, 1, post(&[])), headers(1)], CLOSED),
        ("data after a reset", vec![open.clone(), reset.clone(), frame(DATA, 1, 1, "x")], CLOSED),
        ("headers after a reset", vec![open, reset, headers(1)], CLOSED),
    ]
}

/// Frames of a wrong size, or with numbers that cannot be.
fn misshapen() -> Vec<Case> {
    let open = || frame(HEADERS, END_HEADERS, 1, post(&[]));
    let room = |stream, more: u32| frame(WINDOW_UPDATE, 0, stream, more.to_be_bytes());
    vec![
        ("too much data in a frame", vec![open(), frame(DATA, 0, 1, [0; 16_385])], FORM),
        ("too many headers in a frame", vec![frame(HEADERS, ALL, 1, [0; 16_385])], FORM),
        ("a reset of three bytes", vec![open(), frame(RST_STREAM, 0, 1, [0; 3])], FORM),
        ("a ping of six bytes", vec![frame(PING, 0, 0, [0; 6])], FORM),
        ("room of three bytes", vec![frame(WINDOW_UPDATE, 0, 0, [0; 3])], FORM),
        ("half a setting", vec![frame(SETTINGS, 0, 0, [0; 3])], FORM),
        ("consent with settings in it", vec![frame(SETTINGS, ACK, 0, [0; 6])], FORM),
        ("priority of four bytes", vec![frame(PRIORITY, 0, 1, [0; 4])], FORM),
        ("more padding than data", vec![open(), frame(DATA, PADDED | 1, 1, [9, 0, 0])], PROTOCOL),
        ("more padding than headers", vec![frame(HEADERS, PADDED | ALL, 1, [&[200], &get()[..]].concat())], PROTOCOL),
        ("a push setting that is no yes or no", vec![setting(2, 2)], PROTOCOL),
        ("a window over the most", vec![setting(4, 1 << 31)], PROTOCOL),
        ("frames under the least", vec![setting(5, 16_383)], PROTOCOL),
        ("frames over the most", vec![setting(5, 1 << 24)], PROTOCOL),
        ("no room for all", vec![room(0, 0)], PROTOCOL),
        ("no room for one", vec![open(), room(1, 0)], &[Stream(PROTOCOL_ERROR), Connection(PROTOCOL_ERROR)]),
        ("room over the most for all", vec![room(0, (1 << 31) - 1)], &[Connection(FLOW_CONTROL_ERROR)]),
        ("room over the most for one", vec![open(), room(1, (1 << 31) - 1)], &[Stream(FLOW_CONTROL_ERROR)]),
        ("a field of no table", vec![frame(HEADERS, ALL, 1, [0x80])], FORM),
        ("a field behind the table", vec![frame(HEADERS, ALL, 1, [0xff, 0x80, 0x01])], FORM),
        ("a field that breaks off", vec![frame(HEADERS, ALL, 1, [0, 5, b'a'])], FORM),
        ("a table over the most", vec![frame(HEADERS, ALL, 1, [0x3f, 0xe1, 0xff, 0x03])], FORM),
        (
            "a stream that waits for itself",
            vec![frame(HEADERS, WITH_PRIORITY | ALL, 1, [&[0, 0, 0, 1, 9], &get()[..]].concat())],
            &[Stream(PROTOCOL_ERROR), Connection(PROTOCOL_ERROR)],
        ),
    ]
}

/// Fields that HTTP/2 does not allow in requests.
fn malformed() -> Vec<Case> {
    let pseudo = |fields: &[(&str, &str)]| vec![frame(HEADERS, ALL, 1, block(fields))];
    let with = |name: &str, value: &str| vec![frame(HEADERS, ALL, 1, request("GET", &[(name, value)]))];
    let body = |length: &str, frames: &[&str]| {
        let mut sent = vec![frame(HEADERS, END_HEADERS, 1, post(&[("content-length", length)]))];
        let last = frames.len() - 1;
        sent.extend(frames.iter().enumerate().map(|(at, data)| frame(DATA, u8::from(at == last), 1, data)));
        sent
    };
    let trailers = |flags, fields: &[(&str, &str)]| {
        vec![frame(HEADERS, END_HEADERS, 1, post(&[])), frame(DATA, 0, 1, "x"), frame(HEADERS, flags, 1, block(fields))]
    };
    vec![
        ("a name with capitals", with("X-Test", "1"), NO_FIELD),
        ("a pseudo field that nobody knows", with(":test", "1"), NO_FIELD),
        ("a pseudo field of answers", with(":status", "200"), MALFORMED),
        (
            "a pseudo field behind others",
            pseudo(&[(":method", "GET"), (":scheme", "http"), ("x", "1"), (":path", "/")]),
            MALFORMED,
        ),
        ("a connection field", with("connection", "keep-alive"), MALFORMED),
        ("keep-alive", with("keep-alive", "5"), MALFORMED),
        ("transfer-encoding", with("transfer-encoding", "chunked"), MALFORMED),
        ("upgrade", with("upgrade", "h2c"), MALFORMED),
        ("proxy-connection", with("proxy-connection", "keep-alive"), MALFORMED),
        ("te but for trailers", with("te", "trailers, deflate"), MALFORMED),
        ("no method", pseudo(&[(":scheme", "http"), (":path", "/")]), MALFORMED),
        ("no scheme", pseudo(&[(":method", "GET"), (":path", "/")]), MALFORMED),
        ("no path", pseudo(&[(":method", "GET"), (":scheme", "http")]), MALFORMED),
        ("an empty path", pseudo(&[(":method", "GET"), (":scheme", "http"), (":path", "")]), MALFORMED),
        ("two methods", with(":method", "GET"), MALFORMED),
        ("two schemes", with(":scheme", "http"), MALFORMED),
        ("two paths", with(":path", "/"), MALFORMED),
        ("more than was announced", body("1", &["four"]), MALFORMED),
        ("less than was announced", body("9", &["four"]), MALFORMED),
        ("more than was announced, in parts", body("5", &["four", "four"]), MALFORMED),
        ("a length that is none", body("+4", &["four"]), MALFORMED),
        (
            "two lengths",
            vec![
                frame(HEADERS, END_HEADERS, 1, post(&[("content-length", "4"), ("content-length", "5")])),
                frame(DATA, 1, 1, "four"),
            ],
            MALFORMED,
        ),
        // The library takes the pseudo field out of the trailers.
        ("trailers with a pseudo field", trailers(ALL, &[(":method", "GET")]), &[Answer(200)]),
        ("trailers that do not end", trailers(END_HEADERS, &[("x", "1")]), MALFORMED),
        ("a value with a line break", with("x", "a\r\nb: c"), NO_FIELD),
        ("a value with a zero byte", with("x", "a\0b"), NO_FIELD),
        ("a name with a space", with("x y", "1"), NO_FIELD),
    ]
}

/// Frames that are unusual, and in order.
fn unusual() -> Vec<Case> {
    let open = || frame(HEADERS, END_HEADERS, 1, post(&[]));
    let (first, second) = (get()[..9].to_vec(), get()[9..].to_vec());
    let parts =
        |begin: Vec<u8>| vec![begin, frame(9, 0, 1, &second[..3]), frame(9, 0, 1, ""), frame(9, 4, 1, &second[3..])];
    let before = |sent: Vec<u8>| vec![sent, frame(HEADERS, ALL, 1, get())];
    let padded = [&[3], &get()[..], &[0; 3]].concat();
    const SERVED: &[Outcome] = &[Answer(200)];
    vec![
        ("a frame of a kind that nobody knows", before(frame(0xfa, 0xff, 0, "what?")), SERVED),
        ("a setting that nobody knows", before(setting(0xfafa, 1)), SERVED),
        ("flags that nobody knows", before(frame(PING, 0xfe, 0, [0; 8])), SERVED),
        ("a stream with the reserved bit", vec![frame(HEADERS, ALL, 1 | (1 << 31), get())], SERVED),
        ("priority of an idle stream", before(frame(PRIORITY, 0, 9, [0, 0, 0, 7, 1])), SERVED),
        ("an answer to no ping", before(frame(PING, ACK, 0, [0; 8])), SERVED),
        ("headers in parts", parts(frame(HEADERS, END_STREAM, 1, first)), SERVED),
        ("padded headers", vec![frame(HEADERS, PADDED | ALL, 1, padded)], SERVED),
        ("padded data", vec![open(), frame(DATA, PADDED | END_STREAM, 1, [2, b'x', 0, 0])], SERVED),
        ("data of no bytes", vec![open(), frame(DATA, 0, 1, ""), frame(DATA, END_STREAM, 1, "")], SERVED),
        ("the most data in a frame", vec![open(), frame(DATA, END_STREAM, 1, [0; 16_384])], SERVED),
        ("trailers", vec![open(), frame(DATA, 0, 1, "x"), frame(HEADERS, ALL, 1, block(&[("x-sum", "1")]))], SERVED),
    ]
}

async fn judge(peer: &mut Peer, (name, sent, allowed): &Case) -> Option<String> {
    peer.wire.send(sent.concat()).await;
    let outcome = peer.outcome().await;
    if !allowed.contains(&outcome) {
        return Some(format!("{name}: {outcome:?}, not {allowed:?}"));
    }
    match outcome {
        Connection(_) if peer.wire.bytes(1).await.is_some() => Some(format!("{name}: the connection goes on")),
        Stream(_) | Answer(_) if !peer.serves(7).await => Some(format!("{name}: nothing else is served")),
        _ => None,
    }
}

async fn all(cases: Vec<Case>) {
    let (doors, mut wrong) = (Doors::open().await, Vec::new());
    for case in &cases {
        for (_, mut peer) in doors.peers().await {
            wrong.extend(judge(&mut peer, case).await);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn frames_where_they_do_not_belong_end_the_stream_or_the_connection() {
    all(misplaced()).await;
}

#[tokio::test]
async fn frames_of_a_form_that_is_not_theirs_end_the_stream_or_the_connection() {
    all(misshapen()).await;
}

#[tokio::test]
async fn requests_that_break_the_rules_are_refused_and_others_on_the_connection_are_not() {
    all(malformed()).await;
}

#[tokio::test]
async fn what_is_unusual_and_in_order_is_served() {
    all(unusual()).await;
}

#[tokio::test]
async fn a_connection_that_begins_otherwise_ends() {
    let doors = Doors::open().await;
    for first in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"[..], b"GET * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        for (_, socket) in doors.sockets().await {
            let mut wire = Wire::over(socket);
            wire.send(first).await;
            wire.rest().await;
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_its_own_bytes() {
    for (_, mut peer) in Doors::open().await.peers().await {
        peer.wire.send(frame(PING, 0, 0, "12345678")).await;
        let answer = loop {
            let frame = peer.next().await.expect("an answer");
            if frame.kind == PING {
                break frame;
            }
        };
        assert_eq!((answer.flags, answer.stream, &*answer.payload), (ACK, 0, &b"12345678"[..]));
    }
}

#[tokio::test]
async fn one_request_more_than_there_may_be_is_refused_alone() {
    for (_, mut peer) in Doors::open().await.peers().await {
        for at in 0..=peer.streams {
            peer.wire.send(frame(HEADERS, END_HEADERS, 2 * at + 1, post(&[]))).await;
        }
        assert_eq!(peer.outcome().await, Stream(REFUSED_STREAM));
        peer.wire.send(frame(DATA, END_STREAM, 1, "x")).await;
        assert_eq!(peer.outcome().await, Answer(200));
    }
}

#[tokio::test]
async fn an_answer_waits_for_room_even_if_it_is_taken_back() {
    for (_, mut peer) in Doors::open().await.peers().await {
        peer.wire.send([setting(4, 1), frame(HEADERS, ALL, 1, get())].concat()).await;
        let mut body = Vec::new();
        while body.is_empty() {
            let frame = peer.next().await.expect("an answer");
            if frame.kind == DATA {
                body.extend(frame.payload);
            }
        }
        assert_eq!(body, b"h");
        // Less than none: the first byte counts against the new window too.
        peer.wire.send([setting(4, 0), frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 3])].concat()).await;
        while body.len() < 3 {
            let frame = peer.next().await.expect("an answer");
            if frame.kind == DATA {
                body.extend(frame.payload);
            }
        }
        assert_eq!(body, b"hel");
        assert!(peer.is_alive().await);
    }
}

/// Sends the same again and again, reading nothing, until the gateway has had enough of it or has taken 4 MiB.
async fn flood(gateway: &Gateway, peer: &mut Peer, frames: &[u8]) {
    let (block, before) = (frames.repeat((64 << 10) / frames.len()), gateway.process.resident());
    let pause = Duration::from_secs(1);
    for _ in 0..64 {
        match tokio::time::timeout(pause, peer.wire.try_send(&block)).await {
            Ok(Ok(())) => {}
            // It reads no more while nobody reads from it, or it is gone.
            Ok(Err(_)) | Err(_) => break,
        }
    }
    until("the memory to be free", async || gateway.process.resident() < before + (32 << 10)).await;
}

#[tokio::test]
async fn floods_cost_little_memory_and_nobody_else_anything() {
    let doors = Doors::open().await;
    let open = frame(HEADERS, END_HEADERS, 1, post(&[]));
    let kinds = [
        ("pings", vec![], frame(PING, 0, 0, [0; 8])),
        ("settings", vec![], setting(4, 65_535)),
        ("priority", vec![], frame(PRIORITY, 0, 3, [0; 5])),
        ("parts of headers", frame(HEADERS, END_STREAM, 1, &get()[..9]), frame(CONTINUATION, 0, 1, field("x", "y"))),
        ("no data", open.clone(), frame(DATA, 0, 1, "")),
        ("room", open, frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1])),
    ];
    for (name, before, frames) in kinds {
        for (gateway, mut peer) in doors.peers().await {
            peer.wire.send(before.clone()).await;
            flood(gateway, &mut peer, &frames).await;
        }
        for (_, mut peer) in doors.peers().await {
            assert!(peer.serves(1).await, "{name}");
        }
    }
}

#[tokio::test]
async fn headers_that_never_end_end_the_connection() {
    for (_, mut peer) in Doors::open().await.peers().await {
        peer.wire.send(frame(HEADERS, END_STREAM, 1, &get()[..9])).await;
        let part = frame(CONTINUATION, 0, 1, field("x-part", &"y".repeat(100)));
        for _ in 0..10_000 {
            if peer.wire.try_send(&part).await.is_err() {
                break;
            }
        }
        let outcome = peer.outcome().await;
        assert!(matches!(outcome, Connection(_) | Outcome::Closed), "{outcome:?}");
    }
}
