//! Arguments as text, for errors and statistics. It must never hold more of a value than [`MOST`] characters, whatever its size.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use procession_task::describe::text_of;
use procession_worker::TaskError;
use serde::Serialize;

use crate::call::Call;

/// Longest text kept of one call's arguments.
const MOST: usize = 200;

/// Whether errors are to tell the arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Describe {
    #[default]
    Nothing,
    Arguments,
}

/// The texts of a submission's items that are not known to have succeeded.
#[derive(Debug, Default)]
pub(crate) struct Described {
    texts: Mutex<Texts>,
    /// How many more than one are to forget an item before its text goes.
    more_readers: u8,
}

#[derive(Debug, Default)]
struct Texts {
    by_item: BTreeMap<u64, Text>,
    /// Items that could not be encoded, in order: the pool does not count them.
    left_out: Vec<u64>,
}

#[derive(Debug)]
struct Text {
    text: String,
    more_readers: u8,
}

impl<F: Copy> Call<'_, F> {
    /// Tells the arguments in errors: of a call, or of the item of a map that failed.
    ///
    /// The text is what `serde` sees, written as Rust would: `(3, "abc", Point { x: 1 })`; at most 200 characters of it,
    /// control characters escaped. Of a `Serialize` that panics there, which need not panic where the call is encoded, the text
    /// says so; the call goes on. It stands in the error's own text and in [`TaskError::args`]. Arguments may be secret or
    /// private, and errors end in logs: that is why it is off by default. It costs a walk over the arguments of each call or
    /// item, and the text's memory until the outcome is known; a map keeps all of its texts to the end.
    ///
    /// In [`Pool::stats`](crate::Pool::stats) they are told of what runs ([`RunningTask::args`](crate::RunningTask::args)) and of
    /// the slowest ([`SlowTask::args`](crate::SlowTask::args)), whose texts are kept for as long.
    ///
    /// The error that [`retry_if`](Call::retry_if) is shown has no arguments.
    ///
    /// ```
    /// # procession_worker::init();
    /// let pool = procession_pool::Pool::new(1)?;
    /// let call = pool.call(|name: String, n: u32| n / name.len() as u32).describe_args();
    /// let error = call.apply((String::new(), 4)).unwrap_err();
    /// assert_eq!(error.args(), Some(r#"("", 4)"#));
    /// assert!(error.to_string().contains(r#"arguments ("", 4)"#));
    ///
    /// let each = pool.call(|n: i64| 6 / n).describe_args().try_map([1, 0, 2]);
    /// assert_eq!(each[1].as_ref().unwrap_err().args(), Some("(0)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn describe_args(mut self) -> Self {
        self.describe = Describe::Arguments;
        self
    }
}

impl Describe {
    /// A place for texts, if they are wanted.
    #[inline]
    pub(crate) fn place(self) -> Option<Arc<Described>> {
        (self == Describe::Arguments).then(Arc::default)
    }

    /// A place for texts that two read, each of whom forgets them.
    pub(crate) fn place_for_two(self) -> Option<Arc<Described>> {
        (self == Describe::Arguments).then(|| {
            Arc::new(Described {
                more_readers: 1,
                ..Described::default()
            })
        })
    }

    /// The text of a plain call's arguments, if that is wanted.
    #[inline]
    pub(crate) fn of_call<Args: Serialize>(self, args: &Args) -> Option<Arc<Described>> {
        let place = self.place();
        if let Some(described) = &place {
            described.note(0, args);
        }
        place
    }
}

impl Described {
    /// Keeps the text of an item. Runs the arguments' `Serialize`, so no lock is held meanwhile.
    pub(crate) fn note<Args: Serialize>(&self, item: u64, args: &Args) {
        let text = Text {
            text: text_of(args, MOST),
            more_readers: self.more_readers,
        };
        self.lock().by_item.insert(item, text);
    }

    /// A reader of this item is done with it.
    pub(crate) fn forget(&self, item: u64) {
        let by_item = &mut self.lock().by_item;
        match by_item.get_mut(&item) {
            Some(text) if text.more_readers > 0 => text.more_readers -= 1,
            Some(_) | None => _ = by_item.remove(&item),
        }
    }

    /// The error with the text of its item.
    pub(crate) fn tell(&self, item: u64, error: TaskError) -> TaskError {
        match self.lock().by_item.get(&item) {
            Some(Text { text, .. }) => error.with_args(text.clone()),
            None => error,
        }
    }

    /// The item of a map is no item of its job.
    pub(crate) fn leave_out(&self, item: u64) {
        self.lock().left_out.push(item);
    }

    /// The text of an item as its job counts it.
    pub(crate) fn of_accepted(&self, mut item: u64) -> Option<String> {
        let texts = self.lock();
        for out in &texts.left_out {
            item += u64::from(*out <= item);
        }
        texts.by_item.get(&item).map(|text| text.text.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
