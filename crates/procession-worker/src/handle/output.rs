//! What a worker writes to its captured outputs: read from its pipes, cut into lines, the end of stderr kept for its error.
//! It must never wait: what the worker started itself may hold a pipe open for ever.
//!
//! # Whose line it is
//! A pipe is read up to what is in it at one moment. A call is among the unanswered ones until its replies have been
//! taken in, and the pipes are read before that is done: so whatever is in a pipe was written while one of the calls ran
//! that the worker has begun and not been relieved of. If those are all of one task, the line is that task's.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;

use procession_task::failure;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{Errno, ioctl_fionread, read};

use super::Worker;
use crate::error::{Error, TaskId};
use crate::output::{Output, OutputStream};
use crate::start::Started;

/// Bytes of a line that are handed on in one piece.
const LINE_BYTES: usize = 16 * 1024;
/// Bytes of stderr that are kept for the error of a death.
const TAIL_BYTES: usize = 8 * 1024;
/// Bytes read at once.
const PIECE: usize = 16 * 1024;

/// A line a worker has written, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it was written to.
    pub stream: OutputStream,
    /// What it says; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// The task that ran, where only one can have been running.
    pub task: Option<TaskId>,
    /// It was longer than the bound and goes on in the next line of this stream.
    pub continues: bool,
}

/// The parent's side of a worker's captured outputs.
#[derive(Debug)]
pub(super) struct Outputs {
    pipes: Vec<Pipe>,
    /// The task of each call frame without a last reply, oldest first.
    tasks: VecDeque<u64>,
    /// The end of what came through stderr.
    tail: Vec<u8>,
    /// How far it is known to have come.
    boot: Boot,
}

/// Whether what is in the pipes may have been written before the worker served: by its initializer, or above `init`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boot {
    /// It may.
    Unknown,
    /// It has said that it serves: the next look at the pipes takes what it wrote before.
    Said,
    /// It may not.
    Over,
}

#[derive(Debug)]
struct Pipe {
    stream: OutputStream,
    fd: OwnedFd,
    /// The beginning of a line whose end has not come, and whose it is.
    part: Vec<u8>,
    part_task: Option<u64>,
    /// Nobody can write to it any more.
    ended: bool,
}

impl Output {
    pub(super) fn stdio(self) -> Stdio {
        match self {
            Output::Inherit => Stdio::inherit(),
            Output::Null => Stdio::null(),
            Output::Captured => Stdio::piped(),
        }
    }
}

impl Outputs {
    /// The pipes of a worker that has been started; `None` when nothing is captured.
    pub(super) fn of(started: &mut Started) -> Result<Option<Box<Outputs>>, Error> {
        let stdout = started.stdout.take().map(OwnedFd::from);
        let stderr = started.stderr.take().map(OwnedFd::from);
        let mut pipes = Vec::new();
        for (stream, fd) in [
            (OutputStream::Stdout, stdout),
            (OutputStream::Stderr, stderr),
        ] {
            if let Some(fd) = fd {
                pipes.push(Pipe::new(stream, fd)?);
            }
        }
        Ok((!pipes.is_empty()).then(|| {
            Box::new(Outputs {
                pipes,
                tasks: VecDeque::new(),
                tail: Vec::new(),
                boot: Boot::Unknown,
            })
        }))
    }

    pub(super) fn sent(&mut self, task: u64) {
        self.tasks.push_back(task);
    }

    pub(super) fn ready(&mut self) {
        if self.boot == Boot::Unknown {
            self.boot = Boot::Said;
        }
    }

    /// The oldest call has its last reply. The pipes have been read since it ran.
    pub(super) fn replied(&mut self) {
        self.boot = Boot::Over;
        self.tasks.pop_front();
    }

    pub(super) fn taken_back(&mut self) {
        self.tasks.pop_back();
    }

    /// The one task among the oldest `begun` calls.
    fn task(&self, begun: u32) -> Option<u64> {
        if self.boot != Boot::Over {
            return None;
        }
        let mut tasks = self.tasks.iter().take(begun as usize);
        let first = *tasks.next()?;
        tasks.all(|task| *task == first).then_some(first)
    }
}

impl Worker {
    /// True when an output of this worker is captured.
    pub fn has_output(&self) -> bool {
        self.outputs.is_some()
    }

    /// Reads what is in the pipes at this moment, and no more, and appends the lines that are whole.
    ///
    /// Never waits, and takes no more than the pipes hold, whoever writes meanwhile.
    pub fn read_output(&mut self, lines: &mut Vec<Line>) {
        let Some(mut outputs) = self.outputs.take() else {
            return;
        };
        let waiting: Vec<usize> = outputs.pipes.iter().map(Pipe::waiting).collect();
        // Asked after the pipes: what is in them was written by a call that was begun by now.
        let begun = self.begun_frames().unwrap_or(u32::MAX);
        let task = outputs.task(begun);
        let Outputs { pipes, tail, .. } = &mut *outputs;
        for (pipe, bytes) in pipes.iter_mut().zip(waiting) {
            pipe.read(bytes, task, tail, lines);
        }
        if outputs.boot == Boot::Said {
            outputs.boot = Boot::Over;
        }
        self.outputs = Some(outputs);
    }

    /// As [`Worker::read_output`], and what the worker wrote without the end of a line counts as one: it has ended.
    pub fn last_output(&mut self, lines: &mut Vec<Line>) {
        self.read_output(lines);
        for pipe in self
            .outputs
            .iter_mut()
            .flat_map(|outputs| &mut outputs.pipes)
        {
            if !pipe.part.is_empty() {
                pipe.cut(false, lines);
            }
        }
    }

    /// The end of what it wrote to a captured stderr, escaped; `None` when it wrote nothing, or stderr is not captured.
    pub fn stderr_tail(&self) -> Option<String> {
        let tail = &self.outputs.as_ref()?.tail;
        let start = tail.len().saturating_sub(TAIL_BYTES + 1);
        let text = failure::tail(tail.get(start..).unwrap_or_default());
        (!text.trim().is_empty()).then_some(text)
    }

    /// The pipes somebody can still write to.
    pub(crate) fn output_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let pipes = self.outputs.iter().flat_map(|outputs| &outputs.pipes);
        pipes.filter(|pipe| !pipe.ended).map(|pipe| pipe.fd.as_fd())
    }

    /// The pipes nobody can write to any more: readable for ever.
    pub(crate) fn ended_output_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let pipes = self.outputs.iter().flat_map(|outputs| &outputs.pipes);
        pipes.filter(|pipe| pipe.ended).map(|pipe| pipe.fd.as_fd())
    }
}

impl Pipe {
    fn new(stream: OutputStream, fd: OwnedFd) -> Result<Pipe, Error> {
        fcntl_setfl(&fd, OFlags::NONBLOCK).map_err(|e| {
            let what = "read a captured output without waiting (fcntl)";
            Error::os("start a worker", procession_os::Error::new(what, e))
        })?;
        Ok(Pipe {
            stream,
            fd,
            part: Vec::new(),
            part_task: None,
            ended: false,
        })
    }

    /// Bytes in the pipe; 1 when it is empty, so that its end is noticed.
    fn waiting(&self) -> usize {
        ioctl_fionread(&self.fd).map_or(1, |bytes| usize::try_from(bytes).unwrap_or(1).max(1))
    }

    fn read(&mut self, bytes: usize, task: Option<u64>, tail: &mut Vec<u8>, lines: &mut Vec<Line>) {
        let mut buffer = [0; PIECE];
        let mut left = bytes;
        while left > 0 && !self.ended {
            let room = buffer.len().min(left);
            let got = match read(&self.fd, buffer.get_mut(..room).unwrap_or_default()) {
                Ok(0) => {
                    self.ended = true;
                    return;
                }
                Ok(got) => got,
                Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            left -= got;
            let piece = buffer.get(..got).unwrap_or_default();
            if self.stream == OutputStream::Stderr {
                keep_end(tail, piece);
            }
            self.take(piece, task, lines);
        }
    }

    /// Cuts what came into lines; what has no end yet is kept.
    fn take(&mut self, mut bytes: &[u8], task: Option<u64>, lines: &mut Vec<Line>) {
        while !bytes.is_empty() {
            if self.part.is_empty() {
                self.part_task = task;
            } else if self.part_task != task {
                self.part_task = None;
            }
            let room = LINE_BYTES - self.part.len();
            let reach = bytes.get(..room).unwrap_or(bytes);
            match reach.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.part
                        .extend_from_slice(reach.get(..end).unwrap_or_default());
                    bytes = bytes.get(end + 1..).unwrap_or_default();
                    self.cut(false, lines);
                }
                None => {
                    self.part.extend_from_slice(reach);
                    bytes = bytes.get(reach.len()..).unwrap_or_default();
                    if self.part.len() >= LINE_BYTES {
                        self.cut(true, lines);
                    }
                }
            }
        }
    }

    /// Makes a line of what is gathered; one that goes on keeps a character that is not whole for its next piece.
    fn cut(&mut self, continues: bool, lines: &mut Vec<Line>) {
        let rest = if continues {
            self.part.split_off(whole_characters(&self.part))
        } else {
            Vec::new()
        };
        lines.push(Line {
            stream: self.stream,
            text: String::from_utf8_lossy(&self.part).into_owned(),
            task: self.part_task.map(TaskId),
            continues,
        });
        self.part.clear();
        self.part.extend_from_slice(&rest);
    }
}

/// How many of the bytes end with a whole character, at most three less than all.
fn whole_characters(bytes: &[u8]) -> usize {
    let len = bytes.len();
    for back in 1..=3.min(len) {
        match bytes.get(len - back) {
            // A continuation: its first byte is further back.
            Some(0x80..=0xbf) => {}
            Some(first @ 0xc0..) if first.leading_ones() as usize > back => return len - back,
            Some(_) | None => return len,
        }
    }
    len
}

/// Appends to the end that is kept, and forgets what is further back now and then.
fn keep_end(tail: &mut Vec<u8>, bytes: &[u8]) {
    tail.extend_from_slice(bytes);
    if tail.len() > 4 * TAIL_BYTES {
        let before = tail.len() - TAIL_BYTES - 1;
        tail.drain(..before);
    }
}

#[cfg(test)]
mod tests {
    use super::{Boot, LINE_BYTES, Line, Outputs, Pipe, TAIL_BYTES, keep_end, whole_characters};
    use crate::error::TaskId;
    use crate::output::OutputStream;
    use std::collections::VecDeque;

    fn pipe() -> (Pipe, std::io::PipeWriter) {
        let (ours, theirs) = std::io::pipe().unwrap();
        (
            Pipe::new(OutputStream::Stdout, ours.into()).unwrap(),
            theirs,
        )
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    /// HY07: lines are whole however they arrive.
    #[test]
    fn a_line_is_whole_however_it_comes() {
        let (mut pipe, _writer) = pipe();
        let mut lines = Vec::new();
        for piece in ["one", " and\ntwo\n\n", "thr", "ee"] {
            pipe.take(piece.as_bytes(), None, &mut lines);
        }
        assert_eq!(texts(&lines), ["one and", "two", ""]);
        pipe.take(b"\xff!\n", None, &mut lines);
        assert_eq!(lines[3].text, "three\u{fffd}!");
    }

    #[test]
    fn a_line_that_two_tasks_wrote_is_nobody_s() {
        let (mut pipe, _writer) = pipe();
        let mut lines = Vec::new();
        pipe.take(b"mine\nhalf", Some(1), &mut lines);
        pipe.take(b" and half\nyours\n", Some(2), &mut lines);
        let tasks: Vec<_> = lines.iter().map(|line| line.task).collect();
        assert_eq!(tasks, [Some(TaskId(1)), None, Some(TaskId(2))]);
    }

    /// FAULTS 51: an endless line is handed on in pieces, never in the middle of a character.
    #[test]
    fn an_endless_line_is_split_at_the_bound() {
        let (mut pipe, _writer) = pipe();
        let mut lines = Vec::new();
        let endless = "é".repeat(LINE_BYTES);
        pipe.take(b"x", None, &mut lines);
        pipe.take(endless.as_bytes(), None, &mut lines);
        pipe.cut(false, &mut lines);
        assert!(lines.iter().all(|line| line.text.len() <= LINE_BYTES));
        assert_eq!(texts(&lines).concat(), format!("x{endless}"));
        let continues: Vec<_> = lines.iter().map(|line| line.continues).collect();
        assert_eq!(continues, [true, true, false]);
        assert_eq!(whole_characters("a€".as_bytes()), 4);
        assert_eq!(whole_characters(&"a€".as_bytes()[..3]), 1);
        assert_eq!(whole_characters(&[0x80; 8]), 8);
    }

    #[test]
    fn no_more_is_read_than_was_there() {
        use std::io::Write;
        let (mut pipe, mut writer) = pipe();
        let (mut lines, mut tail) = (Vec::new(), Vec::new());
        writer.write_all(b"one\n").unwrap();
        let bytes = pipe.waiting();
        writer.write_all(b"two\n").unwrap();
        pipe.read(bytes, None, &mut tail, &mut lines);
        assert_eq!(texts(&lines), ["one"]);
        pipe.read(pipe.waiting(), None, &mut tail, &mut lines);
        assert_eq!(texts(&lines), ["one", "two"]);
        // Empty and open, then empty and closed.
        pipe.read(pipe.waiting(), None, &mut tail, &mut lines);
        assert!(!pipe.ended);
        drop(writer);
        pipe.read(pipe.waiting(), None, &mut tail, &mut lines);
        assert!(pipe.ended);
    }

    #[test]
    fn a_task_is_named_only_where_it_is_certain() {
        let outputs = |tasks: &[u64]| Outputs {
            pipes: Vec::new(),
            tasks: VecDeque::from(tasks.to_vec()),
            tail: Vec::new(),
            boot: Boot::Over,
        };
        assert_eq!(outputs(&[]).task(1), None);
        assert_eq!(outputs(&[7, 8]).task(1), Some(7));
        assert_eq!(outputs(&[7, 8]).task(0), None);
        assert_eq!(outputs(&[7, 8]).task(2), None);
        assert_eq!(outputs(&[7, 7, 8]).task(2), Some(7));
    }

    #[test]
    fn the_kept_end_is_bounded() {
        let mut tail = Vec::new();
        for n in 0..100_000u32 {
            keep_end(&mut tail, format!("{n}\n").as_bytes());
        }
        assert!(tail.len() <= 5 * TAIL_BYTES && tail.ends_with(b"\n99999\n"));
    }
}
