#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderValue, Request};
use serde_json::json;

use super::*;
use crate::exchange::{Body, Client, Head, Notes, Passage, Standing};
use crate::session::{Session, State};

const EVERYTHING: Scope<'_> = Scope { context: true, secrets: None };

fn exchange(request: http::request::Builder, body: &'static str) -> Exchange {
    let head = Head::new(request.body(()).unwrap().into_parts().0).unwrap();
    let (upgrade, session, standing, context) = (None, None, Standing::default(), None);
    let client = Client { peer: HeaderValue::from_static("10.0.0.1"), depth: Some(0), certificate: None };
    let (notes, passage) = (Notes::start(), Passage::default());
    Exchange { head, body: Body::whole(body), upgrade, session, standing, passage, client, context, notes }
}

fn get() -> http::request::Builder {
    let request = Request::get("http://h.test/a%20b/c?q=1&x-y=2&q=3");
    let request = request.header("X-Two-Words", "w").header("x_under", "u");
    request.header("cookie", "a=1; b-b=\"2\"").header("cookie", "a=3")
}

fn expand(text: &str, exchange: &Exchange) -> String {
    Template::parse(text, EVERYTHING).unwrap().expand(exchange)
}

#[tokio::test]
async fn variables_of_the_request_tell_of_it_as_it_was_remembered() {
    let mut exchange = exchange(get(), "");
    let text = "$tyk_context.path $tyk_context.headers_X_Two_Words$tyk_context.cookies_a";
    assert_eq!(expand(text, &exchange), " ", "nothing is remembered yet");
    exchange.remember(true).await.unwrap();
    exchange.head.headers.remove("x-two-words");
    exchange.head.headers.remove(COOKIE);
    exchange.head.target = exchange.head.target.with_decoded_path("/upstream");
    for (text, expanded) in [
        ("$tyk_context.headers_X_Two_Words|$tyk_context.headers_Host|$tyk_context.headers_X_under", "w|h.test|u"),
        ("$tyk_context.cookies_a|$tyk_context.cookies_b_b|$tyk_context.cookies_c|", "3|2||"),
        ("$tyk_context.path from $tyk_context.remote_addr", "/a b/c from 10.0.0.1"),
        ("[$tyk_context.path_parts]", "[a b,c]"),
        ("$tyk_context.request_data_x_y|$tyk_context.request_data_q|$tyk_context.request_data_z", "2|1|"),
        ("$tyk_context.request_data", "q:1,3;x-y:2"),
    ] {
        assert_eq!(expand(text, &exchange), expanded, "{text}");
    }
    let ids = expand("$tyk_context.request_id $tyk_context.request_id", &exchange);
    let (first, second) = ids.split_once(' ').unwrap();
    assert_eq!((first.len(), first), (36, second));
}

#[tokio::test]
async fn a_form_comes_before_the_query_and_is_read_only_if_asked_for() {
    let form = || Request::post("/?a=query").header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    for (forms, expanded) in [(true, "form of a:form,query;b:x y"), (false, "query of a:query")] {
        let mut exchange = exchange(form(), "a=form&b=x+y");
        exchange.remember(forms).await.unwrap();
        assert_eq!(expand("$tyk_context.request_data_a of $tyk_context.request_data", &exchange), expanded);
        assert_eq!(exchange.body.bytes().unwrap().as_ref(), b"a=form&b=x+y");
    }
}

#[test]
fn metadata_has_the_text_that_the_original_gives_it() {
    let meta = json!({
        "user": "ann", "n": 1234567890, "big": 1e21, "half": 0.5, "list": ["a b", 2, "", null, "c,d"],
        "on": true, "map": {"a": 1}, "nested": "$tyk_meta.user",
    });
    let mut exchange = exchange(get(), "");
    let state = State { meta_data: meta.as_object().unwrap().clone(), ..State::default() };
    exchange.session = Some(Arc::new(Session::new(state, Default::default())));
    for (text, expanded) in [
        ("<$tyk_meta.user>", "<ann>"),
        ("$tyk_meta.user/$tyk_meta.userx$tyk_meta.user.", "ann/"),
        ("$tyk_meta.n $tyk_meta.big $tyk_meta.half", "1234567890 1000000000000000000000 0.5"),
        ("$tyk_meta.list", "a+b,2,c%2Cd"),
        ("[$tyk_meta.on$tyk_meta.map$tyk_meta.nobody]", "[]"),
        ("$tyk_meta.nested", "$tyk_meta.user"),
        ("$tyk plain $ $tyk_meta. $$tyk_meta.user", "$tyk plain $ $tyk_meta. $ann"),
    ] {
        assert_eq!(expand(text, &exchange), expanded, "{text}");
    }
}

#[test]
fn secrets_are_constants_where_they_count() {
    let conf = BTreeMap::from([("key-1".to_owned(), "s$tyk_meta.a".to_owned())]);
    let env = |name: &str| (name == "TYK_SECRET_TOKEN").then(|| "t".to_owned());
    let scope = Scope { context: false, secrets: Some(Secrets { conf: &conf, env: &env }) };
    let parsed = |text: &str| Template::parse(text, scope).unwrap();
    let text = "<$secret_env.token$secret_conf.key-1/$secret_conf.none$secret_env.none>";
    assert_eq!(parsed(text).constant(), Some("<ts$tyk_meta.a/>"));
    assert_eq!(parsed("$tyk_context.path$tyk_context.nothing").constant(), Some(""), "not switched on");
    assert_eq!(parsed("").constant(), Some(""));
    assert_eq!(parsed("$tyk_meta.a").constant(), None);
}

#[test]
fn variables_that_do_not_count_are_named() {
    for variable in ["tyk_context.token", "tyk_context.nothing", "secret_vault.a", "secret_file.a", "secret_env.a"] {
        let refused = Template::parse(&format!("a ${variable}/"), EVERYTHING);
        assert_eq!(refused, Err(UnsupportedVariable(variable.to_owned())));
    }
}

#[test]
fn it_is_known_what_a_text_needs_of_the_request() {
    for (text, needs) in [
        ("$tyk_meta.a", (false, false)),
        ("$tyk_context.path", (true, false)),
        ("$tyk_meta.a $tyk_context.request_data_a", (true, true)),
    ] {
        let template = Template::parse(text, EVERYTHING).unwrap();
        assert_eq!((template.has_context(), template.reads_form()), needs, "{text}");
    }
}
