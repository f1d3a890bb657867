//! Priority, processors, threads of libraries: each worker has what was asked for, and its replacement too.

use procession::{Pool, PoolBuilder, TaskErrorKind};
use procession_integration_tests::pool_scene::{
    LONG, Scratch, die_by, error_of, finish, meet, scene,
};
use rustix::process::{Signal, getpriority_process};

procession::init_before_main!();

/// A line of this process's status.
fn status(key: String) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&key));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}

fn cpus_of_worker() -> (usize, String) {
    (
        procession::worker::index().unwrap(),
        status("Cpus_allowed_list".into()),
    )
}

fn usable() -> Vec<usize> {
    let cpus = procession_os::hold::usable_cpus().unwrap();
    cpus.into_iter().map(|cpu| cpu as usize).collect()
}

/// What `look` sees in each of the three workers, and again when all of them have been replaced.
fn in_each_of_three<R: serde::Serialize + serde::de::DeserializeOwned + 'static>(
    pool: &Pool,
    look: impl procession::Task<(String, u32), Output = R>,
) -> Vec<R> {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let here = Scratch::new();
        let args = (0..3).map(|me| (here.text(), me));
        seen.extend(pool.call(look).chunk_size(1).starmap(args).unwrap());
        let here = Scratch::new();
        let deaths: Vec<_> = (0..3)
            .map(|me| {
                let die = |directory: String, me: u32| {
                    meet(&directory, me, 3);
                    die_by(Signal::KILL);
                };
                pool.apply_async(die, (here.text(), me))
            })
            .collect();
        for death in deaths {
            error_of(
                death.get_timeout(LONG).expect("an outcome"),
                TaskErrorKind::WorkerDied,
            );
        }
    }
    seen
}

/// WL27
#[test]
fn workers_run_on_the_processors_of_their_lists_round_robin() {
    scene(|| {
        let usable = usable();
        let (first, last) = (usable[0], usable[usable.len() - 1]);
        let pool = Pool::builder()
            .workers(3)
            .cpu_affinity([vec![first], vec![last]])
            .build()
            .unwrap();
        let look = |directory: String, me: u32| {
            meet(&directory, me, 3);
            cpus_of_worker()
        };
        let mut seen = in_each_of_three(&pool, look);
        seen.sort();
        let expected = [
            (0, first),
            (0, first),
            (1, last),
            (1, last),
            (2, first),
            (2, first),
        ];
        assert_eq!(seen, expected.map(|(index, cpu)| (index, cpu.to_string())));
        finish(pool);
    });
}

/// WL27
#[test]
fn a_processor_out_of_range_is_an_error_of_build() {
    scene(|| {
        let refused = |builder: PoolBuilder| builder.build().unwrap_err().to_string();
        let known = usable()[0];
        // An inline pool has no use for them, but a wrong one is wrong.
        for workers in [2, 0] {
            let pool = || Pool::builder().workers(workers);
            let text = refused(pool().cpu_affinity([vec![known], vec![known, 5000]]));
            assert!(
                text.contains("list 1 of cpu_affinity names CPU 5000"),
                "{text}"
            );
            let text = refused(pool().cpu_affinity([vec![known], vec![]]));
            assert!(text.contains("list 1 of cpu_affinity is empty"), "{text}");
            let text = refused(pool().cpu_affinity(Vec::<Vec<usize>>::new()));
            assert!(text.contains("at least one list"), "{text}");
            refused(pool().cpu_affinity([[usize::MAX]]));
        }
    });
}

/// WL27: and priority with it.
#[test]
fn workers_give_way_as_asked() {
    scene(|| {
        let own = getpriority_process(None).unwrap();
        let pool = Pool::builder().workers(3).nice(3).build().unwrap();
        let look = |directory: String, me: u32| {
            meet(&directory, me, 3);
            getpriority_process(None).unwrap()
        };
        let nice = in_each_of_three(&pool, look);
        assert_eq!(nice, vec![(own + 3).min(19); 6]);
        assert_eq!(getpriority_process(None).unwrap(), own);
        finish(pool);
    });
}

fn variable(name: String) -> Option<String> {
    std::env::var(name).ok()
}

fn variables() -> Vec<Option<String>> {
    let names = ["PATH", "ADDED", "HOME", "EMPTY", "UNTOUCHED"];
    names.map(|name| variable(name.to_owned())).to_vec()
}

fn threads(pool: &Pool, name: &str) -> Option<String> {
    pool.apply(variable, (name.to_owned(),)).unwrap()
}

/// WL32: over what the program has, in workers from the start, in their replacements and in those of a larger size.
#[test]
fn environment_of_the_pool_is_seen_in_every_worker_there_ever_is() {
    scene(|| {
        let own = variables();
        assert!(own[0].is_some(), "a variable to be replaced");
        let pool = Pool::builder()
            .workers(3)
            .env("PATH", "/nowhere")
            .env("ADDED", "first")
            .env("ADDED", "ünïcödé = \n")
            .env_remove("HOME")
            .env("EMPTY", "")
            .build()
            .unwrap();
        let expected = vec![
            Some("/nowhere".to_owned()),
            Some("ünïcödé = \n".to_owned()),
            None,
            Some(String::new()),
            own[4].clone(),
        ];
        let look = |directory: String, me: u32| {
            meet(&directory, me, 3);
            variables()
        };
        assert_eq!(in_each_of_three(&pool, look), vec![expected.clone(); 6]);
        pool.resize(5).unwrap();
        let here = Scratch::new();
        let of_five = |directory: String, me: u32| {
            meet(&directory, me, 5);
            variables()
        };
        let args = (0..5).map(|me| (here.text(), me));
        let all = pool.call(of_five).chunk_size(1).starmap(args).unwrap();
        assert_eq!(all, vec![expected.clone(); 5]);
        finish(pool);
        assert_eq!(variables(), own, "the program's own is as it was");
        let recycling = Pool::builder().workers(1).max_tasks_per_worker(1);
        let recycling = recycling.env("ADDED", "again").build().unwrap();
        for _ in 0..4 {
            assert_eq!(threads(&recycling, "ADDED").as_deref(), Some("again"));
        }
        assert!(recycling.stats().recycled >= 3);
        finish(recycling);
    });
}

/// WL32
#[test]
fn libraries_in_workers_are_told_their_share_and_replacements_too() {
    scene(|| {
        let workers = 3;
        let pool = Pool::builder().workers(workers).build().unwrap();
        let look = |directory: String, me: u32| {
            meet(&directory, me, 3);
            [
                "RAYON_NUM_THREADS",
                "OMP_NUM_THREADS",
                "OPENBLAS_NUM_THREADS",
                "MKL_NUM_THREADS",
            ]
            .map(|name| variable(name.to_owned()))
            .to_vec()
        };
        let share = (procession::cpu_count() / workers).max(1).to_string();
        for seen in in_each_of_three(&pool, look) {
            assert_eq!(seen, vec![Some(share.clone()); 4]);
        }
        finish(pool);
    });
}

/// WL32
#[test]
fn a_number_of_threads_can_be_given_or_left_alone() {
    scene(|| {
        let two = || Pool::builder().workers(2);
        let given = two().inner_threads(7).build().unwrap();
        assert_eq!(threads(&given, "NUMEXPR_NUM_THREADS").as_deref(), Some("7"));
        let untold = two().inner_threads(None).build().unwrap();
        assert_eq!(threads(&untold, "NUMEXPR_NUM_THREADS"), None);
        let set = two()
            .env("OMP_NUM_THREADS", "5")
            .env_remove("MKL_NUM_THREADS")
            .inner_threads(7)
            .build()
            .unwrap();
        assert_eq!(threads(&set, "OMP_NUM_THREADS").as_deref(), Some("5"));
        assert_eq!(threads(&set, "MKL_NUM_THREADS"), None);
        assert_eq!(threads(&set, "RAYON_NUM_THREADS").as_deref(), Some("7"));
        for pool in [given, untold, set] {
            finish(pool);
        }
    });
}

/// WL32: the share of pinned workers is what they are pinned to.
#[test]
fn pinned_workers_are_told_what_their_lists_give() {
    scene(|| {
        let usable = usable();
        let pool = Pool::builder()
            .workers(2)
            .cpu_affinity([usable.clone(), usable.clone()])
            .build()
            .unwrap();
        let expected = usable.len().to_string();
        assert_eq!(threads(&pool, "RAYON_NUM_THREADS"), Some(expected));
        finish(pool);
    });
}
