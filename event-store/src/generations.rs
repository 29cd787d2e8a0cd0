//! A bounded map that forgets what was not touched lately, in constant time.

use std::hash::Hash;

use ahash::HashMap;

/// Two generations of at most half the bound each. A hit moves an entry to the young one; when that is full it
/// becomes the old one, and what was old is forgotten.
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    pub(crate) fn bounded(entries: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), half: entries.div_ceil(2).max(1) }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Generations;

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let mut map = Generations::bounded(10);
        for n in 0..1_000 {
            map.insert(n, n);
            assert!(map.len() <= 10, "{} entries", map.len());
        }
        assert_eq!(map.get(&999), Some(&mut 999));
        assert_eq!(map.get(&0), None);
    }

    #[test]
    fn what_is_touched_stays() {
        let mut map = Generations::bounded(10);
        map.insert(0, "hot");
        for n in 1..1_000 {
            map.insert(n, "cold");
            assert!(map.get(&0).is_some(), "forgotten after {n} others");
        }
    }

    #[test]
    fn a_second_insert_replaces_and_a_removed_key_is_gone() {
        let mut map = Generations::bounded(2);
        map.insert("a", 1);
        map.insert("b", 2);
        map.insert("a", 3);
        assert_eq!(map.get(&"a"), Some(&mut 3));
        map.remove(&"a");
        assert_eq!(map.get(&"a"), None);
    }
}
