//! The panic hook: keeps a panic's message and place for the report; it must not silence anyone's hook unless told to.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::{Once, PoisonError, RwLock};

use super::{Failure, Location, Stage, text};

/// Whether a panic is also printed by the hook that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The previous hook runs after the capture: the usual message on standard error.
    Print,
    /// The previous hook does not run; the report of the call is the only trace.
    Quiet,
}

/// What to do with a panic besides keeping it.
#[derive(Clone, Copy)]
struct Settings {
    sink: fn(&Failure),
    report: Report,
}

static SETTINGS: RwLock<Option<Settings>> = RwLock::new(None);
static INSTALL: Once = Once::new();

thread_local! {
    /// The last panic of this thread.
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Captures every panic of this process: calls `sink` first (the last words of a process that aborts), then the previous hook if `report` says so.
///
/// The sink is called on the panicking thread, for panics on any thread. It must not panic: that aborts the process.
/// A second call replaces sink and report, and does not chain the hook to itself.
///
/// ```
/// use procession_task::panic::{Report, install_hook, take};
///
/// install_hook(|failure| assert_eq!(failure.message, "out of paper"), Report::Quiet);
/// let _ = std::panic::catch_unwind(|| panic!("out of {}", "paper"));
/// let failure = take().unwrap();
/// assert_eq!(failure.message, "out of paper");
/// assert!(failure.location.is_some());
/// assert_eq!(take(), None);
/// ```
pub fn install_hook(sink: fn(&Failure), report: Report) {
    *SETTINGS.write().unwrap_or_else(PoisonError::into_inner) = Some(Settings { sink, report });
    INSTALL.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if on_panic(info) == Report::Print {
                previous(info);
            }
        }));
    });
}

/// The last panic captured on this thread, once.
#[must_use]
pub fn take() -> Option<Failure> {
    LAST.try_with(|last| last.try_borrow_mut().ok()?.take())
        .ok()
        .flatten()
}

/// What was captured of the panic with this payload. A panic the task caught itself, before, has another message and is not taken for it.
pub(crate) fn take_for(message: &str) -> Option<Failure> {
    take().filter(|captured| captured.message == message)
}

/// The message of a panic payload, bounded and escaped.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        text::message(message)
    } else if let Some(message) = payload.downcast_ref::<String>() {
        text::message(message)
    } else {
        "<non-string payload>".to_string()
    }
}

fn on_panic(info: &PanicHookInfo<'_>) -> Report {
    let failure = Failure {
        stage: Stage::Run,
        message: payload_ref_text(info),
        location: info.location().map(|at| Location {
            file: text::file(at.file()),
            line: at.line(),
            column: at.column(),
        }),
        backtrace: captured_backtrace(),
    };
    let settings = *SETTINGS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(settings) = settings {
        (settings.sink)(&failure);
    }
    // A thread that is being torn down has no place to keep it, and no call to report it for.
    let _ = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = Some(failure);
        }
    });
    settings.map_or(Report::Print, |settings| settings.report)
}

fn payload_ref_text(info: &PanicHookInfo<'_>) -> String {
    info.payload_as_str()
        .map_or_else(|| "<non-string payload>".to_string(), text::message)
}

fn captured_backtrace() -> Option<String> {
    let backtrace = Backtrace::capture();
    (backtrace.status() == BacktraceStatus::Captured)
        .then(|| text::backtrace(&backtrace.to_string()))
}
