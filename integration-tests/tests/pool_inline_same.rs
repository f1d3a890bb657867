//! A pool of no workers beside one of two: the same answers of every verb, and the same counts where there is something to
//! count.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use procession::{Event, Pool, Progress, Step, TaskError};
use procession_integration_tests::pool_scene::{finish, scene, warm};

procession::init_before_main!();

fn checked(x: u32) -> u32 {
    assert_ne!(x, 3, "not three");
    x + 1
}

/// What an outcome is, without what has to differ: processes, times and numbers of tasks.
fn text<R: std::fmt::Debug>(outcome: Result<R, TaskError>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(e) => format!(
            "{:?} item {:?} attempts {} args {:?} panic {:?}",
            e.kind(),
            e.item(),
            e.attempts(),
            e.args(),
            e.panic().map(|panic| panic.message().to_owned()),
        ),
    }
}

fn answers(pool: &Pool) -> Vec<String> {
    let mut said = Vec::new();
    let call = || pool.call(checked);
    // Lazy maps, searches, maps that stop.
    said.extend(call().imap(0..5).map(text));
    let mut unordered: Vec<String> = call().imap_unordered(0..5).map(text).collect();
    unordered.sort();
    said.append(&mut unordered);
    let mut timed = call().imap([1]);
    let minute = Duration::from_secs(60);
    said.push(timed.next_timeout(minute).unwrap().map(text).unwrap());
    said.push(format!("{:?}", timed.next_timeout(minute)));
    let step = |x: u32| match x {
        4 => Step::Break(x),
        x => Step::Continue(x),
    };
    let until: Result<ControlFlow<u32, Vec<u32>>, _> = pool.map_until(step, 0..3);
    said.push(text(until));
    said.push(text(pool.map_until(step, [4])));
    said.push(text(pool.find_map(|x: u32| (x == 7).then_some(x), 5..9)));
    said.push(text(pool.any(|x: u32| x > 2, 0..9)));
    said.push(text(pool.all(|x: u32| x > 2, 0..9)));
    said.push(text(pool.filter_map(|x: u32| (x > 2).then_some(x), 0..5)));
    said.push(text(pool.flat_map(|x: u32| vec![x; 2], 0..2)));
    // Retries, with everything that is said about them.
    said.push(text(call().retries(2).apply((3,))));
    said.push(text(call().retries(2).retry_on_death().apply((3,))));
    let once = |e: &TaskError| e.attempts() < 2;
    said.push(text(call().retries(5).retry_if(once).map(0..5)));
    said.push(text(
        call().retries(5).retry_if(|_| panic!("no")).apply((3,)),
    ));
    let refuses = |x: u32| Err::<u32, u32>(x);
    said.push(text(
        pool.call(refuses).retries(1).retry_errors().apply((7,)),
    ));
    // Arguments in errors.
    said.push(text(call().describe_args().apply((3,))));
    said.push(text(call().describe_args().map(2..5)));
    said.extend(call().describe_args().imap(2..5).map(text));
    // Options without meaning, and those that meet nothing here.
    let zero = Duration::ZERO;
    said.push(text(call().chunk_size(0).map(0..2)));
    said.push(text(call().buffer_size(0).imap(0..2).next().unwrap()));
    for call in [call().timeout(zero), call().queue_deadline(zero)] {
        said.push(text(call.apply((1,))));
        said.push(text(call.map(0..2)));
        said.push(text(call.map_async(0..2).get()));
        said.extend(call.try_map(0..2).into_iter().map(text));
        said.push(text(call.imap(0..2).next().unwrap()));
    }
    let hour = Duration::from_secs(3600);
    said.push(text(call().timeout(hour).queue_deadline(hour).map(0..3)));
    // Callbacks and shared values.
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let told = call().on_complete(move |r| hears.lock().unwrap().push(text(r.clone())));
    let handle = told.apply_async((3,));
    let hears = Arc::clone(&heard);
    handle.on_complete(move |r| hears.lock().unwrap().push(text(r.clone())));
    said.push(text(handle.get()));
    let table = pool.broadcast(vec![1u32, 2, 3]).unwrap();
    let look = |table: procession::Shared<Vec<u32>>, at: usize| table[at];
    said.push(text(pool.apply(look, (table.clone(), 1))));
    said.push(text(pool.starmap(look, [(table.clone(), 0), (table, 2)])));
    said.push(text(
        pool.try_apply_async(checked, (1,))
            .map(|h| h.get())
            .unwrap(),
    ));
    assert!(pool.wait_for_room(minute));
    // Progress at its end, of each verb that has it.
    let mut last = Progress::default();
    let _ = call().on_progress(|p| last = p).try_map(0..5);
    said.push(format!("{last:?}"));
    assert_eq!(call().on_progress(|p| last = p).imap(0..5).count(), 5);
    said.push(format!("{last:?}"));
    pool.close();
    said.push(text(pool.apply(checked, (1,))));
    said.push(text(call().imap([1]).next().unwrap()));
    // Maps are refused as a whole: nothing is read or told.
    let unread = || std::iter::from_fn(|| -> Option<u32> { panic!("it was read") });
    said.push(text(pool.map(checked, [])));
    said.push(text(pool.map(checked, unread())));
    said.push(text(pool.map_async(checked, unread()).get()));
    said.push(text(call().on_progress(|_| panic!("told")).map(unread())));
    said.push(text(pool.filter_map(|x: u32| Some(x), unread())));
    said.extend(pool.try_map(checked, 0..2).into_iter().map(text));
    said.push(text(pool.find_map(|x: u32| Some(x), 0..2)));
    said.push(text(pool.map_until(step, 0..2)));
    assert!(!pool.wait_for_room(minute));
    assert!(pool.try_apply_async(checked, (1,)).unwrap_err().is_closed());
    pool.join().unwrap();
    said.append(&mut heard.lock().unwrap());
    said
}

/// PO37: whatever is asked of both, both answer the same, options and refusals included.
#[test]
fn every_verb_of_an_inline_pool_answers_as_in_one_of_processes() {
    scene(|| {
        let (inline, pool) = (Pool::new(0).unwrap(), warm(2));
        for (here, there) in answers(&inline).into_iter().zip(answers(&pool)) {
            assert_eq!(here, there);
        }
    });
}

/// What becomes of what has begun when `end` comes in the middle.
fn ends(workers: usize, end: fn(&Pool)) -> Vec<String> {
    let with = |verb: &dyn Fn(&Arc<Pool>) -> String| {
        let pool = Arc::new(Pool::new(workers).unwrap());
        let said = verb(&pool);
        assert!(!pool.wait_for_room(Duration::ZERO), "it has ended");
        pool.join().unwrap();
        said
    };
    let ending = |pool: &Arc<Pool>| {
        let pool = Arc::clone(pool);
        (10..100).inspect(move |item| {
            if *item == 40 {
                end(&pool);
            }
        })
    };
    // Which item it is that is the first to miss it depends on the workers.
    let kind = |e: TaskError| format!("{:?}", e.kind());
    let judged = |pool: &Arc<Pool>| {
        let judge = Arc::clone(pool);
        let ends = move |_: &TaskError| {
            end(&judge);
            true
        };
        text(pool.call(checked).retries(2).retry_if(ends).apply((3,)))
    };
    let told = |pool: &Arc<Pool>| {
        let call = pool.call(checked).on_progress(|p| {
            if p.total > 0 {
                end(pool);
            }
        });
        format!("{:?}", call.map(10..100).map_err(kind))
    };
    vec![
        with(&|pool| format!("{:?}", pool.map(checked, ending(pool)).map_err(kind))),
        with(&|pool| {
            let each = pool.try_map(checked, ending(pool));
            let last = each.into_iter().next_back().unwrap();
            format!("{:?}", last.map_err(kind))
        }),
        with(&|pool| {
            let all = pool.map_async(checked, ending(pool)).get();
            format!("{:?}", all.map_err(kind))
        }),
        with(&judged),
        with(&told),
    ]
}

/// PO37, SH03: `close` finishes what has begun, in a thread that waits as in a process; `terminate` does not.
#[test]
fn an_inline_pool_that_ends_meanwhile_ends_as_one_of_processes() {
    scene(|| {
        let closed = ends(0, Pool::close);
        assert_eq!(closed, ends(2, Pool::close));
        assert!(closed[0].starts_with("Ok([11, 12,"), "{closed:?}");
        assert!(closed[3].contains("attempts 3"), "{closed:?}");
        let terminated = ends(0, Pool::terminate);
        let there = ends(2, Pool::terminate);
        // The last is a race there: everything may be done before it is told.
        assert_eq!(terminated[..4], there[..4]);
        assert!(
            terminated[0].starts_with("Err(\"Terminated"),
            "{terminated:?}"
        );
    });
}

/// Its events go on until what it has taken on is finished.
#[test]
fn an_inline_pool_that_is_closed_tells_its_counts_to_the_end() {
    scene(|| {
        let pool = Pool::new(0).unwrap();
        let events = pool.events();
        let closing = (10..30).inspect(|item| {
            if *item == 12 {
                pool.close();
                // Nothing runs meanwhile.
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        std::thread::scope(|scope| {
            let told = scope.spawn(|| events.last());
            assert_eq!(pool.map(checked, closing).unwrap().len(), 20);
            let last = told.join().unwrap();
            let Some(Event::Progress(last)) = last else {
                panic!("{last:?}");
            };
            assert_eq!((last.done, last.total), (20, 20));
        });
        finish(pool);
    });
}

/// PO37: what ran is counted, also what ran in several threads and what failed; what was refused is not.
#[test]
fn an_inline_pool_counts_what_it_runs() {
    scene(|| {
        let pool = Pool::new(0).unwrap();
        assert_eq!(pool.stats().runs.count(), 0);
        pool.map(checked, 10..20).unwrap();
        let _ = pool.try_map(checked, 0..5);
        assert!(pool.call(checked).retries(2).apply((3,)).is_err());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| pool.imap(checked, 4..29).count());
            }
        });
        let stats = pool.stats();
        assert_eq!((stats.done, stats.failed), (10 + 4 + 100, 1 + 1));
        assert_eq!((stats.retries, stats.running, stats.queued), (2, 0, 0));
        assert_eq!(stats.runs.count(), 116);
        pool.close();
        assert!(pool.apply(checked, (1,)).is_err());
        assert_eq!(pool.stats().failed, 2);
        finish(pool);
    });
}

/// HY04: its counts are told while it runs, in another thread, at the rate of any pool, and at its end.
#[test]
fn an_inline_pool_tells_its_counts_while_it_runs() {
    scene(|| {
        let pool = Pool::new(0).unwrap();
        let events = pool.events();
        let nap = |ms: u64| std::thread::sleep(Duration::from_millis(ms));
        std::thread::scope(|scope| {
            let told = scope.spawn(|| events.collect::<Vec<Event>>());
            let begun = std::time::Instant::now();
            let mut here = Vec::new();
            pool.call(nap)
                .on_progress(|p| here.push(p))
                .map([20; 20])
                .unwrap();
            let most = 2 + begun.elapsed().as_millis() as usize / 50;
            assert!(here.iter().any(|p| p.done > 0 && p.done < 20), "{here:?}");
            assert!(here.len() <= most, "{here:?}");
            pool.close();
            let told: Vec<Progress> = told
                .join()
                .unwrap()
                .into_iter()
                .map(|event| match event {
                    Event::Progress(progress) => progress,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert!(told.iter().any(|p| p.running == 1), "{told:?}");
            assert!(told.iter().any(|p| p.done > 0 && p.done < 20), "{told:?}");
            assert!(told.len() <= most + 2, "{told:?}");
            let last = told.last().expect("the end");
            assert_eq!((last.done, last.total), (20, 20));
        });
        let mut events = Pool::new(0).unwrap().events();
        let first = events.next_timeout(Duration::ZERO);
        assert!(matches!(first, Some(Event::Progress(p)) if p.total == 0));
        assert!(
            events.next().is_none() && events.has_ended(),
            "its pool is gone"
        );
    });
}
