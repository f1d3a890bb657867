//! How long one item of a function takes, as last seen; must not be trusted for more than a guess.

use super::Nanos;

/// Longest item behind which, or which, anything is queued in a link.
pub(super) const LONG: u32 = 2_000_000;
/// An unmeasured function is treated as a long one: alone in its frame, alone in its worker.
pub(super) const UNKNOWN: u32 = LONG + 1;

/// Moving averages, weight 1/2, one per function; 0 where nothing was measured.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    item: Vec<u32>,
}

impl Profiles {
    /// The estimated time of one item in nanoseconds, at least 1 and at most about 4 s.
    #[inline]
    pub(super) fn estimate(&self, profile: u32) -> u32 {
        match self.item.get(profile as usize) {
            None | Some(0) => UNKNOWN,
            Some(&item) => item,
        }
    }

    pub(super) fn record(&mut self, profile: u32, items: u32, busy: Nanos) {
        if items == 0 {
            return;
        }
        let index = profile as usize;
        if index >= self.item.len() {
            self.item.resize(index + 1, 0);
        }
        let Some(average) = self.item.get_mut(index) else {
            return;
        };
        let sample = (busy / Nanos::from(items)).clamp(1, Nanos::from(u32::MAX)) as u32;
        *average = match *average {
            0 => sample,
            former => former.midpoint(sample).max(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_halfway_and_never_says_zero() {
        let mut profiles = Profiles::default();
        assert_eq!(profiles.estimate(3), UNKNOWN);
        profiles.record(3, 10, 10_000);
        assert_eq!(profiles.estimate(3), 1_000);
        profiles.record(3, 1, 3_000);
        assert_eq!(profiles.estimate(3), 2_000);
        for _ in 0..40 {
            profiles.record(3, 5, 0);
        }
        assert_eq!(profiles.estimate(3), 1);
        profiles.record(3, 0, 1_000_000);
        assert_eq!(profiles.estimate(3), 1);
        profiles.record(0, 1, Nanos::MAX);
        assert_eq!(profiles.estimate(0), u32::MAX);
        assert_eq!(profiles.estimate(1), UNKNOWN);
    }
}
