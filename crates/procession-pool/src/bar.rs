//! Progress bars of the crate `indicatif`. It must not decide how a bar looks or when it ends: that is its owner's.

use indicatif::ProgressBar;

use crate::call::{Call, CallProgress};
use crate::events::{Event, Events};
use crate::progress::Progress;

impl Progress {
    /// Shows this on a bar: its length is `total`, its position what has [ended](Progress::ended), its message how many have
    /// failed, if any. With the feature `indicatif`.
    ///
    /// ```
    /// # procession_worker::init();
    /// use indicatif::{ProgressBar, ProgressDrawTarget};
    /// use procession_pool::Pool;
    /// let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    /// let pool = Pool::new(1)?;
    /// pool.call(|n: u64| 6 / n).on_progress(|p| p.show(&bar)).try_map([1, 0, 2]);
    /// assert_eq!((bar.position(), bar.length()), (3, Some(3)));
    /// assert_eq!(bar.message(), "1 failed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn show(self, bar: &ProgressBar) {
        bar.set_length(self.total);
        bar.set_position(self.ended());
        if self.failed > 0 {
            bar.set_message(format!("{} failed", self.failed));
        }
    }
}

impl<'p, F: Copy> Call<'p, F> {
    /// As [`Call::on_progress`], shown on a bar: see [`Progress::show`]. With the feature `indicatif`.
    ///
    /// The bar is left as it is at the end, full: finish it as you like. It is for every verb that `on_progress` is for.
    ///
    /// ```
    /// # procession_worker::init();
    /// use indicatif::{ProgressBar, ProgressDrawTarget};
    /// use procession_pool::Pool;
    /// let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    /// let pool = Pool::new(2)?;
    /// let squares = pool.call(|n: u64| n * n).progress_bar(&bar).map(0..100)?;
    /// assert_eq!(squares.len(), 100);
    /// assert_eq!((bar.position(), bar.length()), (100, Some(100)));
    /// bar.finish();
    ///
    /// let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    /// for square in pool.call(|n: u64| n * n).progress_bar(&bar).imap(0..7) {
    ///     square?;
    /// }
    /// assert_eq!(bar.position(), 7);
    /// let handle = pool.call(|n: u64| n * n).progress_bar(&bar).map_async(0..9);
    /// pool.close();
    /// pool.join()?; // after the end was told
    /// assert_eq!((bar.position(), handle.get()?.len()), (9, 9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn progress_bar(
        self,
        bar: &ProgressBar,
    ) -> CallProgress<'p, F, impl FnMut(Progress) + Send + 'static> {
        let bar = bar.clone();
        self.on_progress(move |progress| progress.show(&bar))
    }
}

impl Events {
    /// Shows the pool's counts on a bar until the pool has ended: see [`Progress::show`]. With the feature `indicatif`.
    ///
    /// It blocks as long, so it wants a thread of its own.
    ///
    /// ```
    /// # procession_worker::init();
    /// use indicatif::{ProgressBar, ProgressDrawTarget};
    /// use procession_pool::Pool;
    /// let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    /// let pool = Pool::new(2)?;
    /// std::thread::scope(|scope| {
    ///     let events = pool.events();
    ///     scope.spawn(|| events.draw(&bar));
    ///     pool.map(|n: u64| n + 1, 0..50)?;
    ///     pool.close();
    ///     pool.join()
    ///         .map_err(Box::<dyn std::error::Error>::from)
    /// })?;
    /// assert_eq!((bar.position(), bar.length()), (50, Some(50)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn draw(self, bar: &ProgressBar) {
        for event in self {
            if let Event::Progress(progress) = event {
                progress.show(bar);
            }
        }
    }
}
