//! Children as a whole: who is running, who reaps them, how deep they nest.

mod common;

use std::time::{Duration, Instant};

use common::{audit, scenario, sleep_for_ever};
use procession_worker::{MAX_DEPTH, Process, active_children, depth};

procession_worker::init_before_main!();

fn zombies() -> usize {
    audit::snapshot()
        .children
        .iter()
        .filter(|child| child.contains(" Z "))
        .count()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// PR08
#[test]
fn active_children_are_those_that_run() {
    scenario(|| {
        let p = Process::builder()
            .name("runs")
            .spawn(sleep_for_ever, ())
            .unwrap();
        let found = active_children();
        assert!(
            found
                .iter()
                .any(|child| child.pid() == p.pid() && child.name() == "runs"),
            "{found:?}"
        );
        p.terminate().unwrap();
        p.join().unwrap();
        assert!(active_children().is_empty());
    });
}

/// PR08
#[test]
fn asking_for_active_children_reaps_the_ended_ones() {
    scenario(|| {
        let p = Process::spawn(|| 7, ()).unwrap();
        wait_until("it ends", || zombies() == 1);
        assert!(active_children().is_empty());
        assert_eq!(zombies(), 0);
        assert_eq!(
            p.join().unwrap().code(),
            Some(0),
            "the handle still has the status"
        );
        assert_eq!(p.into_result().unwrap(), 7);
    });
}

/// PR30, FAULTS 112
#[test]
fn a_dropped_process_runs_on_and_is_reaped() {
    scenario(|| {
        let p = Process::spawn(sleep_for_ever, ()).unwrap();
        let pid = p.pid();
        drop(p);
        std::thread::sleep(Duration::from_millis(50));
        assert!(audit::is_running(pid));
        assert!(
            active_children().iter().any(|child| child.pid() == pid),
            "and is still known"
        );
        let raw = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(raw, rustix::process::Signal::TERM).unwrap();
        // Nobody calls anything: it is reaped all the same.
        wait_until("it is reaped", || {
            audit::children_of(std::process::id()).is_empty()
        });
        assert!(active_children().is_empty());
    });
}

/// PR30: many at once, some ended before the drop, some after, with and without a result nobody reads.
#[test]
fn many_dropped_processes_leave_nothing() {
    scenario(|| {
        for round in 0..20_u64 {
            let p = Process::spawn(
                |ms: u64| std::thread::sleep(Duration::from_millis(ms)),
                (round % 5,),
            )
            .unwrap();
            if round % 3 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            drop(p);
        }
        wait_until("all are reaped", || {
            audit::children_of(std::process::id()).is_empty()
        });
    });
}

/// The call itself is not lost when the handle is dropped at once.
#[test]
fn a_process_dropped_at_once_still_does_its_work() {
    scenario(|| {
        let file = std::env::temp_dir().join(format!("procession-drop-{}", std::process::id()));
        let path = file.display().to_string();
        drop(Process::spawn(|path: String| std::fs::write(path, "done").is_ok(), (path,)).unwrap());
        wait_until("it writes", || {
            std::fs::read_to_string(&file).is_ok_and(|text| text == "done")
        });
        std::fs::remove_file(file).unwrap();
    });
}

/// PR14
#[test]
fn three_levels_return_their_ids_depth_first() {
    fn tree(id: Vec<u8>) -> Vec<Vec<u8>> {
        let mut ids = vec![id.clone()];
        if id.len() < 3 {
            for n in 0..2 {
                let below = Process::spawn(tree, ([id.as_slice(), &[n]].concat(),)).unwrap();
                ids.extend(below.into_result().unwrap());
            }
        }
        assert!(active_children().is_empty());
        ids
    }
    scenario(|| {
        let ids = Process::spawn(tree, (vec![],))
            .unwrap()
            .into_result()
            .unwrap();
        assert_eq!(ids.len(), 15);
        let mut sorted = ids.clone();
        sorted.sort();
        assert_eq!(ids, sorted, "depth first");
    });
}

/// FAULTS 106
#[test]
fn nesting_ends_with_a_clear_error() {
    fn down() -> (u32, String) {
        match Process::spawn(down, ()) {
            Ok(below) => below.into_result().unwrap(),
            Err(error) => {
                assert!(error.is_too_deep());
                (depth(), error.to_string())
            }
        }
    }
    scenario(|| {
        let (depth, error) = Process::spawn(down, ()).unwrap().into_result().unwrap();
        assert_eq!(depth, MAX_DEPTH);
        assert!(
            error.contains("nested 10 deep already, which is the limit"),
            "{error}"
        );
    });
}

/// FAULTS 58: what a killed process had started ends with it.
#[test]
fn a_killed_process_takes_its_children_along() {
    fn parent(to: String) {
        let below = Process::spawn(sleep_for_ever, ()).unwrap();
        std::fs::write(&to, format!("{}\n", below.pid())).unwrap();
        sleep_for_ever();
    }
    scenario(|| {
        let file = std::env::temp_dir().join(format!("procession-chain-{}", std::process::id()));
        let p = Process::spawn(parent, (file.display().to_string(),)).unwrap();
        let mut below = 0;
        wait_until("the grandchild runs", || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            below = text
                .strip_suffix('\n')
                .and_then(|pid| pid.parse().ok())
                .unwrap_or(0);
            below != 0
        });
        assert!(audit::is_running(below));
        p.kill().unwrap();
        p.join().unwrap();
        audit::assert_all_end(&[below], Duration::from_secs(30));
        std::fs::remove_file(file).unwrap();
    });
}

/// OR06, FAULTS 61: the thread that asked for a process is not the one it depends on.
#[test]
fn a_process_outlives_the_thread_that_started_it() {
    scenario(|| {
        let p = std::thread::spawn(|| Process::spawn(sleep_for_ever, ()).unwrap())
            .join()
            .unwrap();
        assert_eq!(p.join_timeout(Duration::from_millis(200)).unwrap(), None);
        p.kill().unwrap();
        p.join().unwrap();
    });
}
