//! Chance that can be repeated: splitmix64, and what is drawn from it.

use uuid::Uuid;

#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0, so many.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % count).unwrap_or_default()
    }

    /// Both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low).unwrap_or_default().saturating_add(1);
        low + i64::try_from(self.next() % width).unwrap_or_default()
    }

    pub(super) const fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next(), self.next())
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[(u64, T)], otherwise: T) -> T {
        let total: u64 = of.iter().map(|(weight, _)| *weight).sum();
        let mut left = self.next() % total.max(1);
        for (weight, picked) in of {
            if left < *weight {
                return *picked;
            }
            left -= weight;
        }
        otherwise
    }

    /// The n-th comes up in proportion to 1/n.
    pub(super) fn zipf(&mut self, count: usize) -> usize {
        let weights: Vec<(u64, usize)> =
            (0..count).map(|n| (1_000_000 / u64::try_from(n + 1).unwrap_or(u64::MAX), n)).collect();
        self.pick(&weights, 0)
    }

    /// So many letters and digits, as ciphertext looks.
    pub(super) fn letters(&mut self, count: usize) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..count).map(|_| LETTERS.get(self.below(64)).map_or('A', |letter| char::from(*letter))).collect()
    }
}
