//! smoke
use std::time::Instant;
fn inc(x: u64) -> u64 {
    x + 1
}
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    s.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
}
fn main() {
    procession::init();
    let n: usize = std::env::args().nth(1).map_or(2, |s| s.parse().unwrap());
    let what = std::env::args().nth(2).unwrap();
    let pool = procession::Pool::new(n).unwrap();
    pool.map(inc, 0..1000).unwrap();
    for _ in 0..std::env::args().nth(3).map_or(5, |s| s.parse().unwrap()) {
        let (t, c) = (Instant::now(), cpu());
        match what.as_str() {
            "map" => {
                let r = pool.map(inc, 0..100_000).unwrap();
                assert_eq!(r.len(), 100_000);
            }
            "map1" => {
                let r = pool.call(inc).chunk_size(1).map(0..100_000).unwrap();
                assert_eq!(r.len(), 100_000);
            }
            "async" => {
                let h: Vec<_> = (0..100_000u64)
                    .map(|i| pool.apply_async(inc, (i,)))
                    .collect();
                let (t2, c2) = (t.elapsed(), cpu() - c);
                let s: u64 = h.into_iter().map(|h| h.get().unwrap()).sum();
                assert_eq!(s, (1..=100_000u64).sum());
                print!("  submitted {t2:?} cpu {c2:.1}; ");
            }
            "apply" => {
                for i in 0..20_000u64 {
                    assert_eq!(pool.apply(inc, (i,)).unwrap(), i + 1);
                }
            }
            "big" => {
                let v = procession::Bytes(vec![7u8; 16 << 20]);
                for _ in 0..10 {
                    pool.apply(
                        |b: procession::Bytes| b.0.len(),
                        (procession::Bytes(v.0.clone()),),
                    )
                    .unwrap();
                }
            }
            _ => {}
        }
        println!(
            "{what} wall {:?} main thread cpu ms {:.1}",
            t.elapsed(),
            cpu() - c
        );
    }
    let mut all = vec![std::process::id()];
    all.extend(pool.worker_pids());
    for p in all {
        for t in std::fs::read_dir(format!("/proc/{p}/task")).unwrap() {
            let t = t.unwrap().path();
            let s = std::fs::read_to_string(t.join("status")).unwrap();
            let g = |k: &str| {
                s.lines()
                    .find(|l| l.starts_with(k))
                    .unwrap()
                    .split_whitespace()
                    .last()
                    .unwrap()
                    .to_string()
            };
            println!(
                "  {} vol {} nonvol {} sched {}",
                g("Name"),
                g("voluntary"),
                g("nonvol"),
                std::fs::read_to_string(t.join("schedstat")).unwrap().trim()
            );
        }
    }
    println!(
        "{:?}",
        pool.stats()
            .workers
            .iter()
            .map(|w| w.done)
            .collect::<Vec<_>>()
    );
}
