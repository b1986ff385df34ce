//! Definitions, requests and what is found in them.
#![allow(clippy::unwrap_used)]

use http::Request;
use serde_json::{Value, json};

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

/// A definition with custom auth and this extractor.
fn definition(from: &str, with: &str, config: &Value) -> Definition {
    let extractor = json!({"extract_from": from, "extract_with": with, "extractor_config": config});
    serde_json::from_value(json!({
        "api_id": "api", "custom_plugin_auth_enabled": true, "custom_middleware": {"id_extractor": extractor},
    }))
    .unwrap()
}

fn extractor(from: &str, with: &str, config: &Value) -> IdExtractor {
    IdExtractor::compile(&definition(from, with, config)).unwrap().unwrap()
}

fn head(method: &str, uri: &str, headers: &[(&str, &[u8])]) -> Head {
    let request = Request::builder().method(method).uri(uri);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Head::new(request.body(()).unwrap().into_parts().0).unwrap()
}

fn find(extractor: &IdExtractor, head: &Head, body: &[u8]) -> Result<Vec<u8>, ExtractError> {
    let plan = extractor.plan.as_ref().map_err(|_| ExtractError::Flawed)?;
    Ok(extractor.scoped(plan.find(head, body)?).into_owned())
}

#[test]
fn only_custom_auth_with_a_known_rule_has_an_extractor() {
    let config = json!({"header_name": "Authorization"});
    for with in ["", "xslt", "Value"] {
        assert!(IdExtractor::compile(&definition("header", with, &config)).unwrap().is_none(), "{with}");
    }
    let active = definition("header", "value", &config);
    let mut disabled = active.clone();
    disabled.custom_middleware.id_extractor.disabled = true;
    let keyless = Definition { use_keyless: true, ..active.clone() };
    assert!(IdExtractor::compile(&disabled).unwrap().is_none() && IdExtractor::compile(&keyless).unwrap().is_none());
}

#[test]
fn what_would_take_all_callers_for_one_is_refused() {
    let config = json!({"regex_expression": "a", "regex_match_index": -1, "header_name": "A"});
    let path = |from, with| match IdExtractor::compile(&definition(from, with, &config)) {
        Err(refusal) => refusal.path,
        Ok(_) => String::new(),
    };
    for (from, with) in [("body", "value"), ("querystring", "regex"), ("", "xpath"), ("Header", "value")] {
        assert_eq!(path(from, with), "custom_middleware.id_extractor.extract_from", "{from} {with}");
    }
    assert_eq!(path("header", "regex"), "custom_middleware.id_extractor.extractor_config.regex_match_index");
    assert_eq!(path("header", "value"), "");
}

#[test]
fn a_flawed_extractor_fails_for_every_request_and_says_why() {
    for (from, with, config, key) in [
        ("header", "value", json!({}), "header_name"),
        ("header", "value", json!({"header_name": "a b"}), "header_name"),
        ("form", "value", json!({}), "param_name"),
        ("body", "regex", json!({}), "regex_expression"),
        ("body", "regex", json!({"regex_expression": "(?=a)"}), "regex_expression"),
        ("body", "xpath", json!({"xpath_expression": "//n:a"}), "xpath_expression"),
    ] {
        let flawed = extractor(from, with, &config);
        assert_eq!(flawed.flaw().unwrap().key, key);
        assert!(matches!(find(&flawed, &head("GET", "/", &[]), b"a"), Err(ExtractError::Flawed)));
    }
}

#[test]
fn a_headers_first_value_is_taken_as_it_is() {
    let key = extractor("header", "value", &json!({"header_name": "x-key"}));
    let of = |headers: &[(&str, &[u8])]| find(&key, &head("GET", "/", headers), b"");
    assert_eq!(of(&[("X-Key", b"caf\xe9"), ("X-Key", b"b")]).unwrap(), b"caf\xe9");
    assert!(
        matches!(of(&[]), Err(ExtractError::NoHeader)) && matches!(of(&[("x-key", b"")]), Err(ExtractError::NoHeader))
    );
    let host = extractor("header", "value", &json!({"header_name": "Host"}));
    assert!(find(&host, &head("GET", "/", &[("host", b"h.test")]), b"").is_err());
}

#[test]
fn a_header_is_borrowed() {
    let key = extractor("header", "regex", &json!({"header_name": "x", "regex_expression": "b+"}));
    let head = head("GET", "/", &[("x", b"abbc")]);
    let found = key.plan.as_ref().unwrap().find(&head, b"").unwrap();
    assert!(matches!(key.scoped(found), Cow::Borrowed(b"bb")));
}

#[test]
fn a_form_is_the_body_and_then_the_query() {
    let form = extractor("form", "value", &json!({"param_name": "a"}));
    for (method, kind, uri, body, expected) in [
        ("POST", FORM, "/x?a=3", "a=1&b=x&a=2", "123"),
        ("PUT", "Application/X-WWW-Form-URLencoded ; charset=utf-8", "/x?a=3", "a=1", "13"),
        ("PATCH", FORM, "/x", "a=%31+%20x", "1  x"),
        ("POST", FORM, "/x?a=3", "a=%zz&a=1;b=2", "3"),
        ("DELETE", FORM, "/x?a=3&a=4", "a=1", "34"),
        ("POST", "multipart/form-data; boundary=B", "/x?a=3", "a=1", "3"),
        ("POST", "", "/x?a=3", "a=1", "3"),
    ] {
        let head = head(method, uri, &[("content-type", kind.as_bytes())]);
        assert_eq!(find(&form, &head, body.as_bytes()).unwrap(), expected.as_bytes(), "{method} {kind} {body}");
    }
    let post = head("POST", "/x", &[("content-type", FORM.as_bytes())]);
    assert_eq!(find(&form, &post, b"\xff=%zz&a=\xc3%28\xff").unwrap(), b"\xc3(\xff");
    assert!(matches!(find(&form, &post, b"b=1"), Err(ExtractError::NoParameter)));
    assert!(matches!(find(&form, &post, b"a="), Err(ExtractError::Empty)));
}

#[test]
fn a_body_is_read_only_where_it_counts_and_is_not_too_long() {
    let form = Source::Form("a".to_owned());
    let post = head("POST", "/x?a=2", &[("content-type", FORM.as_bytes())]);
    assert!(form.reads_body(&post, 10 << 20) && !form.reads_body(&post, (10 << 20) + 1));
    assert!(!form.reads_body(&head("GET", "/x", &[]), 1) && Source::Body.reads_body(&post, u64::MAX));
    let long = [b"a=1&b=".to_vec(), vec![b'x'; 10 << 20]].concat();
    assert_eq!(form.find(&post, &long).unwrap().as_ref(), b"2");
}

#[test]
fn a_regex_takes_one_of_its_whole_matches() {
    let body = |expression: &str, index: u32, body: &[u8]| {
        let config = json!({"regex_expression": expression, "regex_match_index": index});
        find(&extractor("body", "regex", &config), &head("GET", "/", &[]), body)
    };
    assert_eq!(body("prefix-(.*)", 0, b"x prefix-key").unwrap(), b"prefix-key");
    assert_eq!(body("[^-]+", 1, b"aa-bb-cc").unwrap(), b"bb");
    assert!(matches!(body("[^-]+", 3, b"aa-bb-cc"), Err(ExtractError::NoMatch)));
    assert!(matches!(body("z*", 0, b"aa"), Err(ExtractError::Empty)));
    // Each byte that is no UTF-8 is a character, and the bytes themselves are found.
    assert_eq!(body("[^-]+", 1, b"\xff\xc3-\xe2\x82b\xffc").unwrap(), b"\xe2\x82b\xffc");
    assert_eq!(body("b.c", 0, b"\xff\xffb\xffc").unwrap(), b"b\xffc");
    assert_eq!(body("b.c", 0, "bäc".as_bytes()).unwrap(), "bäc".as_bytes());
}

#[test]
fn an_xpath_takes_the_text_of_its_first_match() {
    let key = extractor("body", "xpath", &json!({"xpath_expression": "//object/key"}));
    let of = |body: &[u8]| find(&key, &head("POST", "/", &[]), body);
    assert_eq!(of(b"<object><key>a</key><key>b</key></object>").unwrap(), b"a");
    assert!(matches!(of(b""), Err(ExtractError::XPath(XPathError::NoMatch))));
    assert!(matches!(of(b"<object><key>"), Err(ExtractError::XPath(XPathError::Xml(_)))));
    assert!(matches!(of(b"<object><key/></object>"), Err(ExtractError::Empty)));
}

#[test]
fn an_api_of_its_own_scope_makes_ids_of_its_own() {
    let mut own = definition("header", "value", &json!({"header_name": "x"}));
    own.custom_middleware.id_extractor.api_scoped = true;
    let own = IdExtractor::compile(&own).unwrap().unwrap();
    assert_eq!(find(&own, &head("GET", "/", &[("x", b"1")]), b"").unwrap(), b"\x003:api1");
}
