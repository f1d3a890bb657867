//! What every test of real processes does around its scenario: one at a time, under a watchdog, with a leak audit.

#![expect(
    unreachable_pub,
    reason = "shared with a library, where it is reachable"
)]

#[path = "../../../../integration-tests/src/audit.rs"]
pub mod audit;

use procession_worker::Process;

/// Runs `body` alone in this process; fails when it takes a minute or leaves anything behind.
pub fn scenario(body: impl FnOnce()) {
    let _alone = audit::alone(60);
    // What lives as long as the process is made by the first start.
    Process::spawn(|| (), ()).unwrap().into_result().unwrap();
    let before = audit::snapshot();
    body();
    before.assert_nothing_left();
}

/// Runs until something ends it.
pub fn sleep_for_ever() {
    loop {
        std::thread::park();
    }
}
