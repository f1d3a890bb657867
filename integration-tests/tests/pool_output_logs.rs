//! Log records of workers: they reach the parent's logger, tagged and filtered, and never hold anything up.

#[path = "support/run.rs"]
mod run;

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};
use procession::{Pool, TaskErrorKind};
use procession_integration_tests::audit::watchdog;
use procession_integration_tests::pool_scene::{assert_usable, error_of, finish, scene};

procession::init_before_main!();

#[derive(Clone, Debug, PartialEq)]
struct Heard {
    level: Level,
    target: String,
    text: String,
    file: String,
    line: u32,
    /// What came as keys and values.
    worker: Option<String>,
    task: Option<u64>,
    item: Option<u64>,
}

/// Keeps what it is given.
struct Ear(Mutex<Vec<Heard>>);

static EAR: Ear = Ear(Mutex::new(Vec::new()));

impl Log for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() != "deaf to this"
    }

    fn log(&self, record: &Record<'_>) {
        let value = |key: &str| record.key_values().get(key.into());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Heard {
                level: record.level(),
                target: record.target().to_owned(),
                text: record.args().to_string(),
                file: record.file().unwrap_or_default().to_owned(),
                line: record.line().unwrap_or_default(),
                worker: value("worker").map(|worker| worker.to_string()),
                task: value("task").and_then(|task| task.to_u64()),
                item: value("item").and_then(|item| item.to_u64()),
            });
        assert!(!record.args().to_string().contains("the logger panics"));
    }

    fn flush(&self) {}
}

/// Runs `scene` with the ear as this program's logger, and returns what it heard.
fn listen(run: impl FnOnce()) -> Vec<Heard> {
    let mut heard = Vec::new();
    scene(|| {
        // Set by an earlier test of this program.
        let _ = log::set_logger(&EAR);
        log::set_max_level(LevelFilter::Trace);
        let taken = || std::mem::take(&mut *EAR.0.lock().unwrap_or_else(PoisonError::into_inner));
        taken();
        run();
        heard = taken();
    });
    heard
}

/// HY08
#[test]
fn records_reach_the_parent_s_logger_with_level_target_and_worker() {
    let heard = listen(|| {
        let pool = Pool::builder()
            .workers(1)
            .name("ocr")
            .forward_logs(LevelFilter::Trace)
            .initializer(|| log::info!("from the initializer"), ())
            .build()
            .unwrap();
        let task = |page: u32| {
            log::error!(target: "page", "{page} is missing");
            log::warn!("warned");
            log::info!("told\nin two lines");
            log::debug!("escaped \x1b[1m");
            log::trace!(target: "deaf to this", "the logger wants none of it");
        };
        pool.apply(task, (7,)).unwrap();
        finish(pool);
    });
    let seen: Vec<_> = heard
        .iter()
        .map(|heard| (heard.level, heard.target.as_str(), heard.text.as_str()))
        .collect();
    let here = "pool_output_logs";
    assert_eq!(
        seen,
        [
            (Level::Info, here, "[ocr/1] from the initializer"),
            (Level::Error, "page", "[ocr/1, task 1] 7 is missing"),
            (Level::Warn, here, "[ocr/1, task 1] warned"),
            (Level::Info, here, "[ocr/1, task 1] told\nin two lines"),
            (Level::Debug, here, "[ocr/1, task 1] escaped \\u{1b}[1m"),
        ]
    );
    assert!(
        heard
            .iter()
            .all(|heard| heard.file == file!() && heard.line > 0)
    );
}

/// Whichever thread of the worker logs, and before the first task none is named.
#[test]
fn a_record_tells_which_task_logged_it_and_for_which_item() {
    // Number and first page of each task.
    let mut tasks = Vec::new();
    let heard = listen(|| {
        let pool = Pool::builder()
            .workers(2)
            .name("ocr")
            .forward_logs(LevelFilter::Info)
            .initializer(|| log::info!("no task"), ())
            .build()
            .unwrap();
        let page = |page: u64| {
            log::info!("{page}");
            let thread = std::thread::spawn(move || log::info!("{page}"));
            thread.join().unwrap();
        };
        for first in [0, 40, 80] {
            let pages = pool.call(page).chunk_size(7).map_async(first..first + 40);
            tasks.push((pages.id().0, first));
            pages.get().unwrap();
        }
        tasks.push((tasks.len() as u64 + 1, 120));
        let lazy = pool.call(page).buffer_size(6).imap(120..140);
        assert_eq!(lazy.map(Result::unwrap).count(), 20);
        let call = pool.apply_async(page, (140,));
        tasks.push((call.id().0, 140));
        call.get().unwrap();
        finish(pool);
    });
    let (from_tasks, others): (Vec<_>, Vec<_>) =
        heard.iter().partition(|heard| heard.task.is_some());
    assert_eq!((from_tasks.len(), others.len()), (2 * 141, 2), "{heard:#?}");
    for heard in from_tasks {
        let (head, page) = heard.text.split_once("] ").unwrap();
        let page: u64 = page.parse().unwrap();
        let (task, first) = tasks.iter().rfind(|(_, first)| *first <= page).unwrap();
        assert_eq!(heard.task, Some(*task), "{heard:?}");
        assert_eq!(heard.item, Some(page - first), "{heard:?}");
        let worker = heard.worker.as_ref().unwrap();
        assert_eq!(head, format!("[{worker}, task {task}"));
    }
    for heard in others {
        let worker = heard.worker.as_ref().unwrap();
        assert_eq!(heard.text, format!("[{worker}] no task"));
        assert_eq!(heard.item, None);
    }
}

/// HY08: the level is a filter in the worker, and this program's own is another one.
#[test]
fn only_the_levels_asked_for_come() {
    let all = || {
        log::error!("1");
        log::warn!("2");
        log::info!("3");
        log::debug!("4");
        log::trace!("5");
        log::max_level() as usize
    };
    for (level, own, expected) in [
        (LevelFilter::Off, LevelFilter::Trace, 0),
        (LevelFilter::Error, LevelFilter::Trace, 1),
        (LevelFilter::Info, LevelFilter::Trace, 3),
        (LevelFilter::Trace, LevelFilter::Trace, 5),
        (LevelFilter::Trace, LevelFilter::Warn, 2),
    ] {
        let heard = listen(|| {
            log::set_max_level(own);
            let pool = Pool::builder()
                .workers(1)
                .forward_logs(level)
                .build()
                .unwrap();
            let max = pool.apply(all, ()).unwrap();
            assert_eq!(
                max, level as usize,
                "what is not asked for is not even formatted"
            );
            finish(pool);
        });
        assert_eq!(heard.len(), expected, "{level} {own} {heard:?}");
    }
    // Nobody asked.
    let heard = listen(|| {
        let pool = Pool::new(1).unwrap();
        assert_eq!(pool.apply(all, ()).unwrap(), 0);
        finish(pool);
    });
    assert!(heard.is_empty());
}

/// HY08: from any thread of any worker, all of them, each worker's in order.
#[test]
fn every_record_of_every_worker_comes_once() {
    const EACH: u32 = 50;
    let heard = listen(|| {
        let pool = Pool::builder()
            .workers(3)
            .forward_logs(LevelFilter::Info)
            .build()
            .unwrap();
        let task = |item: u32| {
            let thread = std::thread::spawn(move || {
                for n in 0..EACH {
                    log::info!("{item} {n}");
                }
            });
            thread.join().unwrap();
        };
        pool.map(task, 0..40).unwrap();
        finish(pool);
    });
    assert_eq!(heard.len(), 40 * EACH as usize);
    for item in 0..40 {
        let numbers: Vec<String> = heard
            .iter()
            .filter_map(|heard| {
                let (item_text, n) = heard.text.split_once("] ")?.1.split_once(' ')?;
                (item_text == item.to_string()).then(|| n.to_owned())
            })
            .collect();
        let expected: Vec<String> = (0..EACH).map(|n| n.to_string()).collect();
        assert_eq!(numbers, expected);
    }
}

/// What a worker says last is what matters when it dies.
#[test]
fn a_warning_before_the_end_arrives() {
    let heard = listen(|| {
        let pool = Pool::builder()
            .workers(1)
            .forward_logs(LevelFilter::Warn)
            .build()
            .unwrap();
        let task = || -> () {
            log::warn!("the heap is damaged");
            std::process::abort();
        };
        error_of(pool.apply(task, ()), TaskErrorKind::WorkerDied);
        assert_usable(&pool);
        finish(pool);
    });
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].text, "[pool/1, task 1] the heap is damaged");
}

/// A flood is cut, told, and holds nothing up; not even when the logger is slow.
#[test]
fn a_flood_of_records_is_dropped_and_counted() {
    const EACH: u64 = 30_000;
    let held = Arc::new(Mutex::new(()));
    let heard = listen(|| {
        let wanted = Arc::clone(&held);
        let pool = Pool::builder()
            .workers(2)
            .forward_logs(LevelFilter::Trace)
            .on_output(move |_| drop(wanted.lock().unwrap()))
            .build()
            .unwrap();
        // The callback thread stands still in the callback of this line, and no record is taken meanwhile.
        let guard = held.lock().unwrap();
        pool.apply(|| println!("stand still"), ()).unwrap();
        let task = |_: u32| {
            for n in 0..EACH {
                log::trace!("{n} {}", "x".repeat(500));
            }
        };
        pool.call(task).chunk_size(1).map(0..2).unwrap();
        assert_usable(&pool);
        drop(guard);
        finish(pool);
    });
    let dropped: u64 = heard
        .iter()
        .filter(|heard| heard.target == "procession")
        .map(|heard| {
            let words: Vec<&str> = heard.text.split(' ').collect();
            assert_eq!((heard.level, words[2]), (Level::Warn, "log"), "{heard:?}");
            words[1].parse::<u64>().unwrap()
        })
        .sum();
    let whole = heard
        .iter()
        .filter(|heard| heard.level == Level::Trace)
        .count() as u64;
    assert!(dropped > 0, "{whole} came");
    assert!(
        whole < 20_000 && whole + dropped <= 2 * EACH,
        "{whole} came, {dropped} did not"
    );
}

/// A logger that panics is the callback thread's affair, and is counted there.
#[test]
fn a_logger_that_panics_loses_no_other_record() {
    let heard = listen(|| {
        let pool = Pool::builder()
            .workers(1)
            .forward_logs(LevelFilter::Info)
            .build()
            .unwrap();
        let task = || {
            log::info!("before");
            log::info!("the logger panics");
            log::info!("after");
        };
        pool.apply(task, ()).unwrap();
        pool.close();
        pool.join().unwrap();
        assert_eq!(pool.stats().callback_panics, 1);
        drop(pool);
    });
    assert_eq!(heard.len(), 3);
}

/// A program that sets its logger before `init` has it in its workers too, and is told what that means.
#[test]
fn a_logger_set_before_init_stays_and_is_told_of() {
    let _watchdog = watchdog(120);
    let ended = run::run(&mut Command::new(env!("CARGO_BIN_EXE_pool_own_logger")));
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(
        text.contains(
            "WARN procession [pool/1] no log records come from pool/1: \
             the program sets a logger of its own before procession::init()"
        ),
        "{text}"
    );
    assert!(
        text.contains("INFO pool_own_logger logged by the worker itself"),
        "{text}"
    );
}
