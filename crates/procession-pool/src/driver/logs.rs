//! Log records that workers have sent: handed in if they were asked for. It must never log.

use procession_task::LogBatch;

use super::{Driver, Shared};
use crate::core::Slot;

impl Driver {
    /// A worker has logged something.
    #[cfg(feature = "log")]
    pub(super) fn logged(&mut self, slot: Slot, shared: &Shared, batch: LogBatch) {
        if let Some(worker) = self.parts.seat(slot).and_then(|seat| seat.worker.as_ref()) {
            shared.logs.hand_in(&shared.callbacks, worker.name(), batch);
        }
    }

    /// Without the feature nobody asks for records.
    #[cfg(not(feature = "log"))]
    pub(super) fn logged(&mut self, slot: Slot, _shared: &Shared, _batch: LogBatch) {
        self.parts
            .violate(slot, "it sent log records nobody asked for".into());
    }
}
