//! Captured outputs when things end badly: the end of stderr in errors, floods, readers that stand still, and what a worker
//! leaves behind.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use procession::{Output, Pool, PoolBuilder, TaskError, TaskErrorKind, WorkerDeath};
use procession_integration_tests::audit::assert_all_end;
use procession_integration_tests::pool_scene::{
    LONG, Scratch, assert_usable, die_by, error_of, finish, scene, until,
};
use rustix::process::Signal;

procession::init_before_main!();

/// A pool of one worker whose stderr is captured and not read.
fn silent() -> PoolBuilder {
    Pool::builder()
        .workers(1)
        .stdout(Output::Null)
        .on_output(|_| ())
}

fn tail(error: &TaskError) -> &str {
    let death = error.death().expect("a death");
    death.stderr_tail().expect("its last lines")
}

/// FAULTS 2
#[test]
fn the_error_of_an_abort_ends_with_the_last_lines() {
    scene(|| {
        let pool = silent().build().unwrap();
        let task = || -> () {
            eprintln!("the paper is out");
            eprint!("and the \x1b[31mink");
            std::process::abort();
        };
        let error = error_of(pool.apply(task, ()), TaskErrorKind::WorkerDied);
        assert_eq!(tail(&error), "the paper is out\nand the \\u{1b}[31mink");
        let text = error.to_string();
        assert!(
            text.contains("was killed by SIGABRT (6)")
                && text.ends_with(
                    "its last lines on stderr:\nthe paper is out\nand the \\u{1b}[31mink"
                ),
            "{text}"
        );
        // What a former worker wrote is not its successor's.
        let error = error_of(
            pool.apply(|| -> () { std::process::exit(0) }, ()),
            TaskErrorKind::WorkerDied,
        );
        assert_eq!(error.death().and_then(WorkerDeath::stderr_tail), None);
        finish(pool);
    });
}

/// FAULTS 51: of a flood, the last 8 KiB.
#[test]
fn the_tail_of_a_flood_is_its_end() {
    scene(|| {
        let pool = silent().build().unwrap();
        let task = || -> () {
            for n in 0..200_000u32 {
                eprintln!("line {n}");
            }
            die_by(Signal::KILL);
        };
        let error = error_of(pool.apply(task, ()), TaskErrorKind::WorkerDied);
        let tail = tail(&error);
        assert!(
            tail.len() <= 8 * 1024 && tail.len() > 4 * 1024,
            "{}",
            tail.len()
        );
        assert!(
            tail.starts_with("… (cut)\nline ") && tail.ends_with("line 199999\n"),
            "{tail}"
        );
        finish(pool);
    });
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the second panic");
    }
}

/// FAULTS 8: the runtime's own words about the second panic.
#[test]
fn a_double_panic_is_told_by_the_last_lines() {
    scene(|| {
        let pool = silent().build().unwrap();
        let task = || -> () {
            let _bomb = Bomb;
            panic!("the first panic");
        };
        let error = pool.apply(task, ()).unwrap_err();
        assert!(tail(&error).contains("panic"), "{error}");
        assert!(
            error.to_string().ends_with(tail(&error).trim_end()),
            "{error}"
        );
        finish(pool);
    });
}

fn deeper(depth: u64) -> u64 {
    if std::hint::black_box(depth) == u64::MAX {
        return 0;
    }
    std::hint::black_box(deeper(depth + 1)) + 1
}

/// FAULTS 11: also on a thread that leaves no note of the fault.
#[test]
fn a_stack_overflow_is_told_by_the_last_lines() {
    scene(|| {
        let pool = silent().build().unwrap();
        let task = || -> u64 {
            let thread = std::thread::Builder::new().name("of the task".into());
            thread.spawn(|| deeper(0)).unwrap().join().unwrap()
        };
        let error = error_of(pool.apply(task, ()), TaskErrorKind::WorkerDied);
        assert!(error.to_string().contains("overflow"), "{error}");
        finish(pool);
    });
}

/// FAULTS 24, FAULTS 27
#[test]
fn a_pool_that_cannot_start_says_what_its_workers_wrote() {
    scene(|| {
        fn unlicensed() {
            eprintln!("no licence for this machine");
            std::process::exit(1);
        }
        let pool = silent().initializer(unlicensed, ()).build().unwrap();
        let error = error_of(pool.apply(|| (), ()), TaskErrorKind::Broken);
        let text = error.to_string();
        assert!(
            text.contains("exited with code 1")
                && text.ends_with("its last lines on stderr:\nno licence for this machine"),
            "{text}"
        );
        drop(pool);
        fn panics() {
            eprintln!("the licence file is empty");
            panic!("no licence");
        }
        let pool = silent().initializer(panics, ()).build().unwrap();
        let text = error_of(pool.apply(|| (), ()), TaskErrorKind::Broken).to_string();
        assert!(
            text.contains("no licence") && text.ends_with("\nthe licence file is empty"),
            "{text}"
        );
        drop(pool);
    });
}

/// FAULTS 46: the pipe has no end while a grandchild holds it; the error does not wait for one.
#[test]
fn a_grandchild_that_holds_the_pipe_holds_up_nothing() {
    scene(|| {
        let pool = silent().build().unwrap();
        let scratch = Scratch::new();
        let task = |file: String| -> () {
            // In a group of its own, so that it outlives the worker.
            use std::os::unix::process::CommandExt;
            let mut writer = Command::new("sh");
            writer
                .args(["-c", "while echo more >&2; do :; done"])
                .process_group(0);
            let writer = writer.stdin(Stdio::null()).spawn().unwrap();
            std::fs::write(file, writer.id().to_string()).unwrap();
            eprintln!("the last line");
            std::process::exit(9);
        };
        let error = error_of(
            pool.apply(task, (scratch.at("pid"),)),
            TaskErrorKind::WorkerDied,
        );
        assert!(error.death().unwrap().stderr_tail().is_some());
        // Nobody reads it any more, so it ends by itself.
        let pid = std::fs::read_to_string(scratch.at("pid")).unwrap();
        assert_all_end(&[pid.parse().unwrap()], LONG);
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 51: a reader that takes each line gets each line, however fast they come.
#[test]
fn a_flood_loses_nothing_on_its_way_to_a_reader() {
    const LINES: u64 = 100_000;
    scene(|| {
        let (heard, dropped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counter, lost) = (Arc::clone(&heard), Arc::clone(&dropped));
        let pool = Pool::builder()
            .workers(2)
            .on_output(move |line| {
                counter.fetch_add(line.text().len() as u64, Ordering::Relaxed);
                lost.fetch_add(line.dropped(), Ordering::Relaxed);
            })
            .build()
            .unwrap();
        let pour = |_: u32| {
            let mut out = std::io::BufWriter::new(std::io::stdout());
            for n in 0..LINES {
                writeln!(out, "{n:0100}").unwrap();
            }
            out.flush().unwrap();
        };
        pool.call(pour).chunk_size(1).map(0..4).unwrap();
        finish(pool);
        assert_eq!(
            (
                heard.load(Ordering::Relaxed),
                dropped.load(Ordering::Relaxed)
            ),
            (4 * LINES * 100, 0)
        );
    });
}

/// FAULTS 51: neither the workers, nor the pool, nor the heap of lines wait or grow for a reader that stands still.
#[test]
fn a_reader_that_stands_still_hangs_nobody() {
    const MIB: usize = 32;
    scene(|| {
        let (release, held) = mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let (heard, dropped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counter, lost) = (Arc::clone(&heard), Arc::clone(&dropped));
        let pool = Pool::builder()
            .workers(1)
            .on_output(move |line| {
                // Held up by its first line, until the test lets go.
                let _ = held.lock().unwrap().recv();
                counter.fetch_add(1, Ordering::Relaxed);
                lost.fetch_add(line.dropped(), Ordering::Relaxed);
            })
            .build()
            .unwrap();
        let pour = || {
            let mut line = [b'x'; 1024];
            line[1023] = b'\n';
            for _ in 0..MIB << 10 {
                std::io::stdout().write_all(&line).unwrap();
            }
        };
        pool.apply(pour, ()).unwrap();
        assert_usable(&pool);
        drop(release);
        pool.close();
        pool.join().unwrap();
        let all_dropped = pool.stats().dropped_lines;
        drop(pool);
        let (heard, dropped) = (
            heard.load(Ordering::Relaxed),
            dropped.load(Ordering::Relaxed),
        );
        assert!(heard < 20 << 10, "{heard} lines were kept");
        assert!(dropped <= all_dropped);
        assert_eq!(
            heard + all_dropped,
            (MIB << 10) as u64,
            "each is accounted for"
        );
    });
}

/// A callback of an outcome may wait for a task that writes more than fits.
#[test]
fn a_callback_that_waits_for_a_flood_gets_its_outcome() {
    scene(|| {
        let pool = Arc::new(
            silent()
                .workers(2)
                .stdout(Output::Captured)
                .build()
                .unwrap(),
        );
        let pour = || {
            let mut lines = [b'x'; 4096];
            lines[4095] = b'\n';
            for _ in 0..(32 << 20) / 4096 {
                std::io::stdout().write_all(&lines).unwrap();
            }
            17
        };
        let (tell, told) = mpsc::channel();
        let inner = Arc::clone(&pool);
        let call = pool
            .call(|| ())
            .on_complete(move |_: &Result<(), TaskError>| {
                tell.send(inner.apply(pour, ()).unwrap()).unwrap();
            });
        drop(call.apply_async(()));
        assert_eq!(told.recv_timeout(LONG).unwrap(), 17);
        pool.close();
        pool.join().unwrap();
        until("its last owner has gone", || Arc::strong_count(&pool) == 1);
        drop(pool);
    });
}

/// FAULTS 47: what tasks have started and left in the worker's group ends with the worker, however that ends.
#[test]
fn nothing_of_a_worker_s_group_is_left() {
    let start = || {
        let child = Command::new("sleep")
            .arg("1000")
            .stdin(Stdio::null())
            .spawn();
        child.unwrap().id()
    };
    scene(|| {
        // At shutdown.
        let pool = Pool::new(2).unwrap();
        let left = pool.starmap(start, [(), (), ()]).unwrap();
        finish(pool);
        assert_all_end(&left, LONG);
        // When the pool is dropped.
        let pool = Pool::new(1).unwrap();
        let left = pool.apply(start, ()).unwrap();
        drop(pool);
        assert_all_end(&[left], LONG);
        // When the worker makes place for another one.
        let pool = Pool::new(1).unwrap();
        let left = pool.apply(start, ()).unwrap();
        error_of(
            pool.apply(|| -> () { std::process::exit(0) }, ()),
            TaskErrorKind::WorkerDied,
        );
        assert_all_end(&[left], LONG);
        finish(pool);
    });
}
