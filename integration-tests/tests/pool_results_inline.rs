//! A pool of no workers: the same calls and the same outcomes, in the caller's own thread.

use procession::{Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{error_of, own_pid, scene};

procession::init_before_main!();

fn checked(x: u32) -> u32 {
    assert_ne!(x, 3, "not three");
    x + 1
}

fn thread_name() -> Option<String> {
    std::thread::current().name().map(str::to_owned)
}

/// PO37
#[test]
fn an_inline_pool_runs_tasks_in_the_calling_thread() {
    scene(|| {
        let pool = Pool::new(0).unwrap();
        assert_eq!(pool.apply(own_pid, ()).unwrap(), own_pid());
        assert_eq!(pool.apply(thread_name, ()).unwrap(), thread_name());
        assert!(pool.worker_pids().is_empty());
        assert_eq!(pool.apply(procession::worker::index, ()).unwrap(), None);
    });
}

/// PO37: whatever is asked of both, both answer the same.
#[test]
fn an_inline_pool_answers_as_one_of_processes() {
    scene(|| {
        let (inline, pool) = (Pool::new(0).unwrap(), Pool::new(2).unwrap());
        let answers = |pool: &Pool| {
            let mut said = Vec::new();
            let mut say = |outcome: Result<Vec<u32>, procession::TaskError>| {
                said.push(match outcome {
                    Ok(values) => format!("{values:?}"),
                    Err(e) => format!(
                        "{:?} {:?} {:?}",
                        e.kind(),
                        e.item(),
                        e.panic().map(|p| p.message().to_owned())
                    ),
                })
            };
            say(pool.apply(checked, (1,)).map(|x| vec![x]));
            say(pool.apply(checked, (3,)).map(|x| vec![x]));
            say(pool.apply_async(checked, (4,)).get().map(|x| vec![x]));
            say(pool.map(checked, 10..20));
            say(pool.map(checked, 0..10));
            say(pool.map(checked, []));
            say(pool.map_async(checked, 0..10).get());
            say(pool.map_async(checked, 5..10).get());
            say(pool.starmap(|a: u32, b: u32| a * b, [(2, 3), (4, 5)]));
            say(pool
                .starmap_async(|a: u32, b: u32| a - b, [(5, 3), (4, 0)])
                .get());
            say(pool.call(checked).chunk_size(2).map(0..3));
            pool.try_map(checked, 0..5)
                .into_iter()
                .for_each(|one| say(one.map(|x| vec![x])));
            said
        };
        assert_eq!(answers(&inline), answers(&pool));
    });
}

/// PO37: its handles are ready at once.
#[test]
fn an_inline_handle_is_ready_when_it_is_returned() {
    scene(|| {
        let pool = Pool::new(0).unwrap();
        let handle = pool.apply_async(checked, (1,));
        assert!(handle.ready());
        assert_eq!(handle.successful(), Some(true));
        assert_eq!(handle.get().unwrap(), 2);
        let failed = pool.map_async(checked, 0..10);
        assert!(failed.ready());
        assert_eq!(failed.successful(), Some(false));
        error_of(failed.get(), TaskErrorKind::Panicked);
    });
}

/// PO37: it closes and joins as any other.
#[test]
fn an_inline_pool_closes_and_joins() {
    scene(|| {
        let pool = Pool::new(0).unwrap();
        assert!(pool.join().is_err());
        pool.close();
        pool.join().unwrap();
        error_of(pool.apply(checked, (1,)), TaskErrorKind::Closed);
        error_of(pool.apply_async(checked, (1,)).get(), TaskErrorKind::Closed);
        error_of(pool.map(checked, 0..2), TaskErrorKind::Closed);
        for outcome in pool.try_map(checked, 0..2) {
            error_of(outcome, TaskErrorKind::Closed);
        }
    });
}

/// PO37: its initializer runs in the caller, and its failure is the error of `build`.
#[test]
fn an_inline_pool_runs_its_initializer_in_the_caller() {
    static SEEN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    scene(|| {
        let note = |n: u32| SEEN.store(n, std::sync::atomic::Ordering::SeqCst);
        let pool = Pool::builder()
            .workers(0)
            .initializer(note, (5,))
            .build()
            .unwrap();
        assert_eq!(
            pool.apply(|| SEEN.load(std::sync::atomic::Ordering::SeqCst), ())
                .unwrap(),
            5
        );
        let error = Pool::builder()
            .workers(0)
            .initializer(|| -> () { panic!("not today") }, ())
            .build()
            .unwrap_err();
        assert!(error.to_string().contains("not today"), "{error}");
        let error = Pool::builder()
            .workers(0)
            .initializer(|| Err::<(), String>("no".into()), ())
            .build();
        assert!(error.is_err());
    });
}
