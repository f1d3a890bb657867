//! `cargo xtask ci`: everything a change has to pass, cheapest first. Stops at the first failure and names it.

use std::time::Instant;

use serde_json::Value;
use xshell::{Cmd, Shell, cmd};

use crate::project::{self, Result};

type Step = fn(&Shell, &str) -> Result<Done>;

/// How a step ended when it did not fail.
enum Done {
    Passed,
    /// A part of the toolchain is missing; the text says which.
    Skipped(String),
}

const STEPS: [(&str, Step); 11] = [
    ("format", format),
    ("clippy", clippy),
    ("without features", featureless),
    ("with features", features),
    ("rustdoc", rustdoc),
    ("tidy", tidy),
    ("the xtask's own tests", own_tests),
    ("loom", loom),
    ("examples", examples),
    ("bench smoke", bench),
    ("package", package),
];

/// The unpublished members.
const UNPUBLISHED: [&str; 4] = [
    "xtask",
    "procession-benches",
    "procession-examples",
    "procession-integration-tests",
];

/// The command.
pub(crate) fn run() -> Result {
    let (sh, root) = project::shell()?;
    let cargo = project::cargo();
    let mut table = String::new();
    let started = Instant::now();
    for (name, step) in STEPS {
        println!("\n=== {name} ===");
        let begun = Instant::now();
        let done = step(&sh, &cargo)
            .map_err(|error| format!("{table}ci failed at \"{name}\": {error}"))?;
        let seconds = begun.elapsed().as_secs_f64();
        table += &match done {
            Done::Passed => format!("  {name:<24} {seconds:>7.1} s\n"),
            Done::Skipped(why) => format!("  {name:<24} SKIPPED: {why}\n"),
        };
    }
    println!(
        "\n{table}ci passed in {:.0} s: {}",
        started.elapsed().as_secs_f64(),
        root.display()
    );
    Ok(())
}

fn passed(command: Cmd<'_>) -> Result<Done> {
    command.run()?;
    Ok(Done::Passed)
}

/// Whether cargo has this command, which a minimal toolchain lacks.
fn has(sh: &Shell, cargo: &str, command: &str) -> bool {
    cmd!(sh, "{cargo} {command} --version")
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run()
        .is_ok()
}

fn format(sh: &Shell, cargo: &str) -> Result<Done> {
    if !has(sh, cargo, "fmt") {
        return Ok(Done::Skipped("rustfmt is not installed".to_string()));
    }
    passed(cmd!(sh, "{cargo} fmt --all --check"))
}

fn clippy(sh: &Shell, cargo: &str) -> Result<Done> {
    if !has(sh, cargo, "clippy") {
        return Ok(Done::Skipped("clippy is not installed".to_string()));
    }
    cmd!(
        sh,
        "{cargo} clippy --workspace --all-targets -- -D warnings"
    )
    .run()?;
    passed(cmd!(
        sh,
        "{cargo} clippy -p procession -p procession-examples --all-features --all-targets -- -D warnings"
    ))
}

/// The rest of the workspace turns features on; whoever depends on the facade alone has none.
fn featureless(sh: &Shell, cargo: &str) -> Result<Done> {
    let _flags = sh.push_env("RUSTFLAGS", "-D warnings");
    passed(cmd!(
        sh,
        "{cargo} check -p procession --target-dir target/featureless"
    ))
}

/// What is tested with a feature that the rest of the workspace leaves off.
fn features(sh: &Shell, cargo: &str) -> Result<Done> {
    let package = "procession-integration-tests";
    cmd!(
        sh,
        "{cargo} test -p {package} --features tracing --test pool_see_tracing"
    )
    .run()?;
    passed(cmd!(
        sh,
        "{cargo} test -p procession-pool --features indicatif --doc bar"
    ))
}

fn rustdoc(sh: &Shell, cargo: &str) -> Result<Done> {
    let _flags = sh.push_env("RUSTDOCFLAGS", "-D warnings");
    passed(cmd!(sh, "{cargo} doc --workspace --no-deps"))
}

fn tidy(_sh: &Shell, _cargo: &str) -> Result<Done> {
    crate::tidy::run()?;
    Ok(Done::Passed)
}

/// The rules and figures are only as good as their tests.
fn own_tests(sh: &Shell, cargo: &str) -> Result<Done> {
    passed(cmd!(sh, "{cargo} test --quiet -p xtask"))
}

/// The models of the ring, the doorbells and the outcomes. `LOOM_MAX_PREEMPTIONS` unset means 3: minutes become seconds.
fn loom(sh: &Shell, cargo: &str) -> Result<Done> {
    let _flags = sh.push_env("RUSTFLAGS", "--cfg loom");
    let bound = std::env::var("LOOM_MAX_PREEMPTIONS").unwrap_or_else(|_| "3".to_string());
    let _bound = sh.push_env("LOOM_MAX_PREEMPTIONS", bound);
    cmd!(
        sh,
        "{cargo} test -p procession-os --release --target-dir target/loom --test loom_*"
    )
    .run()?;
    let _flags = sh.push_env("RUSTFLAGS", "--cfg model_outcomes");
    passed(cmd!(
        sh,
        "{cargo} test -p procession-pool --release --target-dir target/loom-outcomes --lib cell::model"
    ))
}

/// Their outputs are compared by their tests. The main one also reads this repository's crates: on workers and inline it
/// has to find the same, and as many Rust files as there are. All with the feature that one of them is for: without it they are
/// tested with the workspace.
fn examples(sh: &Shell, cargo: &str) -> Result<Done> {
    cmd!(sh, "{cargo} test -p procession-examples --features tracing").run()?;
    let survey = |workers: &str| {
        let program = cmd!(
            sh,
            "{cargo} run --quiet -p procession-examples --features tracing --bin survey --"
        );
        program
            .args(["--json", "--workers", workers, "crates"])
            .read()
    };
    let (on_workers, inline) = (survey("2")?, survey("0")?);
    if on_workers != inline {
        return Err(
            format!("survey differs on workers:\n{on_workers}\nand inline:\n{inline}").into(),
        );
    }
    let summary: Value = serde_json::from_str(&on_workers)?;
    let rows = summary["extensions"]
        .as_array()
        .ok_or("survey printed no `extensions`")?;
    let found = rows
        .iter()
        .find(|row| row["extension"] == "rs")
        .and_then(|row| row["files"].as_u64());
    let there = project::files(&sh.current_dir().join("crates"), "rs")?.len() as u64;
    if found != Some(there) {
        return Err(
            format!("survey found {found:?} Rust files in crates, there are {there}").into(),
        );
    }
    println!("survey found the {there} Rust files of crates, on workers and inline");
    Ok(Done::Passed)
}

fn bench(_sh: &Shell, _cargo: &str) -> Result<Done> {
    crate::bench::run(&["--smoke"])?;
    Ok(Done::Passed)
}

/// What would be published can be packed, and what was packed compiles.
fn package(sh: &Shell, cargo: &str) -> Result<Done> {
    let excluded = UNPUBLISHED.iter().flat_map(|name| ["--exclude", name]);
    // In a folder of its own: cargo keeps what it unpacks of a package by the folder's path, and takes that for this one the next time.
    let folder = format!("target/packaging-{}", std::process::id());
    let done = passed(cmd!(
        sh,
        "{cargo} package --workspace --allow-dirty --target-dir {folder} {excluded...}"
    ));
    sh.remove_path(&folder)?;
    done
}
