//! When a worker is started again and when the pool gives up; must not start anything itself.

use super::Nanos;

/// First pause after a start that came to nothing.
pub(super) const BACK_OFF: Nanos = 100_000_000;
/// Longest pause.
pub(super) const MAX_BACK_OFF: Nanos = 2_000_000_000;

/// The pause before the next start in a place where `setbacks` starts in a row came to nothing.
pub(super) fn back_off(setbacks: u32) -> Nanos {
    match setbacks {
        0 => 0,
        n => MAX_BACK_OFF.min(BACK_OFF << (n - 1).min(10)),
    }
}

/// Failed starts of the whole pool since a worker last was READY.
#[derive(Debug)]
pub(super) struct StartBudget {
    limit: u32,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Retry,
    Broken,
}

impl StartBudget {
    pub(super) fn new(limit: u32) -> StartBudget {
        StartBudget {
            limit: limit.max(1),
            failures: 0,
        }
    }

    /// A worker is READY.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// A start failed while no worker could serve.
    pub(super) fn failed(&mut self) -> Verdict {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.limit {
            Verdict::Broken
        } else {
            Verdict::Retry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_two_seconds() {
        let pauses: Vec<Nanos> = (0..8).map(|n| back_off(n) / 1_000_000).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(back_off(u32::MAX), MAX_BACK_OFF);
    }

    #[test]
    fn breaks_at_the_limit_and_forgets_at_success() {
        let mut budget = StartBudget::new(2);
        assert_eq!(budget.failed(), Verdict::Retry);
        budget.succeeded();
        assert_eq!(budget.failed(), Verdict::Retry);
        assert_eq!(budget.failed(), Verdict::Broken);
        assert_eq!(StartBudget::new(0).failed(), Verdict::Broken);
    }
}
