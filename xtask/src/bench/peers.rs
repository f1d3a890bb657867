//! `cargo xtask bench --peers`: gives the peers benchmark a Python that has the peers' packages. Measures nothing.

use std::path::Path;

use xshell::{Shell, cmd};

use crate::project::{self, Result};

/// Makes `target/venv` once, then runs the benchmark with the caller's other options. Needs python3 and, the first time, a way to PyPI.
pub(crate) fn run(root: &Path, options: &[&str]) -> Result {
    let sh = Shell::new()?;
    sh.change_dir(root);
    let venv = root.join("target/venv");
    let python = venv.join("bin/python");
    let ready = cmd!(sh, "{python} -c 'import joblib, loky, pebble'")
        .quiet()
        .ignore_stderr()
        .run()
        .is_ok();
    if !ready {
        cmd!(sh, "python3 -m venv {venv}").run()?;
        cmd!(
            sh,
            "{python} -m pip install --quiet --disable-pip-version-check loky joblib pebble"
        )
        .run()?;
    }
    let cargo = project::cargo();
    // The lanes of the sides are programs of their own.
    cmd!(
        sh,
        "{cargo} build --profile lean -p procession-benches --bins"
    )
    .run()?;
    let peers = root.join("target/lean/peers");
    Ok(cmd!(sh, "{peers} --python {python} {options...}").run()?)
}
