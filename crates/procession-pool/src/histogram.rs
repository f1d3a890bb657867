//! A distribution of times in a fixed number of buckets. It must never allocate or take more than a few instructions to
//! record: it stands on the way of every reply.

use std::fmt;
use std::time::Duration;

const BUCKETS: usize = 64;

/// How often which length of time occurred, by powers of two nanoseconds.
///
/// Bucket 0 holds times of 0 ns, bucket *n* those from 2<sup>n-1</sup> to below 2<sup>n</sup> ns, and the last one
/// everything above. Count and mean are exact; a percentile is the upper end of its bucket, so at most twice the truth of
/// items that were counted one by one. Those that ended between two looks at their worker count as of equal length.
///
/// ```
/// # procession_worker::init();
/// use std::time::Duration;
/// let pool = procession_pool::Pool::new(1)?;
/// pool.call(std::thread::sleep).chunk_size(1).map([1, 1, 1, 20].map(Duration::from_millis))?;
/// let runs = pool.stats().runs;
/// assert_eq!(runs.count(), 4);
/// assert!(runs.mean() >= Duration::from_millis(5)); // (1 + 1 + 1 + 20) / 4
/// assert!(runs.percentile(50.0) >= Duration::from_millis(1));
/// assert!(runs.percentile(100.0) >= runs.mean());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    count: u64,
    total: u128,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: [0; BUCKETS],
            count: 0,
            total: 0,
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets()).finish()
    }
}

impl Histogram {
    /// Adds `items` times of `total` nanoseconds together, each counted as their mean; of none, `total` is what those before
    /// took besides.
    #[inline]
    pub(crate) fn record(&mut self, total: u64, items: u32) {
        let each = total / u64::from(items.max(1));
        let bucket = (u64::BITS - each.leading_zeros()) as usize;
        if let Some(count) = self.counts.get_mut(bucket.min(BUCKETS - 1)) {
            *count += u64::from(items);
        }
        self.count += u64::from(items);
        self.total += u128::from(total);
    }

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.total).unwrap_or(u64::MAX))
    }

    /// Their mean; zero if there are none.
    pub fn mean(&self) -> Duration {
        let mean = self.total / u128::from(self.count.max(1));
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// The length below which `percent` of the times are: the upper end of the bucket, at most twice the truth.
    ///
    /// `percent` below 0 counts as 0, above 100 (or not a number) as 100. Zero if nothing was recorded.
    pub fn percentile(&self, percent: f64) -> Duration {
        let share = if percent.is_nan() {
            1.0
        } else {
            percent.clamp(0.0, 100.0) / 100.0
        };
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (upper, count) in self.buckets() {
            seen += count;
            if seen >= wanted {
                return upper;
            }
        }
        self.buckets()
            .last()
            .map_or(Duration::ZERO, |(upper, _)| upper)
    }

    /// The buckets that are not empty, the shortest first: the longest time each can hold, and how many it holds.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let upper = |bucket: usize| match bucket {
            0 => 0,
            bucket if bucket >= BUCKETS - 1 => u64::MAX,
            bucket => (1 << bucket) - 1,
        };
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(move |(bucket, count)| (Duration::from_nanos(upper(bucket)), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;
    use std::time::Duration;

    fn ns(ns: u64) -> Duration {
        Duration::from_nanos(ns)
    }

    #[test]
    fn empty_one_answers_everything_with_nothing() {
        let none = Histogram::default();
        assert_eq!((none.count(), none.mean()), (0, Duration::ZERO));
        assert_eq!(none.percentile(50.0), Duration::ZERO);
        assert_eq!(none.buckets().count(), 0);
    }

    #[test]
    fn times_fall_into_the_bucket_of_their_highest_bit() {
        let mut some = Histogram::default();
        for time in [0, 1, 2, 3, 4, 1023, 1024, u64::MAX] {
            some.record(time, 1);
        }
        let seen: Vec<_> = some.buckets().collect();
        let wanted = [
            (0, 1),
            (1, 1),
            (3, 2),
            (7, 1),
            (1023, 1),
            (2047, 1),
            (u64::MAX, 1),
        ];
        assert_eq!(seen, wanted.map(|(upper, count)| (ns(upper), count)));
    }

    #[test]
    fn many_at_once_count_as_their_mean() {
        let mut some = Histogram::default();
        some.record(1000, 10);
        some.record(50, 0);
        assert_eq!((some.count(), some.mean()), (10, ns(105)));
        assert_eq!(some.buckets().collect::<Vec<_>>(), [(ns(127), 10)]);
    }

    #[test]
    fn percentiles_are_at_most_twice_the_truth() {
        let mut some = Histogram::default();
        (1..=1000).for_each(|time| some.record(time, 1));
        for percent in [0.0, 1.0, 50.0, 90.0, 99.0, 100.0] {
            let truth = ((percent * 10.0) as u64).max(1);
            let said = some.percentile(percent).as_nanos() as u64;
            assert!((truth..2 * truth).contains(&said), "{percent}: {said}");
        }
        assert_eq!(some.percentile(f64::NAN), some.percentile(100.0));
        assert_eq!(some.percentile(-3.0), some.percentile(0.0));
    }
}
