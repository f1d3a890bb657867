//! A task named in one process is found in another, however the program was linked.
//!
//! Builds `tests/link_modes` once for each way of linking and runs it; the program re-executes itself with nothing but offsets and fingerprints.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// What the program prints when everything was found and called.
const ALL_WELL: &str = "9 tasks named, found and called\n";

/// Settings of the release profile.
type Settings = &'static [(&'static str, &'static str)];

/// Written once: the tests run side by side, and one must not change a manifest that the other is building.
static PROJECT: LazyLock<Project> = LazyLock::new(project);

struct Project {
    dir: PathBuf,
    host: String,
    libraries: PathBuf,
}

fn rustc(args: &[&str]) -> String {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(args)
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// Copies the program out of the workspace, with the workspace's lock file, so that it builds offline and alone.
fn project() -> Project {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("link-modes");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/link_modes");
    for (from, to) in [
        ("program.rs", "src/main.rs"),
        ("dependency.rs", "dependency/src/lib.rs"),
        ("shared.rs", "shared/src/lib.rs"),
        ("foreign.rs", "foreign/src/main.rs"),
    ] {
        let to = dir.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(source.join(from), to).unwrap();
    }
    let task = format!(
        "procession-task = {{ path = {:?} }}",
        env!("CARGO_MANIFEST_DIR")
    );
    let package = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n{rest}\n")
    };
    let root = format!(
        "[dependencies]\n{task}\ndependency = {{ path = \"dependency\" }}\n\
         [workspace]\nmembers = [\"dependency\", \"shared\", \"foreign\"]\n\
         [profile.release]\nopt-level = \"s\"\ndebug = false\n"
    );
    let write = |path: &str, text: String| std::fs::write(dir.join(path), text).unwrap();
    write("Cargo.toml", package("link-modes", &root));
    write("dependency/Cargo.toml", package("dependency", ""));
    let shared = format!("[lib]\ncrate-type = [\"dylib\"]\n[dependencies]\n{task}");
    write("shared/Cargo.toml", package("shared", &shared));
    write(
        "foreign/Cargo.toml",
        package(
            "foreign",
            "[dependencies]\nshared = { path = \"../shared\" }",
        ),
    );
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let _ = std::fs::copy(lock, dir.join("Cargo.lock"));
    let host = rustc(&["-vV"])
        .lines()
        .find_map(|l| l.strip_prefix("host: "))
        .unwrap()
        .to_string();
    let libraries = PathBuf::from(rustc(&["--print", "target-libdir"]).trim());
    Project {
        dir,
        host,
        libraries,
    }
}

impl Project {
    /// Builds one package one way; the path of the program, or what the compiler said.
    ///
    /// Every way is the release profile with other settings. `flags` are for all of the target's crates and none of the host's,
    /// `link` is for the program alone: what differs in `link` only shares its libraries, which cost the time.
    fn build(
        &self,
        package: &str,
        settings: &[(&str, &str)],
        flags: &str,
        link: &[&str],
    ) -> Result<PathBuf, String> {
        let target = self.dir.join("target");
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(&self.dir)
            .args([
                "rustc",
                "--offline",
                "--quiet",
                "--release",
                "--target",
                &self.host,
                "-p",
                package,
                "--",
            ])
            .args(link)
            .env(
                "CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_DEBUG_ASSERTIONS",
                "false",
            )
            .env("CARGO_TARGET_DIR", &target)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTFLAGS", flags);
        for (name, value) in settings {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
        }
        let output = cargo.output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(target.join(&self.host).join("release").join(package))
    }

    fn run(&self, program: &Path, args: &[&str]) -> Output {
        Command::new(program)
            .args(args)
            .env(
                "LD_LIBRARY_PATH",
                format!(
                    "{}:{}",
                    self.libraries.display(),
                    program.with_file_name("deps").display()
                ),
            )
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap()
    }
}

#[test]
fn tasks_are_found_however_the_program_is_linked() {
    const FULL: (&str, &str) = ("LTO", "fat");
    const ONE: (&str, &str) = ("CODEGEN_UNITS", "1");
    const ABORT: (&str, &str) = ("PANIC", "abort");
    const SPEED: (&str, &str) = ("OPT_LEVEL", "3");
    let ways: [(&str, Settings, &str, &[&str]); 9] = [
        (
            "debug",
            &[
                ("OPT_LEVEL", "0"),
                ("CODEGEN_UNITS", "256"),
                ("DEBUG_ASSERTIONS", "true"),
            ],
            "",
            &[],
        ),
        ("release", &[SPEED], "", &[]),
        (
            "no build id, no relro",
            &[SPEED],
            "",
            &["-Clink-arg=-Wl,--build-id=none", "-Crelro-level=off"],
        ),
        ("thin LTO", &[("LTO", "thin")], "", &[]),
        ("fat LTO", &[FULL, ONE], "", &[]),
        ("panic = abort", &[ABORT, FULL, ONE], "", &[]),
        (
            "identical code folded",
            &[ABORT, FULL, ONE],
            "",
            &["-Clink-arg=-Wl,--icf=all"],
        ),
        ("static relocation", &[], "-C relocation-model=static", &[]),
        ("prefer-dynamic", &[], "-C prefer-dynamic", &[]),
    ];
    let project = &*PROJECT;
    for (way, settings, flags, link) in ways {
        let program = match project.build("link-modes", settings, flags, link) {
            Ok(program) => program,
            // Only some linkers fold identical code.
            Err(said) if way == "identical code folded" && said.contains("--icf") => {
                eprintln!("skipped: {way}");
                continue;
            }
            Err(said) => panic!("{way}: {said}"),
        };
        let output = project.run(&program, &[]);
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success() && out == ALL_WELL,
            "{way}: {} {out}{err}",
            output.status
        );

        let output = project.run(&program, &["panic"]);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            out.starts_with("last words: panicked at src/main.rs:"),
            "{way}: {out}"
        );
        let aborts = settings.contains(&ABORT);
        assert_eq!(
            output.status.code(),
            if aborts { None } else { Some(0) },
            "{way}"
        );
        assert_eq!(
            out.contains("\nreported: panicked at src/main.rs:"),
            !aborts,
            "{way}: {out}"
        );
    }
}

/// The library in a shared object, the function in the program: refused by name, never a wrong call.
#[test]
fn a_function_of_another_shared_object_is_refused_by_name() {
    let project = &*PROJECT;
    let flags = "-C prefer-dynamic";
    let program = project.build("foreign", &[], flags, &[]).unwrap();
    let output = project.run(&program, &[]);
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(
        out,
        "the function foreign::local lies in another shared object than procession itself, so another process cannot find it\n"
    );
}
