//! The bytes of every message, frame header and failure: a change here is a change of `PROTOCOL_VERSION`.

use procession_task::frame::CallHeader;
use procession_task::message::{
    ArgBytes, Boot, CallSpec, FromWorker, MAGIC, Role, ToWorker, WorkerLimits,
};
use procession_task::{
    Failure, Limits, Location, LogBatch, LogRecord, PROTOCOL_VERSION, Stage, decode, encode,
};

/// MAGIC as a varint.
const M: [u8; 9] = [0x80, 0xe6, 0xcd, 0xab, 0xb6, 0xec, 0x9b, 0xb9, 0x70];

fn boot(role: Role) -> ToWorker {
    ToWorker::Boot(Boot {
        magic: MAGIC,
        version: PROTOCOL_VERSION,
        nonce: 300,
        build_id: vec![0xaa, 0xbb],
        name: "w".into(),
        index: Some(2),
        parent_pid: 17,
        parent_thread: 18,
        parent_name: "p".into(),
        depth: 1,
        role,
    })
}

#[track_caller]
fn to_worker(message: &ToWorker, bytes: &[&[u8]]) {
    let bytes = bytes.concat();
    assert_eq!(message.encode(), bytes);
    assert_eq!(&ToWorker::decode(&bytes).unwrap(), message);
    for end in 0..bytes.len() {
        assert!(ToWorker::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[track_caller]
fn from_worker(message: &FromWorker, bytes: &[&[u8]]) {
    let bytes = bytes.concat();
    assert_eq!(message.encode(), bytes);
    assert_eq!(&FromWorker::decode(&bytes).unwrap(), message);
    for end in 0..bytes.len() {
        assert!(FromWorker::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
}

const BOOT: &[u8] = &[4, 0xac, 2, 2, 0xaa, 0xbb, 1, b'w', 1, 2, 17, 18, 1, b'p', 1];

#[test]
fn version_and_magic() {
    assert_eq!(PROTOCOL_VERSION, 4);
    assert_eq!(&MAGIC.to_be_bytes(), b"process\0");
}

#[test]
fn boot_of_a_pool_worker() {
    let plain = Role::Pool {
        segment_bytes: 4096,
        segment_id: None,
        max_frame: 128,
        initializer: None,
        state: None,
        limits: WorkerLimits::default(),
        exit_hook: None,
    };
    to_worker(
        &boot(plain),
        &[
            &[0],
            &M,
            BOOT,
            &[0, 0x80, 0x20, 0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0],
        ],
    );

    let call = CallSpec {
        offset: -16,
        fingerprint: 5,
        args: ArgBytes::Inline(vec![7, 8]),
    };
    let with = Role::Pool {
        segment_bytes: 1,
        segment_id: Some(5),
        max_frame: 2,
        initializer: Some(call.clone()),
        state: Some(call),
        limits: WorkerLimits {
            memory: Some(300),
            cpu_seconds: Some(10),
            nice: 5,
            cpus: vec![0, 3],
        },
        exit_hook: Some(CallSpec {
            offset: 16,
            fingerprint: 5,
            args: ArgBytes::Descriptor,
        }),
    };
    to_worker(
        &boot(with),
        &[
            &[0],
            &M,
            BOOT,
            &[0, 1, 1, 10, 2, 1, 31, 5, 0, 2, 7, 8, 1, 31, 5, 0, 2, 7, 8],
            &[1, 0xac, 2, 1, 10, 10, 2, 0, 3],
            &[1, 32, 5, 1],
        ],
    );
}

#[test]
fn boot_of_a_process() {
    let call = CallSpec {
        offset: 16,
        fingerprint: 5,
        args: ArgBytes::Descriptor,
    };
    let role = Role::Process {
        call,
        max_result: 9,
    };
    to_worker(&boot(role), &[&[0], &M, BOOT, &[1, 32, 5, 1, 9]]);
}

#[test]
fn cancel() {
    to_worker(&ToWorker::Cancel { seq: 300 }, &[&[1, 0xac, 2]]);
}

#[test]
fn shared_values() {
    let share = |value| ToWorker::Share { id: 300, value };
    to_worker(&share(ArgBytes::Inline(vec![9])), &[&[2, 0xac, 2, 0, 1, 9]]);
    to_worker(&share(ArgBytes::Descriptor), &[&[2, 0xac, 2, 1]]);
    let forget = ToWorker::Forget { ids: vec![300, 1] };
    to_worker(&forget, &[&[3, 2, 0xac, 2, 1]]);
}

#[test]
fn hello_ready_bell() {
    let hello = FromWorker::Hello {
        magic: MAGIC,
        version: PROTOCOL_VERSION,
        nonce: 300,
        build_id: vec![1, 2, 3],
        pid: 4711,
    };
    from_worker(&hello, &[&[0], &M, &[4, 0xac, 2, 3, 1, 2, 3, 0xe7, 0x24]]);
    from_worker(&FromWorker::Ready, &[&[1]]);
    from_worker(&FromWorker::Bell, &[&[5]]);
}

#[test]
fn log_records() {
    let record = LogRecord::new(3, "t", "m").at("a", "f", 300).of(301, 7);
    let batch = LogBatch {
        dropped: 2,
        records: vec![record],
    };
    from_worker(
        &FromWorker::Log(batch),
        &[
            &[6, 2, 1, 3, 1, b't', 1, b'm', 1, b'a', 1, b'f', 0xac, 2],
            &[0xad, 2, 7],
        ],
    );
}

#[test]
fn returned() {
    let inline = FromWorker::Returned {
        value: ArgBytes::Inline(vec![9]),
        is_err: true,
    };
    from_worker(&inline, &[&[3, 0, 1, 9, 1]]);
    let by_descriptor = FromWorker::Returned {
        value: ArgBytes::Descriptor,
        is_err: false,
    };
    from_worker(&by_descriptor, &[&[3, 1, 0]]);
}

#[test]
fn failures() {
    from_worker(
        &FromWorker::StartFailed(Failure::new(Stage::Start, "no")),
        &[&[2, 7, 2, b'n', b'o', 0, 0]],
    );
    let full = Failure {
        stage: Stage::Run,
        message: "m".into(),
        location: Some(Location {
            file: "f".into(),
            line: 10,
            column: 5,
        }),
        backtrace: Some("b".into()),
    };
    from_worker(
        &FromWorker::Failed(full),
        &[&[4, 3, 1, b'm', 1, 1, b'f', 10, 5, 1, 1, b'b']],
    );
}

#[test]
fn every_stage() {
    let stages = [
        (Stage::UnknownTask, vec![0]),
        (Stage::DecodeArgs, vec![1]),
        (Stage::PanicDecode, vec![2]),
        (Stage::Run, vec![3]),
        (Stage::PanicEncode, vec![4]),
        (Stage::EncodeResult, vec![5]),
        (
            Stage::TooLarge {
                size: 300,
                limit: 100,
            },
            vec![6, 0xac, 2, 100],
        ),
        (Stage::Start, vec![7]),
        (Stage::NoState, vec![8]),
    ];
    for (stage, bytes) in stages {
        let mut out = Vec::new();
        encode(&stage, &mut out, &Limits::default()).unwrap();
        assert_eq!(out, bytes);
        assert_eq!(decode::<Stage>(&out, &Limits::default()).unwrap(), stage);
    }
}

#[test]
fn call_header() {
    let header = CallHeader {
        offset: -2,
        fingerprint: 0x0102_0304_0506_0708,
        task: 17,
        first: 3,
        count: 4,
    };
    let bytes = [
        0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 8, 7, 6, 5, 4, 3, 2, 1, 17, 0, 0, 0, 0, 0,
        0, 0, 3, 0, 0, 0, 4, 0, 0, 0,
    ];
    assert_eq!(header.to_bytes(), bytes);
    assert_eq!(
        CallHeader::split(&[&bytes[..], b"rest"].concat()),
        Some((header, &b"rest"[..]))
    );
    for end in 0..bytes.len() {
        assert_eq!(CallHeader::from_bytes(&bytes[..end]), None);
    }
}

/// A call in one word says its task and item by how they follow those before; a form that another version reads otherwise
/// would run the right arguments under a wrong number.
#[test]
fn steps_from_one_call_to_the_next_are_these() {
    let before = CallHeader {
        offset: -16,
        fingerprint: 7,
        task: 17,
        first: 5,
        count: 3,
    };
    let step = |task, first, count| {
        let call = CallHeader {
            task,
            first,
            count,
            ..before
        };
        let step = call.step_from(&before);
        assert!(step.is_none_or(|step| before.stepped(step) == call));
        step
    };
    assert_eq!(step(17, 8, 1), Some(0), "the item that follows");
    assert_eq!(step(18, 0, 1), Some(1), "the next task");
    assert_eq!(step(272, 0, 1), Some(255), "the last one within reach");
    assert_eq!(step(273, 0, 1), None);
    assert_eq!(step(16, 0, 1), None, "a task before");
    assert_eq!(step(17, 9, 1), None, "an item was left out");
    assert_eq!(step(18, 1, 1), None, "not its first item");
    assert_eq!(step(17, 8, 2), None, "two items");
    let other = CallHeader {
        fingerprint: 8,
        ..before.stepped(1)
    };
    assert_eq!(other.step_from(&before), None, "another function");
}
