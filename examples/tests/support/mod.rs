//! Runs an example program under a watchdog and looks for processes it left behind. No test here may hang, or end with a leftover.
#![expect(dead_code, reason = "each test file uses its own part of this module")]

use std::{
    ffi::OsStr,
    fs,
    io::Read,
    os::fd::OwnedFd,
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

/// The environment variable that marks everything a program starts.
const MARK: &str = "PROCESSION_EXAMPLES_RUN";

/// When the watchdog ends a program. Generous: it is there for hangs, not for slow machines.
const WATCHDOG: Duration = Duration::from_secs(180);

/// How long processes may outlive their program. The kernel ends them at once, but not in the same instant.
const AFTERMATH: Duration = Duration::from_secs(5);

static RUNS: AtomicU32 = AtomicU32::new(0);

fn unique() -> String {
    format!(
        "{}-{}",
        std::process::id(),
        RUNS.fetch_add(1, Ordering::Relaxed)
    )
}

/// A program to run; its standard output and error are collected unless they are set to something else.
pub(crate) struct Program {
    command: Command,
    mark: String,
}

/// A program that runs.
pub(crate) struct Running {
    pub(crate) pid: u32,
    pidfd: OwnedFd,
    output: Receiver<std::io::Result<Output>>,
    mark: String,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program of this package, given as `env!("CARGO_BIN_EXE_…")`.
pub(crate) fn program(path: &str) -> Program {
    let mark = unique();
    let mut command = Command::new(path);
    command
        .env(MARK, &mark)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Program { command, mark }
}

impl Program {
    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn current_dir(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    pub(crate) fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    pub(crate) fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stderr(to);
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let child = self.command.spawn().unwrap();
        let pid = child.id();
        // The child is not reaped before `wait_with_output`, so this number is still its own.
        let pidfd = pidfd_open(raw(pid), PidfdFlags::empty()).unwrap();
        let (sender, output) = channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        Running {
            pid,
            pidfd,
            output,
            mark: self.mark,
        }
    }

    /// Runs the program to its end.
    pub(crate) fn run(self) -> Ended {
        self.start().finish()
    }
}

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.pidfd, signal).unwrap();
    }

    /// The processes the program has started, itself left out.
    pub(crate) fn started(&self) -> Vec<u32> {
        marked(&self.mark)
            .into_iter()
            .filter(|pid| *pid != self.pid)
            .collect()
    }

    /// Waits for the end, at most as long as the watchdog allows, and for everything that was started to be gone.
    pub(crate) fn finish(self) -> Ended {
        let output = match self.output.recv_timeout(WATCHDOG) {
            Ok(output) => output.unwrap(),
            Err(RecvTimeoutError::Disconnected) => panic!("the waiting thread ended"),
            Err(RecvTimeoutError::Timeout) => {
                let alive = describe(&marked(&self.mark));
                self.kill_all();
                panic!(
                    "no end within {WATCHDOG:?}; alive were: {alive}; said: {:?}",
                    self.output.recv()
                );
            }
        };
        let ended = Ended {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        if !within(AFTERMATH, || marked(&self.mark).is_empty()) {
            panic!(
                "left behind: {}; the program: {ended:?}",
                describe(&marked(&self.mark))
            );
        }
        ended
    }

    fn kill_all(&self) {
        // Through the pidfd: once the program is reaped, its number may be another's.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        marked(&self.mark).into_iter().for_each(kill);
    }
}

/// A test that fails leaves nothing behind either.
impl Drop for Running {
    fn drop(&mut self) {
        self.kill_all();
    }
}

impl Ended {
    /// Checks the exit code, and shows everything when it is another.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Ended {
        assert_eq!(self.status.code(), Some(expected), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn killed_by(self, signal: Signal) -> Ended {
        assert_eq!(self.status.signal(), Some(signal.as_raw()), "{self:?}");
        self
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

/// Whether `condition` comes true within `limit`.
pub(crate) fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Ends a process by its number; one that is gone already is fine.
pub(crate) fn kill(pid: u32) {
    let _ = kill_process(raw(pid), Signal::KILL);
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap()).unwrap()
}

/// The living processes whose initial environment has the mark. Zombies have none.
fn marked(mark: &str) -> Vec<u32> {
    let wanted = format!("{MARK}={mark}");
    let has_mark = |pid: &u32| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == wanted.as_bytes())
        })
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(has_mark)
        .collect()
}

fn describe(pids: &[u32]) -> String {
    let name = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    pids.iter()
        .map(|pid| format!("{pid} ({})", name(pid).trim()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A terminal for a program to write to, and what it has shown once all of its writers have ended.
pub(crate) fn terminal() -> (fs::File, JoinHandle<String>) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let other_side = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(OsStr::from_bytes(name.to_bytes()))
        .unwrap();

    let mut terminal = fs::File::from(terminal);
    let reader = thread::spawn(move || {
        let mut shown = Vec::new();
        // Reading ends with an error when the other side is closed: that is the end here.
        let _ = terminal.read_to_end(&mut shown);
        String::from_utf8_lossy(&shown).into_owned()
    });
    (other_side, reader)
}

/// A folder that is gone, with everything in it, when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique());
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn file(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> &Folder {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
        self
    }

    /// A file that takes far longer to read than any test runs, and no space.
    pub(crate) fn endless(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::File::create(&path).unwrap().set_len(1 << 42).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
