//! A program that sets its logger before `init`, in its workers too, and asks for their records all the same.

use log::{LevelFilter, Log, Metadata, Record};
use procession::Pool;

struct Printer;

impl Log for Printer {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        println!("{} {} {}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}

fn main() {
    log::set_logger(&Printer).unwrap();
    log::set_max_level(LevelFilter::Info);
    procession::init();
    let pool = Pool::builder()
        .workers(1)
        .forward_logs(LevelFilter::Info)
        .build()
        .unwrap();
    pool.apply(|| log::info!("logged by the worker itself"), ())
        .unwrap();
    pool.close();
    pool.join().unwrap();
    println!("done");
}
