//! Writes an expression of RE2 as one of the `regex` crate.

use std::fmt::Write;

use thiserror::Error;

/// The most repetitions that an expression may ask for.
const REPETITIONS: u32 = 1000;
/// The classes of ASCII characters that have a name.
const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// What is wrong with an expression; what is not found here, the crate finds.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    #[error("\\{0} is no escape")]
    Escape(String),
    #[error("\\B is not supported, use \\b or classes")]
    NotABoundary,
    #[error("the backslash at its end escapes nothing")]
    Backslash,
    #[error("a class is not closed")]
    Unclosed,
    #[error("[:{0}:] is no class")]
    Name(String),
    #[error("a range in a class runs backwards")]
    Backwards,
    #[error("a repetition is repeated")]
    Doubled,
    #[error("at most {REPETITIONS} repetitions are possible, the smaller number first")]
    Repetitions,
    #[error("a group has flags other than i, m, s and U")]
    Flags,
}

/// The expression in the crate's syntax.
pub(super) fn translate(pattern: &str) -> Result<String, Fault> {
    let mut translator = Translator { rest: pattern, out: String::with_capacity(pattern.len() + 16) };
    translator.expression()?;
    Ok(translator.out)
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
}

impl<'a> Translator<'a> {
    fn expression(&mut self) -> Result<(), Fault> {
        let mut repeated = false;
        while let Some(next) = self.rest.chars().next() {
            if let Some(operator) = self.repetition(next)? {
                if repeated {
                    return Err(Fault::Doubled);
                }
                self.copy(operator);
                repeated = true;
                continue;
            }
            repeated = false;
            self.atom(next)?;
        }
        Ok(())
    }

    fn atom(&mut self, next: char) -> Result<(), Fault> {
        match next {
            '\\' => self.escape(),
            '[' => self.class(),
            '(' => self.group(),
            '{' | '}' => {
                self.take(1);
                self.literal(next);
                Ok(())
            }
            _ => {
                self.copy(next.len_utf8());
                Ok(())
            }
        }
    }

    /// The length of the repetition that comes next, with the `?` that makes it lazy.
    fn repetition(&self, next: char) -> Result<Option<usize>, Fault> {
        let length = match next {
            '*' | '+' | '?' => 1,
            '{' => match counts(self.rest) {
                Some((length, least, most)) if least <= most && most <= REPETITIONS => length,
                Some(_) => return Err(Fault::Repetitions),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let lazy = self.rest.as_bytes().get(length) == Some(&b'?');
        Ok(Some(length + usize::from(lazy)))
    }

    /// The opening of a group. Which names and look-arounds there are, the crate checks.
    fn group(&mut self) -> Result<(), Fault> {
        let Some(after) = self.rest.strip_prefix("(?") else {
            self.copy(1);
            return Ok(());
        };
        if after.starts_with(['P', '<']) {
            self.copy(2);
            return Ok(());
        }
        let flags = after.bytes().take_while(|byte| matches!(byte, b'i' | b'm' | b's' | b'U' | b'-')).count();
        if !after[flags..].starts_with([':', ')']) {
            return Err(Fault::Flags);
        }
        self.copy(flags + 3);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Fault> {
        if let Some(quoted) = self.rest.strip_prefix("\\Q") {
            let (quoted, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            quoted.chars().for_each(|c| self.literal(c));
            self.rest = rest;
            return Ok(());
        }
        match self.rest.as_bytes().get(1) {
            Some(b'b') => self.replace("(?-u:\\b)"),
            Some(b'B') => return Err(Fault::NotABoundary),
            Some(b'A' | b'z') => self.copy(2),
            _ if self.set()? => {}
            _ => {
                let c = self.escaped()?;
                self.literal(c);
            }
        }
        Ok(())
    }

    /// An escape that stands for a set of characters, in a class or outside.
    fn set(&mut self) -> Result<bool, Fault> {
        match self.rest.as_bytes().get(1) {
            Some(b'd') => self.replace("[0-9]"),
            Some(b'D') => self.replace("[^0-9]"),
            Some(b'w') => self.replace("[0-9A-Za-z_]"),
            Some(b'W') => self.replace("[^0-9A-Za-z_]"),
            Some(b's') => self.replace("[\\t\\n\\f\\r ]"),
            Some(b'S') => self.replace("[^\\t\\n\\f\\r ]"),
            Some(b'p' | b'P') => self.property()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `\pN`, `\p{Greek}` or `\p{^Greek}`.
    fn property(&mut self) -> Result<(), Fault> {
        let negated = self.rest.starts_with("\\P");
        let after = &self.rest[2..];
        let (name, length) = match after.strip_prefix('{') {
            Some(braced) => {
                let (name, _) = braced.split_once('}').ok_or_else(|| Fault::Escape("p{".to_owned()))?;
                (name, name.len() + 2)
            }
            None => {
                let length = after.chars().next().ok_or_else(|| Fault::Escape("p".to_owned()))?.len_utf8();
                (&after[..length], length)
            }
        };
        let (negated, name) = name.strip_prefix('^').map_or((negated, name), |name| (!negated, name));
        let _ = write!(self.out, "\\{}{{{name}}}", if negated { 'P' } else { 'p' });
        self.take(2 + length);
        Ok(())
    }

    /// A class. Every plain character in it is written so that the crate sees nothing else in it.
    fn class(&mut self) -> Result<(), Fault> {
        self.copy(1);
        if self.rest.starts_with('^') {
            self.copy(1);
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            let set = self.named_class()? || (self.rest.starts_with('\\') && self.set()?);
            if !set {
                self.range()?;
            }
        }
        self.copy(1);
        Ok(())
    }

    /// `[:alpha:]` or `[:^alpha:]`
    fn named_class(&mut self) -> Result<bool, Fault> {
        let Some((name, _)) = self.rest.strip_prefix("[:").and_then(|after| after.split_once(":]")) else {
            return Ok(false);
        };
        if !CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(Fault::Name(name.to_owned()));
        }
        self.copy(name.len() + 4);
        Ok(true)
    }

    /// A character of a class, or a range of them.
    fn range(&mut self) -> Result<(), Fault> {
        let low = self.class_character()?;
        self.literal(low);
        if let Some(after) = self.rest.strip_prefix('-')
            && !after.is_empty()
            && !after.starts_with(']')
        {
            self.copy(1);
            let high = self.class_character()?;
            if high < low {
                return Err(Fault::Backwards);
            }
            self.literal(high);
        }
        Ok(())
    }

    fn class_character(&mut self) -> Result<char, Fault> {
        let next = self.rest.chars().next().ok_or(Fault::Unclosed)?;
        if next == '\\' {
            return self.escaped();
        }
        self.take(next.len_utf8());
        Ok(next)
    }

    /// An escape that stands for one character.
    fn escaped(&mut self) -> Result<char, Fault> {
        let after = self.rest.get(1..).unwrap_or_default();
        let next = after.chars().next().ok_or(Fault::Backslash)?;
        let (c, length) = match next {
            'a' => ('\x07', 1),
            'f' => ('\x0c', 1),
            'n' => ('\n', 1),
            'r' => ('\r', 1),
            't' => ('\t', 1),
            'v' => ('\x0b', 1),
            'x' => hexadecimal(&after[1..]).ok_or_else(|| Fault::Escape("x".to_owned()))?,
            '0'..='7' => octal(after).ok_or_else(|| Fault::Escape(next.to_string()))?,
            _ if next.is_ascii() && !next.is_ascii_alphanumeric() => (next, 1),
            _ => return Err(Fault::Escape(next.to_string())),
        };
        self.take(1 + length);
        Ok(c)
    }

    /// Writes a character that stands for itself.
    fn literal(&mut self, c: char) {
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            let _ = write!(self.out, "\\x{:02X}", u32::from(c));
        } else {
            self.out.push(c);
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn copy(&mut self, length: usize) {
        let taken = self.take(length);
        self.out.push_str(taken);
    }

    fn replace(&mut self, by: &str) {
        self.out.push_str(by);
        self.take(2);
    }
}

/// `{n}`, `{n,}` or `{n,m}`: its length and its bounds; anything else is plain text.
fn counts(text: &str) -> Option<(usize, u32, u32)> {
    let (inner, _) = text.strip_prefix('{')?.split_once('}')?;
    let (least, most) = match inner.split_once(',') {
        None => (count(inner)?, count(inner)?),
        Some((least, "")) => (count(least)?, count(least)?),
        Some((least, most)) => (count(least)?, count(most)?),
    };
    Some((inner.len() + 2, least, most))
}

/// Digits without a zero in front; a number too long for its type is too many in any case.
fn count(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let leading = digits.len() > 1 && digits.starts_with('0');
    (plain && !leading).then(|| digits.parse().unwrap_or(u32::MAX))
}

/// What follows `\x`: two digits, or any number in braces; the character and the length with the `x`.
fn hexadecimal(text: &str) -> Option<(char, usize)> {
    let (digits, length) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}').map(|(digits, _)| (digits, digits.len() + 3))?,
        None => (text.get(..2)?, 3),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, length))
}

/// Up to three digits; a single one that is not zero would be a back-reference.
fn octal(text: &str) -> Option<(char, usize)> {
    let length = text.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    if length == 1 && !text.starts_with('0') {
        return None;
    }
    Some((char::from_u32(u32::from_str_radix(&text[..length], 8).ok()?)?, length))
}
