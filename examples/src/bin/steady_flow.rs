//! More work than memory: calls are handed in no faster than they are done, and each reports by a callback. It keeps no handle.

use std::error::Error;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use procession::{Pool, TaskError};

/// Stands for a page to be read: every fiftieth cannot be.
fn read_page(page: u32) -> usize {
    thread::sleep(Duration::from_millis(1));
    assert!(page % 50 != 49, "page {page} is torn");
    format!("page {page}").len()
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (report, reports) = mpsc::channel();

    // The scope ends when every call has ended and every callback has returned.
    Pool::builder().max_queued(16).scope(|pool| {
        for page in 0..200 {
            let report = report.clone();
            let call = pool
                .call(read_page)
                .on_complete(move |r: &Result<usize, TaskError>| {
                    // The receiver outlives the pool, so this cannot fail.
                    let _ = report.send((page, r.clone()));
                });
            // Blocks while sixteen pages wait.
            drop(call.apply_async((page,)));
        }
    })?;
    drop(report);

    let (mut letters, mut torn) = (0, Vec::new());
    for (page, outcome) in reports {
        match outcome {
            Ok(length) => letters += length,
            Err(error) => torn.push((page, error)),
        }
    }
    torn.sort_by_key(|(page, _)| *page);
    println!("{letters} letters, {} pages torn", torn.len());
    if let Some((_, error)) = torn.first() {
        println!("the first: {error}");
    }
    Ok(())
}
