//! What a hostile worker does, one act for each seed. The parent looks at the name, for messages, and at `may_hang`.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use procession_os::prologue;
use procession_task::message::{ArgBytes, FromWorker};
use procession_task::{Failure, Stage};

use crate::link::{
    absurd_length, claims_everything, failures, garbled_failures, half_a_reply, publishes_too_much,
    replies_twice, replies_unasked, replies_unclaimed, scribbles_everything, scribbles_header,
    scribbles_indices, scribbles_one_index, stages_nothing, tail_goes_back, undecodable,
    unreadable_failure,
};
use crate::rogue::Rogue;

/// One way to be hostile.
pub(crate) struct Act {
    pub(crate) name: &'static str,
    /// From outside it may look like a task that takes long, which the parent cannot end without a time limit.
    pub(crate) may_hang: bool,
    pub(crate) play: fn(&mut Rogue),
}

const fn caught(name: &'static str, play: fn(&mut Rogue)) -> Act {
    Act {
        name,
        may_hang: false,
        play,
    }
}

const fn silent(name: &'static str, play: fn(&mut Rogue)) -> Act {
    Act {
        name,
        may_hang: true,
        play,
    }
}

const ACTS: [Act; 28] = [
    caught("ends before hello", |rogue| {
        prologue::exit_now(rogue.dice.below(120) as i32)
    }),
    caught("says a wrong hello", wrong_hello),
    caught("sends garbage instead of hello", |rogue| garbage(rogue, 3)),
    caught("closes its channel before hello", |rogue| {
        rogue.control = None
    }),
    caught("closes its channel while it serves", closes_channel),
    caught("sends garbage while it serves", garbage_in_service),
    caught("never becomes ready", |rogue| rogue.hello(|_, _, _, _| {})),
    silent("scribbles over ring indices", scribbles_indices),
    silent("scribbles over ring indices once", scribbles_one_index),
    caught("replies with an absurd length", absurd_length),
    caught("replies more often than asked", replies_twice),
    caught("replies before any call", replies_unasked),
    silent("replies without claiming", replies_unclaimed),
    caught("reports every kind of failure", failures),
    caught("reports failures that are none", garbled_failures),
    silent("scribbles over the header page", scribbles_header),
    caught("rings without end", wake_storm),
    caught("says what it said before, or what others say", odd_messages),
    caught("sends descriptors", sends_descriptors),
    caught("claims everything and ends", claims_everything),
    caught("ends in the middle of a reply", half_a_reply),
    silent("scribbles over everything", scribbles_everything),
    caught("replies with what is no result", undecodable),
    silent("takes its tail back", tail_goes_back),
    silent("stages what it never wrote", stages_nothing),
    caught("publishes more than the ring holds", publishes_too_much),
    caught("answers long before it rings", rings_late),
    caught("reports a failure that cannot be read", unreadable_failure),
];

/// The seed of [`rings_late`]: no breach, only slow where others are quick.
pub(crate) const RINGS_LATE: u64 = 26;

/// The act of a seed.
pub(crate) fn of(seed: u64) -> &'static Act {
    &ACTS[(seed % ACTS.len() as u64) as usize]
}

fn wrong_hello(rogue: &mut Rogue) {
    let (which, bit) = (rogue.dice.below(4), rogue.dice.below(16));
    rogue.hello(|magic, version, nonce, build_id| match which {
        0 => *magic ^= 1 << bit,
        1 => *version ^= 1 << bit,
        2 => *nonce ^= 1 << bit,
        _ => build_id.truncate(bit as usize),
    });
    rogue.say(&FromWorker::Ready);
}

fn garbage(rogue: &mut Rogue, packets: u64) {
    for _ in 0..packets {
        let length = 1 + rogue.dice.below(2000);
        let bytes: Vec<u8> = (0..length)
            .map(|_| rogue.dice.roll() as u8 | 0x80)
            .collect();
        rogue.send(&bytes, &[]);
    }
}

fn garbage_in_service(rogue: &mut Rogue) {
    serve_some(rogue);
    rogue.next_call();
    garbage(rogue, 1);
}

fn closes_channel(rogue: &mut Rogue) {
    serve_some(rogue);
    rogue.next_call();
    rogue.control = None;
}

pub(crate) fn serve_some(rogue: &mut Rogue) {
    rogue.enter();
    let calls = rogue.dice.below(4);
    rogue.serve(calls);
}

fn wake_storm(rogue: &mut Rogue) {
    rogue.enter();
    // Begins a call, and from then on only rings, as fast as the parent listens. The parent ends it.
    while rogue.next_call().is_none() {
        rogue.ring();
    }
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        rogue.ring();
    }
    prologue::exit_now(0);
}

/// Keeps the protocol, but between its first reply and the look at who wants to hear of it, the next call arrives. It
/// replies once somebody has asked for the bell of a sleeper.
fn rings_late(rogue: &mut Rogue) {
    rogue.enter();
    let mut patience = Duration::from_secs(2);
    loop {
        let Some(items) = rogue.next_call() else {
            continue;
        };
        let limit = Instant::now() + patience;
        while !rogue.is_slept_on() && Instant::now() < limit {
            std::thread::sleep(Duration::from_micros(50));
        }
        (0..items).for_each(|_| rogue.forge());
        let done = rogue.calls.position();
        while rogue.calls.is_empty() && Instant::now() < limit {
            std::thread::sleep(Duration::from_micros(50));
        }
        patience = Duration::ZERO;
        rogue.ring_if_asked(done);
        if rogue.calls.is_empty() {
            rogue.ring_if_asked(u64::MAX);
        }
    }
}

fn odd_messages(rogue: &mut Rogue) {
    serve_some(rogue);
    rogue.next_call();
    for _ in 0..rogue.dice.below(50) {
        match rogue.dice.below(3) {
            0 => rogue.say(&FromWorker::Ready),
            1 => rogue.say(&FromWorker::Bell),
            _ => rogue.say(&FromWorker::StartFailed(Failure::new(
                Stage::Start,
                "it says",
            ))),
        }
    }
    match rogue.dice.below(3) {
        0 => rogue.hello(|_, _, _, _| {}),
        1 => rogue.say(&FromWorker::Returned {
            value: ArgBytes::Inline(vec![0; 100]),
            is_err: false,
        }),
        _ => rogue.say(&FromWorker::Failed(Failure::new(Stage::Run, "it says"))),
    }
}

fn sends_descriptors(rogue: &mut Rogue) {
    serve_some(rogue);
    rogue.next_call();
    let files: Vec<OwnedFd> = (0..1 + rogue.dice.below(200))
        .map(|_| std::fs::File::open("/dev/null").unwrap().into())
        .collect();
    rogue.send(&FromWorker::Bell.encode(), &files);
}
