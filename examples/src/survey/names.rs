//! File names as text: any name, without loss, and without letting it command the terminal.

use std::{ffi::OsStr, fmt::Write, os::unix::ffi::OsStrExt};

/// A name for people and for JSON: control characters and bytes that are not UTF-8 become `\xNN`, a backslash `\\`.
/// Different names stay different.
///
/// ```
/// use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
/// use procession_examples::survey::names::shown;
///
/// assert_eq!(shown(OsStr::new("naïve.txt")), "naïve.txt");
/// assert_eq!(shown(OsStr::from_bytes(b"a\xff\n\\b")), r"a\xff\x0a\\b");
/// ```
pub fn shown(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str(r"\\"),
                _ if character.is_control() => {
                    let mut bytes = [0; 4];
                    escape(character.encode_utf8(&mut bytes).as_bytes(), &mut text);
                }
                _ => text.push(character),
            }
        }
        escape(chunk.invalid(), &mut text);
    }
    text
}

fn escape(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, r"\x{byte:02x}");
    }
}
