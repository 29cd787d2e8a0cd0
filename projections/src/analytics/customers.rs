//! How many different customers: a sketch that counts them, can be merged with others, and names nobody.
//!
//! `HyperLogLog` with 2,048 registers: a standard error of 2.3 %, and nearly exact for a few hundred. What goes in is
//! the keyed index of a customer, which is evenly spread; an entry is two bytes of register and one of rank.

use std::collections::BTreeMap;

/// Bits that choose the register.
const REGISTER_BITS: u32 = 11;
const REGISTERS: u32 = 1 << REGISTER_BITS;
const ENTRY: usize = 3;

/// The registers that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sketch(BTreeMap<u16, u8>);

impl Sketch {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let entries = bytes.chunks_exact(ENTRY).filter_map(|entry| {
            let (register, rank) = entry.split_first_chunk::<2>()?;
            Some((u16::from_be_bytes(*register), *rank.first()?))
        });
        Self(entries.collect())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(register, rank)| [register.to_be_bytes().as_slice(), &[*rank]].concat()).collect()
    }

    /// Counts a customer, by the index the vault has of them.
    pub(super) fn add(&mut self, index: &str) {
        let Some(hash) = index.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()) else { return };
        let register = u16::try_from(hash >> (64 - REGISTER_BITS)).unwrap_or_default();
        let rank = (hash << REGISTER_BITS).leading_zeros().min(64 - REGISTER_BITS).saturating_add(1);
        self.raise(register, u8::try_from(rank).unwrap_or(u8::MAX));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (register, rank) in &other.0 {
            self.raise(*register, *rank);
        }
    }

    fn raise(&mut self, register: u16, rank: u8) {
        let known = self.0.entry(register).or_default();
        *known = rank.max(*known);
    }

    /// About how many there were.
    pub(super) fn count(&self) -> u64 {
        let registers = f64::from(REGISTERS);
        let empty = registers - f64::from(u16::try_from(self.0.len()).unwrap_or(u16::MAX));
        let harmonic: f64 = empty + self.0.values().map(|rank| (-f64::from(*rank)).exp2()).sum::<f64>();
        let alpha = 0.7213 / (1.0 + 1.079 / registers);
        let raw = alpha * registers * registers / harmonic;
        // Few customers leave registers empty, which tells more than their ranks.
        let best = if raw <= 2.5 * registers && empty > 0.0 { registers * (registers / empty).ln() } else { raw };
        format!("{best:.0}").parse().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use vault::{MasterKey, Vault};

    use super::*;

    fn index(n: u32) -> String {
        let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        let vault = Vault::new(&MasterKey::parse(key).unwrap());
        vault.contact_index(&format!("customer-{n}@example.com"))
    }

    fn of(customers: std::ops::Range<u32>) -> Sketch {
        let mut sketch = Sketch::default();
        customers.for_each(|n| sketch.add(&index(n)));
        sketch
    }

    #[test]
    fn customers_are_counted_within_a_few_percent() {
        assert_eq!(Sketch::default().count(), 0);
        for (count, error) in [(1_u32, 0), (10, 0), (100, 3), (1_000, 40), (20_000, 1_400)] {
            let counted = of(0..count).count();
            assert!(counted.abs_diff(u64::from(count)) <= error, "{count} counted as {counted}");
        }
    }

    #[test]
    fn a_customer_counts_once_and_sketches_merge() {
        let mut both = of(0..600);
        both.merge(&of(400..1_000));
        assert_eq!(both, of(0..1_000));
        let mut twice = of(0..50);
        (0..50).for_each(|n| twice.add(&index(n)));
        assert_eq!(twice, of(0..50));
        assert_eq!(Sketch::read(&both.bytes()), both);
    }
}
