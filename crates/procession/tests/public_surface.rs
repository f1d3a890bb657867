//! Programs written against the public names compile and do what those names say; must use nothing that is not public.

use std::os::fd::AsFd;
use std::time::Duration;

use procession::{
    AsyncResult, Error, ExitStatus, Imap, ImapUnordered, Pool, PoolStats, Process, ProcessInfo,
    Shared, SubmitError, TaskError, TaskErrorKind, TaskId, WorkerDeath,
};

procession::init_before_main!();

const PATIENCE: Duration = Duration::from_secs(60);

fn greet(name: String, age: u32) -> String {
    format!("{name} is {age}")
}

fn square(n: u64) -> u64 {
    n * n
}

fn add(a: u64, b: u64) -> u64 {
    a + b
}

fn look_up(table: Shared<Vec<u64>>, at: usize) -> u64 {
    table[at]
}

#[test]
fn entry() {
    procession::init();
    assert!(!procession::is_worker());
    assert!(procession::cpu_count() >= 1);
    let me: ProcessInfo = procession::current_process();
    assert!(me.is_main() && me.pid() == std::process::id() && !me.name().is_empty());
    assert!(procession::parent_process().is_none());
    let _: Vec<ProcessInfo> = procession::active_children();
    assert_eq!(procession::worker::index(), None);
    assert!(!procession::worker::cancelled());
}

#[test]
fn process() -> Result<(), Error> {
    let p: Process<String> = Process::spawn(greet, ("test".to_string(), 18))?;
    assert!(p.name().starts_with("Process-") && p.pid() > 0);
    assert!(p.as_fd().try_clone_to_owned().is_ok());
    assert!(p.join()?.success());
    let status: Option<ExitStatus> = p.join_timeout(Duration::ZERO)?;
    assert_eq!(
        status.map(|s| (s.code(), s.signal())),
        Some((Some(0), None))
    );
    assert!(!p.is_alive() && p.exit_status().is_some());
    p.terminate()?;
    p.kill()?;
    p.interrupt()?;
    let said: Result<String, TaskError> = p.into_result();
    assert_eq!(said.ok().as_deref(), Some("test is 18"));

    let p = Process::builder()
        .name("reader")
        .env("K", "v")
        .current_dir("/tmp")
        .spawn(|| std::env::var("K").unwrap_or_default(), ())?;
    assert_eq!(p.name(), "reader");
    assert_eq!(p.into_result().ok().as_deref(), Some("v"));
    Ok(())
}

#[test]
fn every_verb_of_a_pool() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder()
        .workers(2)
        .name("ocr")
        .initializer(square, (1,))
        .max_tasks_per_worker(100)
        .task_timeout(PATIENCE)
        .max_queued(100)
        .memory_limit(2 << 30)
        .env("LANG", "C")
        .idle_timeout(PATIENCE)
        .build()?;
    assert_eq!(pool.apply(square, (3,))?, 9);
    let handle: AsyncResult<u64> = pool.apply_async(add, (1, 2));
    assert_eq!(handle.get()?, 3);
    assert_eq!(pool.map(square, 0..3)?, [0, 1, 4]);
    assert_eq!(pool.map_async(square, vec![2]).get()?, [4]);
    assert_eq!(pool.starmap(add, [(1, 2), (3, 4)])?, [3, 7]);
    assert_eq!(pool.starmap_async(add, [(1, 2)]).get()?, [3]);
    assert!(pool.try_map(square, [1]).iter().all(Result::is_ok));
    let lazy: Imap<u64> = pool.imap(square, 0..);
    assert_eq!(lazy.take(3).collect::<Result<Vec<_>, _>>()?, [0, 1, 4]);
    let mut any: ImapUnordered<u64> = pool.imap_unordered(square, 0..2);
    assert!(any.next().is_some());
    drop(any);
    let seen = std::sync::mpsc::channel();
    pool.call(square)
        .timeout(PATIENCE)
        .queue_deadline(PATIENCE)
        .retries(2)
        .on_complete(move |r: &Result<u64, TaskError>| {
            let _ = seen.0.send(r.is_ok());
        })
        .apply_async((2,))
        .wait();
    assert!(seen.1.recv_timeout(PATIENCE)?);
    let seen = std::sync::mpsc::channel();
    let each = pool
        .call(square)
        .on_complete(move |r: &Result<u64, TaskError>| {
            let _ = seen.0.send(r.is_ok());
        })
        .imap(0..3);
    assert_eq!(each.flatten().collect::<Vec<u64>>(), [0, 1, 4]);
    assert_eq!(seen.1.iter().count(), 3);
    assert_eq!(pool.call(square).chunk_size(2).map(0..3)?, [0, 1, 4]);
    assert_eq!(pool.call(square).buffer_size(2).imap(0..3).count(), 3);
    let handle = pool
        .try_apply_async(square, (2,))
        .map_err(|e: SubmitError<(u64,)>| e.to_string())?;
    let _: TaskId = handle.id();
    handle.wait();
    assert!(handle.wait_timeout(PATIENCE) && handle.ready() && !handle.cancel());
    assert_eq!(handle.successful(), Some(true));
    assert_eq!(handle.get_timeout(PATIENCE).map_err(|_| "not ready")??, 4);
    let table = pool.broadcast(vec![5, 6, 7])?;
    assert_eq!(
        pool.starmap(look_up, (0..3).map(|at| (table.clone(), at)))?,
        [5, 6, 7]
    );
    pool.resize(1)?;
    pool.resize(2)?;
    let stats: PoolStats = pool.stats();
    assert!(stats.done > 0);
    let _ = (
        stats.failed,
        stats.queued,
        stats.running,
        stats.idle,
        stats.restarts,
        &stats.workers,
    );
    assert!(!pool.worker_pids().is_empty());
    assert!(pool.join().is_err(), "neither closed nor terminated");
    pool.close();
    assert!(pool.join_timeout(PATIENCE)?);
    pool.join()?;
    pool.terminate();
    Ok(())
}

#[test]
fn many_handles() -> Result<(), Error> {
    let pool = Pool::per_cpu()?;
    let mut handles: Vec<AsyncResult<u64>> =
        (0..4).map(|n| pool.apply_async(square, (n,))).collect();
    assert!(procession::wait_any(&mut handles, Some(PATIENCE)).is_some());
    let mut all: Vec<(usize, u64)> = procession::as_completed(handles)
        .map(|(at, r)| (at, r.unwrap_or(u64::MAX)))
        .collect();
    all.sort_unstable();
    assert_eq!(all, [(0, 0), (1, 1), (2, 4), (3, 9)]);
    Ok(())
}

#[test]
fn errors() -> Result<(), Error> {
    let pool = Pool::new(1)?;
    let e = pool
        .map(|n: u32| assert!(n < 1, "too much"), 0..2)
        .unwrap_err();
    assert_eq!(
        (e.kind(), e.item(), e.attempts()),
        (TaskErrorKind::Panicked, Some(1), 1)
    );
    assert!(e.task_id().is_some() && !e.task_name().is_empty());
    let panic = e.panic().unwrap();
    assert_eq!(panic.message(), "too much");
    let _ = (panic.file(), panic.line(), panic.backtrace());
    let e = pool
        .apply(|| -> u32 { std::process::exit(3) }, ())
        .unwrap_err();
    let _: fn(&TaskError) -> Option<&WorkerDeath> = TaskError::death;
    let death = e.death().unwrap();
    assert_eq!(death.exit_status().code(), Some(3));
    assert!(death.pid() > 0 && death.name() == "pool/1" && death.ran_for().is_some());
    assert_eq!(death.stderr_tail(), None);
    Ok(())
}

fn can_be_shown_and_sent<T: std::fmt::Debug + Send>() {}

/// Types that belong to no call.
#[test]
fn everything_can_be_shown_and_sent() {
    fn sync<T: Sync>() {}
    can_be_shown_and_sent::<Pool>();
    sync::<Pool>();
    can_be_shown_and_sent::<procession::PoolBuilder>();
    can_be_shown_and_sent::<PoolStats>();
    can_be_shown_and_sent::<procession::WorkerStats>();
    can_be_shown_and_sent::<procession::WorkerState>();
    can_be_shown_and_sent::<procession::WorkerTimes>();
    can_be_shown_and_sent::<procession::RunningTask>();
    can_be_shown_and_sent::<procession::SlowTask>();
    can_be_shown_and_sent::<procession::Histogram>();
    can_be_shown_and_sent::<procession::Transport>();
    can_be_shown_and_sent::<procession::Event>();
    can_be_shown_and_sent::<procession::Progress>();
    can_be_shown_and_sent::<procession::Output>();
    can_be_shown_and_sent::<procession::OutputLine>();
    can_be_shown_and_sent::<procession::OutputStream>();
    can_be_shown_and_sent::<procession::Step<u64, u64>>();
    can_be_shown_and_sent::<procession::Bytes>();
    can_be_shown_and_sent::<procession::ProcessBuilder>();
    can_be_shown_and_sent::<ProcessInfo>();
    can_be_shown_and_sent::<ExitStatus>();
    can_be_shown_and_sent::<TaskError>();
    sync::<TaskError>();
    can_be_shown_and_sent::<Error>();
    sync::<Error>();
    can_be_shown_and_sent::<TaskErrorKind>();
    can_be_shown_and_sent::<TaskId>();
    can_be_shown_and_sent::<WorkerDeath>();
    can_be_shown_and_sent::<procession::PanicReport>();
    can_be_shown_and_sent::<procession::NotYet>();
    can_be_shown_and_sent::<SubmitError<(u64,)>>();
}

/// Handles, and what verbs are called on; those without a name of their own as they come.
#[test]
fn handles_may_change_threads() {
    can_be_shown_and_sent::<Process<u64>>();
    can_be_shown_and_sent::<AsyncResult<u64>>();
    can_be_shown_and_sent::<procession::Unfinished<u64>>();
    can_be_shown_and_sent::<Imap<u64>>();
    can_be_shown_and_sent::<ImapUnordered<u64>>();
    type Teller = fn(procession::Progress);
    can_be_shown_and_sent::<procession::Telling<Imap<u64>, Teller>>();
    can_be_shown_and_sent::<Shared<u64>>();
    can_be_shown_and_sent::<procession::SharedBytes>();
    can_be_shown_and_sent::<procession::Events>();
    can_be_shown_and_sent::<procession::AwaitRoom<'_>>();
    can_be_shown_and_sent::<procession::Call<'_, fn(u64) -> u64>>();
    can_be_shown_and_sent::<procession::CallProgress<'_, fn(u64) -> u64, Teller>>();
    can_be_shown_and_sent::<procession::CallThen<'_, fn(u64) -> u64, u64>>();

    fn send<T: Send>(_: &T) {}
    send(&procession::as_completed(Vec::<AsyncResult<u64>>::new()));
    let none = Vec::<AsyncResult<u64>>::new();
    send(&procession::as_completed_timeout(none, PATIENCE));
    send(&procession::with_state(|sum: &mut u64, n: u64| *sum += n));
}

#[test]
fn a_lazy_map_is_iterated_in_another_thread() -> Result<(), Error> {
    let pool = Pool::new(2)?;
    let mut lazy: Imap<u64> = pool.imap(square, 0..);
    assert!(matches!(lazy.next(), Some(Ok(0))));
    let there = std::thread::spawn(move || lazy.take(3).flatten().collect::<Vec<u64>>());
    assert_eq!(there.join().ok(), Some(vec![1, 4, 9]));
    Ok(())
}
