//! What the core asks of its driver; must not be implemented by anything that calls back into the core.

use super::{Fate, JobId, Nanos, Slot};

/// Why items were resolved without being run to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// Another item of the same `stop_on_failure` job failed before these had begun.
    StoppedByFailure,
    /// The owner of the job asked for it: with [`Core::cancel`](super::Core::cancel) before these had begun, with
    /// [`Core::revoke`](super::Core::revoke) begun or not.
    ByOwner,
    /// They had not begun when their time to begin was over ([`Terms::start_by`](super::Terms::start_by)).
    Expired,
    /// The pool was terminated; these may have begun.
    Terminated,
    /// No worker could be started; these may have begun.
    Broken,
}

/// How long an item ran, and how long it was allowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overrun {
    /// Time it ran.
    pub(crate) ran: Nanos,
    /// Its limit.
    pub(crate) limit: Nanos,
    /// Time it has from now on to return; 0: its worker is ended at once.
    pub(crate) grace: Nanos,
}

/// The core's hands. Called in the middle of core methods; must not call back.
pub(crate) trait Effects {
    /// Puts items `first..first + count` on the link of `to` as one frame and says how many it could put there: fewer
    /// shorten the frame; 0 stops the feeding of that worker until its next reply. A link with nothing in it must take
    /// at least one item.
    fn send(&mut self, to: Slot, job: JobId, first: u32, count: u32) -> u32;
    /// Takes back every frame the worker has not begun and says how many these are; they are the newest ones.
    fn take_back(&mut self, from: Slot) -> u32;
    /// This item had begun in a worker that died; unless it is tried again, that is its error.
    fn lost_item(&mut self, job: JobId, item: u32, by: Slot, fate: Fate);
    /// This item's reply, which the driver holds while it calls [`Core::failed`](super::Core::failed), is its outcome,
    /// unless it is tried again.
    fn failed_item(&mut self, job: JobId, item: u32, fate: Fate);
    /// The error that was judged is this item's outcome.
    fn give_up(&mut self, job: JobId, item: u32);
    /// When the worker began this item, which is the first of its oldest frame; `None`: it has not.
    fn begun_at(&mut self, slot: Slot, job: JobId, item: u32) -> Option<Nanos>;
    /// This item has run longer than its limit, and its worker was told; unless it is tried again, that is its error.
    fn timed_out(&mut self, job: JobId, item: u32, by: Slot, over: Overrun, fate: Fate);
    /// Items `first..first + count` are resolved as cancelled.
    fn cancelled(&mut self, job: JobId, first: u32, count: u32, why: Cancelled);
    /// Nobody waits for what the worker has begun of this job: it may stop running it.
    fn tell_unwanted(&mut self, to: Slot, job: JobId);
    /// The worker has replied to everything nobody waited for. What it is sent from here on is wanted, of whatever job it is.
    fn tell_wanted(&mut self, to: Slot);
    /// Every item of the job is resolved and none will be added; the id is free again after this call.
    fn finished(&mut self, job: JobId);
    /// Starts a worker here, which is called by `index`; answered by `started` or `start_failed` once the core method has
    /// returned. The place may be one that was never named before.
    fn start(&mut self, slot: Slot, index: u32);
    /// Asks the worker to exit in order; answered by `lost`.
    fn stop(&mut self, slot: Slot);
    /// Ends the worker at once: asks, and kills it when it does not end; answered by `lost`. Whatever it still says is
    /// of no interest.
    fn kill(&mut self, slot: Slot);
}
