//! What a read model is, and the list of all there are: whoever adds one adds a line.

use std::sync::Arc;

use event_store::{Poison, Recorded};
use futures_util::future::BoxFuture;

use crate::analytics::Analytics;
use crate::books::Books;
use crate::happened::Happened;
use crate::ledger::Ledger;
use crate::merchants::Merchants;
use crate::orders::Orders;
use crate::payments::Payments;
use crate::refunds::Refunds;
use crate::sagas::Sagas;
use crate::settlements::Settlements;
use crate::table::Table;

/// Every read model. The tests go through this list: whatever stands here is proven to be made again alike, to survive
/// being killed between any two steps, and to stand still alone.
pub const MODELS: &[&dyn ReadModel] =
    &[&Merchants, &Orders, &Payments, &Refunds, &Settlements, &Sagas, &Analytics, &Ledger];

/// A read model: its rows are a fold of the log, and of nothing else.
pub trait ReadModel: Send + Sync + 'static {
    fn plan(&self) -> &'static Plan;

    /// Whether an event of this type changes any row.
    fn wants(&self, event: &Recorded) -> bool;

    /// Folds these events, in order, into the rows. Only what [`ReadModel::wants`] comes here. What is written must not
    /// depend on where one step ends and the next begins.
    ///
    /// # Errors
    /// [`Poison`] where an event cannot be folded, or the database failed.
    fn apply<'a>(&'a self, books: &'a mut Books<'_>, events: &'a [Arc<Happened>]) -> BoxFuture<'a, Result<(), Poison>>;
}

/// What is fixed of a read model.
#[derive(Debug)]
pub struct Plan {
    /// Its identity and the name of its follower, for ever.
    pub name: &'static str,
    /// Raised whenever the tables change their shape, or the rows would be others: it is then built anew.
    pub version: i32,
    pub tables: &'static [&'static Table],
}

/// The read model of that name.
pub fn named(name: &str) -> Option<&'static dyn ReadModel> {
    MODELS.iter().copied().find(|model| model.plan().name == name)
}
