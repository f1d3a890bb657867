//! The sentences, word for word: they are what most users see of an error.

use std::time::Duration;

use procession_os::ExitStatus;
use procession_task::{Failure, Location, Stage};

use super::{Error, PanicReport, TaskError, TaskErrorKind, TaskId, WorkerDeath};

fn segfault() -> WorkerDeath {
    let status = ExitStatus::signaled(11, false);
    WorkerDeath::new(
        4711,
        "pool-1/3".to_owned(),
        status,
        Some(Duration::from_millis(12)),
    )
}

fn panicked(stage: Stage) -> Failure {
    let location = Location {
        file: "src/x.rs".to_owned(),
        line: 10,
        column: 5,
    };
    Failure {
        location: Some(location),
        ..Failure::new(stage, "out of paper")
    }
}

#[test]
fn a_death_tells_who_how_what_and_when() {
    let error = TaskError::new(TaskErrorKind::WorkerDied, "my_crate::f");
    let error = error.with_id(TaskId(17)).with_death(segfault());
    assert_eq!(
        error.to_string(),
        "worker 4711 (\"pool-1/3\") was killed by SIGSEGV (11) while running my_crate::f (task 17, after 12 ms)"
    );
    let death = segfault()
        .with_last_words("stack overflow".into())
        .with_hint("raise stack_size".into());
    let error = error
        .with_item(3)
        .with_attempts(2)
        .with_death(death.with_stderr_tail("bye\n".into()));
    assert_eq!(
        error.to_string(),
        "worker 4711 (\"pool-1/3\") was killed by SIGSEGV (11) while running my_crate::f \
         (task 17, item 3, after 2 attempts, after 12 ms); stack overflow; raise stack_size; its last lines on stderr:\nbye"
    );
}

#[test]
fn an_exit_without_a_result_says_so() {
    let death = WorkerDeath::new(9, "Process-1".into(), ExitStatus::exited(0), None).of_process();
    let error = TaskError::new(TaskErrorKind::WorkerDied, "f").with_death(death);
    assert_eq!(
        error.to_string(),
        "process 9 (\"Process-1\") exited with code 0 before returning a result while running f"
    );
    let death = WorkerDeath::new(9, "w".into(), ExitStatus::lost(), None);
    assert_eq!(
        death.to_string(),
        "worker 9 (\"w\") ended with unknown status (collected by someone else)"
    );
}

#[test]
fn a_panic_tells_its_place() {
    let error = TaskError::from_failure("f", panicked(Stage::Run));
    assert_eq!(error.kind(), TaskErrorKind::Panicked);
    assert_eq!(
        error.to_string(),
        "f panicked at src/x.rs:10:5: out of paper"
    );
    let error = TaskError::from_failure("f", panicked(Stage::PanicDecode)).with_id(TaskId(1));
    assert_eq!(
        error.to_string(),
        "decoding the arguments of f (task 1) panicked at src/x.rs:10:5: out of paper"
    );
    let aborted = TaskError::from_failure("f", panicked(Stage::Run)).with_death(segfault());
    assert_eq!(
        aborted.to_string(),
        "f panicked at src/x.rs:10:5: out of paper; worker 4711 (\"pool-1/3\") was killed by SIGSEGV (11)"
    );
    assert_eq!(aborted.panic().and_then(PanicReport::line), Some(10));
}

#[test]
fn every_stage_has_its_kind() {
    let kind = |stage| TaskError::from_failure("f", Failure::new(stage, "why")).kind();
    assert_eq!(kind(Stage::UnknownTask), TaskErrorKind::DecodeArgs);
    assert_eq!(kind(Stage::DecodeArgs), TaskErrorKind::DecodeArgs);
    assert_eq!(kind(Stage::PanicEncode), TaskErrorKind::Panicked);
    assert_eq!(kind(Stage::EncodeResult), TaskErrorKind::EncodeResult);
    assert_eq!(kind(Stage::Start), TaskErrorKind::Broken);
    let error =
        TaskError::from_failure("f", Failure::new(Stage::TooLarge { size: 9, limit: 4 }, ""));
    assert_eq!(
        error.to_string(),
        "f exceeds a size limit: the result takes 9 bytes, the limit is 4 bytes"
    );
}

#[test]
fn a_changed_clone_leaves_the_original_alone() {
    let one = TaskError::new(TaskErrorKind::Cancelled, "f");
    let two = one.clone().with_id(TaskId(2));
    assert_eq!((one.task_id(), two.task_id()), (None, Some(TaskId(2))));
    assert_eq!(two.to_string(), "f (task 2) was cancelled");
}

#[test]
fn a_failed_operation_tells_operation_subject_and_cause() {
    let cause = procession_os::Error::new(
        "cannot create a control socket (socketpair)",
        rustix::io::Errno::MFILE,
    );
    let error = Error::os("cannot start \"Process-1\"", cause);
    assert_eq!(
        error.to_string(),
        "cannot start \"Process-1\": cannot create a control socket (socketpair): Too many open files (os error 24)"
    );
    assert_eq!(error.raw_os_error(), Some(24));
    assert!(Error::forked(7).is_forked() && !error.is_forked());
    let task = TaskError::new(TaskErrorKind::EncodeArgs, "f").with_detail("no such thing");
    let error = Error::from(task);
    assert_eq!(
        error.to_string(),
        "cannot make the call: the arguments of f cannot be encoded: no such thing"
    );
    assert_eq!(
        error.task_error().map(TaskError::kind),
        Some(TaskErrorKind::EncodeArgs)
    );
}
