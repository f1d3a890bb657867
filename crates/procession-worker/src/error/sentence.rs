//! The one sentence that tells a task error. Holds no facts of its own.

use std::fmt;

use super::task::Facts;
use super::{TaskError, TaskErrorKind};

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &*self.facts;
        let task = Subject(facts);
        match facts.kind {
            TaskErrorKind::Panicked => return panicked(f, facts),
            TaskErrorKind::WorkerDied => return died(f, facts),
            TaskErrorKind::TimedOut => {
                write!(f, "{task} exceeded its time limit")?;
                if let Some((limit, ran)) = facts.times {
                    write!(f, " of {} (it ran for {})", Brief(limit), Brief(ran))?;
                }
            }
            TaskErrorKind::Expired => {
                write!(f, "{task} found no worker before its queue deadline")?
            }
            TaskErrorKind::Cancelled => write!(f, "{task} was cancelled")?,
            TaskErrorKind::Terminated => {
                write!(f, "the pool was terminated before {task} finished")?
            }
            TaskErrorKind::Closed => write!(f, "the pool is closed and did not take {task}")?,
            TaskErrorKind::Broken => write!(f, "{task} cannot run, nothing can be started for it")?,
            TaskErrorKind::EncodeArgs => write!(f, "the arguments of {task} cannot be encoded")?,
            TaskErrorKind::DecodeArgs => write!(f, "{task} cannot be called in the other process")?,
            TaskErrorKind::EncodeResult => write!(f, "the result of {task} cannot be encoded")?,
            TaskErrorKind::DecodeResult => write!(f, "the result of {task} cannot be decoded")?,
            TaskErrorKind::TooLarge => write!(f, "{task} exceeds a size limit")?,
            TaskErrorKind::Protocol => write!(f, "the process running {task} broke the protocol")?,
            TaskErrorKind::Spawn => write!(f, "no process can run {task}")?,
            TaskErrorKind::InvalidOption => write!(f, "{task} was called with an invalid option")?,
        }
        detail(f, facts)?;
        beside(f, facts)
    }
}

/// `my_crate::f (task 17, item 3, after 2 attempts)`.
struct Subject<'a>(&'a Facts);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.task_name)?;
        let notes = notes(self.0);
        if notes.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", notes.join(", "))
        }
    }
}

fn notes(facts: &Facts) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(facts.id.map(|id| id.to_string()));
    notes.extend(facts.item.map(|item| format!("item {item}")));
    notes.extend(facts.args.iter().map(|args| format!("arguments {args}")));
    if facts.attempts > 1 {
        notes.push(attempts(facts));
    }
    notes
}

/// What ended by itself has been tried so often; the rest was at an attempt, or waited for it.
fn attempts(facts: &Facts) -> String {
    match facts.kind {
        TaskErrorKind::Cancelled
        | TaskErrorKind::Terminated
        | TaskErrorKind::Broken
        | TaskErrorKind::Expired => format!("at attempt {}", facts.attempts),
        _ => format!("after {} attempts", facts.attempts),
    }
}

fn detail(f: &mut fmt::Formatter<'_>, facts: &Facts) -> fmt::Result {
    match &facts.detail {
        Some(detail) => write!(f, ": {detail}"),
        None => Ok(()),
    }
}

fn panicked(f: &mut fmt::Formatter<'_>, facts: &Facts) -> fmt::Result {
    if let Some(during) = &facts.detail {
        write!(f, "{during} ")?;
    }
    write!(f, "{} ", Subject(facts))?;
    match &facts.panic {
        Some(panic) => write!(f, "{panic}")?,
        None => f.write_str("panicked")?,
    }
    beside(f, facts)
}

/// A death that is not the whole story.
fn beside(f: &mut fmt::Formatter<'_>, facts: &Facts) -> fmt::Result {
    match &facts.death {
        Some(death) => write!(f, "; {death}{}", death.last_lines()),
        None => Ok(()),
    }
}

/// `worker 17 ("pool-1/3") was killed by SIGSEGV (11) while running f (task 17, after 12 ms); stack overflow; hint`.
fn died(f: &mut fmt::Formatter<'_>, facts: &Facts) -> fmt::Result {
    let Some(death) = &facts.death else {
        write!(f, "the process running {} died", Subject(facts))?;
        return detail(f, facts);
    };
    write!(f, "{death}")?;
    if death.exit_status().code().is_some() {
        f.write_str(" before returning a result")?;
    }
    let mut notes = notes(facts);
    notes.extend(death.ran_for().map(|time| format!("after {}", Brief(time))));
    write!(f, " while running {}", facts.task_name)?;
    if !notes.is_empty() {
        write!(f, " ({})", notes.join(", "))?;
    }
    detail(f, facts)?;
    for note in [death.last_words(), death.hint()].into_iter().flatten() {
        write!(f, "; {note}")?;
    }
    f.write_str(&death.last_lines())
}

/// A duration a person reads at a glance: `350 µs`, `12 ms`, `3.2 s`.
struct Brief(std::time::Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_micros() {
            micros @ 0..1_000 => write!(f, "{micros} µs"),
            micros @ 1_000..1_000_000 => write!(f, "{} ms", micros / 1_000),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}
