//! Where a request carries a credential: in a header, a query parameter or a cookie.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::definition::{AuthConfig, Definition, Refusal};
use crate::exchange::{Head, query};

/// Where one method of auth looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    header: Option<HeaderName>,
    param: Option<String>,
    cookie: Option<String>,
}

/// Takes every credential that an API knows of out of a request.
#[derive(Clone, Debug)]
pub struct Strip {
    places: Vec<Place>,
}

#[derive(Clone, Debug)]
struct Place {
    header: HeaderName,
    param: String,
    cookie: String,
}

impl Source {
    /// The place of a method of auth. The older `auth` speaks for auth tokens and JWTs only.
    pub fn compile(definition: &Definition, method: &str) -> Result<Self, Refusal> {
        let named = definition.auth_configs.get(method);
        let older = matches!(method, "authToken" | "jwt").then_some(&definition.auth);
        let path = if named.is_some() { format!("auth_configs.{method}") } else { "auth".to_owned() };
        let unwritten = AuthConfig::default();
        let config = named.or(older).unwrap_or(&unwritten);
        let Place { header, param, cookie } = Place::compile(&path, config)?;
        Ok(Self {
            header: (!config.disable_header).then_some(header),
            param: config.use_param.then_some(param),
            cookie: config.use_cookie.then_some(cookie),
        })
    }

    /// The credential: a cookie goes before a query parameter, and that before a header.
    pub(super) fn read<'a>(&self, head: &'a Head) -> Option<Cow<'a, str>> {
        self.cookie(head)
            .map(Cow::Borrowed)
            .or_else(|| self.param(head))
            .or_else(|| self.header(head).map(Cow::Borrowed))
    }

    fn header<'a>(&self, head: &'a Head) -> Option<&'a str> {
        text(head.headers.get(self.header.as_ref()?)?).filter(|value| !value.is_empty())
    }

    fn param<'a>(&self, head: &'a Head) -> Option<Cow<'a, str>> {
        let wanted = self.param.as_ref()?.as_bytes();
        let (_, value) = query::pairs(head.target.query()?).find(|(name, _)| **name == *wanted)?;
        let value = match value {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        };
        value.filter(|value| !value.is_empty())
    }

    fn cookie<'a>(&self, head: &'a Head) -> Option<&'a str> {
        let wanted = self.cookie.as_ref()?;
        let mut pairs = head.headers.get_all(COOKIE).iter().filter_map(text).flat_map(cookies);
        let (_, value) = pairs.find(|(name, _)| name == wanted)?;
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        Some(value).filter(|value| !value.is_empty())
    }
}

impl Strip {
    /// Reads all places of a definition.
    pub fn compile(definition: &Definition) -> Result<Self, Refusal> {
        let configs = &definition.auth_configs;
        let places = match configs.is_empty() {
            true => vec![Place::compile("auth", &definition.auth)?],
            false => configs
                .iter()
                .map(|(method, config)| Place::compile(&format!("auth_configs.{method}"), config))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self { places })
    }

    /// Removes header, query parameter and one cookie of every place.
    pub fn run(&self, head: &mut Head) {
        for place in &self.places {
            head.headers.remove(&place.header);
            remove_param(head, &place.param);
            remove_cookie(&mut head.headers, &place.cookie);
        }
    }
}

impl Place {
    /// Parameter and cookie are named like the header unless they have names of their own.
    fn compile(path: &str, config: &AuthConfig) -> Result<Self, Refusal> {
        let written = Some(config.auth_header_name.as_str()).filter(|name| !name.is_empty());
        let name = written.unwrap_or("Authorization");
        let header = HeaderName::try_from(name).map_err(|_| Refusal {
            path: format!("{path}.auth_header_name"),
            reason: format!("{name:?} is no header name: write one, or remove it to read {AUTHORIZATION}"),
        })?;
        let or_name = |own: &str| if own.is_empty() { name.to_owned() } else { own.to_owned() };
        Ok(Self { header, param: or_name(&config.param_name), cookie: or_name(&config.cookie_name) })
    }
}

/// The credential without the word `Bearer` before it.
pub(super) fn strip_bearer(credential: &str) -> &str {
    match credential.split_at_checked("Bearer ".len()) {
        Some((word, rest)) if word.eq_ignore_ascii_case("Bearer ") => rest,
        _ => credential,
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// The names and values of a `Cookie` header.
fn cookies(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(';').filter_map(|pair| pair.trim().split_once('='))
}

fn remove_param(head: &mut Head, name: &str) {
    let Some(query) = head.target.query() else { return };
    let mut values = query::values(query);
    if values.remove(name.as_bytes()).is_none() {
        return;
    }
    let encoded = query::encode(&values);
    head.target = head.target.with_query(Some(encoded.as_str()).filter(|query| !query.is_empty()));
}

fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    let named = |pair: &str| pair.trim().split_once('=').is_some_and(|(found, _)| found == name);
    let lines: Vec<_> = headers.get_all(COOKIE).iter().cloned().collect();
    let mut rest = lines.clone();
    let Some((at, left)) = lines.iter().enumerate().find_map(|(at, line)| {
        let mut pairs: Vec<_> = text(line)?.split(';').collect();
        pairs.remove(pairs.iter().position(|pair| named(pair))?);
        Some((at, pairs.join(";").trim().to_owned()))
    }) else {
        return;
    };
    match HeaderValue::try_from(left) {
        Ok(left) if !left.is_empty() => drop(std::mem::replace(&mut rest[at], left)),
        _ => drop(rest.remove(at)),
    }
    headers.remove(COOKIE);
    headers.extend(rest.into_iter().map(|line| (COOKIE, line)));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn definition(value: Value) -> Definition {
        serde_json::from_value(value).unwrap()
    }

    fn head(target: &str, headers: &[(&str, &str)]) -> Head {
        let request = headers.iter().fold(http::Request::get(target), |request, (k, v)| request.header(*k, *v));
        Head::new(request.body(()).unwrap().into_parts().0).unwrap()
    }

    #[test]
    fn a_cookie_goes_before_a_parameter_and_that_before_a_header() {
        let all = json!({"auth_configs": {"authToken": {"auth_header_name": "X-Key", "use_param": true, "use_cookie": true}}});
        let source = Source::compile(&definition(all), "authToken").unwrap();
        let read = |target: &str, headers: &[(&str, &str)]| source.read(&head(target, headers)).map(Cow::into_owned);
        let header = ("x-key", "header");
        assert_eq!(read("/?X-Key=a+b", &[header, ("cookie", "a=1; X-Key=\"cookie\"")]).as_deref(), Some("cookie"));
        assert_eq!(read("/?X-Key=a+b&X-Key=2", &[header, ("cookie", "X-Key=; x-key=c")]).as_deref(), Some("a b"));
        assert_eq!(read("/?X-Key=&x-key=b", &[header]).as_deref(), Some("header"));
        assert_eq!(read("/", &[("authorization", "other")]), None);
    }

    #[test]
    fn only_what_is_switched_on_is_read() {
        let config = json!({"disable_header": true, "use_param": true, "param_name": "p", "cookie_name": "c"});
        let source = Source::compile(&definition(json!({"auth_configs": {"basic": config}})), "basic").unwrap();
        assert_eq!(source.read(&head("/?Authorization=x", &[("authorization", "h"), ("cookie", "c=1")])), None);
        assert_eq!(source.read(&head("/?p=%31", &[])).as_deref(), Some("1"));
    }

    #[test]
    fn the_older_place_speaks_for_tokens_and_jwts_only() {
        let older = definition(json!({"auth": {"auth_header_name": "X-Old"}}));
        let places =
            ["authToken", "jwt", "basic", "hmac"].map(|method| Source::compile(&older, method).unwrap().header);
        let [old, authorization] = [HeaderName::from_static("x-old"), AUTHORIZATION].map(Some);
        assert_eq!(places, [old.clone(), old, authorization.clone(), authorization]);
        let broken = definition(json!({"auth_configs": {"jwt": {"auth_header_name": "a b"}}}));
        assert_eq!(Source::compile(&broken, "jwt").unwrap_err().path, "auth_configs.jwt.auth_header_name");
    }

    #[test]
    fn bearer_is_taken_off_in_any_case() {
        let stripped = ["Bearer abc", "bEARER abc", "abc", "Bearer", "Bearer  x"].map(strip_bearer);
        assert_eq!(stripped, ["abc", "abc", "abc", "Bearer", " x"]);
    }

    #[test]
    fn stripping_leaves_no_credential_and_nothing_else_out() {
        let strip = Strip::compile(&definition(json!({"auth_configs": {
            "authToken": {"param_name": "key", "cookie_name": "sid"}, "jwt": {"auth_header_name": "X-Jwt"},
        }})));
        let headers = [
            ("authorization", "a"),
            ("x-jwt", "b"),
            ("x-other", "c"),
            ("cookie", "a=1; sid=2; sid=3"),
            ("cookie", "b=4"),
        ];
        let mut head = head("/p?z=1&key=2&a=3&key=4", &headers);
        strip.unwrap().run(&mut head);
        assert_eq!(head.target.as_str(), "/p?a=3&z=1");
        assert_eq!(head.headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; sid=3", "b=4"]);
        assert_eq!(head.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-other", "cookie"]);
    }

    #[test]
    fn a_target_without_credential_stays_as_it_is_and_an_empty_cookie_header_goes() {
        let strip = Strip::compile(&definition(json!({"auth": {"auth_header_name": "k"}}))).unwrap();
        let mut untouched = head("/p?z=1;a&b", &[("cookie", "k=1")]);
        strip.run(&mut untouched);
        assert_eq!((untouched.target.as_str(), untouched.headers.len()), ("/p?z=1;a&b", 0));
    }
}
