//! Adds up what was found. Pure; the summary does not depend on the order in which the answers came.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{OsStr, OsString},
    path::Path,
};

use super::{
    measure::Facts,
    walk::{Found, Problem},
};

/// Sums over some files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// Files read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them are text.
    pub texts: u64,
    /// Lines in the texts.
    pub lines: u64,
    /// Words in the texts.
    pub words: u64,
}

/// The longest line of all texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Longest {
    /// The file.
    pub path: OsString,
    /// The line's number, from 1.
    pub line: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Files with the same contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// BLAKE3 of the contents.
    pub hash: [u8; 32],
    /// The length of each.
    pub bytes: u64,
    /// Where they are, in order; at least two.
    pub paths: Vec<OsString>,
}

impl Copies {
    /// The bytes that would be free if there were one copy only.
    pub fn spare(&self) -> u64 {
        self.bytes * (self.paths.len() as u64).saturating_sub(1)
    }
}

/// Everything counted so far.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Counts,
    rows: BTreeMap<Option<OsString>, Row>,
    longest: Option<Longest>,
    contents: HashMap<[u8; 32], Copies>,
    problems: Vec<Problem>,
}

/// What was found beside the files that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Folders, the roots included.
    pub folders: u64,
    /// Symbolic links that were not followed.
    pub links: u64,
    /// Fifos, sockets and devices.
    pub special: u64,
    /// Further names of files already read.
    pub same_files: u64,
}

/// The result of a survey, everything in its final order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Over all files.
    pub total: Row,
    /// What else was met.
    pub counts: Counts,
    /// By extension (`None`: without one), the most bytes first.
    pub rows: Vec<(Option<OsString>, Row)>,
    /// `None` when there is no text, or only empty lines.
    pub longest: Option<Longest>,
    /// Files with equal contents, the most to spare first. Empty files are not compared.
    pub copies: Vec<Copies>,
    /// What could not be read, by path.
    pub problems: Vec<Problem>,
}

impl Tally {
    /// Counts something that was found and is not to be read. A file is counted by [`Tally::read`] instead.
    pub fn found(&mut self, found: Found) {
        match found {
            Found::File(_) => {}
            Found::SameFile => self.counts.same_files += 1,
            Found::Folder => self.counts.folders += 1,
            Found::Link => self.counts.links += 1,
            Found::Special => self.counts.special += 1,
            Found::Problem(problem) => self.problems.push(problem),
        }
    }

    /// Counts a file that was read, or the reason why it was not.
    pub fn read(&mut self, path: OsString, facts: Result<Facts, String>) {
        let facts = match facts {
            Ok(facts) => facts,
            Err(reason) => return self.problems.push(Problem { path, reason }),
        };
        let extension = Path::new(&path).extension().map(OsStr::to_os_string);
        self.rows.entry(extension).or_default().add(&facts);
        if let Some(text) = facts.text {
            self.line(&path, text.longest_at, text.longest);
        }
        if facts.bytes > 0 {
            let empty = || Copies {
                hash: facts.hash,
                bytes: facts.bytes,
                paths: Vec::new(),
            };
            self.contents
                .entry(facts.hash)
                .or_insert_with(empty)
                .paths
                .push(path);
        }
    }

    /// Keeps the longest line; of equal ones that of the first path, so that the order of answers does not show.
    fn line(&mut self, path: &OsStr, line: u64, bytes: u64) {
        let longer = match &self.longest {
            None => bytes > 0,
            Some(longest) => {
                bytes > longest.bytes || bytes == longest.bytes && path < longest.path.as_os_str()
            }
        };
        if longer {
            self.longest = Some(Longest {
                path: path.to_os_string(),
                line,
                bytes,
            });
        }
    }

    /// Puts everything in order.
    pub fn summary(self) -> Summary {
        let mut total = Row::default();
        self.rows.values().for_each(|row| total.join(row));
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        // Both sorts are total: rows differ by extension, groups by their first path.
        rows.sort_by(|(left, a), (right, b)| b.bytes.cmp(&a.bytes).then_with(|| left.cmp(right)));

        let mut copies: Vec<Copies> = self
            .contents
            .into_values()
            .filter(|group| group.paths.len() > 1)
            .collect();
        copies
            .iter_mut()
            .for_each(|group| group.paths.sort_unstable());
        copies.sort_by(|a, b| {
            b.spare()
                .cmp(&a.spare())
                .then_with(|| a.paths.cmp(&b.paths))
        });

        let mut problems = self.problems;
        problems.sort_unstable();
        Summary {
            total,
            counts: self.counts,
            rows,
            longest: self.longest,
            copies,
            problems,
        }
    }
}

impl Row {
    fn add(&mut self, facts: &Facts) {
        let text = facts.text.unwrap_or_default();
        self.join(&Row {
            files: 1,
            bytes: facts.bytes,
            texts: facts.text.is_some().into(),
            lines: text.lines,
            words: text.words,
        });
    }

    fn join(&mut self, other: &Row) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.texts += other.texts;
        self.lines += other.lines;
        self.words += other.words;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::text::TextFacts;

    fn facts(byte: u8, longest: u64) -> Facts {
        let text = TextFacts {
            lines: 2,
            words: 3,
            longest,
            longest_at: 1,
        };
        Facts {
            hash: [byte; 32],
            bytes: 10,
            text: Some(text),
        }
    }

    #[test]
    fn the_order_of_answers_does_not_show() {
        let answers = [
            ("b.rs", 1, 7),
            ("a.rs", 1, 7),
            ("c", 2, 5),
            ("d.txt", 2, 1),
            ("e", 3, 0),
        ];
        let summary = |order: &[usize]| {
            let mut tally = Tally::default();
            order
                .iter()
                .map(|&i| answers[i])
                .for_each(|(path, hash, n)| tally.read(path.into(), Ok(facts(hash, n))));
            tally.summary()
        };
        let forward = summary(&[0, 1, 2, 3, 4]);
        assert_eq!(forward, summary(&[4, 2, 0, 3, 1]));
        assert_eq!(
            forward.longest,
            Some(Longest {
                path: "a.rs".into(),
                line: 1,
                bytes: 7
            })
        );
        assert_eq!(forward.copies[0].paths, ["a.rs", "b.rs"]);
        assert_eq!(
            forward.total,
            Row {
                files: 5,
                bytes: 50,
                texts: 5,
                lines: 10,
                words: 15
            }
        );
    }

    #[test]
    fn empty_files_are_no_copies_and_problems_are_no_files() {
        let mut tally = Tally::default();
        let empty = Facts {
            hash: [0; 32],
            bytes: 0,
            text: Some(TextFacts::default()),
        };
        tally.read("a".into(), Ok(empty.clone()));
        tally.read("b".into(), Ok(empty));
        tally.read("c".into(), Err("no".into()));
        let summary = tally.summary();
        assert_eq!(
            (
                summary.total.files,
                summary.copies.len(),
                summary.problems.len()
            ),
            (2, 0, 1)
        );
        assert_eq!(summary.longest, None);
    }
}
