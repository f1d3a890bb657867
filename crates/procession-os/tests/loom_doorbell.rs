//! Every interleaving of the sleep handshake, explored by loom; a lost wake-up is a deadlock, which loom reports.
#![cfg(loom)]

use loom::thread;
use procession_os::doorbell::{Sleeper, Waker, wake};
use procession_os::ring::{Consumer, Producer, RING_HEADER_WORDS};
use procession_os::sync::Ordering;
use procession_os::words::Words;

/// A ring and the word of its doorbell.
fn link(data_words: usize) -> (Producer, Consumer, Words) {
    let (header, data) = (Words::heap(RING_HEADER_WORDS), Words::heap(data_words));
    let producer = Producer::new(header.clone(), data.clone()).unwrap();
    (
        producer,
        Consumer::new(header, data).unwrap(),
        Words::heap(1),
    )
}

/// Sleeps until a frame has arrived.
fn receive(consumer: &mut Consumer, bell: &Words) {
    let sleeper = Sleeper::new(bell, 0);
    while consumer.claim(&mut Vec::new()).unwrap().is_none() {
        sleeper.sleep_unless(|| !consumer.is_empty(), None).unwrap();
    }
}

/// Two rings of the bell, so that the second may meet a sleeper that the first has just woken, or is about to. What is
/// published is one counter: the ring has models of its own.
///
/// ```text
/// producer   publish 1   fence   asleep? swap, wake   publish 2   fence   asleep? swap, wake
/// consumer   asleep = 1   fence   nothing? wait   asleep = 0   (and again until 2)
/// ```
#[test]
fn no_wake_up_is_lost() {
    let mut model = loom::model::Builder::new();
    // Without a bound it passes too, in two minutes. Four are enough to find what goes wrong when the sleeper announces
    // itself with a store instead of a swap.
    model.preemption_bound = Some(6);
    model.check(|| {
        let words = Words::heap(2);
        let (sleeper, waker) = (Sleeper::new(&words, 0), Waker::new(&words, 0));
        let published = words.clone();
        let producing = thread::spawn(move || {
            for value in 1..=2 {
                published.at(1).store(value, Ordering::Release);
                waker.wake_if_asleep();
            }
        });
        for wanted in 1..=2 {
            while words.at(1).load(Ordering::Acquire) < wanted {
                sleeper
                    .sleep_unless(|| words.at(1).load(Ordering::Acquire) >= wanted, None)
                    .unwrap();
            }
        }
        producing.join().unwrap();
    });
}

/// ```text
/// producer   publish   fence   asleep? swap, wake
/// consumer   empty   asleep = 1   fence   empty? wait   asleep = 0
/// ```
#[test]
fn a_sleeper_is_woken_for_the_frame_it_did_not_see() {
    loom::model(|| {
        let (mut producer, mut consumer, bell) = link(4);
        let waker = Waker::new(&bell, 0);
        let producing = thread::spawn(move || {
            assert!(producer.write(0, &[]));
            producer.publish();
            waker.wake_if_asleep();
        });
        receive(&mut consumer, &bell);
        producing.join().unwrap();
    });
}

/// The model before, without the waker's fence: its load of the word may pass its store of the tail, and the wake-up is lost.
/// This is what shows that the model above can fail.
#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_a_wake_up_is_lost() {
    loom::model(|| {
        let (mut producer, mut consumer, bell) = link(4);
        let word = bell.clone();
        let producing = thread::spawn(move || {
            assert!(producer.write(0, &[]));
            producer.publish();
            if word.futex(0).load(Ordering::Relaxed) == 1
                && word.futex(0).swap(0, Ordering::Relaxed) == 1
            {
                wake(word.futex(0));
            }
        });
        receive(&mut consumer, &bell);
        producing.join().unwrap();
    });
}

/// ```text
/// producer   publish   (killed)
/// watcher                        sees the death   asleep? swap, wake
/// consumer   empty   asleep = 1   fence   empty? wait
/// ```
#[test]
fn who_sees_a_death_wakes_in_the_dead_ones_place() {
    loom::model(|| {
        let (mut producer, mut consumer, bell) = link(4);
        let waker = Waker::new(&bell, 0);
        let watching = thread::spawn(move || {
            let producing = thread::spawn(move || {
                assert!(producer.write(0, &[]));
                producer.publish();
            });
            producing.join().unwrap();
            waker.wake_if_asleep();
        });
        receive(&mut consumer, &bell);
        watching.join().unwrap();
    });
}

/// ```text
/// producer   full   asleep = 1   fence   full? wait
/// consumer   drain (releases)   fence   asleep? swap, wake
/// ```
#[test]
fn a_producer_that_waits_for_room_is_woken_by_the_release() {
    loom::model(|| {
        let (mut producer, mut consumer, bell) = link(2);
        assert!(producer.write(0, &[&[0; 8]]));
        producer.publish();
        let sleeper = Sleeper::new(&bell, 0);
        let producing = thread::spawn(move || {
            while !producer.write(1, &[]) {
                sleeper.sleep_unless(|| producer.has_room(0), None).unwrap();
            }
        });
        assert_eq!(consumer.drain(&mut Vec::new()), Ok(16));
        Waker::new(&bell, 0).wake_if_asleep();
        producing.join().unwrap();
    });
}
