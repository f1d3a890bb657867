//! The command line of `survey`. It decides nothing about files and prints nothing.

use std::{ffi::OsString, path::PathBuf};

/// The text of `--help`, exit codes included.
pub const HELP: &str = "\
survey - count, hash and compare files on a pool of worker processes

Usage: survey [OPTIONS] [--] [FILE OR FOLDER]...

Walks the given folders (default: the current one), reads every regular file, and prints a table by extension, the
longest line, and the groups of files with equal contents. Text is what has no zero byte in its first 8 KiB; lines and
words are counted in text only.

Options:
  -w, --workers N   worker processes (default: one for each CPU, or PROCESSION_WORKERS; 0: read in this process)
  -s, --skip NAME   leave out files and folders of this name (repeatable), for example --skip target --skip .git
  -L, --follow      follow symbolic links; a loop is reported and not entered (default: links are counted, not followed)
      --json        print the summary as one JSON object
  -h, --help        print this text
  -V, --version     print the version

A file with several names (hard links, overlapping folders) is read once. Fifos, sockets and devices are counted and
never opened. In names, control characters and bytes that are not UTF-8 are printed as \\xNN, and a backslash as \\\\.

Exit codes:
  0  everything was read
  1  something could not be read; it is listed on standard error, and the summary covers the rest
  2  the command line is wrong
  3  the workers could not be started, or the summary could not be written
A reader that stops early (survey | head) is not an error.
";

/// What to survey, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The files and folders to survey; never empty.
    pub roots: Vec<PathBuf>,
    /// Worker processes; `None` is one for each CPU, and 0 reads in this process.
    pub workers: Option<usize>,
    /// File names that are left out, with everything below them.
    pub skip: Vec<OsString>,
    /// Whether symbolic links are followed.
    pub follow: Links,
    /// The form of the summary.
    pub form: Form,
}

/// What to do with symbolic links met on the way. A root that is a link is always followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Links {
    /// Counted, and left alone.
    #[default]
    Count,
    /// Followed; a loop is a problem that is reported.
    Follow,
}

/// The form of the summary on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Tables for people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run a survey.
    Survey(Options),
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// Reads the arguments after the program's name.
///
/// An error is one sentence for the user: an unknown option, an option without its value, or a value that is no number.
///
/// ```
/// use procession_examples::survey::options::{Command, parse};
///
/// let Ok(Command::Survey(options)) = parse(["--workers=4", "src"].map(Into::into)) else { panic!() };
/// assert_eq!((options.workers, options.roots), (Some(4), vec!["src".into()]));
/// assert_eq!(parse(["--color".into()]), Err("unknown option --color".to_string()));
/// ```
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut arguments = arguments.into_iter();
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let (name, attached) = split(&argument);
        let mut value = || {
            attached
                .clone()
                .or_else(|| arguments.next())
                .ok_or_else(|| format!("{name} needs a value"))
        };
        match name.as_str() {
            "-w" | "--workers" => options.workers = Some(number(&name, &value()?)?),
            "-s" | "--skip" => options.skip.push(value()?),
            _ if attached.is_some() => return Err(format!("{name} takes no value, or is unknown")),
            "-L" | "--follow" => options.follow = Links::Follow,
            "--json" => options.form = Form::Json,
            "-h" | "--help" => return Ok(Command::Help),
            "-V" | "--version" => return Ok(Command::Version),
            "--" => options.roots.extend(arguments.by_ref().map(PathBuf::from)),
            _ if name.len() > 1 && name.starts_with('-') => {
                return Err(format!("unknown option {name}"));
            }
            _ => options.roots.push(PathBuf::from(argument)),
        }
    }
    if options.roots.is_empty() {
        options.roots.push(PathBuf::from("."));
    }
    Ok(Command::Survey(options))
}

/// `--name=value` as its two parts; anything else, names that are not UTF-8 included, as it is.
fn split(argument: &OsString) -> (String, Option<OsString>) {
    match argument.to_str().and_then(|text| text.split_once('=')) {
        Some((name, value)) if name.starts_with("--") => (name.to_string(), Some(value.into())),
        _ => (argument.to_string_lossy().into_owned(), None),
    }
}

fn number(name: &str, value: &OsString) -> Result<usize, String> {
    let text = value.to_string_lossy();
    text.parse()
        .map_err(|_| format!("{name} needs a number, not {text:?}"))
}
