//! A peer that writes anything anywhere: nothing panics, hangs or allocates more than the caller allowed.
#![cfg(not(loom))]

use procession_os::ring::{Consumer, Frames, Producer, RING_HEADER_WORDS};
use procession_os::sync::Ordering;
use procession_os::words::Words;
use proptest::prelude::*;

const DATA_WORDS: usize = 16;
const LIMIT: usize = 500;

/// Index and header words that lie near every border, and some that lie nowhere.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..40,
        4 => (0u64..40).prop_map(|i| i * 8),
        2 => (0u64..40).prop_map(|i| u64::MAX - i),
        1 => (0u64..40).prop_map(|i| u64::from(u32::MAX) - 20 + i),
        1 => Just(1 << 63),
        // Short frames, and what only looks like one.
        2 => (0u64..256, 0u64..1 << 40).prop_map(|(high, low)| (128 | high) << 56 | low),
        1 => any::<u64>(),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Index {
        line: usize,
        value: u64,
    },
    /// Moves an index as a correct peer might, so that the checks behind the range checks are reached too.
    Nudge {
        line: usize,
        by: u64,
    },
    Data {
        at: usize,
        value: u64,
    },
    Call(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0usize..4, word()).prop_map(|(line, value)| Step::Index { line, value }),
        3 => (0usize..4, 0u64..6).prop_map(|(line, by)| Step::Nudge { line, by: by * 8 }),
        3 => (0..DATA_WORDS, word()).prop_map(|(at, value)| Step::Data { at, value }),
        8 => (0u8..16).prop_map(Step::Call),
    ];
    prop::collection::vec(step, 0..120)
}

/// Writes to the shared words as the step says; the number of the call to make, if it is one.
fn scribble(step: &Step, header: &Words, data: &Words) -> Option<u8> {
    let line = |line: usize| header.at(line * RING_HEADER_WORDS / 4);
    match *step {
        Step::Index { line: i, value } => line(i).store(value, Ordering::Relaxed),
        Step::Nudge { line: i, by } => {
            line(i).fetch_add(by, Ordering::Relaxed);
        }
        Step::Data { at, value } => data.at(at).store(value, Ordering::Relaxed),
        Step::Call(call) => return Some(call),
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_consumer_survives_any_memory(steps in steps()) {
        let (header, data) = (Words::heap(RING_HEADER_WORDS), Words::heap(DATA_WORDS));
        let mut consumer = Consumer::new(header.clone(), data.clone()).unwrap();
        consumer.limit(LIMIT);
        for step in &steps {
            let mut out = Vec::new();
            let read = match scribble(step, &header, &data) {
                None => continue,
                Some(0..6) => consumer.claim(&mut out).map(|_| out.len()),
                Some(6..10) => consumer.more(&mut out),
                Some(10..12) => consumer.drain(&mut out),
                Some(12..14) => consumer.drain_staged(&mut out),
                Some(14) => { consumer.release(); Ok(0) }
                Some(_) => { consumer.is_empty(); Ok(0) }
            };
            prop_assert!(out.capacity() <= LIMIT.max(DATA_WORDS * 8), "allocated {}", out.capacity());
            prop_assert!(consumer.missing() <= LIMIT);
            match read {
                Ok(bytes) => prop_assert_eq!(bytes, out.len()),
                Err(_) => prop_assert!(out.is_empty(), "bytes beside an error"),
            }
        }
    }

    #[test]
    fn a_producer_survives_any_memory(steps in steps()) {
        let (header, data) = (Words::heap(RING_HEADER_WORDS), Words::heap(DATA_WORDS));
        let mut producer = Producer::new(header.clone(), data.clone()).unwrap();
        let mut position = 0;
        for step in &steps {
            match scribble(step, &header, &data) {
                None => continue,
                Some(call @ 0..4) => { producer.write(1, &[&[7; 9][..usize::from(call)], &[8; 20]]); }
                Some(4..6) => { producer.begin(2, 300); }
                Some(6..9) => prop_assert!(producer.feed(&[9; 77]) <= 77),
                Some(9) => { producer.publish(); }
                Some(10) => producer.stage(),
                Some(11) => {
                    if let Ok(claim) = producer.claimed() {
                        prop_assert!(claim <= producer.position());
                    }
                }
                Some(12) => {
                    let before = position;
                    let found = producer.take_back();
                    prop_assert!(found.is_err() || found.is_ok_and(|claim| claim <= before));
                }
                Some(13) => { let _ = producer.is_drained(); producer.write_short(3, &[1; 5]); }
                Some(_) => { producer.has_room(50); }
            }
            position = producer.position();
        }
    }

    #[test]
    fn any_bytes_are_walked_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200), small in any::<bool>()) {
        let mut bytes = bytes;
        if small {
            // Lengths of real frames, so that the walk goes far.
            bytes.chunks_mut(8).for_each(|word| if word.len() == 8 { word[1..4].fill(0); word[0] &= 31; });
        }
        let mut frames = Frames::new(&bytes);
        let mut rounds = 0;
        while let Some((tag, payload)) = frames.next() {
            rounds += 1 + frames.skip_short(tag, 3);
            prop_assert!(payload.len() <= bytes.len() && rounds <= bytes.len());
        }
        prop_assert!(frames.consumed() <= bytes.len() && frames.consumed() % 8 == 0);
        prop_assert!(frames.wanted() == 0 || frames.wanted() > bytes.len() - frames.consumed());
    }
}
