//! The tutorial's programs, run as a reader would run them. Only what they promise is checked: the order of parallel lines is not.

mod support;

use std::{collections::BTreeSet, fs, time::Duration};

use rustix::process::Signal;
use support::{Folder, program, within};

/// The number after `word` in a line.
fn number_after(line: &str, word: &str) -> u64 {
    let rest = line
        .split(word)
        .nth(1)
        .unwrap_or_else(|| panic!("no {word:?} in {line:?}"));
    let digits: String = rest
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

#[test]
fn two_loops_run_side_by_side() {
    let ended = program(env!("CARGO_BIN_EXE_two_loops"))
        .args(["2"])
        .run()
        .code(0);
    let pids = |who: &str| -> BTreeSet<u64> {
        let own: Vec<&str> = ended
            .stdout
            .lines()
            .filter(|line| line.starts_with(who))
            .collect();
        assert_eq!(own.len(), 2, "{ended:?}");
        own.iter().map(|line| number_after(line, who)).collect()
    };
    let (parent, child) = (pids("parent"), pids("child"));
    assert_eq!(
        (parent.len(), child.len()),
        (1, 1),
        "each loop stays in one process"
    );
    assert_ne!(parent, child);
    assert_eq!(
        ended.lines().last(),
        Some(&"both have ended, the child with exit code 0")
    );
}

#[test]
fn two_endless_loops_end_with_the_parent() {
    let folder = Folder::new();
    for signal in [Signal::INT, Signal::KILL] {
        let path = folder.path().join("said");
        let running = program(env!("CARGO_BIN_EXE_two_loops"))
            .stdout(fs::File::create(&path).unwrap())
            .start();
        let both = || {
            fs::read_to_string(&path)
                .is_ok_and(|said| said.contains("child") && said.contains("parent"))
        };
        assert!(within(Duration::from_secs(20), both), "both loops speak");
        running.signal(signal);
        running.finish().killed_by(signal);
    }
}

#[test]
fn a_process_has_arguments_and_is_terminated() {
    let ended = program(env!("CARGO_BIN_EXE_process_arguments"))
        .run()
        .code(0);
    let lines = ended.lines();
    assert!(
        lines[0].starts_with("parent ") && lines[0].ends_with(": before the start"),
        "{ended:?}"
    );
    // The child may have spoken before its parent's second line.
    let second = lines
        .iter()
        .find(|line| line.starts_with("name=Process-1, pid="))
        .unwrap();
    assert!(second.ends_with(", alive=true"), "{ended:?}");
    assert_eq!(
        lines.last(),
        Some(&"ended by signal SIGTERM (15), alive=false")
    );

    let pid = number_after(second, "pid=");
    let rounds: Vec<&&str> = lines
        .iter()
        .filter(|line| line.starts_with("child "))
        .collect();
    assert!(
        (1..10).contains(&rounds.len()),
        "ended on its way: {ended:?}"
    );
    for (round, line) in (1..).zip(rounds) {
        let options = "Options { m: 20, city: None }";
        assert_eq!(
            **line,
            format!("child {pid}: round {round}, name=test, age=18, {options}")
        );
    }
}

#[test]
fn ten_tasks_run_on_three_workers() {
    let ended = program(env!("CARGO_BIN_EXE_pool_apply_async"))
        .run()
        .code(0);
    let lines = ended.lines();
    assert_eq!(lines.last(), Some(&"all tasks done"));
    assert!(lines.contains(&"all tasks submitted"));
    let begun: Vec<&&str> = lines
        .iter()
        .filter(|line| line.contains("begins"))
        .collect();
    let tasks: BTreeSet<u64> = begun
        .iter()
        .map(|line| number_after(line, "task"))
        .collect();
    let workers: BTreeSet<u64> = begun
        .iter()
        .map(|line| number_after(line, "worker"))
        .collect();
    assert_eq!(
        (begun.len(), tasks),
        (10, (1..=10).collect()),
        "each task runs once: {ended:?}"
    );
    assert!((1..=3).contains(&workers.len()), "{ended:?}");
    assert_eq!(
        lines.iter().filter(|line| line.ends_with(" ends")).count(),
        10
    );
}

/// The ten squares, and the time in the last line.
fn squares(path: &str, last: &str) -> f64 {
    let ended = program(path).run().code(0);
    let lines = ended.lines();
    let expected: Vec<String> = (1..=10)
        .map(|n| format!("{n} squared is {}", n * n))
        .collect();
    assert_eq!(lines[..10], expected);
    let seconds = lines[10]
        .strip_prefix(last)
        .and_then(|rest| rest.strip_suffix(" s"));
    seconds
        .unwrap_or_else(|| panic!("{ended:?}"))
        .parse()
        .unwrap()
}

#[test]
fn results_one_by_one_take_the_sum_of_all_tasks() {
    let seconds = squares(
        env!("CARGO_BIN_EXE_results_one_by_one"),
        "ten tasks of 100 ms one by one: ",
    );
    assert!(seconds >= 1.0, "{seconds}");
}

#[test]
fn results_collected_come_in_order() {
    let seconds = squares(
        env!("CARGO_BIN_EXE_results_collected"),
        "ten tasks of 100 ms on five workers: ",
    );
    assert!(seconds >= 0.2, "{seconds}");
}

#[test]
fn globals_are_not_shared() {
    let ended = program(env!("CARGO_BIN_EXE_globals_not_shared"))
        .run()
        .code(0);
    let expected = "\
first child begins with [11, 22]
first child has       [11, 22, 0]
first child has       [11, 22, 0, 1]
first child has       [11, 22, 0, 1, 2]
second child has      [11, 22]
first child returned  [11, 22, 0, 1, 2]
parent has            [11, 22, 33]
";
    assert_eq!(ended.stdout, expected);
}

/// The table's rows, each with its three numbers.
fn table(stdout: &str) -> Vec<(String, Vec<f64>)> {
    let row = |line: &str| {
        let numbers = line[22..].split_whitespace().filter(|word| *word != "ms");
        (
            line[..22].trim().to_string(),
            numbers.map(|word| word.parse().unwrap()).collect(),
        )
    };
    stdout.lines().skip(1).map(row).collect()
}

#[test]
fn five_hundred_tasks_run_as_processes_and_on_a_pool() {
    // 500 processes alive together, under the limit of descriptors that most systems have.
    let script = r#"ulimit -n 1024 && exec "$0""#;
    let ended = program("/bin/sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_five_hundred")])
        .run()
        .code(0);
    assert!(
        ended
            .stdout
            .lines()
            .next()
            .is_some_and(|line| line.contains("500 procs") && line.contains("pool of 8"))
    );
    let rows = table(&ended.stdout);
    let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["do nothing", "compute for 2 ms", "wait for 10 ms"]);
    for (name, numbers) in &rows {
        assert!(
            numbers.len() == 3 && numbers.iter().all(|number| *number > 0.0),
            "{name}: {numbers:?}"
        );
    }
    // Eight at a time, 500 waits of 10 ms cannot take less than this.
    assert!(rows[2].1[1] >= 620.0, "{ended:?}");
}

#[test]
fn five_hundred_takes_other_numbers() {
    let ended = program(env!("CARGO_BIN_EXE_five_hundred"))
        .args(["20", "2"])
        .run()
        .code(0);
    assert!(
        ended.stdout.contains("20 procs") && ended.stdout.contains("pool of 2"),
        "{ended:?}"
    );
}

#[test]
fn first_primes_reads_an_endless_iterator_as_far_as_it_needs() {
    let ended = program(env!("CARGO_BIN_EXE_first_primes"))
        .args(["1000000", "20"])
        .run()
        .code(0);
    let lines = ended.lines();
    let (last, primes) = lines.split_last().expect("lines");
    let primes: Vec<u64> = primes.iter().map(|line| line.parse().unwrap()).collect();
    let is_prime = |n: &u64| (2..=1_001).all(|divisor| !n.is_multiple_of(divisor));
    let expected: Vec<u64> = (1_000_001..).filter(is_prime).take(20).collect();
    assert_eq!(primes, expected);
    let tested = expected[19] - 1_000_000;
    assert!(
        last.starts_with(&format!("{tested} numbers tested, ")),
        "{last}"
    );
    assert!(number_after(last, "tested,") >= tested);
}
