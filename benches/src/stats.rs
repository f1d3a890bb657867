//! Medians, spread and shuffling. Must stay free of any knowledge of works and sides.

/// The middle value; the mean of the two middle ones for an even number. NaN when empty.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value below which `percent` of the values lie, linearly between neighbours. NaN when empty.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = last as f64 * percent / 100.0;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (place - low as f64)
}

/// The lowest and the highest value.
pub fn range(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(*value), high.max(*value))
        })
}

/// A small generator (SplitMix64) for the order of rounds; the seed is part of every saved run.
#[derive(Clone, Debug)]
pub struct Shuffler(u64);

impl Shuffler {
    /// A generator whose orders follow from `seed`.
    pub fn new(seed: u64) -> Shuffler {
        Shuffler(seed)
    }

    /// Brings `items` into a random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = (self.next() % (last as u64 + 1)) as usize;
            items.swap(last, other);
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_neighbours() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(percentile(&[0.0, 10.0], 99.0), 9.9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn shuffling_keeps_every_item_and_follows_its_seed() {
        let mut items: Vec<u32> = (0..50).collect();
        Shuffler::new(7).shuffle(&mut items);
        let mut again: Vec<u32> = (0..50).collect();
        Shuffler::new(7).shuffle(&mut again);
        assert_eq!(items, again);
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
