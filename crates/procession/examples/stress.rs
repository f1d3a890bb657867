//! stress
use std::time::{Duration, Instant};
fn inc(x: u64) -> u64 {
    x + 1
}
fn main() {
    procession::init();
    let pool = procession::Pool::new(2).unwrap();
    let end = Instant::now()
        + Duration::from_secs(std::env::args().nth(1).map_or(20, |s| s.parse().unwrap()));
    let mut n = 0u64;
    let mut worst = Duration::ZERO;
    std::thread::scope(|s| {
        s.spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(5));
                let st = pool.stats();
                println!("{} done", st.done);
                if Instant::now() > end {
                    break;
                }
            }
        });
        while Instant::now() < end {
            for _ in 0..2000 {
                let t = Instant::now();
                assert_eq!(pool.apply(inc, (n,)).unwrap(), n + 1);
                let e = t.elapsed();
                if e > worst {
                    worst = e
                }
                if e > Duration::from_secs(1) {
                    println!("SLOW {e:?} at {n}");
                }
                n += 1;
            }
            let h: Vec<_> = (0..3000u64).map(|i| pool.apply_async(inc, (i,))).collect();
            for (i, h) in h.into_iter().enumerate() {
                assert_eq!(h.get().unwrap(), i as u64 + 1);
            }
        }
    });
    println!("{n} applies, worst {worst:?}");
}
