//! How a shared value fails, and how it goes: errors that say why, and memory that is given back.

use std::sync::Arc;

use procession::{Pool, Shared, SharedBytes, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    Scratch, assert_usable, error_of, finish, scene, until, warm,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

procession::init_before_main!();

fn len(bytes: SharedBytes) -> usize {
    bytes.len()
}

/// How many files of shared values process `pid` has mapped.
fn mapped(pid: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.matches("/memfd:procession-share").count()
}

/// Files of shared values that this process has open.
fn open_files() -> usize {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    fds.filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter(|target| target.to_string_lossy().contains("memfd:procession-share"))
        .count()
}

/// Resident memory of process `pid`, in bytes.
fn resident(pid: u32) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

/// WL19: when the last handle goes the memory goes, here and in idle workers.
#[test]
fn dropping_the_last_handle_gives_the_memory_back() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.worker_pids()[0];
        let bytes = pool.broadcast_bytes(vec![1; 1_000_000]).unwrap();
        let clone = bytes.clone();
        assert_eq!(pool.apply(len, (bytes.clone(),)).unwrap(), 1_000_000);
        assert_eq!((mapped(pid), open_files()), (1, 1));
        drop(bytes);
        assert_eq!(pool.apply(len, (clone.clone(),)).unwrap(), 1_000_000);
        assert_eq!((mapped(pid), open_files()), (1, 1));
        drop(clone);
        until("the worker has unmapped it", || mapped(pid) == 0);
        until("the parent has closed it", || open_files() == 0);
        assert_eq!(pool.stats().shares_sent, 1);
        assert_eq!(pool.worker_pids(), [pid]);
        finish(pool);
    });
}

/// WL19: the decoded value of an idle worker goes as well; its encoding went when it was decoded.
#[test]
fn decoded_values_are_given_back_too() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.worker_pids()[0];
        let numbers = pool.broadcast(vec![1.5f64; 8 << 20]).unwrap();
        let sum = |numbers: Shared<Vec<f64>>| numbers.iter().take(4).sum::<f64>();
        let before = resident(pid);
        assert_eq!(pool.apply(sum, (numbers.clone(),)).unwrap(), 6.0);
        assert!(resident(pid) > before + (60 << 20));
        assert_eq!(mapped(pid), 0);
        drop(numbers);
        until("the worker has given it back", || {
            resident(pid) < before + (20 << 20)
        });
        finish(pool);
    });
}

/// A call keeps what it mentions: queued, on a link, and while it runs; a cancelled one does not.
#[test]
fn calls_under_way_keep_it() {
    fn waits(bytes: SharedBytes, file: String) -> usize {
        until("the file is there", || std::path::Path::new(&file).exists());
        bytes.len()
    }
    scene(|| {
        let pool = warm(1);
        let pid = pool.worker_pids()[0];
        let scratch = Scratch::new();
        let bytes = pool.broadcast_bytes(vec![1; 1_000_000]).unwrap();
        let runs = pool.apply_async(waits, (bytes.clone(), scratch.at("go")));
        let queued = pool.apply_async(waits, (bytes.clone(), scratch.at("go")));
        let items = std::iter::repeat_n((bytes.clone(), scratch.at("go")), 20);
        let map = pool.starmap_async(waits, items);
        let dropped = pool.apply_async(waits, (bytes.clone(), scratch.at("go")));
        let cancelled = pool.apply_async(waits, (bytes.clone(), scratch.at("go")));
        drop((bytes, dropped));
        assert!(cancelled.cancel());
        std::fs::write(scratch.at("go"), "").unwrap();
        assert_eq!(runs.get().unwrap() + queued.get().unwrap(), 2_000_000);
        assert_eq!(map.get().unwrap(), [1_000_000; 20]);
        until("nobody has it", || mapped(pid) == 0 && open_files() == 0);
        // A task may keep what it was given longer than the parent does.
        static KEPT: std::sync::Mutex<Option<SharedBytes>> = std::sync::Mutex::new(None);
        let bytes = pool.broadcast_bytes(vec![2; 1_000_000]).unwrap();
        pool.apply(
            |bytes: SharedBytes| *KEPT.lock().unwrap() = Some(bytes),
            (bytes.clone(),),
        )
        .unwrap();
        drop(bytes);
        until("the parent has closed it", || open_files() == 0);
        let sum = || {
            KEPT.lock()
                .unwrap()
                .as_ref()
                .map(|kept| kept.iter().map(|b| u64::from(*b)).sum())
        };
        assert_eq!(pool.apply(sum, ()).unwrap(), Some(2_000_000u64));
        finish(pool);
    });
}

/// An imap that is dropped half way lets go of it, and so does a pool that ends.
#[test]
fn what_is_given_up_keeps_nothing() {
    scene(|| {
        let pool = warm(2);
        let bytes = pool.broadcast_bytes(vec![1; 1_000_000]).unwrap();
        let clones = {
            let bytes = bytes.clone();
            std::iter::repeat_with(move || bytes.clone())
        };
        let mut lens = pool.imap(len, clones);
        for _ in 0..100 {
            assert_eq!(lens.next().unwrap().unwrap(), 1_000_000);
        }
        drop((lens, bytes));
        until("it is closed", || open_files() == 0);
        for terminate in [false, true] {
            let pool = warm(2);
            let bytes = pool.broadcast_bytes(vec![1; 1_000_000]).unwrap();
            let handles: Vec<_> = (0..50)
                .map(|_| pool.apply_async(len, (bytes.clone(),)))
                .collect();
            if terminate {
                pool.terminate()
            } else {
                pool.close()
            }
            pool.join().unwrap();
            for handle in handles {
                assert!(terminate || handle.get().is_ok());
            }
            assert_eq!(
                (bytes.len(), open_files()),
                (1_000_000, 1),
                "a handle outlives its pool"
            );
            drop(bytes);
            assert_eq!(open_files(), 0);
            let error = pool.broadcast_bytes([1]).unwrap_err();
            assert!(
                error.is_closed() && error.to_string().contains("cannot broadcast"),
                "{error}"
            );
        }
        finish(pool);
    });
}

/// Encodes and decodes only where its fields say so.
#[derive(Debug, Default)]
struct Moody {
    refuses_to_decode: bool,
    refuses_to_encode: bool,
    panics: bool,
}

impl Serialize for Moody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.refuses_to_encode {
            return Err(serde::ser::Error::custom("not in the mood"));
        }
        (self.refuses_to_decode, self.panics).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moody, D::Error> {
        match <(bool, bool)>::deserialize(deserializer)? {
            (true, _) => Err(serde::de::Error::custom("still not in the mood")),
            (_, true) => panic!("a fit of anger"),
            _ => Ok(Moody::default()),
        }
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        if procession::is_worker() && !std::thread::panicking() {
            panic!("it will not go quietly");
        }
    }
}

/// Values that refuse: each refusal is told where it belongs, and the pool serves on.
#[test]
fn values_that_refuse_are_errors() {
    scene(|| {
        let pool = warm(1);
        let refusing = Moody {
            refuses_to_encode: true,
            ..Moody::default()
        };
        let error = pool.broadcast(refusing).unwrap_err().to_string();
        assert!(
            error.contains("cannot broadcast a") && error.ends_with("not in the mood"),
            "{error}"
        );
        let takes = |_: Shared<Moody>| ();
        for _ in 0..2 {
            let refusing = Moody {
                refuses_to_decode: true,
                ..Moody::default()
            };
            let refusing = pool.broadcast(refusing).unwrap();
            for _ in 0..2 {
                let error = error_of(
                    pool.apply(takes, (refusing.clone(),)),
                    TaskErrorKind::DecodeArgs,
                );
                assert!(
                    error.to_string().contains("still not in the mood"),
                    "{error}"
                );
            }
            let angry = pool
                .broadcast(Moody {
                    panics: true,
                    ..Moody::default()
                })
                .unwrap();
            for _ in 0..2 {
                let error = error_of(pool.apply(takes, (angry.clone(),)), TaskErrorKind::Panicked);
                assert!(error.to_string().contains("a fit of anger"), "{error}");
            }
        }
        // Its drop panics in the worker, which is nobody's fault.
        let pids = pool.worker_pids();
        let sulking = pool.broadcast(Moody::default()).unwrap();
        pool.apply(takes, (sulking.clone(),)).unwrap();
        drop(sulking);
        assert_usable(&pool);
        assert_eq!(pool.worker_pids(), pids);
        finish(pool);
    });
}

/// In arguments of another pool, in results, passed on: errors that say what to do.
#[test]
fn elsewhere_it_is_an_error_that_says_so() {
    fn passes_on(bytes: SharedBytes) -> String {
        let pool = Pool::new(1).unwrap();
        let error = error_of(pool.apply(len, (bytes,)), TaskErrorKind::EncodeArgs);
        let own = pool.broadcast_bytes(vec![1; 50_000]).unwrap();
        assert_eq!(pool.apply(len, (own,)).unwrap(), 50_000);
        error.to_string()
    }
    scene(|| {
        let (pool, other) = (warm(1), warm(1));
        let bytes = pool.broadcast_bytes(vec![1; 100_000]).unwrap();
        let error = error_of(
            other.apply(len, (bytes.clone(),)),
            TaskErrorKind::EncodeArgs,
        );
        assert!(
            error
                .to_string()
                .contains("the pool that made it, and this is another"),
            "{error}"
        );
        let each = other.try_map(len, [bytes.clone()]);
        error_of(each.into_iter().next().unwrap(), TaskErrorKind::EncodeArgs);
        error_of(
            other.imap(len, [bytes.clone()]).next().unwrap(),
            TaskErrorKind::EncodeArgs,
        );
        assert_eq!(other.stats().shares_sent, 0);

        let error = pool.apply(|bytes: SharedBytes| bytes, (bytes.clone(),));
        let error = error_of(error.map(drop), TaskErrorKind::EncodeResult);
        assert!(error.to_string().contains("neither as a result"), "{error}");
        let error = pool.apply(passes_on, (bytes.clone(),)).unwrap();
        assert!(error.contains("by the process that received it"), "{error}");

        // In a value that is broadcast itself it would have no call to belong to.
        let inner = pool.broadcast(vec![1u8]).unwrap();
        let error = pool.broadcast(vec![inner]).unwrap_err().to_string();
        assert!(error.contains("only in the arguments of a call"), "{error}");
        assert_eq!(pool.apply(len, (bytes,)).unwrap(), 100_000);
        finish(pool);
        finish(other);
    });
}

/// Encoding is user code: it may call pools itself, and panic, and what it mentions is told apart.
#[test]
fn what_encodes_may_itself_call() {
    struct Odd {
        mine: SharedBytes,
        other: Arc<(Pool, SharedBytes)>,
        panics: bool,
    }
    impl Serialize for Odd {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let len = self.other.0.apply(len, (self.other.1.clone(),)).unwrap();
            let value = (&self.mine, len).serialize(serializer)?;
            error_of(
                self.other.0.apply(self::len, (self.mine.clone(),)),
                TaskErrorKind::EncodeArgs,
            );
            assert!(!self.panics, "while it is encoded");
            Ok(value)
        }
    }
    impl<'de> Deserialize<'de> for Odd {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Odd, D::Error> {
            unreachable!("tuples are decoded")
        }
    }
    scene(|| {
        let pool = warm(1);
        let other = warm(1);
        let theirs = other.broadcast_bytes(vec![1; 60_000]).unwrap();
        let other = Arc::new((other, theirs));
        let mine = pool.broadcast_bytes(vec![1; 70_000]).unwrap();
        let odd = |panics| Odd {
            mine: mine.clone(),
            other: Arc::clone(&other),
            panics,
        };
        let takes = |odd: Odd| odd.panics;
        // Its bytes are those of a pair, which does not matter: the worker fails to decode what arrived.
        error_of(pool.apply(takes, (odd(false),)), TaskErrorKind::Panicked);
        error_of(pool.apply(takes, (odd(true),)), TaskErrorKind::EncodeArgs);
        assert_eq!(pool.apply(len, (mine.clone(),)).unwrap(), 70_000);
        drop(mine);
        until("only the other's is open", || open_files() == 1);
        finish(pool);
    });
}
