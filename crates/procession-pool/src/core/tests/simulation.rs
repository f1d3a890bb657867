//! A pool in virtual time with virtual workers, seeded; must resolve every item once and run none twice.
//!
//! `PROCESSION_SIM_SEEDS` sets how many seeds are tried (100 by default), `PROCESSION_SIM_SEED` runs one alone.

use super::virtual_pool::Sim;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn seeded_pools_end_with_every_item_resolved_once() {
    if let Some(seed) = number("PROCESSION_SIM_SEED") {
        println!("{:?}", Sim::new(seed).run());
        return;
    }
    let mut broken = 0;
    let mut lost = 0;
    let mut taken_back = 0;
    let mut cancelled = 0;
    let mut timed_out = 0;
    let mut retried = 0;
    let mut recycled = 0;
    let mut late_ends = 0;
    let mut late_returns = 0;
    for seed in 0..number("PROCESSION_SIM_SEEDS").unwrap_or(100) {
        let outcome = std::panic::catch_unwind(|| Sim::new(seed).run());
        let ran = outcome.unwrap_or_else(|_| panic!("PROCESSION_SIM_SEED={seed} fails"));
        let stats = ran.stats;
        late_ends += ran.late_ends;
        late_returns += ran.late_returns;
        broken += u64::from(stats.state == super::super::PoolState::Broken);
        lost += stats.items_lost;
        taken_back += stats.frames_taken_back;
        cancelled += stats.items_cancelled;
        timed_out += stats.items_timed_out;
        retried += stats.retries;
        recycled += stats.recycled;
    }
    assert!(
        broken > 0 && lost > 0 && taken_back > 0 && cancelled > 0 && timed_out > 0,
        "the seeds reach every corner"
    );
    assert!(
        retried > 0 && recycled > 0 && late_ends > 0 && late_returns > 0,
        "the seeds reach every corner"
    );
}
