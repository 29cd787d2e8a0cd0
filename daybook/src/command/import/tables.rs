//! The tables there are, in the order they are read: keys open the door, and come last.

use super::{
    answers, balances, keys, merchants, payments,
    plan::{Read, Takeover},
    row::{Amiss, Row},
};

/// A table of the platform before.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) needed: &'static [&'static str],
    pub(super) may: &'static [&'static str],
    pub(super) read: fn(&mut Takeover, &Row<'_>) -> Result<Read, Amiss>,
}

pub(super) const TABLES: [Table; 5] = [merchants::TABLE, payments::TABLE, balances::TABLE, answers::TABLE, keys::TABLE];

#[cfg(test)]
mod tests {
    #[test]
    fn the_door_opens_last() {
        assert_eq!(super::TABLES.map(|table| table.name).last(), Some(&"api_keys"));
    }
}
