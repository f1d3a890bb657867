//! The pool's own thread has panicked, which is a bug of this library: every handle is to know, and no worker is to stay.
//!
//! The panic may have left anything behind, so nothing here may rest on the scheduler's state being whole.

use std::panic::{AssertUnwindSafe, catch_unwind};

use procession_worker::TaskErrorKind;

use super::parts::{JobData, Payload};
use super::{Driver, Shared};

impl Shared {
    /// Resolves everything and ends every worker at once: nobody is left to do it in order.
    pub(super) fn give_up(&self) {
        let in_order = catch_unwind(AssertUnwindSafe(|| {
            let mut driver = self.lock();
            driver.parts.broken = Some("internal error: the pool's own thread panicked".into());
            #[cfg(test)]
            self.fault.strike(super::fault::Place::GivingUp);
            let Driver { core, parts, .. } = &mut *driver;
            core.give_up(parts);
            driver.abandon();
            self.unlock(driver);
        }));
        if in_order.is_err() {
            let mut driver = self.lock();
            driver.resolve_by_hand();
            driver.abandon();
            let wakes = std::mem::take(&mut driver.parts.wakes);
            let trace = driver.parts.trace.take();
            drop(driver);
            procession_worker::nap::rouse(&self.own);
            wakes.perform();
            trace.emit(&self.spec.name);
        }
    }
}

impl Driver {
    /// Resolves what the scheduler did not, without asking it; outcomes that are there stand.
    fn resolve_by_hand(&mut self) {
        self.core.refuse_everything();
        for mut data in self.parts.jobs.iter_mut().filter_map(Option::take) {
            self.parts.trace.ended(&mut data);
            let cause = self.parts.broken.clone().unwrap_or_default();
            let error = |item| {
                let error = data.error(TaskErrorKind::Broken, item);
                error.with_detail(cause.clone())
            };
            for item in 0..items_of(&data) {
                let told = data.fail(item, error(item));
                self.parts.wakes.add(told.unwrap_or_default());
            }
            data.cell.finish(&mut self.parts.wakes);
        }
        for asking in self.room.take_all() {
            asking.finish(&mut self.parts.wakes);
        }
    }
}

fn items_of(data: &JobData) -> u32 {
    match &data.payload {
        Payload::Word(_) | Payload::Short(_) | Payload::Long(_) | Payload::Mentioning(_) => 1,
        Payload::Many(segments) => {
            let items = segments.iter().map(super::parts::Segment::items);
            // The last ones may have been too many.
            items.fold(0, u32::saturating_add)
        }
    }
}
