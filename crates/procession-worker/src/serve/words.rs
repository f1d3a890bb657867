//! What the rest of the process sees of the link: the last words, and the word that says "cancelled".
//!
//! Code here runs in the panic hook and in user code; it must not panic, wait or write to the rings.

use std::sync::OnceLock;
#[cfg(feature = "log")]
use std::sync::atomic::Ordering;

use procession_task::codec::{self, Limits};
use procession_task::failure::Failure;

use crate::link::{self, LAST_WORDS_BYTES, Layout};

/// Where the panic hook writes the last words and where `cancelled` looks: set once, before any user code runs.
static LINK: OnceLock<Layout> = OnceLock::new();

pub(super) fn open(layout: &Layout) {
    let _ = LINK.set(layout.clone());
}

/// Whether the owner of the task this worker runs has cancelled it.
pub(crate) fn is_cancelled() -> bool {
    LINK.get().is_some_and(|layout| {
        let task = layout.get(link::TASK);
        task != 0 && layout.get(link::CANCEL) == task
    })
}

/// The task this worker is at, and which of its items.
#[cfg(feature = "log")]
pub(super) fn running() -> Option<(u64, u32)> {
    let layout = LINK.get()?;
    let at = layout.header.at(link::TASK);
    let task = at.load(Ordering::Acquire);
    let item = layout.header.at(link::ITEM).load(Ordering::Acquire);
    // For the thread that runs tasks both stand still. Another one that finds a different task cannot tell whose item it has.
    let stands = at.load(Ordering::Relaxed) == task;
    (task != 0 && stands).then_some((task, item as u32))
}

pub(super) fn write_last_words(failure: &Failure) {
    // A panic that aborts ends what is gathered as well.
    super::said::send_logs_if_free();
    let Some(layout) = LINK.get() else {
        return;
    };
    let mut failure = with_its_cause(layout, failure);
    failure.backtrace = None;
    let mut cut = failure.message.len().min(LAST_WORDS_BYTES / 2);
    while !failure.message.is_char_boundary(cut) {
        cut -= 1;
    }
    failure.message.truncate(cut);
    let mut bytes = Vec::new();
    if codec::encode(&failure, &mut bytes, &Limits::default()).is_ok() {
        layout.set_last_words(&bytes);
    }
}

/// What is said of a panic that cannot unwind is the panic before it, which it follows at once.
fn with_its_cause(layout: &Layout, failure: &Failure) -> Failure {
    let cause = |bytes: Vec<u8>| codec::decode::<Failure>(&bytes, &Limits::default()).ok();
    match layout.last_words().and_then(cause) {
        Some(mut cause) if cannot_unwind(failure) => {
            cause.message = format!("{} ({})", cause.message, failure.message);
            cause
        }
        Some(_) | None => failure.clone(),
    }
}

/// Whether a panic is the runtime's own, about another one that may not go on.
pub(crate) fn cannot_unwind(failure: &Failure) -> bool {
    let message = &failure.message;
    message.starts_with("panic in a destructor during cleanup")
        || message.starts_with("panic in a function that cannot unwind")
}
