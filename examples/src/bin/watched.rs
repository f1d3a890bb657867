//! Watched: one log of what the pool does, what this program does, and what the workers log, as whoever is on duty reads it.
//!
//! In Python the records of a worker come home by a `QueueHandler` and a thread that listens to the queue.
//!
//! cargo run -p procession-examples --features tracing --bin watched

use std::error::Error;
use std::fs::{self, File};
use std::sync::Mutex;

use procession::{Pool, TaskErrorKind};
use tracing::{Level, info, info_span, warn};

/// Sums up a supplier's price list. A line that cannot be read is for the log; the sum is for the caller.
fn import(supplier: String, list: String) -> u64 {
    let mut sum = 0;
    for (number, line) in (1..).zip(list.lines()) {
        match line.split_once(';').map(|(_, price)| price.parse::<u64>()) {
            Some(Ok(price)) => sum += price,
            Some(Err(error)) => log::warn!("{supplier}, line {number}: {error}"),
            None if line == "EOF" => std::process::abort(), // code of old, at a line of old
            None => log::debug!("{supplier}, line {number} is a remark"),
        }
    }
    log::info!("{supplier}: {} lines", list.lines().count());
    sum
}

fn main() -> Result<(), Box<dyn Error>> {
    // A worker goes no further: the subscriber is the parent's alone, and what tasks log is sent to it.
    procession::init();
    let path = std::env::temp_dir().join(format!("watched-{}.log", std::process::id()));
    tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_writer(Mutex::new(File::create(&path)?))
        .with_ansi(false)
        .without_time()
        .init();

    let pool = Pool::builder()
        .workers(2)
        .name("import")
        .forward_logs(log::LevelFilter::Info)
        .build()?;
    let lists = [
        ("acme", "bolt;12\nnut;7\n"),
        ("globex", "screw;9\nwasher;cheap\nno rivets today\n"),
        ("initech", "staple;2\nEOF\n"),
    ];
    let mut total = 0;
    for (supplier, list) in lists {
        // The span of a task, and with it all that the pool tells of the task, is within the span in which it was submitted.
        let _within = info_span!("list", supplier).entered();
        match pool.apply(import, (supplier.to_string(), list.to_string())) {
            Ok(sum) => {
                info!(sum, "imported");
                total += sum;
            }
            Err(error) if error.kind() == TaskErrorKind::WorkerDied => warn!(%error, "left out"),
            Err(error) => return Err(error.into()),
        }
    }
    pool.close();
    pool.join()?; // after the last record has arrived

    let log = fs::read_to_string(&path)?;
    fs::remove_file(path)?;
    // Threads tell on their own what they did: all of it is here, but where it stands among what others tell varies.
    for text in [
        " WARN watched: [import/", // a worker's record, behind the worker's name
        r#" INFO list{supplier="acme"}: watched: imported sum=19"#,
        r#"DEBUG list{supplier="initech"}:task{pool="import" task=3 "#,
        r#" procession: task lost pool="import" task=3 "#,
        r#" WARN procession: worker died pool="import" "#,
    ] {
        if !log.contains(text) {
            return Err(format!("the log lacks {text:?}:\n{log}").into());
        }
    }
    if log.contains("is a remark") {
        return Err(format!("what the workers log below INFO was not asked for:\n{log}").into());
    }
    for line in log.lines().filter(|line| line.starts_with(" WARN")) {
        println!("{}", line.trim_start());
    }
    println!("{total} in all, of {} lists", lists.len());
    Ok(())
}
