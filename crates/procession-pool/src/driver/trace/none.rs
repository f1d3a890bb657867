//! Nothing: the feature `tracing` is off. It must have the methods of `notes.rs`, and none of their code.

use procession_worker::WorkerDeath;

use super::super::Driver;
use super::super::parts::{JobData, Parts};
use crate::core::{Cancelled, JobId, Slot};

#[derive(Debug, Default)]
pub(crate) struct Trace;

impl Trace {
    #[inline(always)]
    pub(crate) fn ended(&mut self, _: &JobData) {}
    #[inline(always)]
    pub(crate) fn born(&mut self, _: Slot, _: u32) {}
    #[inline(always)]
    pub(crate) fn died(&mut self, _: Slot, _: &WorkerDeath, _: bool) {}
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Trace {
        Trace
    }
    #[inline(always)]
    pub(crate) fn emit(self, _: &str) {}
}

impl Parts {
    #[inline(always)]
    pub(crate) fn trace_submitted(&mut self, _: JobId, _: u32) {}
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
