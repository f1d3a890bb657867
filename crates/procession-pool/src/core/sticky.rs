//! Which index each chunk of a job belongs to; must not know who serves under it.

/// Which index each chunk of a job belongs to: chunk after chunk, round and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sticky {
    /// Indexes in one round; 0 counts as 1.
    pub(crate) indexes: u32,
    /// Items in a chunk; 0 counts as 1.
    pub(crate) chunk: u32,
    /// Where the job's first item stands, counted in items from the beginning of a round.
    pub(crate) from: u64,
}

impl Sticky {
    fn chunk(self) -> u64 {
        u64::from(self.chunk.max(1))
    }

    pub(super) fn index_of(self, item: u32) -> u32 {
        let chunk = (self.from + u64::from(item)) / self.chunk();
        (chunk % u64::from(self.indexes.max(1))) as u32
    }

    /// Items from this one to the end of its chunk.
    pub(super) fn rest_of_chunk(self, item: u32) -> u32 {
        let rest = self.chunk() - (self.from + u64::from(item)) % self.chunk();
        rest as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_go_round_and_parts_of_one_stay_together() {
        let sticky = Sticky {
            indexes: 3,
            chunk: 4,
            from: 0,
        };
        let indexes: Vec<u32> = (0..16).map(|item| sticky.index_of(item)).collect();
        assert_eq!(indexes, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0]);
        assert_eq!(sticky.rest_of_chunk(4), 4);
        assert_eq!(sticky.rest_of_chunk(7), 1);
        let later = Sticky { from: 6, ..sticky };
        assert_eq!((later.index_of(0), later.rest_of_chunk(0)), (1, 2));
        assert_eq!((later.index_of(2), later.rest_of_chunk(2)), (2, 4));
    }

    #[test]
    fn numbers_that_mean_nothing_do_no_harm() {
        let (indexes, chunk, from) = (0, 0, 0);
        let none = Sticky {
            indexes,
            chunk,
            from,
        };
        assert_eq!((none.index_of(5), none.rest_of_chunk(5)), (0, 1));
        let (indexes, chunk) = (u32::MAX, u32::MAX);
        let large = Sticky {
            indexes,
            chunk,
            from,
        };
        assert_eq!(large.index_of(u32::MAX), 1);
        assert_eq!(large.rest_of_chunk(0), u32::MAX);
    }
}
