//! smoke
use std::time::Instant;
fn add(a: u64, b: u64) -> u64 {
    a + b
}
fn inc(x: u64) -> u64 {
    x + 1
}
fn die(x: u64) -> u64 {
    if x == 3 {
        std::process::abort()
    }
    x
}
fn pan(x: u64) -> u64 {
    if x == 3 {
        panic!("three")
    }
    x
}
fn main() {
    procession::init();
    let n: usize = std::env::args().nth(1).map_or(2, |s| s.parse().unwrap());
    let t = Instant::now();
    let pool = procession::Pool::new(n).unwrap();
    println!("new {:?}", t.elapsed());
    println!("{:?}", pool.apply(add, (1, 2)));
    println!("first {:?}", t.elapsed());
    println!("{:?}", pool.map(inc, 0..10));
    println!("{:?}", pool.try_map(die, 0..10));
    println!(
        "{:?}",
        pool.try_map(pan, 0..10)
            .into_iter()
            .map(|r| r.map_err(|e| e.to_string()))
            .collect::<Vec<_>>()
    );
    println!("{:?}", pool.map(pan, 0..10).map_err(|e| e.to_string()));
    for _ in 0..3 {
        let t = Instant::now();
        let r = pool.map(inc, 0..100_000).unwrap();
        assert_eq!(r.iter().sum::<u64>(), (1..=100_000u64).sum());
        println!("map 100k {:?}", t.elapsed());
        let t = Instant::now();
        let r = pool.call(inc).chunk_size(1).map(0..100_000).unwrap();
        assert_eq!(r.iter().sum::<u64>(), (1..=100_000u64).sum());
        println!("map chunk1 100k {:?}", t.elapsed());
        let t = Instant::now();
        let h: Vec<_> = (0..100_000u64)
            .map(|i| pool.apply_async(inc, (i,)))
            .collect();
        println!("  submitted {:?}", t.elapsed());
        let s: u64 = h.into_iter().map(|h| h.get().unwrap()).sum();
        assert_eq!(s, (1..=100_000u64).sum());
        println!("apply_async 100k {:?}", t.elapsed());
        let t = Instant::now();
        for i in 0..10_000u64 {
            assert_eq!(pool.apply(inc, (i,)).unwrap(), i + 1);
        }
        println!("apply {:?} each", t.elapsed() / 10_000);
    }
    println!("{:?}", pool.stats());
    let t = Instant::now();
    pool.close();
    pool.join().unwrap();
    println!("stop {:?}", t.elapsed());
}
