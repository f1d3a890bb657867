//! The note a process leaves when the processor or the kernel stops it: written by a signal handler into shared words, read
//! by the parent after the death. It changes nothing about how the process dies.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys;
use crate::words::Words;

/// How far from the stack pointer an address still counts as "on the stack": one guard page's worth and the frames that
/// compilers probe without moving the pointer.
const NEAR: usize = 64 * 1024;

/// What a fatal-signal handler knows. Plain numbers only.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) signo: i32,
    pub(crate) code: i32,
    pub(crate) address: usize,
    /// 0 where this architecture's layout is not known.
    pub(crate) stack_pointer: usize,
}

/// What a fatal signal was about, as the process itself saw it. It comes from memory the process could write: a hint.
///
/// ```
/// use procession_os::{FatalNote, words::Words};
///
/// let words = Words::heap(FatalNote::WORDS);
/// assert_eq!(FatalNote::read(&words), None); // nothing happened
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FatalNote {
    /// The signal.
    pub signo: i32,
    /// The kernel's reason (`si_code`): above 0 a fault, otherwise sent by a process.
    pub code: i32,
    /// The address of the fault.
    pub address: u64,
    /// Whether the address lies next to the stack pointer: with SIGSEGV, most likely a stack overflow.
    pub near_stack_pointer: bool,
}

impl FatalNote {
    /// The words a note takes: signal (0: no note), code, address, nearness.
    pub const WORDS: usize = 4;

    /// The note in these words, `None` when there is none or the words are too few.
    ///
    /// ```
    /// use procession_os::{FatalNote, sync::Ordering, words::Words};
    ///
    /// let words = Words::heap(4);
    /// words.at(2).store(0x10, Ordering::Relaxed);
    /// words.at(1).store(1, Ordering::Relaxed);
    /// words.at(0).store(11, Ordering::Release);
    /// let note = FatalNote::read(&words).unwrap();
    /// assert_eq!((note.signo, note.code, note.address, note.near_stack_pointer), (11, 1, 0x10, false));
    /// ```
    pub fn read(words: &Words) -> Option<FatalNote> {
        if words.len() < Self::WORDS {
            return None;
        }
        let signo = words.at(0).load(Ordering::Acquire) as u32 as i32;
        (signo != 0).then(|| FatalNote {
            signo,
            code: words.at(1).load(Ordering::Relaxed) as u32 as i32,
            address: words.at(2).load(Ordering::Relaxed),
            near_stack_pointer: words.at(3).load(Ordering::Relaxed) != 0,
        })
    }

    fn write(&self, words: &Words) {
        words
            .at(1)
            .store(u64::from(self.code as u32), Ordering::Relaxed);
        words.at(2).store(self.address, Ordering::Relaxed);
        words
            .at(3)
            .store(u64::from(self.near_stack_pointer), Ordering::Relaxed);
        // Last: a note with a signal is a whole note.
        words
            .at(0)
            .store(u64::from(self.signo as u32), Ordering::Release);
    }
}

/// Where the handler writes. Kept for ever: a handler may run at any instant.
static NOTE: OnceLock<Words> = OnceLock::new();
/// The first fault is the cause; others follow from it.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// From here on SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGSYS leave a [`FatalNote`] in the first words of `words` and then act
/// as before: the runtime's stack overflow message, or death by that signal.
///
/// Best effort, since a note is only a hint: nothing is installed when there are fewer than [`FatalNote::WORDS`] words,
/// when a note is installed already, or when the kernel refuses. The handler runs on an alternate stack; a thread that has
/// none and overflows its stack dies without a note. The words stay in use until the process ends.
///
/// ```no_run
/// # let words = procession_os::words::Words::heap(4);
/// procession_os::prologue::install_fatal_signal_note(words);
/// ```
pub fn install_fatal_signal_note(words: Words) {
    if words.len() >= FatalNote::WORDS && NOTE.set(words).is_ok() {
        // On an error some of the signals leave no note; all of them still act as they did.
        let _ = sys::on_fatal_signals(leave_note);
    }
}

/// Runs in a signal handler: atomic loads and stores only.
fn leave_note(fault: &Fault) {
    let Some(words) = NOTE.get() else { return };
    if TAKEN.swap(true, Ordering::Relaxed) {
        return;
    }
    let near_stack_pointer =
        fault.stack_pointer != 0 && fault.address.abs_diff(fault.stack_pointer) < NEAR;
    let note = FatalNote {
        signo: fault.signo,
        code: fault.code,
        address: fault.address as u64,
        near_stack_pointer,
    };
    note.write(words);
}
