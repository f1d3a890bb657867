//! Text that came from a worker or a panic, made safe to print; it must not pass a terminal escape or an unbounded string.

use std::fmt::{self, Write};

use serde::de::{self, Deserializer, Visitor};

/// Bytes of a message that are kept.
pub(crate) const MESSAGE_BYTES: usize = 8 * 1024;
/// Bytes of a backtrace that are kept.
pub(crate) const BACKTRACE_BYTES: usize = 16 * 1024;
/// Bytes of a file name that are kept.
pub(crate) const FILE_BYTES: usize = 1024;
/// The end of a text that was cut.
const CUT: &str = "… (cut)";

/// A message, bounded and escaped.
pub(crate) fn message(text: &str) -> String {
    clean(text, MESSAGE_BYTES)
}

/// A backtrace, bounded and escaped.
pub(crate) fn backtrace(text: &str) -> String {
    clean(text, BACKTRACE_BYTES)
}

/// A file name, bounded and escaped.
pub(crate) fn file(text: &str) -> String {
    clean(text, FILE_BYTES)
}

/// The end of what a program wrote, made safe to print: the last 8 KiB of it, from the start of a line if one starts there,
/// with control characters escaped as in every text of this crate.
///
/// ```
/// use procession_task::failure::tail;
/// assert_eq!(tail(b"one\ntwo \x1b[1m\n"), "one\ntwo \\u{1b}[1m\n");
/// let long = tail("line\n".repeat(5_000).as_bytes());
/// assert!(long.len() <= 8 * 1024 && long.starts_with("… (cut)\nline\n"));
/// ```
#[must_use]
pub fn tail(bytes: &[u8]) -> String {
    let start = bytes.len().saturating_sub(MESSAGE_BYTES);
    let kept = String::from_utf8_lossy(bytes.get(start..).unwrap_or_default());
    let safe = clean(&kept, usize::MAX);
    let room = MESSAGE_BYTES - CUT.len() - 1;
    if start == 0 && safe.len() <= MESSAGE_BYTES {
        return safe;
    }
    let mut from = safe.len().saturating_sub(room);
    while !safe.is_char_boundary(from) {
        from += 1;
    }
    let end = safe.get(from..).unwrap_or_default();
    let whole = end.split_once('\n').map_or(end, |(_, lines)| lines);
    let lines = if whole.is_empty() { end } else { whole };
    format!("{CUT}\n{lines}")
}

/// Idempotent: what it returns it returns unchanged.
fn clean(text: &str, limit: usize) -> String {
    if text.len() <= limit && !text.chars().any(must_escape) {
        return text.to_string();
    }
    let mut out = String::with_capacity(limit.min(text.len().saturating_add(16)));
    // The longest prefix after which the mark of a cut still fits.
    let mut whole = 0;
    for c in text.chars() {
        if must_escape(c) {
            // Writing to a String does not fail.
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
        if out.len() > limit {
            out.truncate(whole);
            out.push_str(CUT);
            return out;
        }
        if out.len().saturating_add(CUT.len()) <= limit {
            whole = out.len();
        }
    }
    out
}

/// Control characters (C0, DEL, C1) except newline and tab, and those that reorder or hide the text after them.
fn must_escape(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => true,
        c => c.is_control(),
    }
}

pub(crate) fn de_message<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    from.deserialize_str(Clean(MESSAGE_BYTES))
}

pub(crate) fn de_file<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    from.deserialize_str(Clean(FILE_BYTES))
}

pub(super) fn de_backtrace<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    from.deserialize_option(Clean(BACKTRACE_BYTES))
        .map(|text| (!text.is_empty()).then_some(text))
}

/// Takes the text from the sender's bytes and keeps only what is allowed of it; "absent" is the empty text.
struct Clean(usize);

impl<'de> Visitor<'de> for Clean {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(clean(text, self.0))
    }

    fn visit_none<E: de::Error>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_str(self)
    }
}
