//! The acts that need only the link: wrong indices, wrong replies, scribbles.

use std::time::{Duration, Instant};

use procession_os::prologue;
use procession_task::message::FromWorker;
use procession_task::{Failure, Limits, Location, Stage, encode};

use crate::acts::serve_some;
use crate::rogue::{Rogue, SEGMENT_BYTES};

/// Words of the link, from the protocol's document.
const REPLY_TAIL: usize = 64;
const REPLY_STAGED: usize = REPLY_TAIL + 48;
const INDICES: [usize; 8] = [0, 16, 32, 48, 64, 80, 96, 112];
const HEADER: std::ops::Range<usize> = 128..512;
const REPLY_DATA: usize = (4096 + 128 * 1024) / 8;
const REPLY_WORDS: u64 = 128 * 1024 / 8;

pub(crate) fn scribbles_indices(rogue: &mut Rogue) {
    serve_some(rogue);
    let end = Instant::now() + Duration::from_millis(50);
    while Instant::now() < end {
        scribble_index(rogue);
    }
    rogue.ring();
}

pub(crate) fn scribbles_one_index(rogue: &mut Rogue) {
    serve_some(rogue);
    rogue.next_call();
    scribble_index(rogue);
    rogue.ring();
}

fn scribble_index(rogue: &mut Rogue) {
    let word = INDICES[rogue.dice.below(INDICES.len() as u64) as usize];
    let value = rogue.dice.nasty(rogue.read(word));
    rogue.scribble(word, value);
}

/// Writes words where the next reply belongs and publishes `bytes` of them.
fn publish(rogue: &mut Rogue, words: &[u64], bytes: u64) {
    let tail = rogue.replies.position();
    for (word, at) in words.iter().zip(tail / 8..) {
        rogue.scribble(REPLY_DATA + (at % REPLY_WORDS) as usize, *word);
    }
    rogue.scribble(REPLY_TAIL, tail + bytes);
    rogue.ring();
}

pub(crate) fn absurd_length(rogue: &mut Rogue) {
    serve_some(rogue);
    rogue.next_call();
    let length =
        [u32::MAX, u32::MAX - 7, 0x7fff_ffff, (1 << 30) + (1 << 20)][rogue.dice.below(4) as usize];
    // Without the highest bit, which makes a frame short, whatever else the word says.
    let tag = rogue.dice.roll() << 32 & !(1 << 63);
    publish(rogue, &[tag | u64::from(length)], 8);
}

pub(crate) fn replies_twice(rogue: &mut Rogue) {
    rogue.enter();
    while let Some(items) = rogue.next_call() {
        for _ in 0..items + 1 + rogue.dice.below(2) as u32 {
            rogue.forge();
        }
        rogue.ring();
    }
    // Nothing more was asked, or the machine is busy: a call that comes now must not look like one that takes long.
    prologue::exit_now(1);
}

pub(crate) fn replies_unasked(rogue: &mut Rogue) {
    let ready_first = rogue.dice.one_in(2);
    rogue.hello(|_, _, _, _| {});
    if ready_first {
        rogue.say(&FromWorker::Ready);
    }
    for _ in 0..1 + rogue.dice.below(200) {
        rogue.forge();
    }
    rogue.say(&FromWorker::Ready);
    rogue.ring();
    // Whatever it is given next, it has answered before.
    while rogue.next_call().is_some() {
        (0..200).for_each(|_| rogue.forge());
        rogue.ring();
    }
    prologue::exit_now(1);
}

/// Answers calls that it has not begun, so that they may be taken back and run elsewhere as well.
pub(crate) fn replies_unclaimed(rogue: &mut Rogue) {
    rogue.enter();
    for _ in 0..rogue.dice.below(20) {
        std::thread::sleep(Duration::from_micros(rogue.dice.below(1000)));
        if !rogue.calls.is_empty() {
            rogue.forge();
            rogue.ring();
        }
    }
}

pub(crate) fn failures(rogue: &mut Rogue) {
    rogue.enter();
    let large = Stage::TooLarge {
        size: u64::MAX,
        limit: 0,
    };
    let stages = [
        Stage::UnknownTask,
        Stage::DecodeArgs,
        Stage::PanicDecode,
        Stage::Run,
        Stage::PanicEncode,
        Stage::EncodeResult,
        large,
        Stage::Start,
    ];
    while let Some(items) = rogue.next_call() {
        for _ in 0..items {
            let stage = stages[rogue.dice.below(stages.len() as u64) as usize];
            // The fields, not `Failure::new`, which would make the text harmless.
            let text = "\x1b[31mred\r\0\u{9b}bell\x07 ".repeat(rogue.dice.below(1000) as usize);
            let place = Location {
                file: text.clone(),
                line: u32::MAX,
                column: 0,
            };
            let failure = Failure {
                stage,
                message: text.clone(),
                location: Some(place),
                backtrace: Some(text),
            };
            let mut bytes = Vec::new();
            encode(&failure, &mut bytes, &Limits::default()).unwrap();
            rogue.reply(1, &bytes);
        }
        rogue.ring();
    }
    prologue::exit_now(1);
}

pub(crate) fn garbled_failures(rogue: &mut Rogue) {
    rogue.enter();
    while let Some(items) = rogue.next_call() {
        for _ in 0..items {
            let tag = 1 + rogue.dice.below(5) as u32;
            let bytes: Vec<u8> = (0..rogue.dice.below(300))
                .map(|_| rogue.dice.roll() as u8)
                .collect();
            rogue.reply(tag, &bytes);
        }
        rogue.ring();
    }
    prologue::exit_now(1);
}

/// The right kind of reply, with bytes that are no failure; then it waits for the next call as if nothing had been.
pub(crate) fn unreadable_failure(rogue: &mut Rogue) {
    rogue.enter();
    loop {
        for _ in 0..rogue.next_call().unwrap_or_default() {
            rogue.reply(1, &[0xff; 20]);
        }
        rogue.ring();
    }
}

pub(crate) fn scribbles_header(rogue: &mut Rogue) {
    rogue.enter();
    for _ in 0..rogue.dice.below(30) {
        for _ in 0..rogue.dice.below(200) {
            let word = HEADER.start + rogue.dice.below(HEADER.len() as u64) as usize;
            let value = rogue.dice.nasty(rogue.read(word));
            rogue.scribble(word, value);
        }
        rogue.serve(1);
    }
    if rogue.dice.one_in(2) {
        std::process::abort();
    }
}

pub(crate) fn claims_everything(rogue: &mut Rogue) {
    rogue.enter();
    while rogue.calls.is_empty() {
        std::thread::sleep(Duration::from_micros(100));
    }
    let mut frame = Vec::new();
    while let Ok(Some(_)) = rogue.calls.claim(&mut frame) {
        rogue.calls.release();
    }
    prologue::exit_now(0);
}

pub(crate) fn half_a_reply(rogue: &mut Rogue) {
    serve_some(rogue);
    rogue.next_call();
    let length = 1 + rogue.dice.below(100_000);
    let there = rogue.dice.below(length.min(100_000)) / 8 * 8;
    publish(rogue, &[length], 8 + there);
    prologue::exit_now(0);
}

pub(crate) fn scribbles_everything(rogue: &mut Rogue) {
    rogue.enter();
    let end = Instant::now() + Duration::from_millis(rogue.dice.below(200));
    while Instant::now() < end {
        let word = rogue.dice.below(SEGMENT_BYTES as u64 / 8) as usize;
        let value = rogue.dice.nasty(rogue.read(word));
        rogue.scribble(word, value);
        scribble_index(rogue);
    }
    rogue.ring();
}

pub(crate) fn undecodable(rogue: &mut Rogue) {
    rogue.enter();
    while let Some(items) = rogue.next_call() {
        for _ in 0..items {
            // Not a boolean first, too short, or too long: never an answer.
            let bytes =
                [&[2u8, 0][..], &[], &[0], &[0, 0, 0], &[0xff; 40]][rogue.dice.below(5) as usize];
            rogue.reply(0, bytes);
        }
        rogue.ring();
    }
    prologue::exit_now(1);
}

pub(crate) fn tail_goes_back(rogue: &mut Rogue) {
    rogue.enter();
    // The parent may not have looked yet: then it is told of less than there is, and waits for the rest.
    rogue.serve(3);
    rogue.next_call();
    let tail = rogue.replies.position();
    if tail == 0 {
        prologue::exit_now(0);
    }
    rogue.scribble(REPLY_TAIL, tail - 8);
    rogue.ring();
}

pub(crate) fn stages_nothing(rogue: &mut Rogue) {
    serve_some(rogue);
    rogue.next_call();
    let value = rogue.dice.nasty(rogue.replies.position());
    rogue.scribble(REPLY_STAGED, value);
    rogue.ring();
}

pub(crate) fn publishes_too_much(rogue: &mut Rogue) {
    serve_some(rogue);
    rogue.next_call();
    let bytes = (1 << 20) << rogue.dice.below(30);
    publish(rogue, &[], bytes);
}
