//! Names tasks in one process and calls them in another, which is told nothing but offset, fingerprint and build id.

use std::process::{Command, ExitCode};

use procession_task::panic::{Report, install_hook};
use procession_task::{Arguments, Descriptor, Limits, Task, TaskRef, build_id, encode, resolve};

fn plain(a: u32, b: String) -> String {
    format!("{a}{b}")
}

fn generic<T: std::ops::Add<Output = T> + Copy>(x: T) -> T {
    x + x
}

// The same machine code, so that a linker may fold them into one.
fn first_twin(x: u64) -> u64 {
    x.wrapping_mul(3)
}

fn second_twin(x: u64) -> u64 {
    x.wrapping_mul(3)
}

fn fails(x: u8) -> u8 {
    assert!(x > 200, "{x} is too small");
    x
}

/// A task as the parent names it, and as the child sees it.
struct Case {
    task: TaskRef,
    check: fn(&'static Descriptor) -> bool,
}

fn case<F: Task<Args>, Args: Arguments>(task: F, check: fn(&'static Descriptor) -> bool) -> Case {
    Case { task: TaskRef::of(task).unwrap(), check }
}

/// `wanted` is compared as bytes, so that the program needs no serde of its own.
fn gives<Args: Arguments, R>(found: &Descriptor, args: Args, wanted: R) -> bool
where
    (R,): Arguments,
{
    let limits = Limits::default();
    let (mut input, mut output, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    encode(&args, &mut input, &limits).unwrap();
    encode(&(wanted,), &mut expected, &limits).unwrap();
    found.call(&input, &mut output, &limits).unwrap();
    output == expected
}

fn cases() -> Vec<Case> {
    vec![
        case(plain, |d| gives(d, (4u32, "2".to_string()), "42".to_string())),
        case(generic::<u16>, |d| gives(d, (21u16,), 42u16)),
        case(|x: i64| x - 1, |d| gives(d, (43i64,), 42i64)),
        case(u32::count_ones, |d| gives(d, (7u32,), 3u32)),
        case(std::mem::drop::<u8>, |d| gives(d, (7u8,), ())),
        case(dependency::shout, |d| gives(d, ("a".to_string(),), "A!".to_string())),
        case(dependency::pair::<u8>, |d| gives(d, (1u8,), (1u8, 1u8))),
        case(first_twin, |d| d.name().ends_with("first_twin") && gives(d, (14u64,), 42u64)),
        case(second_twin, |d| d.name().ends_with("second_twin") && gives(d, (14u64,), 42u64)),
    ]
}

fn parent() -> ExitCode {
    let mut child = Command::new("/proc/self/exe");
    child.arg("child").arg(format!("{:x?}", build_id()));
    for case in cases() {
        child.arg(format!("{}:{}", case.task.offset(), case.task.fingerprint()));
    }
    if child.status().unwrap().success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn child(told: &[String]) -> ExitCode {
    assert_eq!(told[0], format!("{:x?}", build_id()), "build id");
    let cases = cases();
    assert_eq!(told.len(), cases.len() + 1);
    for (name, case) in told[1..].iter().zip(&cases) {
        let (offset, fingerprint) = name.split_once(':').unwrap();
        let found = resolve(offset.parse().unwrap(), fingerprint.parse().unwrap()).unwrap();
        assert_eq!(found.name(), case.task.name());
        assert!((case.check)(found), "{}", found.name());
    }
    println!("{} tasks named, found and called", cases.len());
    ExitCode::SUCCESS
}

fn panics() -> ExitCode {
    install_hook(|failure| println!("last words: {failure}"), Report::Quiet);
    let task = TaskRef::of(fails).unwrap().descriptor();
    let failure = task.call(&[1], &mut Vec::new(), &Limits::default()).unwrap_err();
    println!("reported: {failure}");
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        None => parent(),
        Some("panic") => panics(),
        _ => child(&args[1..]),
    }
}
