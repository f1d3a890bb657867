//! Captured outputs: whose each line is, that it is whole, and that it is there before the outcome it belongs to.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use procession::{Output, OutputLine, OutputStream, Pool, PoolBuilder, TaskErrorKind, TaskId};
use procession_integration_tests::pool_scene::{LONG, error_of, finish, own_pid, scene};
use procession_integration_tests::{audit, pool_scene};

procession::init_before_main!();

type Lines = Arc<Mutex<Vec<OutputLine>>>;

/// A builder whose pool keeps every line.
fn listening(workers: usize) -> (PoolBuilder, Lines) {
    let lines = Lines::default();
    let kept = Arc::clone(&lines);
    let builder = Pool::builder()
        .workers(workers)
        .on_output(move |line| kept.lock().unwrap().push(line.clone()));
    (builder, lines)
}

fn texts(lines: &Lines) -> Vec<String> {
    let lines = lines.lock().unwrap();
    lines.iter().map(|line| line.text().to_owned()).collect()
}

/// HY07
#[test]
fn lines_are_tagged_and_whole_and_there_before_the_outcome() {
    const LINES: u32 = 300;
    scene(|| {
        let (builder, lines) = listening(3);
        let pool = builder.build().unwrap();
        let task = |part: u32| {
            for n in 0..LINES {
                // In pieces, so that a line of another worker could come between.
                print!("part {part} ");
                std::io::stdout().flush().unwrap();
                println!("line {n} {}", "x".repeat(500));
                eprintln!("part {part} line {n} {}", "x".repeat(500));
            }
            (own_pid(), procession::worker::index().unwrap())
        };
        let who = pool.call(task).chunk_size(1).map(0..12).unwrap();
        let seen = lines.lock().unwrap().clone();
        assert_eq!(seen.len(), 12 * 2 * LINES as usize, "all are there by now");
        let mut next: HashMap<(String, bool), u32> = HashMap::new();
        for line in &seen {
            let is_stdout = line.stream() == OutputStream::Stdout;
            let words: Vec<&str> = line.text().split(' ').collect();
            assert_eq!(
                (words[0], words[2], words[4]),
                ("part", "line", &*"x".repeat(500))
            );
            let part: usize = words[1].parse().unwrap();
            let (pid, index) = who[part];
            assert_eq!((line.pid(), line.index()), (pid, index), "{line}");
            assert_eq!(line.worker(), format!("pool/{}", index + 1));
            assert!(
                line.to_string()
                    .starts_with(&format!("[pool/{}] part", index + 1))
            );
            assert_eq!((line.dropped(), line.continues()), (0, false));
            let n = next.entry((words[1].to_owned(), is_stdout)).or_default();
            assert_eq!(
                words[3],
                n.to_string(),
                "the lines of a stream are in order"
            );
            *n += 1;
        }
        finish(pool);
    });
}

/// HY07: of every verb that waits.
#[test]
fn what_a_task_wrote_is_there_when_its_outcome_is() {
    scene(|| {
        let (builder, lines) = listening(2);
        let pool = builder.build().unwrap();
        let say = |n: u32| println!("{n}");
        let last = || texts(&lines).last().cloned().unwrap_or_default();
        for n in 0..200 {
            match n % 5 {
                0 => pool.apply(say, (n,)).unwrap(),
                1 => pool.apply_async(say, (n,)).get().unwrap(),
                2 => drop(pool.map(say, [n]).unwrap()),
                3 => drop(pool.map_async(say, [n]).get().unwrap()),
                _ => {
                    let mut handles = [pool.apply_async(say, (n,))];
                    assert_eq!(procession::wait_any(&mut handles, None), Some(0));
                }
            }
            assert_eq!(last(), n.to_string());
        }
        // A panic's and a death's lines as well.
        let panics = || -> () {
            eprintln!("about to panic");
            panic!("so it does");
        };
        error_of(pool.apply(panics, ()), TaskErrorKind::Panicked);
        assert_eq!(last(), "about to panic");
        let exits = || -> () {
            print!("half a line");
            std::process::exit(3);
        };
        error_of(pool.apply(exits, ()), TaskErrorKind::WorkerDied);
        assert_eq!(
            last(),
            "half a line",
            "its worker has ended, so it is a line"
        );
        finish(pool);
    });
}

/// HY07: the callbacks' thread has one order.
#[test]
fn a_callback_of_the_outcome_comes_after_the_lines() {
    scene(|| {
        let (tell, told) = mpsc::channel();
        let teller = tell.clone();
        let pool = Pool::builder()
            .workers(2)
            .on_output(move |line| teller.send(line.text().to_owned()).unwrap())
            .build()
            .unwrap();
        for n in 0..100u32 {
            let teller = tell.clone();
            let call = pool
                .call(|n: u32| println!("{n}"))
                .on_complete(move |_| teller.send(format!("{n} is over")).unwrap());
            drop(call.apply_async((n,)));
        }
        pool.close();
        pool.join().unwrap();
        let told: Vec<String> = told.try_iter().collect();
        assert_eq!(told.len(), 200);
        for n in 0..100 {
            let place = |text: String| told.iter().position(|told| *told == text).unwrap();
            assert!(place(n.to_string()) < place(format!("{n} is over")));
        }
        drop(pool);
    });
}

/// HY07: named where it is certain, and only there.
#[test]
fn a_line_names_the_task_that_ran() {
    scene(|| {
        let (builder, lines) = listening(1);
        let pool = builder
            .initializer(|| println!("initializing"), ())
            .build()
            .unwrap();
        let mut ids: Vec<(String, Option<TaskId>)> = Vec::new();
        for n in 0..20u32 {
            let handle = pool.apply_async(|n: u32| println!("{n}"), (n,));
            ids.push((n.to_string(), Some(handle.id())));
            handle.get().unwrap();
        }
        let seen = lines.lock().unwrap().clone();
        assert_eq!((seen[0].text(), seen[0].task()), ("initializing", None));
        // The first call's line may have come together with the initializer's.
        let named: Vec<_> = seen[2..]
            .iter()
            .map(|line| (line.text().to_owned(), line.task()))
            .collect();
        assert_eq!(named, ids[1..]);
        // Short calls behind each other: either the right one or none.
        let handles: Vec<_> = (0..500u32)
            .map(|n| pool.apply_async(|n: u32| println!("{n}"), (n,)))
            .collect();
        let ids: Vec<_> = handles.iter().map(|handle| handle.id()).collect();
        procession::wait_all(&handles, None);
        for line in lines.lock().unwrap().iter().skip(seen.len()) {
            let n: usize = line.text().parse().unwrap();
            assert!(
                line.task().is_none() || line.task() == Some(ids[n]),
                "{line:?}"
            );
        }
        drop(handles);
        finish(pool);
    });
}

/// HY07: also what a task started, and what is no text.
#[test]
fn programs_a_task_runs_and_bytes_that_are_no_text_come_too() {
    scene(|| {
        let (builder, lines) = listening(1);
        let pool = builder.build().unwrap();
        let task = || {
            Command::new("echo").arg("from echo").status().unwrap();
            std::io::stdout()
                .write_all(b"caf\xe9 \x1b[1mbold\n")
                .unwrap();
        };
        pool.apply(task, ()).unwrap();
        assert_eq!(texts(&lines), ["from echo", "caf\u{fffd} \u{1b}[1mbold"]);
        finish(pool);
    });
}

/// One stream may be captured and the other one go nowhere.
#[test]
fn each_stream_has_its_own_choice() {
    scene(|| {
        let (builder, lines) = listening(1);
        let pool = builder.stdout(Output::Null).build().unwrap();
        let target = |fd: u32| {
            println!("nobody hears this");
            eprintln!("descriptor {fd}");
            std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap()
        };
        assert_eq!(
            pool.apply(target, (1,)).unwrap().to_str(),
            Some("/dev/null")
        );
        assert!(
            pool.apply(target, (2,))
                .unwrap()
                .to_string_lossy()
                .starts_with("pipe:")
        );
        assert_eq!(texts(&lines), ["descriptor 1", "descriptor 2"]);
        finish(pool);
    });
}

/// A pipe costs one descriptor, and goes with its worker.
#[test]
fn a_captured_output_costs_one_descriptor() {
    scene(|| {
        let open = || audit::snapshot().descriptors.len();
        let cost = |builder: PoolBuilder| {
            let before = open();
            let pool = builder.workers(3).build().unwrap();
            pool.map(|n: u32| n, 0..6).unwrap();
            let cost = open() - before;
            finish(pool);
            cost
        };
        let plain = cost(Pool::builder());
        assert_eq!(cost(Pool::builder().stderr(Output::Null)), plain);
        assert_eq!(cost(Pool::builder().stderr(Output::Captured)), plain + 3);
        assert_eq!(cost(listening(3).0), plain + 6);
    });
}

/// FAULTS 52: what a task puts in the place of its stdout is no longer captured, and nobody spins on the closed pipe.
#[test]
fn a_task_that_closes_its_outputs_is_still_served() {
    scene(|| {
        let (builder, lines) = listening(1);
        let pool = builder.build().unwrap();
        let close = || {
            println!("before");
            let null = std::fs::OpenOptions::new()
                .write(true)
                .open("/dev/null")
                .unwrap();
            rustix::stdio::dup2_stdout(&null).unwrap();
            println!("after");
            eprintln!("on stderr");
        };
        pool.apply(close, ()).unwrap();
        assert_eq!(texts(&lines), ["before", "on stderr"]);
        let busy = || {
            let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
            let fields: Vec<u64> = stat
                .rsplit_once(')')
                .unwrap()
                .1
                .split_whitespace()
                .filter_map(|field| field.parse().ok())
                .collect();
            // utime and stime, in hundredths of a second; the state before them is no number.
            fields[10] + fields[11]
        };
        let before = busy();
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(busy() - before < 25, "the pool's thread spins");
        pool_scene::assert_usable(&pool);
        finish(pool);
    });
}

/// A panic of the callback is counted, and costs no other line.
#[test]
fn a_callback_that_panics_loses_no_line() {
    scene(|| {
        let heard = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&heard);
        let pool = Pool::builder()
            .workers(1)
            .on_output(move |line| {
                *counter.lock().unwrap_or_else(|e| e.into_inner()) += 1;
                assert!(line.text() != "5", "this one panics, as the test wants");
            })
            .build()
            .unwrap();
        pool.map(|n: u32| println!("{n}"), 0..10).unwrap();
        pool.close();
        pool.join().unwrap();
        // Only now: the report of the panic, with its backtrace, may hold the lines after it up for longer than a call waits.
        assert_eq!(*heard.lock().unwrap_or_else(|e| e.into_inner()), 10);
        assert_eq!(pool.stats().callback_panics, 1);
        drop(pool);
    });
}

/// A caller that holds what the callback wants gets its outcome all the same.
#[test]
fn a_callback_that_waits_for_its_caller_does_not_hang_it() {
    scene(|| {
        let lock = Arc::new(Mutex::new(()));
        let wanted = Arc::clone(&lock);
        let (tell, told) = mpsc::channel();
        let pool = Pool::builder()
            .workers(1)
            .on_output(move |line| {
                let _guard = wanted.lock().unwrap();
                tell.send(line.text().to_owned()).unwrap();
            })
            .build()
            .unwrap();
        let guard = lock.lock().unwrap();
        pool.apply(|| println!("held up"), ()).unwrap();
        drop(guard);
        assert_eq!(told.recv_timeout(LONG).unwrap(), "held up");
        finish(pool);
    });
}

const PRINTING: &str = "PROCESSION_TEST_PRINTS";

/// The part that prints; does nothing unless the test below runs it.
#[test]
fn prints() {
    if std::env::var_os(PRINTING).is_none() {
        return;
    }
    scene(|| {
        let pool = Pool::builder()
            .workers(2)
            .name("ocr")
            .stdout(Output::Captured)
            .stderr(Output::Captured)
            .build()
            .unwrap();
        println!("\nbefore");
        let task = || {
            println!("page");
            eprintln!("warning");
        };
        pool.apply(task, ()).unwrap();
        println!("after");
        finish(pool);
    });
}

/// Without a callback, lines come out of the program's own outputs behind their worker's name.
#[test]
fn without_a_callback_lines_are_printed_behind_a_tag() {
    let _watchdog = audit::watchdog(120);
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "prints", "--nocapture"])
        .env(PRINTING, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{out}{err}");
    let tag = if out.contains("[ocr/1]") {
        "[ocr/1]"
    } else {
        "[ocr/2]"
    };
    assert!(
        out.contains(&format!("\nbefore\n{tag} page\nafter\n")),
        "{out}"
    );
    assert!(
        err.lines().any(|line| line == format!("{tag} warning")),
        "{err}"
    );
}

/// `join` returns after the last line, also after what becomes one by its worker's end.
#[test]
fn join_returns_after_the_last_line() {
    scene(|| {
        let (builder, lines) = listening(2);
        let pool = builder.build().unwrap();
        pool.apply(|| print!("no end of line"), ()).unwrap();
        assert!(texts(&lines).is_empty(), "it may go on");
        finish(pool);
        assert_eq!(texts(&lines), ["no end of line"]);
    });
}
