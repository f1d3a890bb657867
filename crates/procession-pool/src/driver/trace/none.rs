//! Nothing: the feature `tracing` is off. It must have the methods of `notes.rs`, and none of their code.

use procession_worker::{TaskId, WorkerDeath};

use super::super::Driver;
use super::super::parts::{JobData, Parts};
use crate::core::{Cancelled, JobId, Slot};

#[derive(Debug, Default)]
pub(crate) struct Trace;

impl Trace {
    #[inline(always)]
    pub(crate) fn ended(&mut self, data: &mut JobData) {
        let TaskSpan(()) = data.span;
    }
    #[inline(always)]
    pub(crate) fn born(&mut self, _: u32, _: u32) {}
    #[inline(always)]
    pub(crate) fn died(&mut self, _: u32, _: &WorkerDeath, _: bool) {}
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Trace {
        Trace
    }
    #[inline(always)]
    pub(crate) fn emit(self, _: &str) {}
}

#[derive(Clone, Debug, Default)]
pub(crate) struct TaskSpan(());

impl TaskSpan {
    #[inline(always)]
    pub(crate) fn is_due(&self) -> bool {
        false
    }
    #[inline(always)]
    pub(crate) fn id(&self) -> Option<TaskId> {
        None
    }
    #[inline(always)]
    pub(crate) fn begin(&mut self, _: &str, _: TaskId, _: &'static str, _: u32) {}
    #[inline(always)]
    pub(crate) fn refused(&self) {}
}

impl Parts {
    #[inline(always)]
    pub(crate) fn trace_refused(&mut self, _: JobId) {}
    #[inline(always)]
    pub(crate) fn trace_extended(&mut self, _: JobId, _: u32) {}
    #[inline(always)]
    pub(crate) fn trace_started(&mut self, _: Slot, _: JobId, _: u32, _: u32) {}
    #[inline(always)]
    pub(crate) fn trace_lost(&mut self, _: JobId, _: u32, _: Slot) {}
    #[inline(always)]
    pub(crate) fn trace_timed_out(&mut self, _: JobId, _: u32, _: Slot) {}
    #[inline(always)]
    pub(crate) fn trace_cancelled(&mut self, _: JobId, _: u32, _: u32, _: Cancelled) {}
}

impl Driver {
    #[inline(always)]
    pub(crate) fn trace_drop(&mut self) {}
    #[inline(always)]
    pub(crate) fn trace_state(&mut self) {}
}
