//! What the ring promises, one behaviour a test; must not depend on timing.
#![cfg(not(loom))]

use procession_os::ring::{Consumer, Frames, Producer, RING_HEADER_WORDS};
use procession_os::words::Words;

fn ring(data_words: usize) -> (Producer, Consumer) {
    let (header, data) = (Words::heap(RING_HEADER_WORDS), Words::heap(data_words));
    (
        Producer::new(header.clone(), data.clone()).unwrap(),
        Consumer::new(header, data).unwrap(),
    )
}

fn claim(consumer: &mut Consumer) -> Option<(u32, Vec<u8>)> {
    let mut out = Vec::new();
    consumer.claim(&mut out).unwrap().map(|tag| (tag, out))
}

#[test]
fn sizes_that_are_not_powers_of_two_are_refused() {
    for words in [0, 1, 3, 12] {
        assert!(Producer::new(Words::heap(RING_HEADER_WORDS), Words::heap(words)).is_err());
        assert!(Consumer::new(Words::heap(RING_HEADER_WORDS), Words::heap(words)).is_err());
    }
    assert!(Producer::new(Words::heap(RING_HEADER_WORDS - 1), Words::heap(8)).is_err());
}

#[test]
fn frames_arrive_in_order_with_their_tags_and_bytes() {
    let (mut producer, mut consumer) = ring(8);
    for round in 0..100u32 {
        let payload: Vec<u8> = (0..round % 50).map(|i| (i + round) as u8).collect();
        let (a, b) = payload.split_at(payload.len() / 3);
        assert!(producer.write(round, &[a, b]));
        assert_eq!(claim(&mut consumer), None, "not published");
        assert!(producer.publish());
        assert!(!producer.publish(), "nothing new");
        assert_eq!(claim(&mut consumer), Some((round, payload)));
        consumer.release();
    }
}

#[test]
fn a_full_ring_refuses_and_takes_again_after_release() {
    let (mut producer, mut consumer) = ring(4);
    assert!(producer.has_room(24) && !producer.has_room(25));
    assert!(producer.write(1, &[&[1; 24]]));
    assert!(!producer.write(2, &[]));
    producer.publish();
    assert_eq!(claim(&mut consumer), Some((1, vec![1; 24])));
    assert!(!producer.write(2, &[]), "claimed, but not released");
    consumer.release();
    assert!(producer.write(2, &[]));
    assert!(!producer.write(3, &[&[0; 64]]), "never fits");
}

#[test]
fn a_frame_longer_than_the_ring_is_streamed() {
    let (mut producer, mut consumer) = ring(4);
    let payload: Vec<u8> = (0..1003).map(|i| i as u8).collect();
    assert!(producer.begin(5, payload.len() as u32));
    assert!(
        !producer.begin(6, 1) && !producer.write(6, &[]),
        "one frame at a time"
    );
    let (mut fed, mut out, mut tag) = (0, Vec::new(), None);
    for round in 0.. {
        assert!(round < 2000, "no progress");
        let piece = &payload[fed..(fed + 1 + round % 13).min(payload.len())];
        fed += producer.feed(piece);
        producer.publish();
        if tag.is_none() {
            tag = consumer.claim(&mut out).unwrap();
            assert_eq!(tag, Some(5), "the header alone is enough to claim");
            assert_eq!(producer.claimed().unwrap(), producer.position());
        } else {
            consumer.more(&mut out).unwrap();
        }
        if tag.is_some() && consumer.missing() == 0 {
            break;
        }
    }
    assert_eq!(out, payload);
    assert!(!producer.is_streaming());
    assert!(producer.write(6, &[b"after"]));
    producer.publish();
    assert_eq!(claim(&mut consumer), Some((6, b"after".to_vec())));
}

#[test]
fn what_was_not_begun_is_taken_back_and_its_space_returns() {
    let (mut producer, mut consumer) = ring(8);
    producer.write(1, &[b"one"]);
    let first = producer.position();
    producer.write(2, &[b"two"]);
    producer.publish();
    producer.write(3, &[b"three"]);
    assert_eq!(claim(&mut consumer), Some((1, b"one".to_vec())));
    assert_eq!(
        producer.take_back(),
        Ok(first),
        "one stays with the consumer, two and three do not"
    );
    assert_eq!(
        producer.take_back(),
        Ok(producer.position()),
        "nothing left to take"
    );
    assert_eq!(producer.is_drained(), Ok(true));
    assert_eq!(claim(&mut consumer), None);
    assert!(producer.has_room(56), "all space is back");
    producer.write(4, &[b"four"]);
    producer.publish();
    assert_eq!(claim(&mut consumer), Some((4, b"four".to_vec())));
}

#[test]
fn a_half_streamed_frame_is_cancelled_unless_it_was_begun() {
    let (mut producer, mut consumer) = ring(4);
    producer.begin(1, 100);
    producer.feed(&[7; 100]);
    producer.publish();
    assert_eq!(producer.take_back(), Ok(0));
    assert!(!producer.is_streaming());
    assert_eq!(claim(&mut consumer), None);

    producer.begin(2, 100);
    let fed = producer.feed(&[8; 100]);
    producer.publish();
    let mut out = Vec::new();
    assert_eq!(consumer.claim(&mut out), Ok(Some(2)));
    assert_eq!(
        producer.take_back(),
        Ok(producer.position()),
        "begun: stays"
    );
    assert!(producer.is_streaming());
    assert_eq!((fed, consumer.missing()), (24, 76));
}

#[test]
fn a_dead_producers_staged_frames_are_drained() {
    let (mut producer, mut consumer) = ring(16);
    producer.write(1, &[b"published"]);
    producer.publish();
    producer.write(2, &[b"staged"]);
    producer.stage();
    producer.write(3, &[b"neither"]);
    drop(producer);
    let mut out = Vec::new();
    assert_eq!(consumer.drain(&mut out), Ok(24));
    assert_eq!(consumer.drain_staged(&mut out), Ok(16));
    assert_eq!(consumer.drain_staged(&mut out), Ok(0));
    let mut frames = Frames::new(&out);
    assert_eq!(frames.next(), Some((1, &b"published"[..])));
    assert_eq!(frames.next(), Some((2, &b"staged"[..])));
    assert_eq!(
        (frames.next(), frames.consumed(), frames.wanted()),
        (None, 40, 0)
    );
}

#[test]
fn a_frame_above_the_limit_is_refused_before_anything_is_allocated() {
    let (mut producer, mut consumer) = ring(4);
    consumer.limit(99);
    producer.begin(1, 100);
    producer.publish();
    let mut out = Vec::new();
    assert_eq!(
        consumer.claim(&mut out).unwrap_err().to_string(),
        "ring frame longer than the limit"
    );
    assert_eq!(out.capacity(), 0);
}

#[test]
fn drained_replies_count_as_drained() {
    let (mut producer, mut consumer) = ring(4);
    producer.write(1, &[]);
    producer.publish();
    assert_eq!(producer.is_drained(), Ok(false));
    consumer.drain(&mut Vec::new()).unwrap();
    assert_eq!(producer.is_drained(), Ok(true));
}
