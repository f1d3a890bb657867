//! A program with a pool that forgets `init`, or calls it only where a worker does not come by.
//!
//! `pool_no_init never | late | returns`

use procession::Pool;

fn main() {
    println!("main of {}", std::process::id());
    let how = std::env::args().nth(1).unwrap_or_default();
    let is_parent = std::env::var_os("PROCESSION_BOOT").is_none();
    // A worker has no arguments: what it does in main depends on what its parent says.
    match (how.as_str(), is_parent) {
        ("never", _) => {}
        (_, true) => procession::init(),
        (_, false) if std::env::var_os("POOL_NO_INIT_RETURNS").is_some() => return,
        (_, false) => {}
    }
    let mut builder = Pool::builder().workers(2);
    if how == "returns" {
        builder = builder.env("POOL_NO_INIT_RETURNS", "1");
    }
    match builder.build() {
        Err(error) => println!("error {} {error}", error.is_not_initialized()),
        Ok(pool) => {
            let handles: Vec<_> = (0..3).map(|_| pool.apply_async(|| 1, ())).collect();
            for handle in handles {
                let error = handle.get().unwrap_err();
                println!("{:?} {error}", error.kind());
            }
            let error = pool.apply(|| 1, ()).unwrap_err();
            println!("{:?} {error}", error.kind());
            pool.close();
            pool.join().unwrap();
        }
    }
}
