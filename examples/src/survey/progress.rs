//! What is shown on standard error while the survey runs: a bar on a terminal, else two plain lines. It never touches standard output.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

/// How often the bar moves when nothing else moves it.
const TICK: Duration = Duration::from_millis(100);

/// The state of what is shown.
#[derive(Debug)]
pub struct Progress {
    /// Hidden where standard error is not a terminal.
    bar: ProgressBar,
    begun: Instant,
    files: u64,
    bytes: u64,
}

impl Progress {
    /// Starts the bar, or says in one line what begins.
    pub fn start(workers: usize) -> Progress {
        let bar = if io::stderr().is_terminal() {
            let template = "{spinner} {bytes}/{total_bytes} [{wide_bar}] {msg} {bytes_per_sec}";
            // The template is a constant, so only a mistake in it could fail; the plain bar serves as well.
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style.progress_chars("=> "));
            bar.enable_steady_tick(TICK);
            bar
        } else {
            say(format_args!("survey: begins with {workers} workers"));
            ProgressBar::hidden()
        };
        Progress {
            bar,
            begun: Instant::now(),
            files: 0,
            bytes: 0,
        }
    }

    /// A file was found: there is more to do.
    pub fn found(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// A file of this length, as found, is done with.
    pub fn done(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
        self.bar.inc(bytes);
        if self.files.is_multiple_of(64) && !self.bar.is_hidden() {
            self.bar
                .set_message(format!("{} files", HumanCount(self.files)));
        }
    }

    /// Takes the bar away and says how long it took.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        let seconds = self.begun.elapsed().as_secs_f64();
        let (files, bytes) = (HumanCount(self.files), HumanBytes(self.bytes));
        say(format_args!(
            "survey: {files} files, {bytes} in {seconds:.2} s"
        ));
    }
}

/// One line on standard error. Unlike `eprintln!` it does not panic when nobody can read it.
pub fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
