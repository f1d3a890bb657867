//! What a pool worker tells of its items besides their replies, before the reply. It must never reach the rings.

use std::io::Write;

use procession_os::hold::resident_memory;
use procession_os::prologue;
use procession_os::socket::Socket;

#[cfg(feature = "log")]
use super::forward;
use crate::link::{self, Layout};

/// What is to be told after each item.
pub(super) struct Said {
    stdout: bool,
    logs: bool,
    memory: bool,
    /// Whether any of them is.
    wanted: bool,
}

impl Said {
    pub(super) fn new(layout: &Layout) -> Said {
        let wanted = layout.get(link::WANTED);
        let stdout = wanted & link::OUTPUT_CAPTURED != 0;
        let logs = log_level(layout) > 0;
        let memory = wanted & link::MEMORY_NOTED != 0;
        Said {
            stdout,
            logs,
            memory,
            wanted: stdout || logs || memory,
        }
    }

    /// An item has run; its reply is not there yet. `left` more of its call come.
    #[inline]
    pub(super) fn item_over(&self, layout: &Layout, left: u32) {
        if self.wanted {
            self.tell(layout, left);
        }
    }

    #[inline(never)]
    fn tell(&self, layout: &Layout, left: u32) {
        self.pass_on();
        if self.memory && left == 0 {
            layout.set(link::MEMORY, resident_memory().unwrap_or(0));
        }
    }

    /// Passes on what was printed and logged so far.
    pub(super) fn pass_on(&self) {
        if self.stdout {
            // An output that the item has closed has nobody to tell.
            let _ = std::io::stdout().flush();
        }
        if self.logs {
            send_logs();
        }
    }
}

/// Sees to it that what C code prints is there when its item is over, if the parent wants it; before any user code runs.
pub(super) fn open_stdout(layout: &Layout) {
    if layout.get(link::WANTED) & link::OUTPUT_CAPTURED != 0 {
        // A C library that refuses keeps its lines longer: no reason to fail.
        let _ = prologue::line_buffer_stdout();
    }
}

fn log_level(layout: &Layout) -> u8 {
    (layout.get(link::WANTED) >> link::LOG_LEVEL_SHIFT) as u8
}

/// Sees to it that log records go to the parent, if it wants them; before any user code runs.
pub(super) fn open_logs(layout: &Layout, control: &Socket) {
    let level = log_level(layout);
    if level > 0 {
        #[cfg(feature = "log")]
        forward::open(level, control);
    }
    #[cfg(not(feature = "log"))]
    let _ = control;
}

/// Sends the log records that are gathered.
pub(super) fn send_logs() {
    #[cfg(feature = "log")]
    forward::send();
}

/// As [`send_logs`], in the panic hook.
pub(super) fn send_logs_if_free() {
    #[cfg(feature = "log")]
    forward::send_if_free();
}
