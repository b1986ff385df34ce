//! The content type that a browser would guess, as Go guesses it.

/// As much as is looked at, in bytes.
const LOOKED_AT: usize = 512;
const BLANKS: [u8; 5] = [b'\t', b'\n', 0x0c, b'\r', b' '];
const TEXT: &str = "text/plain; charset=utf-8";

/// Tags in upper case; a blank or the tag's end follows.
const TAGS: [&[u8]; 17] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

/// What stands at which place.
type Sign = &'static [(usize, &'static [u8])];

/// Signs of types, as far as they can stand in UTF-8.
const SIGNS: [(Sign, &str); 25] = [
    (&[(0, b"%PDF-")], "application/pdf"),
    (&[(0, b"%!PS-Adobe-")], "application/postscript"),
    (&[(0, b"\x00\x00\x01\x00")], "image/x-icon"),
    (&[(0, b"\x00\x00\x02\x00")], "image/x-icon"),
    (&[(0, b"BM")], "image/bmp"),
    (&[(0, b"GIF87a")], "image/gif"),
    (&[(0, b"GIF89a")], "image/gif"),
    (&[(0, b"RIFF"), (8, b"WEBPVP")], "image/webp"),
    (&[(0, b"FORM"), (8, b"AIFF")], "audio/aiff"),
    (&[(0, b"ID3")], "audio/mpeg"),
    (&[(0, b"OggS\x00")], "application/ogg"),
    (&[(0, b"MThd\x00\x00\x00\x06")], "audio/midi"),
    (&[(0, b"RIFF"), (8, b"AVI ")], "video/avi"),
    (&[(0, b"RIFF"), (8, b"WAVE")], "audio/wave"),
    (&[(0, b"\x1A\x45\xDF\xA3")], "video/webm"),
    (&[(34, b"LP")], "application/vnd.ms-fontobject"),
    (&[(0, b"\x00\x01\x00\x00")], "font/ttf"),
    (&[(0, b"OTTO")], "font/otf"),
    (&[(0, b"ttcf")], "font/collection"),
    (&[(0, b"wOFF")], "font/woff"),
    (&[(0, b"wOF2")], "font/woff2"),
    (&[(0, b"PK\x03\x04")], "application/zip"),
    (&[(0, b"Rar!\x1A\x07\x00")], "application/x-rar-compressed"),
    (&[(0, b"Rar!\x1A\x07\x01\x00")], "application/x-rar-compressed"),
    (&[(0, b"\x00\x61\x73\x6D")], "application/wasm"),
];

/// The type of a text.
pub(super) fn content_type(text: &str) -> &'static str {
    let bytes = text.as_bytes();
    let bytes = &bytes[..bytes.len().min(LOOKED_AT)];
    let blanks = bytes.iter().take_while(|byte| BLANKS.contains(byte)).count();
    let written = &bytes[blanks..];
    if TAGS.iter().any(|tag| begins_with_tag(written, tag)) {
        return "text/html; charset=utf-8";
    }
    if written.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    // A mark of the byte order, and something after it.
    if bytes.starts_with(b"\xEF\xBB\xBF") && bytes.len() > 3 {
        return TEXT;
    }
    let fits = |(sign, _): &&(Sign, &str)| sign.iter().all(|(at, part)| stands_at(bytes, *at, part));
    match SIGNS.iter().find(fits) {
        Some((_, kind)) => kind,
        None if is_mp4(bytes) => "video/mp4",
        None if written.iter().any(is_binary) => "application/octet-stream",
        None => TEXT,
    }
}

fn begins_with_tag(text: &[u8], tag: &[u8]) -> bool {
    text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
        && matches!(text.get(tag.len()), Some(b' ' | b'>'))
}

fn stands_at(bytes: &[u8], at: usize, sign: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|bytes| bytes.starts_with(sign))
}

/// Whether a box of brands comes first, and MP4 is among them.
fn is_mp4(bytes: &[u8]) -> bool {
    let Some((size, _)) = bytes.split_first_chunk::<4>() else { return false };
    let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
    let Some(brands) = bytes.get(8..size).filter(|_| size % 4 == 0 && stands_at(bytes, 4, b"ftyp")) else {
        return false;
    };
    // The second stands for a version.
    brands.chunks(4).enumerate().any(|(at, brand)| at != 1 && brand.starts_with(b"mp4"))
}

fn is_binary(byte: &u8) -> bool {
    matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_guessed_as_browsers_do() {
        for (text, kind) in [
            ("{\"a\": 1}", TEXT),
            ("  <html><p>", "text/html; charset=utf-8"),
            ("<html", TEXT),
            ("<!--x-->", TEXT),
            ("<!-- x-->", "text/html; charset=utf-8"),
            ("<bogus>", TEXT),
            (" <?xml version", "text/xml; charset=utf-8"),
            ("\u{feff}a\0", TEXT),
            ("\u{feff}", TEXT),
            ("a\0b", "application/octet-stream"),
            ("BMW", "image/bmp"),
            ("PK\x03\x04", "application/zip"),
            ("ID3", "audio/mpeg"),
            ("OTTO", "font/otf"),
            ("wOFF", "font/woff"),
            ("RIFF1234WEBPVP8", "image/webp"),
            ("\0\0\0\x14ftypisom....mp42", "video/mp4"),
            ("\0\0\0\x10ftypisommp42", "application/octet-stream"),
        ] {
            assert_eq!(content_type(text), kind, "{text:?}");
        }
    }

    #[test]
    fn only_the_beginning_is_looked_at() {
        assert_eq!(content_type(&format!("{}\0", "a".repeat(LOOKED_AT))), TEXT);
    }
}
