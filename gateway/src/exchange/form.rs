//! Forms in the bodies of requests.

use std::borrow::Cow;
use std::fmt::Write;

use http::header::CONTENT_TYPE;

use super::Head;

/// The longest form that is read, in bytes.
pub const LONGEST: usize = 10 << 20;

/// Whether a body of at least `length` bytes under this head is a form that is read.
pub fn is_read(head: &Head, length: u64) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    matches!(head.method_text(), "POST" | "PUT" | "PATCH")
        && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && length <= LONGEST as u64
}

/// A form as text that means the same: what is not UTF-8 is escaped.
pub fn printable(form: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(form) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(form.len() * 2);
    for &byte in form {
        if byte.is_ascii() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Cow::Owned(out)
}
