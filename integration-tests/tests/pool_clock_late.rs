//! A choice of the clock that comes too late. Alone in its program: the choice is the process's, and made once.

use std::time::Duration;

use procession::{Pool, TaskErrorKind, count_suspended_time};
use procession_integration_tests::pool_scene::{error_of, finish, scene};

procession::init_before_main!();

#[test]
fn a_pool_made_before_keeps_its_clock() {
    scene(|| {
        let pool = Pool::new(1).expect("a pool");
        let error = count_suspended_time().expect_err("a pool reads the clock");
        let text = error.to_string();
        assert!(text.contains("call `count_suspended_time` first"), "{text}");
        let limit = Duration::from_millis(100);
        let endless = pool.call(std::thread::sleep).timeout(limit);
        error_of(endless.apply((Duration::MAX,)), TaskErrorKind::TimedOut);
        finish(pool);
    });
}
