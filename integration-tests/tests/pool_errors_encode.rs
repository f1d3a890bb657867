//! Arguments that cannot be encoded, because their `Serialize` refuses or panics: the error of that call or item alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{assert_usable, error_of, finish, scene};
use serde::ser::Error;

procession::init_before_main!();

#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
enum Item {
    Good(u32),
    Refuses,
    Panics,
}

impl serde::Serialize for Item {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Item::Good(n) => s.serialize_newtype_variant("Item", 0, "Good", n),
            Item::Refuses => Err(S::Error::custom("not this one")),
            Item::Panics => {
                // In the middle of what it writes.
                let _ = s.serialize_str("half of it");
                panic!("not {} one", "that")
            }
        }
    }
}

use Item::{Good, Panics, Refuses};

fn value(item: Item) -> u32 {
    match item {
        Good(n) => n,
        Refuses | Panics => unreachable!("it cannot arrive"),
    }
}

const ITEMS: [Item; 6] = [Good(1), Refuses, Good(2), Panics, Panics, Good(3)];

fn told(error: &TaskError) -> (TaskErrorKind, Option<usize>, bool) {
    (
        error.kind(),
        error.item(),
        error.to_string().contains("that one"),
    )
}

fn for_each_kind_of_pool(check: impl Fn(&Pool)) {
    scene(|| {
        for workers in [0, 2] {
            let pool = Pool::new(workers).unwrap();
            check(&pool);
            assert_usable(&pool);
            finish(pool);
        }
    });
}

#[test]
fn a_call_of_such_arguments_is_its_own_error() {
    for_each_kind_of_pool(|pool| {
        let error = error_of(pool.apply(value, (Refuses,)), TaskErrorKind::EncodeArgs);
        assert!(error.to_string().contains("not this one"), "{error}");
        let error = error_of(pool.apply(value, (Panics,)), TaskErrorKind::EncodeArgs);
        let text = error.to_string();
        assert!(
            text.contains("`Serialize` panicked: not that one"),
            "{text}"
        );
        let (good, bad) = (
            pool.apply_async(value, (Good(7),)),
            pool.apply_async(value, (Panics,)),
        );
        assert_eq!(good.get().unwrap(), 7);
        error_of(bad.get(), TaskErrorKind::EncodeArgs);
    });
}

/// The outcomes of [`ITEMS`].
fn check_each(each: &[Result<u32, TaskError>]) {
    let told: Vec<_> = each
        .iter()
        .map(|o| o.as_ref().map(|n| *n).map_err(told))
        .collect();
    let refused = |at, panicked| Err((TaskErrorKind::EncodeArgs, Some(at), panicked));
    assert_eq!(
        told,
        [
            Ok(1),
            refused(1, false),
            Ok(2),
            refused(3, true),
            refused(4, true),
            Ok(3)
        ]
    );
}

#[test]
fn an_item_of_a_map_that_cannot_be_encoded_is_its_error() {
    for_each_kind_of_pool(|pool| {
        let error = pool.map(value, ITEMS).unwrap_err();
        assert_eq!(told(&error), (TaskErrorKind::EncodeArgs, Some(1), false));
        let error = pool.map(value, [Good(1), Panics, Good(2)]).unwrap_err();
        assert_eq!(told(&error), (TaskErrorKind::EncodeArgs, Some(1), true));
        let error = pool.map_async(value, [Panics]).get().unwrap_err();
        assert_eq!(told(&error), (TaskErrorKind::EncodeArgs, Some(0), true));

        let each = pool.try_map(value, ITEMS);
        check_each(&each);
    });
}

#[test]
fn an_item_of_a_lazy_map_that_cannot_be_encoded_is_its_error() {
    for_each_kind_of_pool(|pool| {
        let each: Vec<_> = pool.imap(value, ITEMS).collect();
        check_each(&each);
    });
}

#[test]
fn described_arguments_that_cannot_be_encoded_are_the_same_errors() {
    for_each_kind_of_pool(|pool| {
        let call = || pool.call(value).describe_args();
        let error = error_of(call().apply((Panics,)), TaskErrorKind::EncodeArgs);
        assert_eq!(told(&error), (TaskErrorKind::EncodeArgs, None, true));
        let args = error.args().expect("described");
        assert!(args.ends_with("… (its `Serialize` panicked)"), "{args}");
        check_each(&call().try_map(ITEMS));
        check_each(&call().imap(ITEMS).collect::<Vec<_>>());
        let error = call().map([Good(1), Panics]).unwrap_err();
        assert_eq!(told(&error), (TaskErrorKind::EncodeArgs, Some(1), true));
    });
}

#[test]
fn a_broadcast_of_such_a_value_is_an_error() {
    for_each_kind_of_pool(|pool| {
        for (item, why) in [
            (Refuses, "not this one"),
            (Panics, "its `Serialize` panicked: not that one"),
        ] {
            let error = pool.broadcast(item).unwrap_err().to_string();
            assert!(error.starts_with("cannot broadcast a "), "{error}");
            assert!(error.ends_with(why), "{error}");
        }
        let shared = pool.broadcast(Good(6)).unwrap();
        let get = |shared: procession::Shared<Item>| value(*shared);
        assert_eq!(pool.apply(get, (shared,)).unwrap(), 6);
    });
}

#[test]
fn what_every_worker_calls_with_such_arguments_is_an_error_of_build() {
    let with = |item| -> [(&str, procession::PoolBuilder); 3] {
        let ignore = |_: Item| ();
        [
            ("initializer", Pool::builder().initializer(ignore, (item,))),
            ("state", Pool::builder().state(ignore, (item,))),
            ("exit hook", Pool::builder().exit_hook(ignore, (item,))),
        ]
    };
    scene(|| {
        for workers in [0, 1] {
            for (what, builder) in with(Panics) {
                let error = builder.workers(workers).build().unwrap_err().to_string();
                let begins = format!("cannot encode the arguments of the {what} ");
                assert!(error.starts_with(&begins), "{error}");
                let why = "its `Serialize` panicked: not that one";
                assert!(error.ends_with(why), "{error}");
            }
            for (_, builder) in with(Good(1)) {
                finish(builder.workers(workers).build().unwrap());
            }
        }
    });
}

/// Can be sent, and cannot be shown: it panics for every format that people read.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
struct Shy(u32);

impl serde::Serialize for Shy {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        assert!(!s.is_human_readable(), "nobody is to see it");
        s.serialize_newtype_struct("Shy", &self.0)
    }
}

#[test]
fn arguments_that_cannot_be_described_are_sent_all_the_same() {
    for_each_kind_of_pool(|pool| {
        let call = || pool.call(|n: Shy| 6 / n.0).describe_args();
        assert_eq!(call().apply((Shy(2),)).unwrap(), 3);
        assert_eq!(call().map([2, 3].map(Shy)).unwrap(), [3, 2]);
        let error = error_of(call().apply((Shy(0),)), TaskErrorKind::Panicked);
        let args = Some("(… (its `Serialize` panicked)");
        assert_eq!(error.args(), args);
        for each in [
            call().try_map([2, 0, 3].map(Shy)),
            call().imap([2, 0, 3].map(Shy)).collect(),
        ] {
            let [Ok(3), Err(error), Ok(2)] = &each[..] else {
                panic!("{each:?}");
            };
            assert_eq!(
                (error.kind(), error.args()),
                (TaskErrorKind::Panicked, args)
            );
        }
    });
}

/// The input's own panic is the caller's, before an item, after one, and after one that was refused.
#[test]
fn a_panic_of_the_input_is_not_taken_for_one_of_an_item() {
    for_each_kind_of_pool(|pool| {
        for before in [&[][..], &[Good(1)], &[Good(1), Panics]] {
            let input = || {
                let end = std::iter::from_fn(|| -> Option<Item> { panic!("of the input") });
                before.iter().copied().chain(end)
            };
            let unwound = catch_unwind(AssertUnwindSafe(|| pool.try_map(value, input())));
            let payload = unwound.expect_err("the input panics");
            assert_eq!(payload.downcast_ref(), Some(&"of the input"));
            let mut lazy = pool.imap(value, input());
            for item in before {
                assert_eq!(lazy.next().unwrap().is_ok(), *item != Panics);
            }
            let unwound = catch_unwind(AssertUnwindSafe(|| lazy.next()));
            assert!(unwound.is_err());
        }
    });
}
