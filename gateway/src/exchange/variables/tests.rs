#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderValue, Request};
use serde_json::json;

use super::*;
use crate::exchange::RateFigures;
use crate::exchange::{Body, Client, Head, Notes, Passage, Standing};
use crate::session::{Key, Left, Session, State};

const EVERYTHING: Scope<'_> = Scope { context: true, secrets: None };
const FORMS: Memory = Memory { forms: true, claims: false };

fn exchange(request: http::request::Builder, body: &'static str) -> Exchange {
    let head = Head::new(request.body(()).unwrap().into_parts().0).unwrap();
    let (upgrade, session, standing, context) = (None, None, Standing::default(), None);
    let client = Client { peer: HeaderValue::from_static("10.0.0.1"), depth: Some(0), tls: false, certificate: None };
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
    exchange.remember(FORMS).await.unwrap();
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
        exchange.remember(Memory { forms, claims: false }).await.unwrap();
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
    for variable in
        ["tyk_context.nothing", "tyk_context.rate_limit_x", "secret_vault.a", "secret_file.a", "secret_env.a"]
    {
        let refused = Template::parse(&format!("a ${variable}/"), EVERYTHING);
        assert_eq!(refused, Err(UnsupportedVariable(variable.to_owned())));
    }
}

#[test]
fn it_is_known_what_a_text_needs_of_the_request() {
    for (text, needs) in [
        ("$tyk_meta.a", (false, false, false)),
        ("$tyk_context.path", (true, false, false)),
        ("$tyk_meta.a $tyk_context.request_data_a", (true, true, false)),
        ("$tyk_context.jwt_claims_sub", (true, false, true)),
        ("$tyk_context.token $tyk_context.quota_limit $tyk_context.headers", (false, false, false)),
    ] {
        let template = Template::parse(text, EVERYTHING).unwrap();
        assert_eq!((template.has_context(), template.reads_form(), template.reads_claims()), needs, "{text}");
    }
}

#[test]
fn figures_tell_where_rate_and_quota_stand_once_the_request_is_counted() {
    let mut exchange = exchange(get(), "");
    let text = "$tyk_context.rate_limit_limit|$tyk_context.rate_limit_remaining|$tyk_context.rate_limit_reset|\
                $tyk_context.quota_limit|$tyk_context.quota_remaining|$tyk_context.quota_reset";
    assert_eq!(expand(text, &exchange), "|||||");
    let frees = std::time::Duration::from_millis(2900);
    exchange.standing.rate = Some(RateFigures { limit: 10.0, remaining: 3.0, frees });
    exchange.standing.quota = Some(Left { limit: 100, remaining: 40, renews: 1_700_000_000, own: true });
    assert_eq!(expand(text, &exchange), "10|3|2|100|40|1700000000");
}

#[test]
fn the_token_is_the_id_of_the_callers_key_and_all_headers_together_have_no_text() {
    let mut exchange = exchange(get(), "");
    assert_eq!(expand("[$tyk_context.token]", &exchange), "[]");
    let key = Key { id: "k1".into(), name: "hash".into() };
    exchange.session = Some(Arc::new(Session::new(State::default(), key)));
    assert_eq!(expand("[$tyk_context.token][$tyk_context.headers]", &exchange), "[k1][]");
}

fn claims() -> serde_json::Map<String, Value> {
    let claims = json!({"sub": "ann", "n": 1_893_456_789, "half": 0.5, "roles": ["a", "b c"], "ok": true, "in": {}});
    claims.as_object().unwrap().clone()
}

fn session(meta: &Value) -> Session {
    let state = State { meta_data: meta.as_object().unwrap().clone(), ..State::default() };
    Session::new(state, Key::default())
}

#[tokio::test]
async fn claims_are_remembered_where_a_rule_or_the_session_asks_for_them() {
    let text = "$tyk_context.jwt_claims_sub|$tyk_context.jwt_claims_n|$tyk_context.jwt_claims_half|\
                $tyk_context.jwt_claims_roles|$tyk_context.jwt_claims_ok$tyk_context.jwt_claims_in";
    let known = "ann|1893456789|0.5|a,b+c|";
    for (asked, meta, expanded) in [
        (true, json!({}), known),
        (false, json!({"rate_limit_pattern": "$tyk_context.jwt_claims_sub"}), known),
        (false, json!({"rate_limit_pattern": "$tyk_context.path"}), "||||"),
    ] {
        let mut exchange = exchange(get(), "");
        exchange.remember(Memory { forms: false, claims: asked }).await.unwrap();
        exchange.context.as_mut().unwrap().note_claims(&session(&meta), claims);
        assert_eq!(expand(text, &exchange), expanded, "{meta}");
        exchange.remember(Memory { forms: false, claims: asked }).await.unwrap();
        assert_eq!(expand(text, &exchange), "||||", "of another request");
        exchange.context.as_mut().unwrap().note_claims(&session(&meta), claims);
        exchange.passage.returned = true;
        exchange.remember(Memory { forms: false, claims: asked }).await.unwrap();
        assert_eq!(expand(text, &exchange), expanded, "it came back");
    }
}
