//! Any sequence of events, then the end; must leave nothing over, whatever the order was.

use proptest::prelude::*;

use super::super::{
    After, Asks, Chunk, JobId, JobSpec, LifeConfig, Retry, Slot, Sticky, Terms, Verdict,
};
use super::fake::Outcome;
use super::scene::{MS, Scene, US};

#[derive(Clone, Debug)]
enum Step {
    Submit {
        items: u32,
        open: bool,
        chunk: u32,
        stop: bool,
        profile: u32,
        terms: u32,
        retry: u32,
        place: u32,
    },
    Extend {
        pick: usize,
        more: u32,
        last: bool,
        on_their_way: u64,
    },
    Cancel {
        pick: usize,
    },
    Revoke {
        pick: usize,
    },
    RevokeAll,
    CancelFrom {
        pick: usize,
    },
    Start,
    FailStart,
    Ready {
        slot: u32,
    },
    Begin {
        slot: u32,
    },
    Reply {
        slot: u32,
        items: u32,
        failed: bool,
    },
    Fail {
        slot: u32,
    },
    Judge {
        pick: usize,
        again: bool,
    },
    Measured {
        slot: u32,
        profile: u32,
        item: u64,
    },
    Die {
        slot: u32,
    },
    Room {
        slot: u32,
        room: Option<u32>,
    },
    Advance {
        by: u64,
    },
    Resize {
        workers: u32,
    },
    Retire {
        slot: u32,
    },
    Warm {
        workers: u32,
    },
    Close,
    Terminate,
}

const WORKERS: u32 = 3;

fn step() -> impl Strategy<Value = Step> {
    let slot = prop_oneof![3 => 0..WORKERS, 2 => 0..8u32];
    prop_oneof![
        6 => (0..30u32, prop::bool::weighted(0.2), 0..6u32, any::<bool>(), 0..3u32, 0..8u32, 0..8u32, 0..16u32)
            .prop_map(|(items, open, chunk, stop, profile, terms, retry, place)| Step::Submit { items, open, chunk, stop, profile, terms, retry, place }),
        2 => (any::<usize>(), 0..10u32, any::<bool>(), prop_oneof![2 => Just(0), 1 => 0..20 * MS])
            .prop_map(|(pick, more, last, on_their_way)| Step::Extend { pick, more, last, on_their_way }),
        1 => any::<usize>().prop_map(|pick| Step::Cancel { pick }),
        1 => any::<usize>().prop_map(|pick| Step::Revoke { pick }),
        1 => Just(Step::RevokeAll),
        1 => any::<usize>().prop_map(|pick| Step::CancelFrom { pick }),
        4 => Just(Step::Start),
        1 => Just(Step::FailStart),
        4 => slot.clone().prop_map(|slot| Step::Ready { slot }),
        4 => slot.clone().prop_map(|slot| Step::Begin { slot }),
        10 => (slot.clone(), 1..8u32, prop::bool::weighted(0.1))
            .prop_map(|(slot, items, failed)| Step::Reply { slot, items, failed }),
        3 => slot.clone().prop_map(|slot| Step::Fail { slot }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(pick, again)| Step::Judge { pick, again }),
        3 => (slot.clone(), 0..3u32, prop_oneof![Just(US), Just(30 * US), Just(MS), Just(9 * MS)])
            .prop_map(|(slot, profile, item)| Step::Measured { slot, profile, item }),
        3 => slot.clone().prop_map(|slot| Step::Die { slot }),
        2 => (slot.clone(), prop::option::of(0..5u32)).prop_map(|(slot, room)| Step::Room { slot, room }),
        1 => (1..6u32).prop_map(|workers| Step::Resize { workers }),
        1 => slot.prop_map(|slot| Step::Retire { slot }),
        1 => (0..4u32).prop_map(|workers| Step::Warm { workers }),
        3 => (0..300 * MS).prop_map(|by| Step::Advance { by }),
        1 => prop::bool::weighted(0.3).prop_map(|end| if end { Step::Close } else { Step::Start }),
        1 => prop::bool::weighted(0.1).prop_map(|end| if end { Step::Terminate } else { Step::Start }),
    ]
}

/// Half of the jobs try nothing again.
fn retries(pick: u32) -> Retry {
    Retry {
        times: if pick < 4 { 0 } else { 2 },
        after: if pick == 5 {
            After::Death
        } else {
            After::AnyFault
        },
        asks: if pick >= 6 { Asks::Judge } else { Asks::Nobody },
        delay: if pick == 7 { 3 * MS } else { 0 },
    }
}

fn life() -> impl Strategy<Value = LifeConfig> {
    let never = LifeConfig::default();
    let time = move |most: u64| prop_oneof![3 => Just(never.lifetime), 1 => 0..most];
    let quota = prop_oneof![1 => Just(0), 1 => 1..6u64];
    (
        quota,
        0..3u64,
        any::<u64>(),
        time(900 * MS),
        time(900 * MS),
        prop::option::of(0..5u32),
    )
        .prop_map(|(quota, jitter, seed, lifetime, idle, least)| LifeConfig {
            quota,
            jitter,
            seed,
            lifetime,
            idle,
            least,
        })
}

fn open_job(scene: &Scene, jobs: &[JobId], pick: usize) -> Option<JobId> {
    let open: Vec<JobId> = jobs
        .iter()
        .copied()
        .filter(|job| scene.fx.jobs[job].open && !scene.fx.is_finished(*job))
        .collect();
    (!open.is_empty()).then(|| open[pick % open.len()])
}

fn apply(scene: &mut Scene, jobs: &mut Vec<JobId>, step: Step) {
    let lives = |scene: &Scene, slot: u32| {
        let link = scene.fx.links.get(slot as usize);
        link.is_some_and(|link| link.who.is_some())
    };
    match step {
        Step::Submit {
            items,
            open,
            chunk,
            stop,
            profile,
            terms,
            retry,
            place,
        } => {
            let mut held_to = Terms::default();
            if terms == 1 {
                held_to.limit = 5 * MS;
            } else if terms == 2 {
                held_to.start_by = scene.now + 5 * MS;
            } else if terms == 3 {
                held_to.start_by = scene.now;
            }
            held_to.retry = retries(retry);
            // A quarter each: of other priorities, of indexes, of both, of neither.
            let priority = if place % 2 == 1 {
                place as i32 / 4 - 2
            } else {
                0
            };
            let sticky = (place % 4 >= 2).then(|| Sticky {
                indexes: 1 + place / 4,
                chunk: chunk.max(1),
                from: u64::from(items % 5),
            });
            let chunk = match (sticky, chunk) {
                (Some(sticky), _) => Chunk::Fixed(sticky.chunk),
                (None, 0) => Chunk::Auto,
                (None, 1) => Chunk::AtMost(3),
                (None, more) => Chunk::Fixed(more - 1),
            };
            let spec = JobSpec {
                items,
                open,
                chunk,
                stop_on_failure: stop,
                profile,
                priority,
                terms: held_to,
            };
            jobs.extend(scene.try_submit_chunks(spec, sticky));
        }
        Step::Extend {
            pick,
            more,
            last,
            on_their_way,
        } => {
            if let Some(job) = open_job(scene, jobs, pick) {
                scene.extend_late(job, more, last, on_their_way);
            }
        }
        Step::Cancel { pick } => {
            if let Some(&job) = jobs.get(pick % jobs.len().max(1)) {
                scene.cancel(job);
            }
        }
        Step::Revoke { pick } => {
            if let Some(&job) = jobs.get(pick % jobs.len().max(1)) {
                scene.revoke(job);
            }
        }
        Step::RevokeAll => {
            scene.revoke_all();
        }
        Step::CancelFrom { pick } => {
            let first = pick % jobs.len().max(1);
            scene.cancel_all(jobs.get(first..).unwrap_or_default());
        }
        Step::Start if !scene.fx.starts.is_empty() => drop(scene.start_next().slot),
        Step::FailStart if !scene.fx.starts.is_empty() => scene.fail_start(),
        Step::Start | Step::FailStart => {}
        Step::Ready { slot } if lives(scene, slot) => scene.say_ready(scene.who(slot)),
        Step::Begin { slot } if lives(scene, slot) => drop(scene.fx.begin(Slot(slot))),
        Step::Reply {
            slot,
            items,
            failed,
        } if lives(scene, slot) => {
            if let Some((_, _, left)) = scene.core.front(Slot(slot)) {
                let outcome = if failed {
                    Outcome::Failed
                } else {
                    Outcome::Done
                };
                scene.reply(slot, items.min(left), outcome);
            }
        }
        Step::Fail { slot } if lives(scene, slot) => {
            if scene.core.front(Slot(slot)).is_some() {
                scene.fail(slot);
            }
        }
        Step::Judge { pick, again } => {
            let judged = |job: &&JobId| !scene.fx.jobs[*job].judged.is_empty();
            let judged: Vec<JobId> = jobs.iter().filter(judged).copied().collect();
            if let Some(&job) = judged.get(pick % judged.len().max(1)) {
                let verdict = if again {
                    Verdict::Again
                } else {
                    Verdict::GiveUp
                };
                scene.judge(job, verdict);
            }
        }
        Step::Measured {
            slot,
            profile,
            item,
        } if lives(scene, slot) => {
            scene.core.measured(scene.who(slot), profile, 1, item);
        }
        Step::Die { slot } if lives(scene, slot) => scene.die(slot),
        Step::Retire { slot } if lives(scene, slot) => drop(scene.retire(slot)),
        Step::Resize { workers } => {
            if scene.core.state() == super::super::PoolState::Open {
                scene.fx.seen.resized(workers);
            }
            scene.core.resize(workers, scene.now, &mut scene.fx);
            scene.check();
        }
        Step::Warm { workers } => {
            match workers {
                0 => scene.core.cool(scene.now),
                _ => scene.core.warm(workers, scene.now, &mut scene.fx),
            }
            scene.check();
        }
        Step::Ready { .. }
        | Step::Retire { .. }
        | Step::Begin { .. }
        | Step::Reply { .. }
        | Step::Fail { .. }
        | Step::Measured { .. }
        | Step::Die { .. } => {}
        Step::Room { slot, room } => {
            let Some(link) = scene.fx.links.get_mut(slot as usize) else {
                return;
            };
            // A link with nothing in it takes at least one item, in the end.
            link.room = if link.frames.is_empty() { None } else { room };
        }
        Step::Advance { by } => scene.advance(by),
        Step::Close => scene.close(),
        Step::Terminate => scene.terminate(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_ends_with_nothing_left_over(life in life(), grace in prop_oneof![Just(0), 0..200 * MS], steps in prop::collection::vec(step(), 1..120)) {
        let mut scene = Scene::living(WORKERS, life);
        scene.core.timeout_grace = grace;
        let mut jobs = Vec::new();
        for step in steps {
            apply(&mut scene, &mut jobs, step);
        }
        scene.end();
    }
}
