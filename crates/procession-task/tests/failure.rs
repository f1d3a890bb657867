//! Failure texts: bounded, printable, the same after every hop.

use procession_task::{Failure, Limits, Location, Stage, decode, encode};
use proptest::prelude::*;

/// A failure as a hostile worker could send it: the fields unchecked.
fn hostile(message: &str, file: &str, backtrace: &str) -> Failure {
    let location = Some(Location {
        file: file.into(),
        line: 1,
        column: 1,
    });
    let sent = Failure {
        stage: Stage::Run,
        message: message.into(),
        location,
        backtrace: Some(backtrace.into()),
    };
    let mut bytes = Vec::new();
    encode(&sent, &mut bytes, &Limits::default()).unwrap();
    decode(&bytes, &Limits::default()).unwrap()
}

fn printable(text: &str) -> bool {
    !text.chars().any(|c| {
        (c.is_control() && c != '\n' && c != '\t') || ('\u{202a}'..='\u{202e}').contains(&c)
    })
}

#[test]
fn terminal_escapes_do_not_arrive() {
    let evil = "a\x1b]0;title\x07\u{9b}31m\r\n\tb\u{202e}c\u{7f}é";
    let safe = "a\\u{1b}]0;title\\u{7}\\u{9b}31m\\u{d}\n\tb\\u{202e}c\\u{7f}é";
    let failure = hostile(evil, evil, evil);
    assert_eq!(failure.message, safe);
    assert_eq!(failure.location.as_ref().unwrap().file, safe);
    assert_eq!(failure.backtrace.as_deref(), Some(safe));
    assert_eq!(Failure::new(Stage::Start, evil).message, safe);
}

#[test]
fn long_texts_are_cut() {
    let long = "é\x1b".repeat(100_000);
    let failure = hostile(&long, &long, &long);
    for (text, limit) in [
        (&failure.message, 8192),
        (&failure.location.as_ref().unwrap().file, 1024),
        (failure.backtrace.as_ref().unwrap(), 16384),
    ] {
        assert!(
            text.len() <= limit && text.len() > limit - 20 && text.ends_with("… (cut)"),
            "{}",
            text.len()
        );
        assert!(printable(text));
    }
    assert_eq!(
        Failure::new(Stage::Run, "x".repeat(8192)).message.len(),
        8192
    );
}

proptest! {
    #[test]
    fn a_second_hop_changes_nothing(message in any::<String>(), repeat in 1..900usize) {
        let once = hostile(&message.repeat(repeat), &message, &message);
        prop_assert!(printable(&once.message) && once.message.len() <= 8192);
        let mut bytes = Vec::new();
        encode(&once, &mut bytes, &Limits::default()).unwrap();
        prop_assert_eq!(decode::<Failure>(&bytes, &Limits::default()).unwrap(), once);
    }
}
