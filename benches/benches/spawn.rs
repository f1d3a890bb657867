//! What a start costs: a `Process` from spawn to join, a pool of 2 from start to stop, and for scale a `std::process::Command`
//! of the same image that exits at once. Must keep nothing running between measurements.

use std::process::{Command, Stdio};

use criterion::Criterion;
use procession::{Pool, Process};
use procession_benches::tasks::{nothing, tiny};

fn main() {
    if std::env::args().nth(1).as_deref() == Some("--nothing") {
        return;
    }
    procession::init();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("spawn");
    group.sample_size(20);
    group.bench_function("process/spawn_join", |bencher| {
        bencher.iter(|| {
            Process::spawn(nothing, ())
                .expect("spawn")
                .join()
                .expect("join")
        });
    });
    group.bench_function("pool_of_2/start_task_stop", |bencher| {
        bencher.iter(|| {
            let pool = Pool::new(2).expect("start");
            let sum = pool.apply(tiny, (1,)).expect("task");
            pool.close();
            pool.join().expect("stop");
            sum
        });
    });
    group.bench_function("std_command/spawn_wait", |bencher| {
        let image = std::env::current_exe().expect("own path");
        bencher.iter(|| {
            let mut command = Command::new(&image);
            command
                .arg("--nothing")
                .stdin(Stdio::null())
                .status()
                .expect("status")
        });
    });
    group.finish();
    criterion.final_summary();
}
