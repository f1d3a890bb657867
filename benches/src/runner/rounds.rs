//! The order of a run: every round takes the works in a random order and, within a work, the sides in a random order.
//! Must never measure two sides at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::lane::{Images, Lane};
use super::pipes::Pipes;
use super::results::Results;
use crate::machine::{self, Machine};
use crate::protocol::{Reply, Request};
use crate::stats::Shuffler;
use crate::tasks;
use crate::works::{BEFORE, Parent, SIDES, Share, SideInfo, WORKS, Work, side};

/// How long one measurement may take before its lane is ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Small counts.
    pub quick: bool,
    /// Rounds.
    pub rounds: usize,
    /// What the order follows from.
    pub seed: u64,
    /// What the sides run in.
    pub images: Images,
    /// How long to wait before each measurement for other programs to leave the processors alone.
    pub calm: Duration,
    /// Ids of the works; empty for all.
    pub works: Vec<String>,
    /// Ids of the sides; empty for all.
    pub sides: Vec<String>,
}

/// Runs everything; progress goes to stderr.
pub fn run(options: &Options) -> Result<Results, String> {
    let scratch = Scratch::make()?;
    let (date, time) = machine::date_and_time();
    let mut results = Results {
        date,
        time,
        machine: Machine::read(),
        note: String::new(),
        mode: if options.quick { "quick" } else { "full" }.to_string(),
        rounds: options.rounds,
        seed: options.seed,
        versions: BTreeMap::new(),
        absent: BTreeMap::new(),
        works: BTreeMap::new(),
    };
    let mut lanes = Lanes {
        images: options.images.clone(),
        open: BTreeMap::new(),
    };
    let offered =
        |info: &&SideInfo| wanted(&options.sides, info.id) && options.images.offer(**info);
    for info in SIDES.iter().filter(offered) {
        match lanes.start(*info, &mut results) {
            Ok(()) => {}
            Err(why) => {
                eprintln!("{}: absent ({why})", info.title);
                results.absent.insert(info.id.to_string(), why);
            }
        }
    }
    let turns = tasks::turns_for(Duration::from_micros(100));
    let mut shuffler = Shuffler::new(options.seed);
    for round in 1..=options.rounds {
        let mut works: Vec<&Work> = WORKS
            .iter()
            .filter(|work| wanted(&options.works, work.id))
            .collect();
        shuffler.shuffle(&mut works);
        for work in works {
            let mut shares = shares(work, &options.images);
            shuffler.shuffle(&mut shares);
            for share in shares {
                let count = if options.quick {
                    share.quick
                } else {
                    share.full
                };
                if count == 0
                    || !wanted(&options.sides, share.side)
                    || results.absent.contains_key(share.side)
                {
                    continue;
                }
                let request = Request {
                    work: work.function.to_string(),
                    workers: work.workers,
                    count,
                    turns,
                    dir: scratch.0.to_string_lossy().into_owned(),
                };
                let busy = calm(options.calm);
                let begin = Instant::now();
                let reply = match work.parent {
                    Parent::Kept => lanes.ask(share.side, &request, &mut results),
                    Parent::Fresh => lanes.ask_fresh(share.side, &request),
                };
                let reply = reply.with("others_busy", busy);
                note(round, work, share.side, begin.elapsed(), &reply);
                let entry = results.works.entry(work.id.to_string()).or_default();
                let entry = entry.sides.entry(share.side.to_string()).or_default();
                entry.count = count;
                entry.rounds.push(reply);
            }
        }
    }
    drop(lanes);
    results.machine.load_at_end = machine::load();
    Ok(results)
}

/// Who takes part in a work: the build before ours does what ours does.
fn shares(work: &Work, images: &Images) -> Vec<Share> {
    let mut shares = work.shares.to_vec();
    if images.before.is_some()
        && let Some(ours) = work.shares.iter().find(|share| share.side == "ours")
    {
        shares.push(Share {
            side: BEFORE,
            ..*ours
        });
    }
    shares
}

/// Waits until the processors are nearly idle, at most `patience`; returns the share of time that they were busy at last.
fn calm(patience: Duration) -> f64 {
    const IDLE_ENOUGH: f64 = 0.1;
    let begin = Instant::now();
    loop {
        let busy = machine::busy_share(Duration::from_millis(50));
        if busy <= IDLE_ENOUGH || begin.elapsed() >= patience {
            return busy;
        }
    }
}

fn note(round: usize, work: &Work, side: &str, took: Duration, reply: &Reply) {
    let outcome = match (&reply.failed, reply.unsupported) {
        (Some(why), _) => why.clone(),
        (None, true) => "not offered".to_string(),
        (None, false) => crate::table::shown(work.unit, crate::stats::median(&reply.samples)),
    };
    eprintln!(
        "round {round}  {:<18} {side:<8} {outcome}  ({:.1} s)",
        work.id,
        took.as_secs_f64()
    );
}

fn wanted(chosen: &[String], id: &str) -> bool {
    chosen.is_empty() || chosen.iter().any(|choice| choice == id)
}

/// The lanes that run; one that broke is started again at its next turn.
struct Lanes {
    images: Images,
    open: BTreeMap<String, Lane>,
}

impl Lanes {
    fn start(&mut self, info: SideInfo, results: &mut Results) -> Result<(), String> {
        let (lane, hello) = Lane::start(info, &self.images)?;
        results.versions.extend(hello.versions);
        self.open.insert(info.id.to_string(), lane);
        Ok(())
    }

    /// A measurement in a lane of its own, which ends with it.
    fn ask_fresh(&self, id: &str, request: &Request) -> Reply {
        let started = side(id)
            .ok_or_else(|| format!("no side {id}"))
            .and_then(|info| Lane::start(info, &self.images));
        started
            .and_then(|(mut lane, _)| lane.ask(request, PATIENCE))
            .unwrap_or_else(Reply::failed)
    }

    fn ask(&mut self, id: &str, request: &Request, results: &mut Results) -> Reply {
        if !self.open.contains_key(id) {
            let started = side(id)
                .ok_or_else(|| format!("no side {id}"))
                .and_then(|info| self.start(info, results));
            if let Err(why) = started {
                return Reply::failed(why);
            }
        }
        let Some(lane) = self.open.get_mut(id) else {
            return Reply::failed("no lane");
        };
        match lane.ask(request, PATIENCE) {
            Ok(reply) => reply,
            Err(why) => {
                self.open.remove(id);
                Reply::failed(why)
            }
        }
    }
}

/// A folder for pipes and small files, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Scratch, String> {
        let path = std::env::temp_dir().join(format!("procession-peers-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Pipes::create(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
