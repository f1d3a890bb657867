//! The entry: tells a parent from a child, and never lets a child reach the user's code twice. Starts no process.

mod enter;
mod run;

use std::io::Write;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use procession_os::prologue;

pub(crate) use enter::{call_arguments, marker};
pub(crate) use run::hand_over;

use crate::error::Error;

/// The variable that marks a child; its value is the start's nonce. Removed before any user code runs in the child.
pub(crate) const MARKER: &str = "PROCESSION_BOOT";
/// Exit code: the parent said something this process does not understand.
pub(crate) const EXIT_PROTOCOL: i32 = 120;
/// Exit code: the parent was gone.
pub(crate) const EXIT_PARENT_GONE: i32 = 121;
/// Exit code: a pool worker's initializer failed.
pub(crate) const EXIT_INITIALIZER: i32 = 122;
/// Exit code: this process and its parent are different builds.
pub(crate) const EXIT_BUILD: i32 = 123;
/// Exit code: a child used the library in `main` before it called [`init`].
pub(crate) const EXIT_NO_INIT: i32 = 124;
/// Exit code of a function that panicked, as of a Rust program that does.
pub(crate) const EXIT_PANIC: i32 = 101;

/// Processes may be nested this deep: the process the user started is at depth 0, its children are at depth 1.
pub const MAX_DEPTH: u32 = 10;

const NONE: u8 = 0;
const HOST: u8 = 1;
const CHILD: u8 = 2;
static STATE: AtomicU8 = AtomicU8::new(NONE);
/// The process that called [`init`]; another pid means a forked copy.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Makes this program able to run functions in other processes: the first line of `main`.
///
/// A child process is this same program started again. In the program the user started, `init` returns at once; called
/// again, it does nothing. In a child it takes the call from the parent, runs it and ends the process: it never returns,
/// so nothing of `main` below it runs twice. What stands above it does run again in every child.
///
/// A program that forgets it gets an error that says so from its first use of the library, and no process is started.
/// For tests, benches and libraries, whose `main` is not theirs, there is [`init_before_main!`](crate::init_before_main).
///
/// # Hazard
/// It reads and changes the environment of a child: there must be no other threads before it in `main`.
///
/// ```
/// procession_worker::init(); // the first line of main
/// assert!(!procession_worker::is_worker(), "a child never gets here");
/// ```
pub fn init() {
    if STATE.load(Ordering::Acquire) != NONE {
        return;
    }
    OWNER.store(std::process::id(), Ordering::Relaxed);
    match prologue::take_env(MARKER) {
        Some(nonce) => {
            STATE.store(CHILD, Ordering::Release);
            enter::enter(&nonce.to_string_lossy())
        }
        None => STATE.store(HOST, Ordering::Release),
    }
}

/// Calls [`init`] before `main`: once per crate, for tests, benches and libraries.
///
/// It registers the same entry in the program's list of constructors (`.init_array`), so that it runs whatever `main`
/// is. It compiles in crates that deny or forbid unsafe code.
///
/// # Hazard
/// In a child, the function then runs before `main` too: other constructors of the program may not have run, the main
/// thread has no name in panic messages, and a stack overflow on it is a plain SIGSEGV without the usual line on stderr.
/// Programs with a `main` of their own should call [`init`] there.
///
/// ```standalone_crate
/// procession_worker::init_before_main!();
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let sum = procession_worker::Process::spawn(|a: u32, b: u32| a + b, (1, 2))?.into_result()?;
///     assert_eq!(sum, 3);
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! init_before_main {
    () => {
        const _: () = {
            // SAFETY: the section is an array of C functions to call before `main`, and one such function is what is put there.
            #[used]
            #[unsafe(link_section = ".init_array")]
            static PROCESSION_ENTRY: extern "C" fn() = $crate::before_main;
        };
    };
}

/// What [`init_before_main!`](crate::init_before_main) registers.
#[doc(hidden)]
pub extern "C" fn before_main() {
    init();
}

/// Every first use in a parent asks this: `Ok` when [`init`] has run here.
///
/// A child that gets here without it would start children of its own for ever: it says one line and exits.
pub(crate) fn require_init() -> Result<(), Error> {
    match STATE.load(Ordering::Acquire) {
        NONE if std::env::var_os(MARKER).is_some() => no_init_in_child(),
        NONE => Err(Error::not_initialized(
            "procession is not initialized: write `procession::init();` as the first line of main \
             (in tests, benches and libraries: `procession::init_before_main!();` once per crate)",
        )),
        _ => Ok(()),
    }
}

/// `Err` in a forked copy of the process that called [`init`]: nothing of the original may be used there.
pub(crate) fn require_original() -> Result<(), Error> {
    let owner = OWNER.load(Ordering::Relaxed);
    if owner == 0 || owner == std::process::id() {
        Ok(())
    } else {
        Err(Error::forked(owner))
    }
}

fn no_init_in_child() -> ! {
    die(
        EXIT_NO_INIT,
        "a child process reached this program's main without procession::init(): \
         write `procession::init();` as the first line of main",
    )
}

/// Ends this child at once with one line on stderr. At-exit hooks do not run.
pub(crate) fn die(code: i32, why: &str) -> ! {
    say(why);
    prologue::exit_now(code)
}

/// One line on stderr, whole; a closed stderr is no reason to fail.
pub(crate) fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("procession: {line}\n").as_bytes());
}
