//! Limits of the system: descriptors, many processes at once, directories that are not there.

#[expect(dead_code, reason = "other test files need the rest")]
mod common;

use std::time::Duration;

use common::scenario;
use procession_worker::Process;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

procession_worker::init_before_main!();

fn allow_descriptors(soft: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(soft),
            maximum,
        },
    )
    .unwrap();
}

/// FAULTS 108: within the usual 1,024 descriptors. A process of its own does it, so that the limit is its own.
#[test]
fn five_hundred_at_once_fit_into_1024_descriptors() {
    fn all() -> (usize, u64) {
        allow_descriptors(1024);
        let name = |n: u64| -> u64 {
            std::thread::sleep(Duration::from_millis(1));
            n
        };
        let processes: Vec<_> = (0..500_u64)
            .map(|n| Process::spawn(name, (n,)).unwrap())
            .collect();
        let most = std::fs::read_dir("/proc/self/fd").unwrap().count();
        (
            most,
            processes
                .into_iter()
                .map(|p| p.into_result().unwrap())
                .sum(),
        )
    }
    scenario(|| {
        let (most, sum) = Process::spawn(all, ()).unwrap().into_result().unwrap();
        assert_eq!(sum, 499 * 500 / 2);
        assert!(most < 1024, "{most} descriptors");
    });
}

/// PR33, FAULTS 65
#[test]
fn no_descriptor_left_is_an_error_that_leaves_nothing() {
    fn crowded() -> (Vec<String>, usize, u8) {
        Process::spawn(|| (), ()).unwrap().into_result().unwrap();
        let before = common::audit::snapshot();
        allow_descriptors(64);
        let mut files = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            files.push(file);
        }
        let mut errors = Vec::new();
        // With 0, 1, 2, … descriptors left, the start fails at each of its steps in turn, then succeeds.
        let value = loop {
            match Process::spawn(|| 7_u8, ()) {
                Ok(p) => break p.into_result().unwrap(),
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(24), "{error}");
                    errors.push(error.to_string());
                }
            }
            drop(files.pop().expect("enough by now"));
        };
        let left = files.len();
        drop(files);
        before.assert_nothing_left();
        (errors, left, value)
    }
    scenario(|| {
        let (errors, _, value) = Process::spawn(crowded, ()).unwrap().into_result().unwrap();
        assert_eq!(value, 7);
        assert!(errors.len() >= 3, "{errors:#?}");
        assert!(
            errors
                .iter()
                .all(|text| text.starts_with("cannot start \"")),
            "{errors:#?}"
        );
        assert!(
            errors
                .iter()
                .any(|text| text.contains("soft limit 64, hard limit ")),
            "{errors:#?}"
        );
    });
}

/// PR33
#[test]
fn a_start_that_fails_leaves_nothing() {
    scenario(|| {
        for _ in 0..10 {
            let error = Process::builder()
                .current_dir("/no/such/directory")
                .spawn(|| (), ())
                .unwrap_err();
            assert_eq!(error.raw_os_error(), Some(2), "{error}");
            assert!(error.to_string().contains("/no/such/directory"), "{error}");
            let error = Process::builder()
                .env("A", "nul\0byte")
                .spawn(|| (), ())
                .unwrap_err();
            assert!(
                error.raw_os_error().is_none_or(|number| number == 22),
                "{error}"
            );
            let error = Process::builder()
                .name("n".repeat(100_000))
                .spawn(|| (), ())
                .unwrap_err();
            assert!(error.to_string().contains("its name too long"), "{error}");
        }
    });
}
