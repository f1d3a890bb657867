//! The note of a process that aborts because an allocation failed. It changes nothing about how the process dies.
//!
//! Rust has no stable hook for a failed allocation: the runtime prints one line and aborts. What is left to see in the handler
//! of that signal is who called `abort`, and, where the compiler has inlined that function away, the reason of the last failed
//! call of the thread, which after a refused allocation is `ENOMEM`.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use rustix::io::Errno;

use crate::sys::{self, Abort};
use crate::words::Words;

/// Where the handler writes. Kept for ever: a handler may run at any instant.
static NOTE: OnceLock<Words> = OnceLock::new();

/// From here on an abort because an allocation failed sets the first of these words to 1; then the process ends by SIGABRT as it
/// would have. So does an abort of a thread whose last failed call ended with `ENOMEM`, whatever it did since.
///
/// Best effort, since a note is only a hint: nothing is installed when there is no word, when it is installed already, or when
/// the kernel refuses. A program that later handles SIGABRT itself leaves no note.
///
/// ```no_run
/// # let words = procession_os::words::Words::heap(1);
/// procession_os::hold::install_out_of_memory_note(words);
/// ```
pub fn install_out_of_memory_note(words: Words) {
    if !words.is_empty() && NOTE.set(words).is_ok() {
        let _ = sys::on_abort(leave_note);
    }
}

/// Runs in a signal handler: atomic loads and stores only.
fn leave_note(abort: &Abort) {
    if let Some(words) = NOTE.get()
        && (abort.in_allocation_error || abort.last_error == Some(Errno::NOMEM))
    {
        words.at(0).store(1, Ordering::Release);
    }
}

pub(crate) fn is_noted(words: &Words) -> bool {
    !words.is_empty() && words.at(0).load(Ordering::Acquire) == 1
}
