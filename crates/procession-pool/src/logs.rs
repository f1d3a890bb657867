//! The workers' log records, logged here: on the callback thread, in order, within bounds.
//!
//! It must never call the logger anywhere else: that is user code.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use log::kv::{Source, Value};
use log::{Level, Metadata, Record};
use procession_task::{LogBatch, LogRecord};

use crate::callbacks::Callbacks;

/// Bytes of records that wait for the logger.
const MOST: usize = 4 << 20;

/// One pool's records on their way.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

impl Logs {
    /// Hands in what a worker has logged; never waits.
    pub(crate) fn hand_in(
        self: &Arc<Self>,
        callbacks: &Arc<Callbacks>,
        worker: &Arc<str>,
        batch: LogBatch,
    ) {
        let bytes = batch.records.iter().map(LogRecord::bytes).sum();
        if self.bytes.load(Ordering::Relaxed) > MOST {
            let records = batch.records.len() as u64;
            self.dropped
                .fetch_add(batch.dropped.saturating_add(records), Ordering::Relaxed);
            return;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let (logs, worker) = (Arc::clone(self), Arc::clone(worker));
        let guard = Arc::clone(callbacks);
        callbacks.post(Box::new(move || {
            guard.guard(|| write_dropped(&worker, batch.dropped));
            for record in &batch.records {
                guard.guard(|| write_record(&worker, record));
            }
            logs.bytes.fetch_sub(bytes, Ordering::Relaxed);
            let pool = worker.rsplit_once('/').map_or(&*worker, |(pool, _)| pool);
            let dropped = logs.dropped.swap(0, Ordering::Relaxed);
            guard.guard(|| write_dropped(pool, dropped));
        }));
    }
}

/// Tells how many records of this worker, or of all workers of this pool, were dropped.
fn write_dropped(whose: &str, dropped: u64) {
    if dropped > 0 {
        let text = format!("{dropped} log records were dropped");
        let record = LogRecord::new(Level::Warn as u8, "procession", &text);
        write(whose, &record, &None::<(&str, Value<'_>)>);
    }
}

/// Task and item also come as keys and values, for loggers that take those.
fn write_record(worker: &str, record: &LogRecord) {
    let named = ("worker", Value::from(worker));
    if record.task == 0 {
        write(worker, record, &named);
        return;
    }
    let (task, item) = (Value::from(record.task), Value::from(record.item));
    let values = [named, ("task", task), ("item", item)];
    write(&format!("{worker}, task {}", record.task), record, &values);
}

fn write(whose: &str, record: &LogRecord, values: &dyn Source) {
    let Some(level) = Level::iter().find(|level| *level as u8 == record.level) else {
        return;
    };
    let metadata = Metadata::builder()
        .level(level)
        .target(&record.target)
        .build();
    let logger = log::logger();
    if level > log::max_level() || !logger.enabled(&metadata) {
        return;
    }
    let known = |text: &'_ str| !text.is_empty();
    logger.log(
        &Record::builder()
            .metadata(metadata)
            .args(format_args!("[{whose}] {}", record.message))
            .key_values(&values)
            .module_path(Some(record.module.as_str()).filter(|text| known(text)))
            .file(Some(record.file.as_str()).filter(|text| known(text)))
            .line(Some(record.line).filter(|line| *line > 0))
            .build(),
    );
}
