//! Calls and results beyond what is allowed: too deep, too long, unknown. Each is refused where it is seen first.

use procession::TaskErrorKind;
use procession_integration_tests::pool_scene::{
    assert_usable, error_of, finish, own_pid, scene, until, warm,
};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize, Serializer};

procession::init_before_main!();

#[derive(Debug, Deserialize)]
struct Nested(Option<Box<Nested>>);

/// Encodes as a hundred thousand options within each other would.
impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = serializer.serialize_tuple(100_000)?;
        for _ in 0..100_000 {
            bytes.serialize_element(&1u8)?;
        }
        bytes.end()
    }
}

/// FAULTS 38
#[test]
fn a_result_that_nests_too_deep_is_an_error_not_an_overflow() {
    scene(|| {
        let pool = warm(1);
        let error = error_of(
            pool.apply(|| Nested(None), ()).map(|n| n.0.is_some()),
            TaskErrorKind::DecodeResult,
        );
        assert!(error.to_string().contains("128"), "{error}");
        // The same as an argument is the worker's to refuse.
        let error = pool.apply(|n: Nested| n.0.is_some(), (Nested(None),));
        assert!(
            error_of(error, TaskErrorKind::DecodeArgs)
                .to_string()
                .contains("128")
        );
        assert_usable(&pool);
        finish(pool);
    });
}

/// More bytes than the limit of one GiB, none of which are ever written: the length alone is refused.
#[derive(Debug, Deserialize)]
struct Huge;

impl Serialize for Huge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&vec![0; (1 << 30) + 1])
    }
}

/// FAULTS 36
#[test]
fn a_result_above_the_limit_leaves_its_worker() {
    scene(|| {
        let pool = warm(1);
        let pid = pool.apply(own_pid, ()).unwrap();
        let error = error_of(pool.apply(|| Huge, ()).map(|_| ()), TaskErrorKind::TooLarge);
        assert!(error.to_string().contains("1073741824"), "{error}");
        assert_eq!(pool.apply(own_pid, ()).unwrap(), pid);
        error_of(pool.apply(|_: Huge| (), (Huge,)), TaskErrorKind::TooLarge);
        assert_usable(&pool);
        finish(pool);
    });
}

/// FAULTS 75: a call whose function is not one of the program's.
#[test]
fn an_unknown_function_is_refused_and_its_worker_serves_on() {
    use procession_task::descriptor::TaskRef;
    use procession_task::frame::{CallHeader, push_item};
    use procession_task::{Failure, Limits, Stage, codec};
    use procession_worker::handle::{Replies, Sent, Worker, WorkerSpec};
    use std::sync::Arc;

    scene(|| {
        let spec = WorkerSpec {
            name: "lone/1".into(),
            max_frame: 1 << 20,
            ..WorkerSpec::default()
        };
        let mut worker = Worker::start(&spec).unwrap();
        let task = TaskRef::of::<_, ()>(own_pid).unwrap();
        let mut item = Vec::new();
        push_item(&mut item, |_| Ok::<(), procession_task::CodecError>(())).unwrap();
        let item = Arc::new(item);
        let far = task.offset() + (1 << 40);
        for (offset, fingerprint) in [
            (task.offset(), task.fingerprint() ^ 1),
            (far, task.fingerprint()),
            (task.offset() + 1, task.fingerprint()),
        ] {
            let head = CallHeader {
                offset,
                fingerprint,
                task: 1,
                first: 0,
                count: 1,
            };
            assert_eq!(worker.send(head, &item, 0..item.len()), Sent::Yes);
        }
        let head = CallHeader {
            offset: task.offset(),
            fingerprint: task.fingerprint(),
            task: 2,
            first: 0,
            count: 1,
        };
        assert_eq!(worker.send(head, &item, 0..item.len()), Sent::Yes);
        worker.flush();
        until("four replies came", || {
            worker.collect(true).unwrap();
            let inbox = worker.take_inbox();
            let replies = Replies::new(&inbox).count();
            worker.put_inbox(inbox, 0);
            replies == 4
        });
        let inbox = worker.take_inbox();
        let replies: Vec<(bool, &[u8])> = Replies::new(&inbox).collect();
        for (ok, payload) in &replies[..3] {
            let failure: Failure = codec::decode(payload, &Limits::default()).unwrap();
            assert_eq!(
                (*ok, failure.stage),
                (false, Stage::UnknownTask),
                "{failure}"
            );
        }
        assert!(replies[3].0);
        assert_eq!(
            codec::decode::<u32>(replies[3].1, &Limits::default()).unwrap(),
            worker.pid()
        );
        worker.kill();
        worker.child().wait().unwrap();
    });
}
