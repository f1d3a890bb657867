//! Bytes that do not become values, on either side: the one call's error, and it says which side and why.

use std::sync::{Arc, Mutex};

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, assert_usable, die_by, error_of, finish, own_pid, scene, until, warm,
};
use rustix::process::Signal;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

procession::init_before_main!();

/// What a value does when it is decoded, or encoded, in a worker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Mood {
    Good,
    Fails,
    Panics,
    Aborts,
    Dies,
}

fn act(mood: Mood, at: &str) -> Result<(), String> {
    match mood {
        Mood::Good => Ok(()),
        Mood::Fails => Err(format!("moody while {at}")),
        Mood::Panics => panic!("moody while {at}"),
        Mood::Aborts => std::process::abort(),
        Mood::Dies => {
            die_by(Signal::KILL);
            Ok(())
        }
    }
}

/// Shows its mood when a worker decodes it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Arriving(Mood);

impl<'de> Deserialize<'de> for Arriving {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Arriving, D::Error> {
        let mood = Mood::deserialize(deserializer)?;
        if procession::is_worker() {
            act(mood, "decoding").map_err(D::Error::custom)?;
        }
        Ok(Arriving(mood))
    }
}

/// Shows its mood when a worker encodes it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Leaving(Mood);

impl Serialize for Leaving {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if procession::is_worker() {
            act(self.0, "encoding").map_err(S::Error::custom)?;
        }
        self.0.serialize(serializer)
    }
}

/// Cannot be decoded by the parent.
#[derive(Debug, PartialEq)]
struct Homesick;

impl Serialize for Homesick {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> Deserialize<'de> for Homesick {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Homesick, D::Error> {
        u8::deserialize(deserializer)?;
        Err(D::Error::custom("wants to go back"))
    }
}

fn take(arriving: Arriving) -> u32 {
    let _ = arriving;
    own_pid()
}

fn give(mood: Mood) -> Leaving {
    Leaving(mood)
}

/// CR11, FAULTS 39
#[test]
fn an_argument_that_cannot_be_decoded_leaves_its_worker() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.apply(take, (Arriving(Mood::Good),)).unwrap();
        let error = error_of(
            pool.apply(take, (Arriving(Mood::Fails),)),
            TaskErrorKind::DecodeArgs,
        );
        let text = error.to_string();
        assert!(
            text.contains("moody while decoding") && text.contains("pool_crashes_bytes::take"),
            "{text}"
        );
        assert!(!text.contains("result"), "{text}");
        assert_eq!(pool.apply(take, (Arriving(Mood::Good),)).unwrap(), pid);
        finish(pool);
    });
}

/// CR07, FAULTS 40
#[test]
fn a_panic_while_decoding_leaves_its_worker_and_an_abort_does_not() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.apply(take, (Arriving(Mood::Good),)).unwrap();
        let error = error_of(
            pool.apply(take, (Arriving(Mood::Panics),)),
            TaskErrorKind::Panicked,
        );
        let text = error.to_string();
        assert!(
            text.contains("decoding the arguments of") && text.contains("moody while decoding"),
            "{text}"
        );
        assert!(error.panic().unwrap().line().is_some());
        assert_eq!(pool.apply(take, (Arriving(Mood::Good),)).unwrap(), pid);
        let error = error_of(
            pool.apply(take, (Arriving(Mood::Aborts),)),
            TaskErrorKind::WorkerDied,
        );
        assert_eq!(
            error.death().unwrap().exit_status().signal(),
            Some(6),
            "{error}"
        );
        error_of(
            pool.apply(take, (Arriving(Mood::Dies),)),
            TaskErrorKind::WorkerDied,
        );
        assert_usable(&pool);
        finish(pool);
    });
}

/// CR08, FAULTS 42
#[test]
fn a_result_that_cannot_be_encoded_leaves_its_worker_and_an_abort_does_not() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.apply(own_pid, ()).unwrap();
        assert_eq!(
            pool.apply(give, (Mood::Good,)).unwrap(),
            Leaving(Mood::Good)
        );
        let error = error_of(
            pool.apply(give, (Mood::Fails,)),
            TaskErrorKind::EncodeResult,
        );
        let text = error.to_string();
        assert!(
            text.contains("result") && text.contains("moody while encoding"),
            "{text}"
        );
        let error = error_of(pool.apply(give, (Mood::Panics,)), TaskErrorKind::Panicked);
        let text = error.to_string();
        assert!(
            text.contains("encoding the result of") && text.contains("moody while encoding"),
            "{text}"
        );
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        error_of(pool.apply(give, (Mood::Aborts,)), TaskErrorKind::WorkerDied);
        error_of(pool.apply(give, (Mood::Dies,)), TaskErrorKind::WorkerDied);
        assert_usable(&pool);
        finish(pool);
    });
}

/// CR07, CR08: within one chunk.
#[test]
fn bytes_that_fail_within_a_chunk_cost_their_item_alone() {
    scene(|| {
        let pool = warm(2);
        let moods = [
            Mood::Good,
            Mood::Fails,
            Mood::Panics,
            Mood::Aborts,
            Mood::Good,
            Mood::Dies,
            Mood::Good,
        ];
        let kinds = |outcomes: Vec<Option<TaskErrorKind>>, failing| {
            let died = Some(TaskErrorKind::WorkerDied);
            let expected = [
                None,
                Some(failing),
                Some(TaskErrorKind::Panicked),
                died,
                None,
                died,
                None,
            ];
            assert_eq!(outcomes, expected);
        };
        let taken = pool.call(take).chunk_size(7).try_map(moods.map(Arriving));
        kinds(
            taken
                .into_iter()
                .map(|o| o.err().map(|e| e.kind()))
                .collect(),
            TaskErrorKind::DecodeArgs,
        );
        let given = pool.call(give).chunk_size(7).try_map(moods);
        kinds(
            given
                .into_iter()
                .map(|o| o.err().map(|e| e.kind()))
                .collect(),
            TaskErrorKind::EncodeResult,
        );
        finish(pool);
    });
}

/// CR09, CR11
#[test]
fn a_result_that_cannot_be_decoded_is_that_handle_s_error() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.apply(own_pid, ()).unwrap();
        let handles: Vec<_> = (0..4).map(|_| pool.apply_async(|| Homesick, ())).collect();
        let fine = pool.apply_async(own_pid, ());
        for handle in handles {
            handle.wait();
            assert_eq!(handle.successful(), Some(false));
            let id = handle.id();
            let error = error_of(handle.get(), TaskErrorKind::DecodeResult);
            let text = error.to_string();
            assert!(
                text.contains("result") && text.contains("wants to go back"),
                "{text}"
            );
            assert_eq!(error.task_id(), Some(id));
        }
        assert_eq!(fine.get().unwrap(), pid);
        let each = pool.try_map(|_: u32| Homesick, 0..3);
        for (at, outcome) in each.into_iter().enumerate() {
            assert_eq!(
                error_of(outcome, TaskErrorKind::DecodeResult).item(),
                Some(at)
            );
        }
        finish(pool);
    });
}

/// A value whose reading fails, or uses the pool whose result it is.
struct Odd;

static ASKED: Mutex<Option<Arc<Pool>>> = Mutex::new(None);

impl<'de> Deserialize<'de> for Odd {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Odd, D::Error> {
        let pool = ASKED.lock().unwrap().clone();
        match (u32::deserialize(from)?, pool) {
            (_, Some(pool)) => {
                // A second one ends and leaves its result while this one is read.
                pool.close();
                assert!(pool.join_timeout(LONG).unwrap(), "the pool goes on");
                assert_eq!(pool.exit_results::<u32>().len(), 2);
                Ok(Odd)
            }
            (_, None) => panic!("it cannot be read, as the test wants"),
        }
    }
}

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        own_pid().serialize(to)
    }
}

/// WL15, CR01: a result whose `Deserialize` panics is an error value, and the next is read.
#[test]
fn a_result_whose_reading_panics_is_an_error_among_the_results() {
    scene(|| {
        let pool = Pool::builder().workers(2).exit_hook(|| Odd, ());
        let pool = pool.build().unwrap();
        assert_usable(&pool);
        pool.close();
        pool.join().unwrap();
        for _ in 0..2 {
            let results = pool.exit_results::<Odd>();
            assert_eq!(results.len(), 2);
            for result in results {
                let error = error_of(result.map(drop), TaskErrorKind::DecodeResult);
                let text = error.to_string();
                assert!(text.contains("`Deserialize` panicked"), "{text}");
            }
        }
    });
}

/// WL15: what reads a result may use the pool, which has results to leave meanwhile.
#[test]
fn results_are_read_with_no_lock_held() {
    scene(|| {
        let pool = Pool::builder().workers(2).exit_hook(|| Odd, ());
        let pool = Arc::new(pool.build().unwrap());
        assert_usable(&pool);
        pool.resize(1).unwrap();
        until("one has ended", || pool.exit_results::<u32>().len() == 1);
        *ASKED.lock().unwrap() = Some(Arc::clone(&pool));
        let results = pool.exit_results::<Odd>();
        *ASKED.lock().unwrap() = None;
        assert_eq!(results.len(), 1);
        assert!(results[0].is_ok());
    });
}
