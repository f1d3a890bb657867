//! A program with a pool that ends in every way a program can, or does what programs do. Uses no C.
//!
//! `pool_host <scenario>`. It prints `worker <pid>` for every worker it has running and `done` at its end.

use std::cell::RefCell;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::sync::OnceLock;

use procession::Pool;

fn main() {
    procession::init();
    let scenario = std::env::args().nth(1).unwrap_or_default();
    match scenario.as_str() {
        "idle" => wait_for_ever(Work::Sleeps),
        "busy" => wait_for_ever(Work::Spins),
        "panic" => {
            let _pool = two_busy(Work::Sleeps);
            panic!("the host panics");
        }
        "return" => {
            // Neither closed nor dropped: `main` returns with work running and work waiting.
            let pool = Box::leak(Box::new(two_busy(Work::Spins)));
            let _waiting = pool.apply_async(sleeps, ());
        }
        "exit" => {
            let _pool = two_busy(Work::Spins);
            say("done");
            std::process::exit(0);
        }
        "drop" => drop(two_busy(Work::Spins)),
        "static" => holds_in_static(),
        "exec" => {
            let _pool = two_busy(Work::Spins);
            say("ready");
            let error = std::process::Command::new("sleep").arg("60").exec();
            panic!("cannot exec: {error}");
        }
        "thread" => made_in_a_thread(),
        "nested" => nested(),
        other => panic!("no scenario {other:?}"),
    }
    say("done");
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

fn sleeps() {
    say(&format!("worker {}", std::process::id()));
    loop {
        std::thread::park();
    }
}

fn spins() {
    say(&format!("worker {}", std::process::id()));
    loop {
        std::hint::spin_loop();
    }
}

fn wait_until_running(pool: &Pool, tasks: u64) {
    while pool.stats().running < tasks {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// User code that never returns.
#[derive(Clone, Copy)]
enum Work {
    Sleeps,
    Spins,
}

/// A pool of three: two at work, one idle.
fn two_busy(work: Work) -> Pool {
    let pool = Pool::new(3).unwrap();
    for pid in pool.worker_pids() {
        say(&format!("worker {pid}"));
    }
    for _ in 0..2 {
        let _handle = match work {
            Work::Sleeps => pool.apply_async(sleeps, ()),
            Work::Spins => pool.apply_async(spins, ()),
        };
    }
    wait_until_running(&pool, 2);
    pool
}

fn wait_for_ever(work: Work) {
    let pool = two_busy(work);
    say("ready");
    pool.close();
    pool.join().unwrap();
}

/// What a static holds is never dropped; what a thread-local holds is dropped when its thread ends.
fn holds_in_static() {
    static POOL: OnceLock<Pool> = OnceLock::new();
    thread_local! {
        static OWN: RefCell<Option<Pool>> = const { RefCell::new(None) };
    }
    let _ = POOL.set(two_busy(Work::Spins));
    OWN.set(Some(two_busy(Work::Sleeps)));
    let other = std::thread::spawn(|| {
        OWN.set(Some(two_busy(Work::Sleeps)));
        assert_eq!(Pool::new(1).unwrap().apply(|x: u32| x, (7,)).unwrap(), 7);
    });
    other.join().unwrap();
    assert_eq!(POOL.get().unwrap().apply(|x: u32| x, (7,)).unwrap(), 7);
}

/// The thread that made the pool is gone; its workers stay.
fn made_in_a_thread() {
    let pool = std::thread::spawn(|| two_busy(Work::Sleeps))
        .join()
        .unwrap();
    let before = pool.worker_pids();
    for round in 0..200u32 {
        assert_eq!(pool.apply(|x: u32| x + 1, (round,)).unwrap(), round + 1);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(pool.worker_pids(), before);
}

/// A worker with a pool of its own, whose workers say who they are.
fn nested() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.apply_async(
        || {
            let inner = two_busy(Work::Spins);
            say("ready");
            inner.close();
            inner.join().unwrap();
        },
        (),
    );
    handle.get().unwrap();
}
