//! Log records on their way from a worker to its parent: bounded, printable, and never more than text. It logs nothing.

use serde::{Deserialize, Serialize};

use crate::failure::text;

/// What a worker has logged.
///
/// ```
/// use procession_task::LogRecord;
///
/// let record = LogRecord::new(3, "ocr::page", "page \x1b[1m7");
/// assert_eq!(record.message, "page \\u{1b}[1m7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// 1 error, 2 warning, 3 information, 4 debugging, 5 tracing.
    pub level: u8,
    /// What it is about, usually a module.
    #[serde(deserialize_with = "text::de_file")]
    pub target: String,
    /// The text, bounded and escaped as a [`Failure`](crate::Failure)'s is.
    #[serde(deserialize_with = "text::de_message")]
    pub message: String,
    /// The module it comes from; empty if it is not known.
    #[serde(deserialize_with = "text::de_file")]
    pub module: String,
    /// The source file it comes from; empty if it is not known.
    #[serde(deserialize_with = "text::de_file")]
    pub file: String,
    /// The line in that file; 0 if it is not known.
    pub line: u32,
    /// The task that ran; 0 if none did.
    pub task: u64,
    /// Which of its items.
    pub item: u32,
}

impl LogRecord {
    /// A record without a place, its texts bounded and escaped.
    #[must_use]
    pub fn new(level: u8, target: &str, message: &str) -> LogRecord {
        LogRecord {
            level,
            target: text::file(target),
            message: text::message(message),
            module: String::new(),
            file: String::new(),
            line: 0,
            task: 0,
            item: 0,
        }
    }

    /// The same record with its place.
    #[must_use]
    pub fn at(mut self, module: &str, file: &str, line: u32) -> LogRecord {
        self.module = text::file(module);
        self.file = text::file(file);
        self.line = line;
        self
    }

    /// The same record with the task that ran and which of its items.
    #[must_use]
    pub fn of(mut self, task: u64, item: u32) -> LogRecord {
        (self.task, self.item) = (task, item);
        self
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<LogRecord>()
            + self.target.len()
            + self.message.len()
            + self.module.len()
            + self.file.len()
    }
}

/// Log records sent together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBatch {
    /// How many records before these were dropped, because there was no room for them.
    pub dropped: u64,
    /// The records, oldest first.
    pub records: Vec<LogRecord>,
}
