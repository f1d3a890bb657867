//! A worker that speaks the protocol by hand, with the library's bytes and none of its manners.
//!
//! It knows the layout of the link from the protocol's document, not from the library's code: a change there fails here.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use procession_os::ring::{Consumer, Producer};
use procession_os::{Received, Segment, Socket, Words, doorbell, prologue};
use procession_task::frame::{CallHeader, Items};
use procession_task::message::{Boot, FromWorker, MAGIC, PROTOCOL_VERSION, ToWorker};
use procession_task::{Limits, encode};
use rustix::net::{RecvFlags, recv};

use crate::{Answer, acts};

/// Which act to play; set in every worker of the pool.
pub(crate) const SEED: &str = "POOL_HOSTILE_SEED";
/// A file that the one hostile worker makes: who finds it is honest.
pub(crate) const ONCE: &str = "POOL_HOSTILE_ONCE";

const HEADER_BYTES: usize = 4096;
const RING_BYTES: usize = 128 * 1024;
pub(crate) const SEGMENT_BYTES: usize = HEADER_BYTES + 2 * RING_BYTES;
const RING_HEADER_WORDS: usize = 64;
/// The word a waiting thread of the parent sleeps on.
const RUNG: usize = 144;
/// Who asks to hear of replies, in the two highest bits, and from which position on.
const BELL: usize = 160;

/// A hostile worker, past its boot message.
pub(crate) struct Rogue {
    pub(crate) boot: Boot,
    /// Taken by the acts that close it.
    pub(crate) control: Option<Socket>,
    pub(crate) segment: Words,
    pub(crate) calls: Consumer,
    pub(crate) replies: Producer,
    pub(crate) dice: Dice,
}

/// In the worker of place 0 of a pool with a seed: plays the seed's act and never returns. Everywhere else: nothing.
pub(crate) fn take_over_if_hostile() {
    let Ok(seed) = std::env::var(SEED) else {
        return;
    };
    if std::env::var_os("PROCESSION_BOOT").is_none() || index() != Some(0) {
        return;
    }
    if let Some(once) = std::env::var_os(ONCE)
        && std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(once)
            .is_err()
    {
        return;
    }
    let seed = seed.parse().unwrap();
    let act = acts::of(seed);
    let mut rogue = Rogue::new(seed);
    (act.play)(&mut rogue);
    if act.may_hang && rogue.dice.one_in(2) {
        std::thread::sleep(Duration::from_millis(rogue.dice.below(100)));
        prologue::exit_now(i32::from(rogue.dice.one_in(2)));
    }
    // Only the parent ends it.
    loop {
        std::thread::park();
    }
}

/// The place in the pool, from the boot message: looked at, and left for the honest path to receive.
fn index() -> Option<u32> {
    let mut bytes = vec![0u8; 64 * 1024];
    let (length, _) = recv(
        rustix::stdio::stdin(),
        bytes.as_mut_slice(),
        RecvFlags::PEEK,
    )
    .ok()?;
    match ToWorker::decode(&bytes[..length]).ok()? {
        ToWorker::Boot(boot) => boot.index,
        ToWorker::Cancel { .. } | ToWorker::Share { .. } | ToWorker::Forget { .. } => None,
    }
}

impl Rogue {
    fn new(seed: u64) -> Rogue {
        let control = Socket::from_fd(prologue::take_control_fd().unwrap());
        let Received::Packet { bytes, mut fds } = control.recv(4).unwrap() else {
            prologue::exit_now(121)
        };
        let ToWorker::Boot(boot) = ToWorker::decode(&bytes).unwrap() else {
            prologue::exit_now(120)
        };
        assert!(prologue::die_with_parent(boot.parent_pid).unwrap());
        let segment = Arc::new(Segment::open(fds.remove(0), SEGMENT_BYTES).unwrap());
        let words = |offset, bytes: usize| segment.words(offset, bytes / 8).unwrap();
        let header = words(0, HEADER_BYTES);
        let ring = |at: usize| header.sub(at * RING_HEADER_WORDS, RING_HEADER_WORDS);
        let data = |at: usize| words(HEADER_BYTES + at * RING_BYTES, RING_BYTES);
        Rogue {
            boot,
            control: Some(control),
            calls: Consumer::new(ring(0), data(0)).unwrap(),
            replies: Producer::new(ring(1), data(1)).unwrap(),
            segment: words(0, SEGMENT_BYTES),
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(std::process::id())),
        }
    }

    /// A right hello, but for what `twist` changes.
    pub(crate) fn hello(&self, twist: impl FnOnce(&mut u64, &mut u16, &mut u64, &mut Vec<u8>)) {
        let (mut magic, mut version, mut nonce) = (MAGIC, PROTOCOL_VERSION, self.boot.nonce);
        let mut build_id = self.boot.build_id.clone();
        twist(&mut magic, &mut version, &mut nonce, &mut build_id);
        self.say(&FromWorker::Hello {
            magic,
            version,
            nonce,
            build_id,
            pid: std::process::id(),
        });
    }

    /// Hello and ready, as an honest worker says them.
    pub(crate) fn enter(&self) {
        self.hello(|_, _, _, _| {});
        self.say(&FromWorker::Ready);
    }

    pub(crate) fn say(&self, message: &FromWorker) {
        self.send(&message.encode(), &[]);
    }

    /// A packet, unless the parent has had enough.
    pub(crate) fn send(&self, bytes: &[u8], fds: &[OwnedFd]) {
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        if let Some(control) = &self.control {
            let _ = control.try_send(bytes, &fds);
        }
    }

    /// Wakes whoever waits in the parent, by both bells.
    pub(crate) fn ring(&self) {
        let rung = self.segment.futex(RUNG);
        rung.fetch_add(1, Ordering::AcqRel);
        doorbell::wake(rung);
        self.say(&FromWorker::Bell);
    }

    /// As an honest worker: rings whoever asked to hear of calls up to `done`, once.
    pub(crate) fn ring_if_asked(&self, done: u64) {
        let asked = self.read(BELL);
        let (who, at) = (asked >> 62, asked & ((1 << 62) - 1));
        if who == 0 || done < at {
            return;
        }
        let taken =
            self.segment
                .at(BELL)
                .compare_exchange(asked, 0, Ordering::SeqCst, Ordering::SeqCst);
        match (taken, who) {
            (Err(_), _) => self.ring_if_asked(done),
            (Ok(_), 1) => self.say(&FromWorker::Bell),
            (Ok(_), 2) => {
                let rung = self.segment.futex(RUNG);
                rung.fetch_add(1, Ordering::AcqRel);
                doorbell::wake(rung);
            }
            (Ok(_), _) => {}
        }
    }

    /// Whether a thread that sleeps on the link wants to hear of a reply.
    pub(crate) fn is_slept_on(&self) -> bool {
        self.read(BELL) >> 62 == 2
    }

    /// Claims the next call, whole, and returns its number of items; none within half a second, or no call at all: `None`.
    pub(crate) fn next_call(&mut self) -> Option<u32> {
        let limit = Instant::now() + Duration::from_millis(500);
        let mut frame = Vec::new();
        while Instant::now() < limit {
            match self.calls.claim(&mut frame) {
                Ok(Some(1)) => {
                    while self.calls.missing() > 0 && Instant::now() < limit {
                        self.calls.more(&mut frame).ok()?;
                        self.ring();
                    }
                    self.calls.release();
                    let (head, items) = CallHeader::split(&frame)?;
                    assert!(
                        Items::new(items).count() as u32 == head.count || self.calls.missing() > 0
                    );
                    return Some(head.count);
                }
                // A call like the one before it, in one word.
                Ok(Some(3)) => {
                    self.calls.release();
                    return Some(1);
                }
                // Told to stop, in order.
                Ok(Some(_)) => prologue::exit_now(0),
                Ok(None) => std::thread::sleep(Duration::from_micros(50)),
                Err(_) => return None,
            }
        }
        None
    }

    /// Serves some calls with forged values.
    pub(crate) fn serve(&mut self, calls: u64) {
        for _ in 0..calls {
            let Some(items) = self.next_call() else {
                return;
            };
            for _ in 0..items {
                self.forge();
            }
            self.ring();
        }
    }

    /// One reply of the right type with a value the worker made up.
    pub(crate) fn forge(&mut self) {
        let mut bytes = Vec::new();
        encode(
            &Answer {
                honest: false,
                value: 1,
            },
            &mut bytes,
            &Limits::default(),
        )
        .unwrap();
        self.reply(0, &bytes);
    }

    /// One reply, as soon as there is room for it; a little one in one of both forms.
    pub(crate) fn reply(&mut self, tag: u32, bytes: &[u8]) {
        let limit = Instant::now() + Duration::from_secs(5);
        let short = self.dice.one_in(2);
        while Instant::now() < limit {
            let written = short && self.replies.write_short(tag, bytes);
            if written || self.replies.write(tag, &[bytes]) {
                break;
            }
            self.ring();
            std::thread::sleep(Duration::from_micros(50));
        }
        self.replies.stage();
        self.replies.publish();
    }

    /// Any word of the segment, any value.
    pub(crate) fn scribble(&self, word: usize, value: u64) {
        self.segment.at(word).store(value, Ordering::SeqCst);
    }

    pub(crate) fn read(&self, word: usize) -> u64 {
        self.segment.at(word).load(Ordering::SeqCst)
    }
}

/// Numbers that a seed determines.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A number as attackers choose them: small, huge, aligned, nearly right.
    pub(crate) fn nasty(&mut self, near: u64) -> u64 {
        match self.below(7) {
            0 => u64::MAX - self.below(16),
            1 => self.below(64) * 8,
            2 => near.wrapping_add(self.below(64) * 8),
            3 => near.wrapping_sub(self.below(64) * 8),
            4 => near ^ (1 << self.below(64)),
            5 => 1 << self.below(64),
            _ => self.roll(),
        }
    }
}
