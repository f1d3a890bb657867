//! Captured outputs of C code, which has buffers of its own. Nothing of how lines travel is tested here.
#![expect(unsafe_code, reason = "C's own functions are what is tested")]

use std::ffi::{CString, c_char, c_int};
use std::sync::{Arc, Mutex};

use procession::{OutputLine, Pool, TaskErrorKind};
use procession_integration_tests::pool_scene::{die_by, error_of, finish, scene};

procession::init_before_main!();

unsafe extern "C" {
    fn puts(line: *const c_char) -> c_int;
}

/// In a task: prints a line as a C library does.
fn print_in_c(line: String) {
    let line = CString::new(line).unwrap();
    // SAFETY: the pointer is to a live string that ends with a NUL byte.
    assert!(unsafe { puts(line.as_ptr()) } >= 0);
}

fn texts(lines: &Mutex<Vec<OutputLine>>) -> Vec<String> {
    let lines = lines.lock().unwrap();
    lines.iter().map(|line| line.text().to_owned()).collect()
}

/// HY07: what C code prints is there before the outcome, beside what Rust prints and in the order of both.
#[test]
fn lines_of_a_c_library_are_there_before_the_outcome() {
    scene(|| {
        let lines = Arc::new(Mutex::new(Vec::<OutputLine>::new()));
        let kept = Arc::clone(&lines);
        let pool = Pool::builder()
            .workers(1)
            .initializer(|| print_in_c("initializer".into()), ())
            .on_output(move |line| kept.lock().unwrap().push(line.clone()))
            .build()
            .unwrap();
        let task = |n: u32| {
            print_in_c(format!("C {n}"));
            println!("Rust {n}");
        };
        pool.apply(task, (1,)).unwrap();
        assert_eq!(texts(&lines), ["initializer", "C 1", "Rust 1"]);
        pool.map(task, [2, 3]).unwrap();
        let all = [
            "initializer",
            "C 1",
            "Rust 1",
            "C 2",
            "Rust 2",
            "C 3",
            "Rust 3",
        ];
        assert_eq!(texts(&lines), all);

        // Also before an end that flushes nothing.
        let last_words = || {
            print_in_c("last words".into());
            die_by(rustix::process::Signal::KILL);
        };
        error_of(pool.apply(last_words, ()), TaskErrorKind::WorkerDied);
        assert!(texts(&lines).contains(&"last words".to_owned()));
        finish(pool);
    });
}
