//! Shared values in every verb, and how often they are sent: once to each worker that needs them.

use std::collections::{BTreeMap, HashMap};

use procession::{Pool, Process, Shared, SharedBytes, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    Scratch, assert_usable, error_of, finish, meet, murder, own_pid, scene, until, warm,
};
use serde::{Deserialize, Serialize};

procession::init_before_main!();

type Table = HashMap<u32, String>;

fn table(items: u32) -> Table {
    (0..items).map(|n| (n, format!("value {n}"))).collect()
}

fn look(table: Shared<Table>, n: u32) -> Option<String> {
    table.get(&n).cloned()
}

/// WL19: visible in all verbs, alone, in structs and in collections.
#[test]
fn every_verb_takes_a_shared_value() {
    #[derive(Serialize, Deserialize)]
    struct Order {
        table: Shared<Table>,
        wanted: Vec<u32>,
    }
    fn serve(order: Order) -> usize {
        order
            .wanted
            .iter()
            .filter(|n| order.table.contains_key(n))
            .count()
    }
    fn sum(tables: BTreeMap<String, Vec<Shared<Table>>>, more: Option<Shared<Table>>) -> usize {
        tables
            .values()
            .flatten()
            .map(|table| table.len())
            .sum::<usize>()
            + more.map_or(0, |table| table.len())
    }
    scene(|| {
        for items in [10, 10_000] {
            let pool = warm(2);
            let table = pool.broadcast(table(items)).unwrap();
            assert_eq!(table.len(), items as usize);
            let nine = Some("value 9".to_string());
            assert_eq!(pool.apply(look, (table.clone(), 9)).unwrap(), nine);
            assert_eq!(
                pool.apply_async(look, (table.clone(), 9)).get().unwrap(),
                nine
            );
            let taken = pool.try_apply_async(look, (table.clone(), 9)).unwrap();
            assert_eq!(taken.get().unwrap(), nine);
            let args = || (0..300).map(|n| (table.clone(), n % 10));
            let expected: Vec<_> = (0..300)
                .map(|n| Some(format!("value {}", n % 10)))
                .collect();
            assert_eq!(pool.starmap(look, args()).unwrap(), expected);
            assert_eq!(pool.starmap_async(look, args()).get().unwrap(), expected);
            let pairs = |(table, n): (Shared<Table>, u32)| look(table, n);
            assert_eq!(pool.map(pairs, args()).unwrap(), expected);
            let each = pool.try_map(pairs, args());
            assert_eq!(
                each.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
                expected
            );
            let lazily: Vec<_> = pool.imap(pairs, args()).map(Result::unwrap).collect();
            assert_eq!(lazily, expected);
            let unordered = pool.imap_unordered(pairs, args()).map(Result::unwrap);
            assert_eq!(unordered.count(), 300);
            let found = pool.find_map(pairs, args()).unwrap();
            assert!(found.is_some());
            let order = Order {
                table: table.clone(),
                wanted: vec![1, 2, u32::MAX],
            };
            assert_eq!(pool.apply(serve, (order,)).unwrap(), 2);
            let tables = [
                ("a".to_string(), vec![table.clone(), table.clone()]),
                ("b".into(), vec![]),
            ];
            let all = pool
                .apply(sum, (tables.into(), Some(table.clone())))
                .unwrap();
            assert_eq!(all, 3 * items as usize);
            let sent = pool.stats().shares_sent;
            assert!((1..=2).contains(&sent), "sent {sent} times to 2 workers");
            finish(pool);
        }
    });
}

/// Tasks that run at the same time, one on each worker.
fn on_each(pool: &Pool, workers: u32, bytes: &SharedBytes) -> Vec<usize> {
    fn met(bytes: SharedBytes, meeting: String, me: u32, others: usize) -> usize {
        meet(&meeting, me, others);
        bytes.len()
    }
    let scratch = Scratch::new();
    let args = (0..workers).map(|me| (bytes.clone(), scratch.text(), me, workers as usize));
    let call = pool.call(met).chunk_size(1);
    call.starmap(args).unwrap()
}

/// WL19: sent once to each worker, however many tasks mention it, and only to workers that run one.
#[test]
fn it_is_sent_once_to_each_worker_that_needs_it() {
    scene(|| {
        for bytes in [100, 1_000_000] {
            let pool = warm(4);
            let shared = pool.broadcast_bytes(vec![1; bytes]).unwrap();
            assert_eq!(pool.stats().shares_sent, 0, "nobody needs it yet");
            assert_eq!(on_each(&pool, 4, &shared), [bytes; 4]);
            assert_eq!(pool.stats().shares_sent, 4);
            let len = |(bytes, _): (SharedBytes, u32)| bytes.len();
            let all = pool
                .map(len, (0..1_000).map(|n| (shared.clone(), n)))
                .unwrap();
            assert_eq!(all, [bytes; 1_000]);
            assert_usable(&pool);
            assert_eq!(pool.stats().shares_sent, 4);
            finish(pool);
        }
        let pool = warm(4);
        let shared = pool.broadcast_bytes(vec![1; 1_000_000]).unwrap();
        for _ in 0..50 {
            pool.apply(|bytes: SharedBytes| bytes.len(), (shared.clone(),))
                .unwrap();
        }
        assert!(pool.stats().shares_sent <= 4);
        // Dropped at the end of the pool's life, and after it.
        let other = pool.broadcast(vec![1u8; 100_000]).unwrap();
        drop(other);
        finish(pool);
        assert_eq!(shared.len(), 1_000_000);
    });
}

/// WL19: a worker that replaces a dead one is sent it again; nothing else is.
#[test]
fn a_replacement_is_sent_it_again() {
    scene(|| {
        let pool = warm(2);
        let shared = pool.broadcast_bytes(vec![7; 1_000_000]).unwrap();
        let table = pool.broadcast(table(10)).unwrap();
        on_each(&pool, 2, &shared);
        let sent = pool.stats().shares_sent;
        assert_eq!(sent, 2);
        for round in 1..=3 {
            let old = pool.worker_pids();
            murder(old[0]);
            until("it is replaced", || {
                let pids = pool.worker_pids();
                pids.len() == 2 && pids != old
            });
            assert_eq!(on_each(&pool, 2, &shared), [1_000_000; 2]);
            assert_eq!(pool.stats().shares_sent, sent + round);
        }
        // A task that ends its worker costs one sending too.
        let error = pool.apply(|_: SharedBytes| std::process::abort(), (shared.clone(),));
        error_of(error.map(|(): ()| ()), TaskErrorKind::WorkerDied);
        assert_eq!(on_each(&pool, 2, &shared), [1_000_000; 2]);
        assert_eq!(pool.apply(look, (table, 3)).unwrap().unwrap(), "value 3");
        finish(pool);
    });
}

/// WL19: a value is decoded once in each worker, and is the same one for all calls there.
#[test]
fn a_worker_decodes_it_once() {
    fn place(table: Shared<Table>, meeting: String, me: u32) -> (u32, usize) {
        meet(&meeting, me, 2);
        (own_pid(), std::ptr::from_ref::<Table>(&table).addr())
    }
    scene(|| {
        let pool = warm(2);
        let table = pool.broadcast(table(10_000)).unwrap();
        let mut places = HashMap::new();
        for _ in 0..5 {
            let scratch = Scratch::new();
            let args = (0..2).map(|me| (table.clone(), scratch.text(), me));
            for (pid, place) in pool.call(place).chunk_size(1).starmap(args).unwrap() {
                assert_eq!(*places.entry(pid).or_insert(place), place);
            }
        }
        assert_eq!(places.len(), 2);
        finish(pool);
    });
}

/// CF12, WL19: a pool of no workers takes the same path of bytes, without workers and files.
#[test]
fn an_inline_pool_shares_with_itself() {
    scene(|| {
        let pool = Pool::new(0).unwrap();
        let (table, bytes) = (
            pool.broadcast(table(10_000)).unwrap(),
            pool.broadcast_bytes(vec![5; 1_000_000]).unwrap(),
        );
        assert_eq!(
            pool.apply(look, (table.clone(), 7)).unwrap().unwrap(),
            "value 7"
        );
        let each = pool
            .starmap(look, (0..5).map(|n| (table.clone(), n)))
            .unwrap();
        assert_eq!(each.into_iter().flatten().count(), 5);
        let sum = |(bytes, at): (SharedBytes, usize)| bytes[at];
        assert_eq!(
            pool.imap(sum, [(bytes.clone(), 3)])
                .next()
                .unwrap()
                .unwrap(),
            5
        );
        assert_eq!(
            pool.map_async(sum, [(bytes.clone(), 3)]).get().unwrap(),
            [5]
        );
        let error = pool.apply(|table: Shared<Table>| table, (table.clone(),));
        error_of(error.map(drop), TaskErrorKind::EncodeResult);
        let other = Pool::new(0).unwrap();
        error_of(other.apply(look, (table, 1)), TaskErrorKind::EncodeArgs);
        pool.close();
        assert!(pool.broadcast(1).unwrap_err().is_closed());
    });
}

/// A process of its own has no pool that could send it.
#[test]
fn a_process_cannot_be_given_one() {
    scene(|| {
        let pool = warm(1);
        let table = pool.broadcast(table(3)).unwrap();
        let error = Process::spawn(look, (table.clone(), 1)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("only in the arguments of a call of the pool"),
            "{error}"
        );
        let built = Pool::builder()
            .workers(1)
            .initializer(look, (table, 1))
            .build();
        let error = built.unwrap_err().to_string();
        assert!(
            error.contains("only in the arguments of a call of the pool"),
            "{error}"
        );
        finish(pool);
    });
}
