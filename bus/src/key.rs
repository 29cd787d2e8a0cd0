//! What a message is keyed by, and which partition that is.

use event_store::Recorded;

/// The key of events that belong to no merchant.
pub const OF_NOBODY: &str = "ledger";

/// Everything of one merchant has one key, and so one partition and one order.
pub fn key(event: &Recorded) -> String {
    event.merchant_id.map_or_else(|| OF_NOBODY.to_owned(), |merchant| merchant.hyphenated().to_string())
}

/// The partition of a key among so many. Other Kafka clients find the same one by default, so that others' topics keyed
/// by merchant can be joined with ours.
pub fn partition(key: &str, count: usize) -> usize {
    let positive = murmur2(key.as_bytes()) & 0x7fff_ffff;
    usize::try_from(positive).unwrap_or_default().checked_rem(count).unwrap_or_default()
}

/// The hash of Kafka's default partitioner.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let mixed = |word: u32| {
        let word = word.wrapping_mul(M);
        (word ^ (word >> 24)).wrapping_mul(M)
    };
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash =
        words.iter().fold(SEED ^ length, |hash, word| hash.wrapping_mul(M) ^ mixed(u32::from_le_bytes(*word)));
    if !rest.is_empty() {
        for (byte, shift) in rest.iter().zip([0_u32, 8, 16]) {
            hash ^= u32::from(*byte) << shift;
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of Kafka's own client.
    #[test]
    fn the_hash_is_that_of_kafkas_own_clients() {
        let published: [(&str, i32); 5] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ];
        for (key, hash) in published {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn a_key_stays_in_its_partition() {
        let picked: Vec<usize> = (0..100).map(|n| partition(&format!("merchant {n}"), 6)).collect();
        assert!(picked.iter().all(|partition| *partition < 6));
        assert!((0..6).all(|partition| picked.contains(&partition)));
        assert_eq!(partition("merchant 7", 6), picked[7]);
    }
}
