//! What the items of a pool worker say besides their replies, sent on before the reply. It must never reach the rings.

use std::io::Write;

use crate::link::{self, Layout};

/// What is to be sent on after each item.
pub(crate) struct Said {
    stdout: bool,
}

impl Said {
    pub(crate) fn new(layout: &Layout) -> Said {
        let wanted = layout.get(link::WANTED);
        Said {
            stdout: wanted & link::OUTPUT_CAPTURED != 0,
        }
    }

    /// An item has run; its reply is not there yet.
    pub(crate) fn item_over(&self) {
        if self.stdout {
            // An output that the item has closed has nobody to tell.
            let _ = std::io::stdout().flush();
        }
    }
}
