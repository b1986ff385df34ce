//! The text that a signature signs.

use http::HeaderName;
use http::header::{DATE, HOST};

use super::field::Field;
use crate::exchange::Head;

/// For browsers, which do not let scripts set `Date`; where it stands it is the date.
const AUX_DATE: HeaderName = HeaderName::from_static("x-aux-date");
const REQUEST_TARGET: &str = "(request-target)";

/// One line for each signed part, if all of them are there.
pub(super) fn signed(head: &Head, field: &Field<'_>) -> Option<String> {
    let lines: Option<Vec<_>> = names(field).map(|name| line(head, &name)).collect();
    lines.map(|lines| lines.join("\n"))
}

/// The date, if it is signed.
pub(super) fn signed_date<'a>(head: &'a Head, field: &Field<'_>) -> Option<&'a str> {
    let header = date_header(head);
    let signs = names(field).any(|name| name == DATE.as_str() || name == header.as_str());
    let date = head.headers.get(header).filter(|_| signs)?;
    date.to_str().ok()
}

fn names(field: &Field<'_>) -> impl Iterator<Item = String> {
    field.headers.split_ascii_whitespace().map(str::to_ascii_lowercase)
}

fn date_header(head: &Head) -> HeaderName {
    if head.headers.contains_key(AUX_DATE) { AUX_DATE } else { DATE }
}

/// The target is the one that the client sent, whatever hooks made of it.
fn line(head: &Head, name: &str) -> Option<String> {
    if name == REQUEST_TARGET {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        return Some(format!("{name}: {} {target}", head.method_text().to_ascii_lowercase()));
    }
    if name == HOST.as_str() {
        return Some(format!("{name}: {}", head.host.as_ref()?.to_str().ok()?));
    }
    let header = if name == DATE.as_str() { date_header(head) } else { HeaderName::try_from(name).ok()? };
    let values: Option<Vec<_>> = head.headers.get_all(&header).iter().map(|value| value.to_str().ok()).collect();
    let values: Vec<_> = values?.into_iter().map(str::trim).collect();
    (!values.is_empty()).then(|| format!("{header}: {}", values.join(", ")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> Head {
        let request = headers.iter().fold(http::Request::post("/a/b?c=%20"), |request, (k, v)| request.header(*k, *v));
        Head::new(request.body(()).unwrap().into_parts().0).unwrap()
    }

    fn field(headers: &str) -> String {
        format!(r#"Signature keyId="k",algorithm="hmac-sha1",headers="{headers}",signature="s""#)
    }

    fn text(head: &Head, headers: &str) -> Option<String> {
        signed(head, &Field::parse(&field(headers)).unwrap())
    }

    #[test]
    fn each_part_makes_a_line_in_the_order_that_the_client_says() {
        let head = head(&[("host", "h.test"), ("x-a", " 1 "), ("X-A", "2"), ("date", "d")]);
        let expected = "x-a: 1, 2\n(request-target): post /a/b?c=%20\nhost: h.test\ndate: d";
        assert_eq!(text(&head, "X-A (request-target)  Host date").as_deref(), Some(expected));
        assert_eq!(text(&head, "date x-b"), None);
        assert_eq!(text(&head, "date (created)"), None);
    }

    #[test]
    fn the_date_of_browsers_goes_before_the_date_and_counts_only_if_signed() {
        let both = head(&[("date", "d"), ("x-aux-date", "aux")]);
        assert_eq!(text(&both, "date").as_deref(), Some("x-aux-date: aux"));
        let date = |head, headers| signed_date(head, &Field::parse(&field(headers)).unwrap()).map(str::to_owned);
        assert_eq!(date(&both, "date").as_deref(), Some("aux"));
        assert_eq!(date(&both, "x-aux-date").as_deref(), Some("aux"));
        assert_eq!(date(&both, "(request-target)"), None);
        assert_eq!(date(&head(&[("date", "d")]), "x-a Date").as_deref(), Some("d"));
    }
}
