//! Processes against a pool in one figure, and what that figure may be said to show. Builds no sentences.

use std::fmt;

use super::summary::Spread;

/// A ratio from which on the claim holds strongly.
const STRONG: f64 = 2.0;
/// Ratios nearer to one than this show no difference.
const SAME: f64 = 1.05;
/// One round has no spread: within this factor it decides nothing about time.
const ONE_ROUND: f64 = 2.0;
/// When others use the CPUs, more processes also get a larger share of them: within this factor times decide nothing.
const DISTURBED: f64 = 10.0;
/// The part of the CPUs' time from which on others disturb.
pub(crate) const BUSY: f64 = 0.1;

/// What a ratio (processes / pool) says about the claim that processes cost more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Strongly,
    Weakly,
    Same,
    False,
    Undecided(Doubt),
}

/// Why a ratio decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    Overlap,
    OneRound,
    Disturbed,
}

/// Two figures of the same kind.
pub(crate) struct Comparison {
    pub(crate) processes: Spread,
    pub(crate) pool: Spread,
    doubt: Option<Doubt>,
}

impl Comparison {
    /// Memory of held processes: others do not change it, and it hardly differs between rounds.
    pub(crate) fn of_space(processes: Spread, pool: Spread) -> Comparison {
        Comparison {
            processes,
            pool,
            doubt: None,
        }
    }

    /// Times over so many rounds, with others using a part of the CPUs.
    pub(crate) fn of_time(
        processes: Spread,
        pool: Spread,
        rounds: usize,
        others: f64,
    ) -> Comparison {
        let doubt = match rounds {
            _ if others > BUSY => Some(Doubt::Disturbed),
            0 | 1 => Some(Doubt::OneRound),
            _ => None,
        };
        Comparison {
            processes,
            pool,
            doubt,
        }
    }

    pub(crate) fn ratio(&self) -> f64 {
        self.processes.median / self.pool.median
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let ratio = self.ratio();
        let factor = ratio.max(1.0 / ratio);
        let apart = self.processes.min > self.pool.max || self.pool.min > self.processes.max;
        match self.doubt {
            Some(doubt) if factor < doubt.limit() => Verdict::Undecided(doubt),
            _ if factor < SAME => Verdict::Same,
            _ if !apart => Verdict::Undecided(Doubt::Overlap),
            _ if ratio < 1.0 => Verdict::False,
            _ if ratio < STRONG => Verdict::Weakly,
            _ => Verdict::Strongly,
        }
    }
}

impl Doubt {
    fn limit(self) -> f64 {
        match self {
            Doubt::Overlap => 1.0,
            Doubt::OneRound => ONE_ROUND,
            Doubt::Disturbed => DISTURBED,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Strongly => "holds strongly",
            Verdict::Weakly => "holds weakly",
            Verdict::Same => "does not hold: no difference",
            Verdict::False => "is false here",
            Verdict::Undecided(Doubt::Overlap) => "is undecided: the rounds overlap",
            Verdict::Undecided(Doubt::OneRound) => "is undecided: one round only",
            Verdict::Undecided(Doubt::Disturbed) => "is undecided: other programs used the CPUs",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Doubt, Verdict};
    use crate::bench::summary::Spread;

    fn verdict(processes: [f64; 3], pool: [f64; 3], rounds: usize, others: f64) -> Verdict {
        let spread = |[min, median, max]: [f64; 3]| Spread { min, median, max };
        Comparison::of_time(spread(processes), spread(pool), rounds, others).verdict()
    }

    #[test]
    fn a_verdict_follows_the_ratio_only_when_the_rounds_do_not_overlap() {
        let of = |processes, pool| verdict(processes, pool, 3, 0.0);
        assert_eq!(
            of([340.0, 350.0, 360.0], [13.0, 14.0, 15.0]),
            Verdict::Strongly
        );
        assert_eq!(
            of([2_800.0, 2_876.0, 2_900.0], [2_500.0, 2_536.0, 2_600.0]),
            Verdict::Weakly
        );
        assert_eq!(
            of([390.0, 396.0, 400.0], [650.0, 657.0, 660.0]),
            Verdict::False
        );
        assert_eq!(
            of([390.0, 396.0, 700.0], [390.0, 657.0, 660.0]),
            Verdict::Undecided(Doubt::Overlap)
        );
        assert_eq!(
            of([101.0, 102.0, 103.0], [100.0, 100.0, 100.0]),
            Verdict::Same
        );
    }

    #[test]
    fn one_round_or_a_busy_machine_decides_only_what_is_far_apart() {
        let (slow, fast, far) = ([150.0; 3], [100.0; 3], [2_000.0; 3]);
        assert_eq!(
            verdict(slow, fast, 1, 0.0),
            Verdict::Undecided(Doubt::OneRound)
        );
        assert_eq!(
            verdict(fast, slow, 3, 0.5),
            Verdict::Undecided(Doubt::Disturbed)
        );
        assert_eq!(verdict(far, fast, 1, 0.5), Verdict::Strongly);
    }
}
