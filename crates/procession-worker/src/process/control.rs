//! Signals to a running process, and its outputs. A signal goes through the pidfd only, so it can never hit another process.

use std::process::{ChildStderr, ChildStdout};

use procession_os::child::Signal;

use super::Process;
use crate::error::Error;

impl<R> Process<R> {
    /// Asks it to end (SIGTERM). No error when it has ended already; its status stays what it was.
    ///
    /// The function ends without unwinding unless the program handles the signal.
    ///
    /// # Errors
    /// In a forked copy of the program ([`Error::is_forked`]), or when the kernel refuses.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::spawn(|| std::thread::park(), ())?;
    /// process.terminate()?;
    /// assert_eq!(process.join()?.to_string(), "signal SIGTERM (15)");
    /// process.terminate()?; // no error
    /// # Ok(()) }
    /// ```
    pub fn terminate(&self) -> Result<(), Error> {
        self.signal(Signal::TERM, "terminate")
    }

    /// Ends it at once (SIGKILL). No error when it has ended already; its status stays what it was.
    ///
    /// Processes that it started through this library end with it; those it started by other means do not.
    ///
    /// # Errors
    /// As [`terminate`](Process::terminate).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::spawn(|| std::thread::park(), ())?;
    /// process.kill()?;
    /// assert_eq!(process.join()?.to_string(), "signal SIGKILL (9)");
    /// # Ok(()) }
    /// ```
    pub fn kill(&self) -> Result<(), Error> {
        self.signal(Signal::KILL, "kill")
    }

    /// Interrupts it as Ctrl-C would (SIGINT), which ends it unless the program handles the signal.
    ///
    /// # Errors
    /// As [`terminate`](Process::terminate).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # init();
    /// let process = Process::spawn(|| std::thread::park(), ())?;
    /// process.interrupt()?;
    /// assert_eq!(process.join()?.to_string(), "signal SIGINT (2)");
    /// # Ok(()) }
    /// ```
    pub fn interrupt(&self) -> Result<(), Error> {
        self.signal(Signal::INT, "interrupt")
    }

    /// The reading end of its stdout, once, when it was started with `Stdio::piped()`; `None` otherwise.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # use std::{io::Read, process::Stdio};
    /// # init();
    /// let mut process = Process::builder().stdout(Stdio::piped()).spawn(|| println!("hello"), ())?;
    /// let mut text = String::new();
    /// process.take_stdout().expect("piped").read_to_string(&mut text)?;
    /// assert_eq!(text, "hello\n");
    /// assert!(process.take_stdout().is_none());
    /// # Ok(()) }
    /// ```
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// The reading end of its stderr, once, when it was started with `Stdio::piped()`; `None` otherwise.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_worker::{Process, init};
    /// # use std::{io::Read, process::Stdio};
    /// # init();
    /// let mut process = Process::builder().stderr(Stdio::piped()).spawn(|| eprintln!("oh"), ())?;
    /// let mut text = String::new();
    /// process.take_stderr().expect("piped").read_to_string(&mut text)?;
    /// assert_eq!(text, "oh\n");
    /// # Ok(()) }
    /// ```
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.stderr.take()
    }
}

impl<R> Process<R> {
    fn signal(&self, signal: Signal, verb: &str) -> Result<(), Error> {
        self.owned()?;
        self.child
            .signal(signal)
            .map_err(|cause| self.cannot(verb, cause))
    }
}
