//! Every interleaving of the ring's two sides, explored by loom; a thread that ends early is a process that was killed.
//!
//! ```text
//! producer   write 1   stage   publish   write 2   stage   publish   ...     (stops anywhere)
//! consumer        drain             drain             drain_staged            | join |  drain_staged
//! ```
#![cfg(loom)]

use loom::thread;
use procession_os::ring::{Consumer, Frames, Producer, RING_HEADER_WORDS};
use procession_os::words::Words;

fn ring(data_words: usize) -> (Producer, Consumer) {
    let (header, data) = (Words::heap(RING_HEADER_WORDS), Words::heap(data_words));
    (
        Producer::new(header.clone(), data.clone()).unwrap(),
        Consumer::new(header, data).unwrap(),
    )
}

fn payload(tag: u32) -> [u8; 8] {
    [tag as u8; 8]
}

/// Long frames take two words, short ones one.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Long,
    Short,
}

impl Form {
    /// A ring that two frames fill.
    fn ring_of_two(self) -> (Producer, Consumer) {
        match self {
            Form::Long => ring(4),
            Form::Short => ring(2),
        }
    }

    fn payload(self, tag: u32) -> Vec<u8> {
        let len = if self == Form::Long { 8 } else { 7 };
        payload(tag)[..len].to_vec()
    }

    fn write(self, producer: &mut Producer, tag: u32) -> bool {
        match self {
            Form::Long => producer.write(tag, &[&self.payload(tag)]),
            Form::Short => producer.write_short(tag, &self.payload(tag)),
        }
    }
}

/// Runs the first `steps` of write, stage, publish for one frame after the other and returns how many frames were shown.
fn produce(producer: &mut Producer, form: Form, steps: usize) -> u32 {
    let (mut written, mut shown) = (0, 0);
    for step in 0..steps {
        match step % 3 {
            0 => {
                if !form.write(producer, written + 1) {
                    break;
                }
                written += 1;
            }
            1 => {
                producer.stage();
                shown = written;
            }
            _ => {
                producer.publish();
            }
        }
    }
    shown
}

/// The tags in `bytes`, which must be whole frames with untorn payloads.
fn tags(bytes: &[u8], form: Form) -> Vec<u32> {
    let (mut frames, mut tags) = (Frames::new(bytes), Vec::new());
    while let Some((tag, bytes)) = frames.next() {
        assert_eq!(bytes, form.payload(tag), "torn");
        tags.push(tag);
    }
    assert_eq!(frames.consumed(), bytes.len(), "a partial frame was shown");
    tags
}

#[test]
fn a_producer_that_stops_after_any_step_leaves_a_prefix() {
    for (form, steps) in [Form::Long, Form::Short]
        .into_iter()
        .flat_map(|form| (0..=10).map(move |steps| (form, steps)))
    {
        loom::model(move || {
            // The third frame reuses the first one's space.
            let (mut producer, mut consumer) = form.ring_of_two();
            let producing = thread::spawn(move || produce(&mut producer, form, steps));
            let mut bytes = Vec::new();
            for _ in 0..2 {
                consumer.drain(&mut bytes).unwrap();
                tags(&bytes, form);
            }
            // Before the join: the index alone must order the bytes before it.
            consumer.drain_staged(&mut bytes).unwrap();
            tags(&bytes, form);
            let shown = producing.join().unwrap();
            consumer.drain_staged(&mut bytes).unwrap();
            assert_eq!(tags(&bytes, form), (1..=shown).collect::<Vec<_>>());
        });
    }
}

/// ```text
/// producer   write 1, 2   publish   take_back   write 3   publish
/// consumer                    claim       claim       claim
/// ```
#[test]
fn each_frame_has_exactly_one_owner() {
    for form in [Form::Long, Form::Short] {
        one_owner_for_each(form);
    }
}

fn one_owner_for_each(form: Form) {
    loom::model(move || {
        let (mut producer, mut consumer) = form.ring_of_two();
        let mut ends = Vec::new();
        for tag in [1, 2] {
            assert!(form.write(&mut producer, tag));
            ends.push((tag, producer.position()));
        }
        producer.publish();
        let consuming = thread::spawn(move || {
            let mut got = Vec::new();
            for _ in 0..3 {
                claim_one(&mut consumer, form, &mut got);
                consumer.release();
            }
            (consumer, got)
        });
        let found = producer.take_back().unwrap();
        let back: Vec<u32> = ends
            .iter()
            .filter(|(_, end)| *end > found)
            .map(|(tag, _)| *tag)
            .collect();
        let third = form.write(&mut producer, 3);
        producer.publish();
        let (mut consumer, mut got) = consuming.join().unwrap();
        claim_one(&mut consumer, form, &mut got);
        consumer.release();
        let mut expected: Vec<u32> = [1, 2]
            .into_iter()
            .filter(|tag| !back.contains(tag))
            .collect();
        expected.extend(third.then_some(3));
        assert_eq!(got, expected);
        assert_eq!(producer.is_drained(), Ok(true));
        assert!(
            producer.has_room(producer.capacity() - 8),
            "the space of what was taken back is free again"
        );
    });
}

fn claim_one(consumer: &mut Consumer, form: Form, got: &mut Vec<u32>) {
    let mut out = Vec::new();
    if let Some(tag) = consumer.claim(&mut out).unwrap() {
        assert_eq!(
            (out.as_slice(), consumer.missing()),
            (&form.payload(tag)[..], 0),
            "torn"
        );
        got.push(tag);
    }
}

/// ```text
/// producer   begin   feed half   publish   take_back            feed the rest, if it stays | write 2, if it does not
/// consumer                           claim            more
/// ```
#[test]
fn a_half_streamed_frame_is_cancelled_or_completed() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(4);
        assert!(producer.begin(1, 16));
        assert_eq!(producer.feed(&payload(1)), 8);
        producer.publish();
        let consuming = thread::spawn(move || {
            let mut out = Vec::new();
            let tag = consumer.claim(&mut out).unwrap();
            consumer.more(&mut out).unwrap();
            (consumer, tag, out)
        });
        let end = producer.position();
        let stays = producer.take_back().unwrap() == end;
        assert_eq!(producer.is_streaming(), stays);
        if stays {
            assert_eq!(producer.feed(&payload(1)), 8);
        } else {
            assert!(producer.write(2, &[&[]]));
        }
        producer.publish();
        let (mut consumer, mut tag, mut out) = consuming.join().unwrap();
        if tag.is_none() {
            tag = consumer.claim(&mut out).unwrap();
        }
        consumer.more(&mut out).unwrap();
        assert_eq!(consumer.missing(), 0);
        if stays {
            assert_eq!((tag, out), (Some(1), vec![1; 16]));
        } else {
            assert_eq!((tag, out), (Some(2), vec![]));
        }
    });
}
