//! Both sides at full speed over real shared memory, asleep on futexes whenever they can be; every test under a watchdog.
#![cfg(not(loom))]

use procession_os::Segment;
use procession_os::doorbell::{Sleeper, Waker};
use procession_os::ring::{Consumer, Frames, Producer, RING_HEADER_WORDS};
use procession_os::words::Words;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The layout both sides of these tests use: two bells, then the ring's header, then its data.
const BELLS: usize = 32;
const DATA_WORDS: usize = 64;
const BYTES: usize = (BELLS + RING_HEADER_WORDS + DATA_WORDS) * 8;
const SIZES: [usize; 9] = [0, 1, 7, 8, 40, 100, 504, 505, 3000];

/// Long enough that only a lost wake-up reaches it.
const LOST: Duration = Duration::from_secs(20);

fn frames() -> u32 {
    std::env::var("PROCESSION_STRESS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(5_000)
}

/// Ends the process when a test hangs, so that it fails instead.
fn watchdog() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(120));
            eprintln!("the watchdog ended a test that hung");
            std::process::abort();
        });
    });
}

struct Ends {
    words: Words,
    header: Words,
    data: Words,
}

fn ends(segment: &Arc<Segment>) -> Ends {
    let words = segment.words(0, BYTES / 8).unwrap();
    let (header, data) = (
        words.sub(BELLS, RING_HEADER_WORDS),
        words.sub(BELLS + RING_HEADER_WORDS, DATA_WORDS),
    );
    Ends {
        words,
        header,
        data,
    }
}

fn payload(tag: u32) -> Vec<u8> {
    (0..SIZES[tag as usize % SIZES.len()])
        .map(|i| (i as u32 ^ tag) as u8)
        .collect()
}

fn nap(sleeper: &Sleeper, has_work: impl FnMut() -> bool) {
    let before = Instant::now();
    sleeper.sleep_unless(has_work, Some(LOST)).unwrap();
    assert!(before.elapsed() < LOST, "a wake-up was lost");
}

/// Sends `count` frames, streaming those longer than the ring; sleeps on bell 1 for room, rings bell 0.
fn send(ends: &Ends, count: u32) {
    let mut producer = Producer::new(ends.header.clone(), ends.data.clone()).unwrap();
    let (sleeper, waker) = (Sleeper::new(&ends.words, 16), Waker::new(&ends.words, 0));
    for tag in 0..count {
        let bytes = payload(tag);
        let whole = bytes.len() + 8 <= producer.capacity();
        while !(if whole {
            producer.write(tag, &[&bytes])
        } else {
            producer.begin(tag, bytes.len() as u32)
        }) {
            nap(&sleeper, || {
                producer.has_room(if whole { bytes.len() } else { 0 })
            });
        }
        let mut fed = 0;
        loop {
            fed += producer.feed(&bytes[fed..]);
            producer.publish();
            waker.wake_if_asleep();
            if !producer.is_streaming() {
                break;
            }
            nap(&sleeper, || producer.has_room(0));
        }
    }
    while !producer.is_drained().unwrap() {
        nap(&sleeper, || producer.is_drained().unwrap());
    }
}

/// Checks one frame.
fn check(tag: u32, expected: u32, bytes: &[u8]) {
    assert_eq!(tag, expected);
    assert_eq!(bytes, payload(tag), "frame {tag} is damaged");
}

/// Receives `count` frames by claiming each.
fn receive_by_claim(ends: &Ends, count: u32) {
    let mut consumer = Consumer::new(ends.header.clone(), ends.data.clone()).unwrap();
    let (sleeper, waker) = (Sleeper::new(&ends.words, 0), Waker::new(&ends.words, 16));
    let mut out = Vec::new();
    for expected in 0..count {
        out.clear();
        let tag = loop {
            if let Some(tag) = consumer.claim(&mut out).unwrap() {
                break tag;
            }
            waker.wake_if_asleep();
            nap(&sleeper, || !consumer.is_empty());
        };
        while consumer.missing() > 0 {
            waker.wake_if_asleep();
            if consumer.more(&mut out).unwrap() == 0 {
                nap(&sleeper, || !consumer.is_empty());
            }
        }
        check(tag, expected, &out);
    }
    consumer.release();
    waker.wake_if_asleep();
}

/// Receives `count` frames by draining.
fn receive_by_drain(ends: &Ends, count: u32) {
    let mut consumer = Consumer::new(ends.header.clone(), ends.data.clone()).unwrap();
    let (sleeper, waker) = (Sleeper::new(&ends.words, 0), Waker::new(&ends.words, 16));
    let (mut buffer, mut expected) = (Vec::new(), 0);
    while expected < count {
        if consumer.drain(&mut buffer).unwrap() == 0 {
            nap(&sleeper, || !consumer.is_empty());
            continue;
        }
        waker.wake_if_asleep();
        let mut frames = Frames::new(&buffer);
        while let Some((tag, bytes)) = frames.next() {
            check(tag, expected, bytes);
            expected += 1;
        }
        let consumed = frames.consumed();
        buffer.drain(..consumed);
    }
}

#[test]
fn two_threads_claiming() {
    watchdog();
    let segment = Arc::new(Segment::create("ring-stress", BYTES).unwrap());
    let (here, there) = (ends(&segment), ends(&segment));
    let sending = std::thread::spawn(move || send(&there, frames()));
    receive_by_claim(&here, frames());
    sending.join().unwrap();
}

#[test]
fn two_threads_draining() {
    watchdog();
    let segment = Arc::new(Segment::create("ring-stress", BYTES).unwrap());
    let (here, there) = (ends(&segment), ends(&segment));
    let sending = std::thread::spawn(move || send(&there, frames()));
    receive_by_drain(&here, frames());
    sending.join().unwrap();
}

/// The other process of `two_processes`, in this same image; alone it does nothing.
#[test]
fn other_process() {
    if std::env::var_os("RING_STRESS_CHILD").is_none() {
        return;
    }
    watchdog();
    let fd = OwnedFd::from(
        std::fs::File::options()
            .read(true)
            .write(true)
            .open("/proc/self/fd/0")
            .unwrap(),
    );
    send(
        &ends(&Arc::new(Segment::open(fd, BYTES).unwrap())),
        frames(),
    );
}

#[test]
fn two_processes() {
    watchdog();
    let segment = Arc::new(Segment::create("ring-stress", BYTES).unwrap());
    let fd = segment
        .fd()
        .expect("an open descriptor")
        .try_clone_to_owned()
        .unwrap();
    let mut child = Command::new("/proc/self/exe")
        .args(["--exact", "other_process"])
        .env("RING_STRESS_CHILD", "1")
        .stdin(Stdio::from(fd))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    receive_by_claim(&ends(&segment), frames());
    assert!(child.wait().unwrap().success());
}

/// ```text
/// producer   write 1..8   publish   take back   (what came back is sent again)
/// consumer       claim, claim, claim ...
/// ```
#[test]
fn each_frame_has_one_owner_under_constant_take_back() {
    watchdog();
    let segment = Arc::new(Segment::create("ring-stress", BYTES).unwrap());
    let (here, there) = (ends(&segment), ends(&segment));
    let count = frames() as u64;
    let sending = std::thread::spawn(move || {
        let mut producer = Producer::new(there.header.clone(), there.data.clone()).unwrap();
        let (mut todo, mut flying) = (
            (0..count).rev().collect::<Vec<u64>>(),
            std::collections::VecDeque::new(),
        );
        for round in 0u32.. {
            while flying.len() < 8
                && let Some(item) = todo.pop()
            {
                if !producer.write(1, &[&item.to_ne_bytes()]) {
                    todo.push(item);
                    break;
                }
                flying.push_back((item, producer.position()));
            }
            producer.publish();
            let claim = if round % 3 == 0 {
                producer.take_back().unwrap()
            } else {
                producer.claimed().unwrap()
            };
            while flying.front().is_some_and(|(_, end)| *end <= claim) {
                flying.pop_front();
            }
            if round % 3 == 0 {
                todo.extend(flying.drain(..).rev().map(|(item, _)| item));
            }
            if todo.is_empty() && flying.is_empty() {
                break;
            }
            std::thread::yield_now();
        }
        while !producer.write(0, &[]) {
            std::thread::yield_now();
        }
        producer.publish();
    });
    let mut consumer = Consumer::new(here.header.clone(), here.data.clone()).unwrap();
    let (mut out, mut seen) = (Vec::new(), Vec::new());
    loop {
        out.clear();
        match consumer.claim(&mut out).unwrap() {
            Some(1) => seen.push(u64::from_ne_bytes(out[..].try_into().unwrap())),
            Some(_) => break,
            None => std::thread::yield_now(),
        }
    }
    sending.join().unwrap();
    assert_eq!(
        seen,
        (0..count).collect::<Vec<_>>(),
        "each item once, and in order"
    );
}
