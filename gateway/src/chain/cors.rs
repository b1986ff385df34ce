//! Which web pages of other origins may call, as browsers ask it and as replies tell them.

use http::header::GetAll;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS as ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS as ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS as ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN as ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS as EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE as MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS as REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD as REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::CompileError;
use crate::definition;
use crate::exchange::{Body, Exchange, Head, Reply, canonical};

/// Where a definition names no methods.
const METHODS: [&str; 3] = ["GET", "POST", "HEAD"];
/// How many names may be missing between the commas of a list.
const MISSING: usize = 16;
/// Where it names no headers.
const HEADERS: [&str; 3] = ["accept", "content-type", "x-requested-with"];
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");
const VARIES: HeaderValue = HeaderValue::from_static("Origin");
const PREFLIGHT_VARIES: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");

/// What pages of other origins may do.
#[derive(Debug)]
pub(super) struct Cors {
    /// Any, if there is none.
    origins: Option<Vec<OriginPattern>>,
    /// To the letter.
    methods: Vec<String>,
    /// In lower case, sorted; any, if there is none.
    headers: Option<Vec<String>>,
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

/// An origin in lower case; what stands for one star may be anything.
#[derive(Debug)]
struct OriginPattern {
    start: String,
    end: Option<String>,
}

impl Cors {
    /// The rules of a definition; nothing unless they are on.
    pub(super) fn compile(written: &definition::Cors) -> Result<Option<Self>, CompileError> {
        if !written.enable {
            return Ok(None);
        }
        let any = |list: &[String]| list.iter().any(|entry| entry == "*");
        let origins = &written.allowed_origins;
        let origins = (!origins.is_empty() && !any(origins))
            .then(|| origins.iter().map(|origin| OriginPattern::new(origin)).collect());
        let mut headers = or_else(&written.allowed_headers, &HEADERS, |name| name.to_ascii_lowercase());
        headers.sort_unstable();
        let max_age = (written.max_age != 0).then(|| HeaderValue::from(written.max_age.max(0)));
        Ok(Some(Self {
            origins,
            methods: or_else(&written.allowed_methods, &METHODS, str::to_owned),
            headers: Some(headers).filter(|_| !any(&written.allowed_headers)),
            exposed: exposed(&written.exposed_headers)?,
            credentials: written.allow_credentials,
            max_age,
        }))
    }

    /// The answer to a request that only asks; else what the reply of the request is to tell is noted.
    pub(super) fn run(&self, exchange: &mut Exchange) -> Option<Reply> {
        let head = &exchange.head;
        let options = head.method == Method::OPTIONS;
        if options && let Some(method) = wanted_method(head) {
            return Some(answer(StatusCode::NO_CONTENT, self.to_preflight(head, method)));
        }
        let told = self.to_request(head);
        if options {
            return Some(answer(StatusCode::OK, told));
        }
        exchange.passage.reply_headers = Some(Box::new(told));
        None
    }

    fn to_request(&self, head: &Head) -> HeaderMap {
        let mut told = HeaderMap::new();
        told.insert(VARY, VARIES);
        let Some(origin) = self.origin(head).filter(|_| self.allows_method(head.method_text())) else { return told };
        told.insert(ALLOW_ORIGIN, origin);
        if let Some(exposed) = &self.exposed {
            told.insert(EXPOSE_HEADERS, exposed.clone());
        }
        self.tell_credentials(&mut told);
        told
    }

    fn to_preflight(&self, head: &Head, method: &HeaderValue) -> HeaderMap {
        let mut told = HeaderMap::new();
        told.insert(VARY, PREFLIGHT_VARIES);
        let Some(origin) = self.origin(head) else { return told };
        let allowed = method.to_str().is_ok_and(|method| self.allows_method(method));
        let wanted = head.headers.get_all(REQUEST_HEADERS);
        if !allowed || !self.allows_headers(&wanted) {
            return told;
        }
        told.insert(ALLOW_ORIGIN, origin);
        told.insert(ALLOW_METHODS, method.clone());
        if wanted.iter().next().is_some_and(|first| !first.is_empty()) {
            for wanted in wanted {
                told.append(ALLOW_HEADERS, wanted.clone());
            }
        }
        self.tell_credentials(&mut told);
        if let Some(max_age) = &self.max_age {
            told.insert(MAX_AGE, max_age.clone());
        }
        told
    }

    fn tell_credentials(&self, told: &mut HeaderMap) {
        if self.credentials {
            told.insert(ALLOW_CREDENTIALS, TRUE);
        }
    }

    /// What the page is told of its origin, if that may call.
    fn origin(&self, head: &Head) -> Option<HeaderValue> {
        let origin = head.headers.get(ORIGIN).filter(|origin| !origin.is_empty())?;
        let Some(patterns) = &self.origins else { return Some(ANY) };
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        patterns.iter().any(|pattern| pattern.fits(&text)).then(|| origin.clone())
    }

    fn allows_method(&self, method: &str) -> bool {
        method == "OPTIONS" || self.methods.iter().any(|allowed| allowed == method)
    }

    /// Browsers write the names in lower case, sorted, each once; what is written otherwise comes from nobody
    /// that needs the answer.
    fn allows_headers(&self, wanted: &GetAll<'_, HeaderValue>) -> bool {
        let Some(allowed) = &self.headers else { return true };
        let (mut last, mut missing) = ("", 0);
        for element in wanted.iter().flat_map(|line| line.to_str().unwrap_or("?").split(',')) {
            let Some(name) = without_blanks(element) else { return false };
            if name.is_empty() {
                missing += 1;
                if missing > MISSING {
                    return false;
                }
                continue;
            }
            if name <= last || allowed.binary_search_by(|allowed| (**allowed).cmp(name)).is_err() {
                return false;
            }
            last = name;
        }
        true
    }
}

/// Puts what the gateway tells pages in the place of what the upstream told them.
pub fn tell(told: HeaderMap, reply: &mut HeaderMap) {
    for name in [ALLOW_ORIGIN, ALLOW_CREDENTIALS, ALLOW_METHODS, ALLOW_HEADERS, EXPOSE_HEADERS, MAX_AGE] {
        if let Some(value) = told.get(&name) {
            reply.insert(name, value.clone());
        }
    }
    for varies in told.get_all(VARY) {
        reply.append(VARY, varies.clone());
    }
}

/// Tells it beside what a reply of the gateway's own says already.
pub fn tell_beside(told: &HeaderMap, reply: &mut HeaderMap) {
    for name in told.keys() {
        if !reply.contains_key(name) {
            for value in told.get_all(name) {
                reply.append(name, value.clone());
            }
        }
    }
}

/// An element of a list without the one blank that may stand on either side; nothing if there are more.
fn without_blanks(element: &str) -> Option<&str> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let element = element.strip_prefix(BLANKS).unwrap_or(element);
    let element = element.strip_suffix(BLANKS).unwrap_or(element);
    Some(element).filter(|element| !element.starts_with(BLANKS) && !element.ends_with(BLANKS))
}

/// The method that a preflight asks about; a request that asks about none is no preflight.
fn wanted_method(head: &Head) -> Option<&HeaderValue> {
    head.headers.get(REQUEST_METHOD).filter(|method| !method.is_empty())
}

fn answer(status: StatusCode, headers: HeaderMap) -> Reply {
    let mut reply = Reply::new(Body::empty());
    *reply.status_mut() = status;
    *reply.headers_mut() = headers;
    reply
}

fn or_else(written: &[String], otherwise: &[&str], spell: impl Fn(&str) -> String) -> Vec<String> {
    if written.is_empty() {
        return otherwise.iter().map(|entry| spell(entry)).collect();
    }
    written.iter().map(|entry| spell(entry)).collect()
}

fn exposed(written: &[String]) -> Result<Option<HeaderValue>, CompileError> {
    let mut names = Vec::new();
    for (index, name) in written.iter().enumerate() {
        let name = HeaderName::try_from(name).map_err(|_| CompileError {
            path: format!("CORS.exposed_headers[{index}]"),
            reason: format!("{name:?} is no name of a header"),
        })?;
        names.push(canonical(&name));
    }
    Ok(HeaderValue::try_from(names.join(", ")).ok().filter(|list| !list.is_empty()))
}

impl OriginPattern {
    fn new(written: &str) -> Self {
        let written = written.to_ascii_lowercase();
        match written.split_once('*') {
            Some((start, end)) => Self { start: start.to_owned(), end: Some(end.to_owned()) },
            None => Self { start: written, end: None },
        }
    }

    fn fits(&self, origin: &str) -> bool {
        let Some(end) = &self.end else { return origin == self.start };
        origin.len() >= self.start.len() + end.len() && origin.starts_with(&self.start) && origin.ends_with(end)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::Request;

    use super::*;

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    fn rules(change: impl FnOnce(&mut definition::Cors)) -> Cors {
        let mut written = definition::Cors { enable: true, ..definition::Cors::default() };
        change(&mut written);
        Cors::compile(&written).unwrap().unwrap()
    }

    fn head(method: &str, headers: &[(&str, &str)]) -> Head {
        let request = headers
            .iter()
            .fold(Request::builder().method(method), |request, (name, value)| request.header(*name, *value));
        Head::new(request.body(()).unwrap().into_parts().0).unwrap()
    }

    fn text(told: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = told
            .iter()
            .filter(|(name, _)| *name != VARY)
            .map(|(name, value)| format!("{}: {}", &name.as_str()["access-control-".len()..], value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    fn preflight(rules: &Cors, origin: &str, method: &str, headers: &str) -> Vec<String> {
        let asked = [("origin", origin), ("access-control-request-headers", headers)];
        text(&rules.to_preflight(&head("OPTIONS", &asked), &HeaderValue::from_str(method).unwrap()))
    }

    #[test]
    fn without_lists_any_origin_may_send_what_is_simple() {
        let rules = rules(|_| {});
        assert_eq!(
            preflight(&rules, "http://a", "POST", "accept, content-type"),
            ["allow-headers: accept, content-type", "allow-methods: POST", "allow-origin: *"]
        );
        assert!(preflight(&rules, "http://a", "PUT", "").is_empty());
        assert!(preflight(&rules, "http://a", "POST", "accept, x-own").is_empty());
        assert!(preflight(&rules, "", "POST", "").is_empty());
    }

    #[test]
    fn origins_are_compared_in_any_case_and_a_star_stands_for_anything() {
        let rules = rules(|rules| rules.allowed_origins = list(&["http://One", "https://*.two"]));
        let told = |origin| text(&rules.to_request(&head("GET", &[("origin", origin)])));
        for origin in ["http://one", "HTTP://ONE", "https://a.b.two"] {
            assert_eq!(told(origin), [format!("allow-origin: {origin}")]);
        }
        for origin in ["http://one.evil", "https://two", "https://a.two.evil", "https://.tw", "null"] {
            assert!(told(origin).is_empty(), "{origin}");
        }
    }

    #[test]
    fn a_preflight_is_told_what_it_asked_about_and_for_how_long_that_counts() {
        let rules = rules(|rules| {
            rules.allowed_methods = list(&["PUT", "delete"]);
            rules.allowed_headers = list(&["*"]);
            rules.allow_credentials = true;
            rules.max_age = 60;
        });
        assert_eq!(
            preflight(&rules, "http://a", "PUT", "X-Own"),
            ["allow-credentials: true", "allow-headers: X-Own", "allow-methods: PUT", "allow-origin: *", "max-age: 60"]
        );
        assert!(preflight(&rules, "http://a", "GET", "X-Own").is_empty());
        assert!(preflight(&rules, "http://a", "DELETE", "").is_empty());
    }

    #[test]
    fn headers_are_asked_about_as_browsers_do_or_in_vain() {
        let rules = rules(|rules| rules.allowed_headers = list(&["X-One", "content-type"]));
        let allowed = |lines: &[&str]| {
            let mut asked = vec![("origin", "http://a")];
            asked.extend(lines.iter().map(|line| ("access-control-request-headers", *line)));
            let told = rules.to_preflight(&head("OPTIONS", &asked), &HeaderValue::from_static("GET"));
            let echoed: Vec<_> =
                told.get_all(ALLOW_HEADERS).iter().map(|line| line.to_str().unwrap().to_owned()).collect();
            told.contains_key(ALLOW_ORIGIN).then_some(echoed)
        };
        for lines in [&["content-type,x-one"][..], &["content-type , x-one"], &["content-type", "x-one"], &["x-one,,"]]
        {
            assert_eq!(allowed(lines).unwrap(), lines);
        }
        assert_eq!(allowed(&[""]), Some(Vec::new()));
        let many = format!("{}x-one", ",".repeat(MISSING + 1));
        for lines in [
            &["x-one,content-type"][..],
            &["X-One"],
            &["x-one,x-one"],
            &["content-type,  x-one"],
            &["x-one", "content-type"],
            &[&many],
        ] {
            assert_eq!(allowed(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn what_an_answer_of_the_gateways_own_says_stays() {
        let mut reply = HeaderMap::from_iter([(ALLOW_ORIGIN, HeaderValue::from_static("http://b"))]);
        tell_beside(&rules(|_| {}).to_request(&head("GET", &[("origin", "http://a")])), &mut reply);
        assert_eq!((text(&reply), &reply[VARY]), (vec!["allow-origin: http://b".to_owned()], &VARIES));
    }

    #[test]
    fn a_request_is_told_which_headers_its_page_may_read() {
        let rules = rules(|rules| rules.exposed_headers = list(&["x-one", "X-TWO"]));
        let told = |method| text(&rules.to_request(&head(method, &[("origin", "http://a")])));
        assert_eq!(told("GET"), ["allow-origin: *", "expose-headers: X-One, X-Two"]);
        assert!(told("DELETE").is_empty());
    }

    #[test]
    fn what_the_gateway_tells_stands_in_place_of_what_the_upstream_told() {
        let mut reply = HeaderMap::new();
        for (name, value) in [(ALLOW_ORIGIN, "http://b"), (ALLOW_ORIGIN, "http://c"), (MAX_AGE, "9"), (VARY, "Accept")]
        {
            reply.append(name, HeaderValue::from_static(value));
        }
        tell(rules(|_| {}).to_request(&head("GET", &[("origin", "http://a")])), &mut reply);
        assert_eq!(text(&reply), ["allow-origin: *", "max-age: 9"]);
        assert_eq!(reply.get_all(VARY).iter().collect::<Vec<_>>(), ["Accept", "Origin"]);
    }
}
