//! The panic hook, in a process of its own because there is one hook for all: capture, sink, chaining, a replaced hook.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use procession_task::panic::{Report, install_hook, take};
use procession_task::{Failure, Limits, Stage, TaskRef};

static PRINTED: AtomicU32 = AtomicU32::new(0);
static LAST_WORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn sink(failure: &Failure) {
    LAST_WORDS.lock().unwrap().push(failure.to_string());
}

fn panics(how: u8) {
    match how {
        0 => panic!("formatted {how}"),
        1 => std::panic::panic_any(vec![1]),
        2 => {
            let _ = catch_unwind(|| panic!("caught by the task itself"));
            resume_unwind(Box::new("without the hook"));
        }
        _ => {
            let Err(payload) = std::thread::spawn(|| panic!("in its own thread")).join();
            resume_unwind(payload);
        }
    }
}

fn call(how: u8) -> Failure {
    let task = TaskRef::of(panics).unwrap().descriptor();
    task.call(&[how], &mut Vec::new(), &Limits::default())
        .unwrap_err()
}

/// One test, because its steps replace the process's hook.
#[test]
fn a_panic_is_captured_reported_and_chained() {
    std::panic::set_hook(Box::new(|_| {
        PRINTED.fetch_add(1, Ordering::SeqCst);
    }));
    install_hook(sink, Report::Print);
    install_hook(sink, Report::Print);

    let failure = call(0);
    let location = failure.location.clone().unwrap();
    assert_eq!(
        (failure.stage, failure.message.as_str()),
        (Stage::Run, "formatted 0")
    );
    assert!(
        location.file.ends_with("tests/hook.rs") && location.line > 1,
        "{location}"
    );
    assert_eq!(
        failure.to_string(),
        format!("panicked at {location}: formatted 0")
    );
    assert_eq!(
        PRINTED.load(Ordering::SeqCst),
        1,
        "the previous hook runs, once"
    );
    assert_eq!(
        *LAST_WORDS.lock().unwrap(),
        [failure.to_string()],
        "the sink is called, once"
    );
    assert_eq!(take(), None, "the call took it");

    let failure = call(1);
    assert_eq!(failure.message, "<non-string payload>");
    assert!(failure.location.is_some());

    let failure = call(2);
    assert_eq!(
        (failure.message.as_str(), failure.location),
        ("without the hook", None)
    );
    let failure = call(3);
    assert_eq!(
        (failure.message.as_str(), failure.location),
        ("in its own thread", None)
    );

    install_hook(sink, Report::Quiet);
    let before = PRINTED.load(Ordering::SeqCst);
    assert!(call(0).location.is_some());
    assert_eq!(
        PRINTED.load(Ordering::SeqCst),
        before,
        "quiet: the previous hook does not run"
    );

    // A panic outside any call is kept for whoever asks.
    let _ = catch_unwind(AssertUnwindSafe(|| panic!("outside")));
    assert_eq!(take().unwrap().message, "outside");

    std::panic::set_hook(Box::new(|_| {}));
    let failure = call(0);
    assert_eq!(
        (failure.message.as_str(), failure.location),
        ("formatted 0", None),
        "the user's hook stands"
    );
}
