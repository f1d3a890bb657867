//! The layers as executed rules: which crate must not reach which. What a crate may use is not listed, only what it must not.

use std::path::Path;

use serde_json::Value;
use xshell::{Shell, cmd};

use super::source::Source;
use crate::project::{self, Result};

/// Crate, and what it must not reach by any path of normal dependencies.
const FORBIDDEN: [(&str, &[&str]); 3] = [
    (
        "procession-os",
        &[
            "procession-task",
            "procession-worker",
            "procession-pool",
            "procession",
            "serde",
            "postcard",
            "flume",
        ],
    ),
    (
        "procession-task",
        &[
            "procession-os",
            "procession-worker",
            "procession-pool",
            "procession",
            "rustix",
            "libc",
            "flume",
        ],
    ),
    (
        "procession-worker",
        &["procession-pool", "procession", "flume"],
    ),
];

/// Crate, and what its own manifest must not name.
const FORBIDDEN_DIRECTLY: [(&str, &[&str]); 2] = [
    ("procession-pool", &["procession-os", "rustix", "libc"]),
    ("procession", &["rustix", "libc"]),
];

/// Arrows that exist: they show that a missing one is found by this way of asking.
const PRESENT: [(&str, &str); 2] = [
    ("procession-pool", "procession-os"),
    ("procession-task", "serde"),
];

/// What cargo says when the arrow does not exist; any other failure is an error.
const NOT_THERE: &str = "did not match any packages";

/// The check.
pub(crate) fn check(root: &Path, _sources: &[Source]) -> Result<Vec<String>> {
    let sh = Shell::new()?;
    sh.change_dir(root);
    let mut faults = Vec::new();
    for (from, to) in PRESENT {
        if !reaches(&sh, from, to)? {
            faults.push(format!(
                "{from} does not reach {to}: the question or the layers have changed, mend tidy"
            ));
        }
    }
    for (from, forbidden) in FORBIDDEN {
        for to in forbidden {
            if reaches(&sh, from, to)? {
                faults.push(format!(
                    "{from} reaches {to}: `cargo tree -p {from} -i {to} -e normal` shows how"
                ));
            }
        }
    }
    faults.extend(direct(&sh)?);
    Ok(faults)
}

fn reaches(sh: &Shell, from: &str, to: &str) -> Result<bool> {
    let cargo = project::cargo();
    let output = cmd!(sh, "{cargo} tree -p {from} -i {to} -e normal")
        .quiet()
        .ignore_status()
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        // A package that is only a development dependency is known, and printed without an arrow.
        Ok(!stderr.contains("nothing to print"))
    } else if stderr.contains(NOT_THERE) {
        Ok(false)
    } else {
        Err(format!("cargo tree -p {from} -i {to} failed: {}", stderr.trim()).into())
    }
}

fn direct(sh: &Shell) -> Result<Vec<String>> {
    let cargo = project::cargo();
    let metadata: Value = serde_json::from_str(
        &cmd!(sh, "{cargo} metadata --no-deps --format-version 1")
            .quiet()
            .read()?,
    )?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata lists no packages")?;
    let mut faults = Vec::new();
    for (from, forbidden) in FORBIDDEN_DIRECTLY {
        let package = packages.iter().find(|package| package["name"] == from);
        let package = package.ok_or_else(|| format!("cargo metadata does not know {from}"))?;
        let dependencies = package["dependencies"]
            .as_array()
            .ok_or("a package lists no dependencies")?;
        for dependency in dependencies
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
        {
            if let Some(to) = forbidden.iter().find(|to| dependency["name"] == **to) {
                faults.push(format!("{from} names {to} in its manifest"));
            }
        }
    }
    Ok(faults)
}
