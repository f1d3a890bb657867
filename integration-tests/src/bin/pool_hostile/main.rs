//! A program whose pool has one worker that breaks the protocol: the seed says how. The parent must not notice more than that.
//!
//! `pool_hostile <first seed> <seeds>`, `pool_hostile alone <seed>` for a pool of one, or `pool_hostile late`. A worker is this program again; before `init` it looks whether it is the hostile one.

mod acts;
mod late;
mod link;
mod rogue;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use procession::{AsyncResult, Bytes, Pool, TaskError, TaskErrorKind};
use procession_integration_tests::audit::snapshot;
use serde::{Deserialize, Serialize};

/// Who answered, and what.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) honest: bool,
    pub(crate) value: u64,
}

type Outcome = Result<Answer, TaskError>;

/// What must resolve by itself resolves in this time, however busy the machine.
pub(crate) const SURE: Duration = Duration::from_secs(30);
/// A worker that says nothing cannot be told from one whose task takes long: the parent gives up after this time.
const PATIENCE: Duration = Duration::from_millis(700);

static PANICS: AtomicU32 = AtomicU32::new(0);

fn main() {
    rogue::take_over_if_hostile();
    procession::init();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        hook(info);
    }));
    if std::env::args().nth(1).is_some_and(|how| how == "late") {
        return late::run();
    }
    if let Some(seed) = std::env::args()
        .nth(2)
        .filter(|_| std::env::args().nth(1).is_some_and(|how| how == "alone"))
    {
        return alone(seed.parse().unwrap());
    }
    let mut args = std::env::args()
        .skip(1)
        .map(|arg| arg.parse::<u64>().unwrap());
    let (first, count) = (args.next().unwrap_or(0), args.next().unwrap_or(1));
    drop(Pool::new(1).unwrap());
    for seed in first..first + count {
        let start = Instant::now();
        let tally = round(seed);
        println!(
            "seed {seed} {:?} {} {tally:?}",
            start.elapsed(),
            acts::of(seed).name
        );
    }
    println!("done");
}

/// A pool of one: every task goes to the hostile worker, until it is replaced by an honest one.
fn alone(seed: u64) {
    let once =
        std::env::temp_dir().join(format!("procession-hostile-{}-alone", std::process::id()));
    let builder = Pool::builder()
        .workers(1)
        .name("hostile")
        .env(rogue::SEED, seed.to_string());
    let pool = builder.env(rogue::ONCE, &once).build().unwrap();
    let handles: Vec<_> = (0..20u64).map(|x| pool.apply_async(square, (x,))).collect();
    for handle in handles {
        match handle
            .get_timeout(SURE)
            .unwrap_or_else(|_| panic!("not resolved in {SURE:?}"))
        {
            Ok(_) => {}
            Err(error) => println!("{:?}: {error}", error.kind()),
        }
    }
    let start = Instant::now();
    while !matches!(
        pool.apply(square, (3,)),
        Ok(Answer {
            honest: true,
            value: 9
        })
    ) {
        assert!(start.elapsed() < SURE, "the hostile worker is still there");
    }
    pool.close();
    pool.join().unwrap();
    let _ = std::fs::remove_file(once);
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    println!("done");
}

fn square(x: u64) -> Answer {
    Answer {
        honest: true,
        value: x * x,
    }
}

fn nap(x: u64) -> Answer {
    std::thread::sleep(Duration::from_millis(1));
    square(x)
}

fn length(x: u64, bytes: Bytes) -> Answer {
    assert!(bytes.iter().all(|byte| *byte == x as u8));
    square(x)
}

/// How the tasks of one seed ended.
#[derive(Debug, Default)]
struct Tally {
    good: usize,
    forged: usize,
    failed: usize,
    given_up: usize,
}

fn round(seed: u64) -> Tally {
    let before = snapshot();
    let act = acts::of(seed);
    let once =
        std::env::temp_dir().join(format!("procession-hostile-{}-{seed}", std::process::id()));
    let mut builder = Pool::builder()
        .workers(3)
        .name("hostile")
        .env(rogue::SEED, seed.to_string());
    if (seed / 7).is_multiple_of(2) {
        // Only the first worker in its place is hostile; otherwise every replacement is, too.
        builder = builder.env(rogue::ONCE, &once);
    }
    let pool = builder.build().unwrap();
    let mut handles = Vec::new();
    for x in 0..40u64 {
        handles.push((x, pool.apply_async(square, (x,))));
        handles.push((x, pool.apply_async(nap, (x,))));
    }
    for x in 40..43u64 {
        let bytes = Bytes::from(vec![x as u8; 300_000]);
        handles.push((x, pool.apply_async(length, (x, bytes))));
    }
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let map = scope.spawn(|| pool.try_map(square, 0..300));
        let limit = Instant::now() + if act.may_hang { PATIENCE } else { SURE };
        let in_time = |handle: &AsyncResult<Answer>| {
            handle.wait_timeout(limit.saturating_duration_since(Instant::now()))
        };
        let mut all = handles.iter().all(|(_, handle)| in_time(handle));
        while !map.is_finished() && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(1));
        }
        all &= map.is_finished();
        assert!(
            all || act.may_hang,
            "seed {seed} ({}): not resolved in {SURE:?}",
            act.name
        );
        if !all {
            pool.terminate();
        }
        for (x, handle) in handles {
            let Ok(outcome) = handle.get_timeout(SURE) else {
                panic!("seed {seed} ({}): not even terminate resolves it", act.name)
            };
            tally.count(seed, x, outcome, all);
        }
        for (x, outcome) in map.join().unwrap().into_iter().enumerate() {
            tally.count(seed, x as u64, outcome, all);
        }
        if seed.is_multiple_of(2) {
            pool.close()
        } else {
            pool.terminate()
        }
    });
    // A hostile worker that was given nothing may sit out its whole start, or its whole grace.
    if !pool.join_timeout(PATIENCE).unwrap() {
        pool.terminate();
        assert!(
            pool.join_timeout(SURE).unwrap(),
            "seed {seed} ({}): not even terminate ends it",
            act.name
        );
    }
    drop(pool);
    let _ = std::fs::remove_file(once);
    before.assert_nothing_left();
    assert_eq!(
        PANICS.load(Ordering::SeqCst),
        0,
        "seed {seed} ({}): the parent panicked",
        act.name
    );
    tally
}

impl Tally {
    /// One outcome: a right value, a forgery, or an error that is the hostile worker's fault and nobody else's.
    fn count(&mut self, seed: u64, x: u64, outcome: Outcome, all: bool) {
        match outcome {
            Ok(Answer {
                honest: true,
                value,
            }) => {
                assert_eq!(value, x * x, "seed {seed}");
                self.good += 1;
            }
            Ok(Answer { honest: false, .. }) => self.forged += 1,
            Err(error) => {
                let text = error.to_string();
                let printable = |c: char| !c.is_control() || c == '\n' || c == '\t';
                assert!(text.chars().all(printable), "seed {seed}: {text:?}");
                if let Some(death) = error.death() {
                    assert_eq!(death.name(), "hostile/1", "seed {seed}: {text}");
                }
                match error.kind() {
                    TaskErrorKind::Terminated if !all => self.given_up += 1,
                    // What a worker says about its own task is believed.
                    TaskErrorKind::Panicked
                    | TaskErrorKind::DecodeArgs
                    | TaskErrorKind::EncodeResult
                    | TaskErrorKind::TooLarge
                    | TaskErrorKind::DecodeResult => self.failed += 1,
                    TaskErrorKind::WorkerDied | TaskErrorKind::Protocol => self.failed += 1,
                    other => panic!("seed {seed}: {other:?} {text}"),
                }
            }
        }
    }
}
