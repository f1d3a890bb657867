//! Counts lines and words in bytes that come in pieces. Pure: the result does not depend on where the pieces are cut.

use memchr::memchr_iter;
use serde::{Deserialize, Serialize};

/// What is counted in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TextFacts {
    /// Lines; a last line without its newline counts too.
    pub lines: u64,
    /// Words: what stands between spaces, tabs and line ends of ASCII.
    pub words: u64,
    /// The length of the longest line in bytes, its newline left out.
    pub longest: u64,
    /// The number of that line, from 1; the first one where several are as long. 0 in an empty text.
    pub longest_at: u64,
}

/// Counts while it is fed.
///
/// ```
/// use procession_examples::survey::text::Counter;
///
/// let mut counter = Counter::default();
/// counter.feed(b"one two\nthr");
/// counter.feed(b"ee");
/// let facts = counter.finish();
/// assert_eq!((facts.lines, facts.words, facts.longest, facts.longest_at), (2, 3, 7, 1));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Counter {
    facts: TextFacts,
    /// Bytes of the line that has not ended.
    open: u64,
    /// Whether the byte before the next piece belongs to a word.
    in_word: bool,
}

impl Counter {
    /// Takes the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        let (Some(&first), Some(&last)) = (piece.first(), piece.last()) else {
            return;
        };
        let mut begin = 0;
        for end in memchr_iter(b'\n', piece) {
            self.end_line(self.open + (end - begin) as u64);
            begin = end + 1;
        }
        self.open += (piece.len() - begin) as u64;

        // A word begins where a byte that is no space follows one that is. No branch: the loop becomes vector code.
        self.facts.words += u64::from(!self.in_word && !is_space(first));
        self.facts.words += piece
            .iter()
            .zip(&piece[1..])
            .map(|(&a, &b)| u64::from(is_space(a) & !is_space(b)))
            .sum::<u64>();
        self.in_word = !is_space(last);
    }

    /// What was counted in all pieces.
    pub fn finish(mut self) -> TextFacts {
        if self.open > 0 {
            self.end_line(self.open);
        }
        self.facts
    }

    fn end_line(&mut self, length: u64) {
        self.facts.lines += 1;
        if length > self.facts.longest || self.facts.longest_at == 0 {
            self.facts.longest = length;
            self.facts.longest_at = self.facts.lines;
        }
        self.open = 0;
    }
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte.wrapping_sub(b'\t') < 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(pieces: &[&[u8]]) -> TextFacts {
        let mut counter = Counter::default();
        pieces.iter().for_each(|piece| counter.feed(piece));
        counter.finish()
    }

    #[test]
    fn the_cut_does_not_matter() {
        let text = b"  a bc\n\n\tdef\r\nno newline at the end  x";
        let whole = count(&[text]);
        assert_eq!(
            whole,
            TextFacts {
                lines: 4,
                words: 9,
                longest: 24,
                longest_at: 4
            }
        );
        for cut in 0..=text.len() {
            let (left, right) = text.split_at(cut);
            assert_eq!(count(&[left, right]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(count(&single), whole);
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(count(&[]), TextFacts::default());
        assert_eq!(
            count(&[b"\n"]),
            TextFacts {
                lines: 1,
                words: 0,
                longest: 0,
                longest_at: 1
            }
        );
    }
}
