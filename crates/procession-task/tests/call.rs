//! Calls by descriptor: every number of parameters, every kind of function, every step that can fail.

use std::borrow::Cow;
use std::panic::panic_any;

use procession_task::{
    Arguments, Bytes, Failure, Limits, Stage, Task, TaskRef, decode, encode, resolve,
};
use serde::{Deserialize, Serialize};

/// Names the task, resolves the name and calls it, as two processes would.
fn call<F: Task<Args>, Args: Arguments>(task: F, args: Args) -> Result<F::Output, Failure> {
    let limits = Limits::default();
    let task = TaskRef::of(task).unwrap();
    let mut input = Vec::new();
    encode(&args, &mut input, &limits).unwrap();
    let mut output = b"before".to_vec();
    let found = resolve(task.offset(), task.fingerprint()).unwrap();
    assert_eq!(found.name(), task.name());
    let outcome = found.call(&input, &mut output, &limits);
    assert!(output.starts_with(b"before"));
    if outcome.is_err() {
        assert_eq!(output, b"before");
    }
    outcome.map(|()| decode(&output[6..], &limits).unwrap())
}

fn twice<T: std::ops::Add<Output = T> + Copy>(x: T) -> T {
    x + x
}

#[test]
fn zero_to_eight_parameters() {
    type N = u32;
    assert_eq!(call(|| 7u8, ()), Ok(7));
    assert_eq!(call(|a: N| a, (1,)), Ok(1));
    assert_eq!(call(|a: N, b: N| a * 10 + b, (1, 2)), Ok(12));
    assert_eq!(
        call(|a: N, b: N, c: N| vec![a, b, c], (1, 2, 3)),
        Ok(vec![1, 2, 3])
    );
    assert_eq!(
        call(|a: N, b: N, c: N, d: N| [a, b, c, d], (1, 2, 3, 4)),
        Ok([1, 2, 3, 4])
    );
    assert_eq!(
        call(
            |a: N, b: N, c: N, d: N, e: N| a + b + c + d + e,
            (1, 2, 3, 4, 5)
        ),
        Ok(15)
    );
    assert_eq!(
        call(
            |a: N, b: N, c: N, d: N, e: N, f: N| a + b + c + d + e + f,
            (1, 2, 3, 4, 5, 6)
        ),
        Ok(21)
    );
    let seven = |a: N, b: N, c: N, d: N, e: N, f: N, g: String| format!("{a}{b}{c}{d}{e}{f}{g}");
    assert_eq!(
        call(seven, (1, 2, 3, 4, 5, 6, "g".to_string())),
        Ok("123456g".to_string())
    );
    let eight = |a: N, b: N, c: N, d: N, e: N, f: N, g: N, h: N| (a, b, c, d, e, f, g, h);
    assert_eq!(
        call(eight, (1, 2, 3, 4, 5, 6, 7, 8)),
        Ok((1, 2, 3, 4, 5, 6, 7, 8))
    );
}

#[test]
fn generic_instances_are_different_tasks() {
    assert_eq!(call(twice::<u32>, (4,)), Ok(8));
    assert_eq!(call(twice::<f64>, (0.25,)), Ok(0.5));
    let (a, b) = (
        TaskRef::of(twice::<u32>).unwrap(),
        TaskRef::of(twice::<u64>).unwrap(),
    );
    assert_ne!(a.fingerprint(), b.fingerprint());
    assert!(resolve(a.offset(), b.fingerprint()).is_err());
    assert!(a.name().ends_with("call::twice<u32>"), "{}", a.name());
}

#[test]
fn closures_std_functions_and_constructors_are_tasks() {
    const fn a_closure() -> impl Task<(u8,), Output = u8> {
        |x: u8| x + 1
    }
    assert_eq!(call(a_closure(), (1,)), Ok(2));
    assert_eq!(call(u32::count_ones, (7,)), Ok(3));
    assert_eq!(call(std::mem::drop::<String>, ("x".to_string(),)), Ok(()));
    assert_eq!(call(Some::<u8>, (3,)), Ok(Some(3)));
    assert_eq!(call(Bytes::into_vec, (Bytes::from(vec![1]),)), Ok(vec![1]));
    let name = TaskRef::of(|_x: u16| ()).unwrap().name();
    assert!(name.contains("{{closure}}"), "{name}");
}

#[test]
fn a_borrowing_cow_is_an_argument() {
    fn shout(text: Cow<'_, str>) -> String {
        text.to_uppercase()
    }
    let local = String::from("quiet");
    assert_eq!(
        call(shout, (Cow::Borrowed(local.as_str()),)),
        Ok("QUIET".to_string())
    );
}

#[test]
fn a_result_is_known_as_one() {
    fn parse(text: String) -> std::io::Result<()> {
        Err(std::io::Error::other(text))
    }
    // `io::Error` is not serializable; an alias with a serializable error is seen through.
    let _ = parse;
    type Outcome = Result<u8, String>;
    let fails = TaskRef::of(|s: String| -> Outcome { Err(s) })
        .unwrap()
        .descriptor();
    let plain = TaskRef::of(|s: String| Some(s)).unwrap().descriptor();
    assert!(fails.returns_result() && !plain.returns_result());
    assert_eq!(
        call(|s: String| -> Outcome { Err(s) }, ("no".to_string(),)),
        Ok(Err("no".to_string()))
    );
}

#[track_caller]
fn fails<T: std::fmt::Debug>(outcome: Result<T, Failure>, stage: Stage, message: &str) {
    let failure = outcome.unwrap_err();
    assert_eq!((failure.stage, failure.message.as_str()), (stage, message));
}

#[test]
fn a_panic_is_a_failure_of_the_run() {
    fails(call(|| -> u8 { panic!("text") }, ()), Stage::Run, "text");
    fails(
        call(|n: u8| -> u8 { panic!("number {n}") }, (3,)),
        Stage::Run,
        "number 3",
    );
    fails(
        call(|| -> u8 { panic_any(17u32) }, ()),
        Stage::Run,
        "<non-string payload>",
    );
    fails(
        call(|| -> u8 { panic!("\x1b[2Jgone\n") }, ()),
        Stage::Run,
        "\\u{1b}[2Jgone\n",
    );
    let long = call(|| -> u8 { panic!("{}", "x".repeat(100_000)) }, ()).unwrap_err();
    assert!(long.message.len() <= 8192 && long.message.ends_with("… (cut)"));
}

struct DropBomb(u32);

impl Drop for DropBomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(DropBomb(self.0 - 1));
        }
    }
}

#[test]
fn a_payload_that_panics_when_dropped_is_survived() {
    for bombs in 0..4 {
        fails(
            match bombs {
                0 => call(|| -> u8 { panic_any(DropBomb(0)) }, ()),
                1 => call(|| -> u8 { panic_any(DropBomb(1)) }, ()),
                2 => call(|| -> u8 { panic_any(DropBomb(2)) }, ()),
                _ => call(|| -> u8 { panic_any(DropBomb(3)) }, ()),
            },
            Stage::Run,
            "<non-string payload>",
        );
    }
    assert_eq!(call(|| 1u8, ()), Ok(1));
}

/// Panics where its number says.
#[derive(Debug, PartialEq)]
struct Touchy(u8);
const NEVER: u8 = 0;
const DECODE: u8 = 1;
const ENCODE: u8 = 2;
const REFUSE: u8 = 3;
const DROP: u8 = 4;

impl Serialize for Touchy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ENCODE => panic!("in Serialize"),
            REFUSE => Err(serde::ser::Error::custom("refused")),
            other => serializer.serialize_u8(other),
        }
    }
}

impl<'de> Deserialize<'de> for Touchy {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Touchy, D::Error> {
        match u8::deserialize(from)? {
            DECODE => panic!("in Deserialize"),
            REFUSE => Err(serde::de::Error::custom("refused")),
            other => Ok(Touchy(other)),
        }
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        if self.0 == DROP {
            panic!("in Drop");
        }
    }
}

fn raw<F: Task<Args>, Args: Arguments>(task: F, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut output = Vec::new();
    TaskRef::of(task)
        .unwrap()
        .descriptor()
        .call(input, &mut output, &Limits::default())?;
    Ok(output)
}

#[test]
fn each_step_is_told_apart() {
    fn take(_touchy: Touchy) {}
    fn make(kind: u8) -> Touchy {
        Touchy(kind)
    }
    assert_eq!(raw(take, &[NEVER]), Ok(vec![]));
    fails(raw(take, &[DECODE]), Stage::PanicDecode, "in Deserialize");
    fails(raw(take, &[REFUSE]), Stage::DecodeArgs, "refused");
    fails(raw(take, &[]), Stage::DecodeArgs, "the value ended early");
    fails(
        raw(take, &[0, 0]),
        Stage::DecodeArgs,
        "1 byte left over after the value",
    );
    // The function owns its argument, so its drop is part of the run.
    fails(raw(take, &[DROP]), Stage::Run, "in Drop");
    fails(raw(make, &[ENCODE]), Stage::PanicEncode, "in Serialize");
    fails(raw(make, &[REFUSE]), Stage::EncodeResult, "refused");
    assert_eq!(
        raw(make, &[DROP]),
        Ok(vec![DROP]),
        "the result was encoded before its Drop panicked"
    );
}

#[test]
fn a_result_over_the_limit_says_so() {
    let task = TaskRef::of(|n: u32| Bytes::from(vec![0; n as usize])).unwrap();
    let mut output = b"before".to_vec();
    let limits = Limits {
        max_bytes: 1000,
        ..Limits::default()
    };
    let mut input = Vec::new();
    encode(&(2000u32,), &mut input, &limits).unwrap();
    let failure = task
        .descriptor()
        .call(&input, &mut output, &limits)
        .unwrap_err();
    assert_eq!(
        failure.stage,
        Stage::TooLarge {
            size: 2002,
            limit: 1000
        }
    );
    assert_eq!(
        failure.to_string(),
        "cannot encode the result: larger than the limit of 1000 bytes"
    );
    assert_eq!(output, b"before");
}

#[test]
fn a_wrong_offset_is_an_error_wherever_it_points() {
    let task = TaskRef::of(twice::<i16>).unwrap();
    for delta in -4096..4096 {
        if delta != 0 {
            assert!(
                resolve(task.offset() + delta, task.fingerprint()).is_err(),
                "{delta}"
            );
        }
    }
    let mut offset = 1u64;
    for _ in 0..100_000 {
        offset = offset
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        for offset in [
            offset as i64,
            (offset >> 40) as i64,
            -((offset >> 40) as i64),
        ] {
            assert!(resolve(offset, task.fingerprint()).is_err());
        }
    }
    let e = resolve(task.offset() + 1, 7).unwrap_err().to_string();
    assert!(
        e.starts_with("no task at offset ") && e.ends_with(": misaligned"),
        "{e}"
    );
    let e = resolve(task.offset(), 7).unwrap_err().to_string();
    assert!(
        e.ends_with("with fingerprint 0000000000000007: another function's descriptor"),
        "{e}"
    );
    let e = resolve(i64::MIN, 7).unwrap_err().to_string();
    assert!(e.ends_with(": outside the program's constants"), "{e}");
}

#[test]
fn the_magic_elsewhere_in_the_program_is_not_a_descriptor() {
    // The bytes a forger would place: the magic of a real descriptor, in another constant.
    #[repr(align(16))]
    struct Forged(#[expect(dead_code, reason = "only its address is used")] [u8; 64]);
    static FORGED: Forged = {
        let mut bytes = [0; 64];
        let (first, second) = (b"processi", b"on task\n");
        let mut i = 0;
        while i < 8 {
            bytes[i] = first[i];
            bytes[8 + i] = !second[i];
            i += 1;
        }
        Forged(bytes)
    };
    let task = TaskRef::of(twice::<i8>).unwrap();
    let descriptor = std::ptr::from_ref(task.descriptor()) as i64;
    let offset = task.offset() + ((&raw const FORGED) as i64 - descriptor);
    let e = resolve(offset, task.fingerprint()).unwrap_err().to_string();
    assert!(e.ends_with(": no descriptor there"), "{e}");
}
