//! One question asked in three places: the first answer wins, or all are taken as they come, or they are awaited.
//!
//! In Python:
//!
//! ```python
//! done, rest = concurrent.futures.wait(handles, return_when=FIRST_COMPLETED)
//! for handle in concurrent.futures.as_completed(handles):
//!     print(handle.result())
//! ```

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use procession::{Pool, as_completed, wait_all, wait_any};

/// How long each mirror takes to answer, in milliseconds. They differ by far more than a busy machine does.
const MIRRORS: [(&str, u64); 3] = [("north", 3_600_000), ("south", 0), ("west", 700)];

/// Asks one mirror. A real one would open a connection; a task that is no longer wanted looks whether it is.
fn ask(mirror: String, answers_after: u64, what: String) -> String {
    for _ in 0..answers_after {
        if procession::worker::cancelled() {
            return format!("{mirror} was told to stop");
        }
        thread::sleep(Duration::from_millis(1));
    }
    format!("{mirror} has {what}")
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();

    // The pool ends with the closure: what was asked for has come by then, and its workers are gone.
    Pool::scope(3, |pool| -> Result<(), Box<dyn Error>> {
        let ask = |(mirror, after): (&str, u64), what: &str| {
            pool.apply_async(ask, (mirror.to_string(), after, what.to_string()))
        };

        // The first answer is enough. A mirror that still runs is told, and its worker serves on.
        let mut asked: Vec<_> = MIRRORS.map(|mirror| ask(mirror, "the file")).into();
        let first = wait_any(&mut asked, None).ok_or("nobody was asked")?;
        println!("{}", asked.swap_remove(first).get()?);
        let cancelled = asked.iter().filter(|handle| handle.cancel()).count();
        println!("{cancelled} others cancelled");

        // All answers, each as soon as it is there, with the place of its question.
        let quick = MIRRORS.into_iter().filter(|(_, after)| *after < 1_000);
        let asked: Vec<_> = quick
            .clone()
            .map(|mirror| ask(mirror, "the index"))
            .collect();
        for (place, answer) in as_completed(asked) {
            println!("answer to question {place}: {}", answer?);
        }

        // Or not before all are there.
        let mut asked: Vec<_> = quick.map(|mirror| ask(mirror, "the list")).collect();
        println!(
            "all there: {}",
            wait_all(&asked, Some(Duration::from_secs(60)))
        );

        // A handle is a future, for tokio or whatever runs futures; here, for the shortest runtime there is.
        let both = async {
            let list = asked.swap_remove(0).await?;
            let file = ask(MIRRORS[1], "the last file").await?;
            Ok::<String, procession::TaskError>(format!("{list}; {file}"))
        };
        println!("{}", block_on(both)?);
        Ok(())
    })?
}

/// Runs one future on this thread, which sleeps in between.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
