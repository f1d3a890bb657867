//! Doorbells over the real futex, one behaviour a test; every sleep has a time-out, so none can hang.
#![cfg(not(loom))]

use procession_os::doorbell::{Sleeper, WaitAny, Waker, sleep_while, wait_any, wake};
use procession_os::sync::Ordering;
use procession_os::words::Words;
use std::time::{Duration, Instant};

/// Long enough that only a lost wake-up reaches it.
const LOST: Duration = Duration::from_secs(20);

#[test]
fn a_word_that_changed_is_not_slept_on() {
    let words = Words::heap(1);
    let started = Instant::now();
    sleep_while(words.futex(0), 1, Some(LOST)).unwrap();
    assert!(started.elapsed() < LOST);
}

#[test]
fn a_sleep_ends_with_its_time_and_leaves_the_word_awake() {
    let words = Words::heap(1);
    let (sleeper, waker) = (Sleeper::new(&words, 0), Waker::new(&words, 0));
    let limit = Duration::from_millis(5);
    sleeper.sleep_unless(|| false, Some(limit)).unwrap();
    assert!(!waker.wake_if_asleep(), "nobody sleeps any more");
}

#[test]
fn an_endless_time_out_is_one_the_kernel_takes() {
    let words = Words::heap(1);
    let (sleeper, waker) = (Sleeper::new(&words, 0), Waker::new(&words, 0));
    sleeper
        .sleep_unless(|| !waker.wake_if_asleep(), Some(Duration::MAX))
        .unwrap();
    let ended = wait_any(&[(words.futex(0), 1)], Some(Duration::MAX)).unwrap();
    assert!(
        matches!(ended, WaitAny::Changed | WaitAny::Unsupported),
        "{ended:?}"
    );
}

/// Two threads hand a turn back and forth, each asleep while it is the other's.
#[test]
fn each_ring_ends_one_sleep() {
    let words = Words::heap(3);
    let play = |words: Words, me: usize| {
        let (sleeper, waker) = (Sleeper::new(&words, me), Waker::new(&words, 1 - me));
        for turn in (me as u64..4_000).step_by(2) {
            while words.at(2).load(Ordering::Acquire) != turn {
                let started = Instant::now();
                sleeper
                    .sleep_unless(|| words.at(2).load(Ordering::Acquire) == turn, Some(LOST))
                    .unwrap();
                assert!(started.elapsed() < LOST, "a wake-up was lost");
            }
            words.at(2).store(turn + 1, Ordering::Release);
            waker.wake_if_asleep();
        }
    };
    let there = words.clone();
    let other = std::thread::spawn(move || play(there, 1));
    play(words, 0);
    other.join().unwrap();
}

#[test]
fn several_bells_at_once() {
    let words = Words::heap(2);
    let (a, b) = (words.futex(0), words.futex(1));
    if wait_any(&[(a, 1), (b, 0)], None).unwrap() == WaitAny::Unsupported {
        return;
    }
    assert_eq!(
        wait_any(&[(a, 1), (b, 0)], Some(LOST)).unwrap(),
        WaitAny::Changed
    );
    assert_eq!(
        wait_any(&[(a, 0), (b, 0)], Some(Duration::from_millis(1))).unwrap(),
        WaitAny::TimedOut
    );
    assert_eq!(wait_any(&[], None).unwrap(), WaitAny::Unsupported);
    let (other, started) = (words.clone(), Instant::now());
    let ringing = std::thread::spawn(move || {
        other.futex(1).store(1, Ordering::Release);
        wake(other.futex(1));
    });
    let ended = wait_any(&[(a, 0), (b, 0)], Some(LOST)).unwrap();
    assert!(
        matches!(ended, WaitAny::Woken | WaitAny::Changed),
        "{ended:?}"
    );
    assert!(started.elapsed() < LOST);
    ringing.join().unwrap();
}
