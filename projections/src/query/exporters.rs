//! How many long answers there may be at once, and of one caller: a big export keeps nobody else waiting.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gate::{Caller, Problem, rules};
use uuid::Uuid;

const AT_ONCE: usize = 8;
const OF_ONE: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Exporters {
    busy: Mutex<BTreeMap<Uuid, usize>>,
}

/// A long answer under way; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Exporting {
    exporters: Arc<Exporters>,
    who: Uuid,
}

impl Exporters {
    /// # Errors
    /// There are as many as there may be, or as one caller may have.
    pub(crate) fn enter(self: &Arc<Self>, caller: &Caller) -> Result<Exporting, Problem> {
        let who = match caller {
            Caller::Merchant { merchant_id, .. } => merchant_id.uuid(),
            Caller::Operator { operator_id, .. } => operator_id.uuid(),
        };
        let mut busy = self.busy();
        let all: usize = busy.values().sum();
        let own = busy.entry(who).or_default();
        if all >= AT_ONCE || *own >= OF_ONE {
            return Err(Problem::later(rules::OVERLOADED, 5));
        }
        *own = own.saturating_add(1);
        Ok(Exporting { exporters: Arc::clone(self), who })
    }

    fn busy(&self) -> MutexGuard<'_, BTreeMap<Uuid, usize>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        let mut busy = self.exporters.busy();
        if let Some(own) = busy.get_mut(&self.who) {
            *own = own.saturating_sub(1);
        }
        busy.retain(|_who, own| *own > 0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::id::OperatorId;

    use super::*;

    fn caller(n: u128) -> Caller {
        Caller::Operator { operator_id: OperatorId::new(Uuid::from_u128(n)), roles: BTreeSet::new() }
    }

    #[test]
    fn nobody_takes_all_places_and_a_place_is_given_back() {
        let exporters = Arc::new(Exporters::default());
        let held: Vec<Exporting> = (0..OF_ONE).map(|_n| exporters.enter(&caller(1)).unwrap()).collect();
        assert!(exporters.enter(&caller(1)).is_err());
        let others: Vec<Exporting> =
            (OF_ONE..AT_ONCE).map(|n| exporters.enter(&caller(u128::try_from(n).unwrap() + 10)).unwrap()).collect();
        assert!(exporters.enter(&caller(99)).is_err());
        drop(held);
        assert!(exporters.enter(&caller(1)).is_ok());
        drop(others);
        assert!(exporters.busy().is_empty());
    }
}
