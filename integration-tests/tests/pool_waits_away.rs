//! A thread that decodes results drains no link meanwhile: nobody else's outcome may wait for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use procession_integration_tests::pool_scene::{finish, scene, warm};
use serde::{Deserialize, Deserializer, Serialize};

procession::init_before_main!();

static CALLED_BACK: AtomicBool = AtomicBool::new(false);
static IN_VAIN: AtomicBool = AtomicBool::new(false);

/// Decodes once a callback has run.
#[derive(Serialize)]
struct Slow;

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Slow, D::Error> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !CALLED_BACK.load(Ordering::SeqCst) {
            if Instant::now() > deadline {
                IN_VAIN.store(true, Ordering::SeqCst);
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Slow)
    }
}

#[test]
fn a_callback_comes_while_a_map_decodes() {
    scene(|| {
        for _ in 0..5 {
            CALLED_BACK.store(false, Ordering::SeqCst);
            let pool = warm(2);
            let handle = pool
                .call(std::thread::sleep)
                .on_complete(|_: &Result<(), _>| CALLED_BACK.store(true, Ordering::SeqCst))
                .apply_async((Duration::from_millis(300),));
            pool.map(|_: u32| Slow, 0..1).unwrap();
            assert!(
                !IN_VAIN.load(Ordering::SeqCst),
                "the callback waited for the map"
            );
            handle.get().unwrap();
            finish(pool);
        }
    });
}
