//! A ledger's history, made by the rules themselves: seeded, realistic, endless.

mod chance;
mod paying;
mod pen;
mod people;
mod settling;

use std::collections::BTreeMap;

use chance::Chance;
use domain::id::{OperatorId, PeriodsId};
use domain::month::Month;
use domain::periods::{Periods, PeriodsCommand};
use paying::Purchase;
pub use pen::{Line, Pen, append, load};
use people::Shop;
pub use people::vault;
use settling::{Desk, Due, DueKey};
use sqlx::Executor as _;
use uuid::Uuid;

use crate::database::Ledger;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What the mix is made of.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    pub seed: u64,
    pub merchants: usize,
    /// How many of a hundred payments are the first merchant's; the rest follow Zipf's law.
    pub hot_percent: u64,
    /// How many payments are under way at once.
    pub at_once: usize,
}

impl Mix {
    pub const fn seeded(seed: u64) -> Self {
        Self { seed, merchants: 50, hot_percent: 0, at_once: 64 }
    }
}

/// A history without end: about twelve events a payment, of which two move money; failures, refunds, disputes,
/// settlements with payouts, remittances and adjustments now and then.
pub struct Traffic {
    mix: Mix,
    chance: Chance,
    pen: Pen,
    shops: Vec<Shop>,
    under_way: Vec<Purchase>,
    due: BTreeMap<DueKey, Due>,
    desk: Desk,
    orders_count: u64,
}

/// Payments of a merchant in one currency that are settled together.
const SETTLED_TOGETHER: usize = 20;

impl Traffic {
    /// Opens with the merchants of the mix.
    ///
    /// # Errors
    /// The rules refuse, which is a fault of the mix.
    pub fn new(mix: Mix) -> Result<Self, Problem> {
        let (mut chance, mut pen) = (Chance::new(mix.seed), Pen::default());
        let shops = (0..mix.merchants).map(|n| Shop::open(n, &mut chance, &mut pen)).collect::<Result<_, _>>()?;
        let (under_way, due, desk) = (Vec::new(), BTreeMap::new(), Desk::default());
        Ok(Self { mix, chance, pen, shops, under_way, due, desk, orders_count: 0 })
    }

    /// Puts so many more events into a ledger, written to disk and known to its planner; returns where the log ends then.
    ///
    /// # Errors
    /// The rules refuse, or the database cannot be reached.
    pub async fn fill(&mut self, ledger: &Ledger, events_count: usize) -> Result<i64, Problem> {
        const AT_ONCE: usize = 50_000;
        let mut superuser = ledger.superuser().await?;
        superuser.execute("set synchronous_commit = off").await?;
        let (mut left, mut head) = (events_count, 0);
        while left > 0 {
            head = load(&mut superuser, &self.more(left.min(AT_ONCE))?).await?;
            left -= left.min(AT_ONCE);
        }
        superuser.execute("vacuum analyze log.events").await?;
        superuser.execute("checkpoint").await?;
        Ok(head)
    }

    /// At least so many more events, in order.
    ///
    /// # Errors
    /// As [`Traffic::new`].
    pub fn more(&mut self, count: usize) -> Result<Vec<Line>, Problem> {
        while self.pen.len() < count {
            self.tick()?;
        }
        Ok(self.pen.take(count))
    }

    /// Closes a month, and all before it, in both modes: what moves in it afterwards is late.
    ///
    /// # Errors
    /// It is not over, or closed already.
    pub fn close(&mut self, month: Month) -> Result<(), Problem> {
        let (by, at) = (OperatorId::new(Uuid::from_u128(8)), self.pen.now);
        for livemode in [false, true] {
            let command = PeriodsCommand::Close { livemode, month, by, at };
            let id = PeriodsId::derive(livemode).to_string();
            self.pen.tell(&mut Periods::default(), &id, (None, Some(livemode)), &command)?;
        }
        Ok(())
    }

    /// The next step of any payment under way.
    fn tick(&mut self) -> Result<(), Problem> {
        while self.under_way.len() < self.mix.at_once {
            self.orders_count += 1;
            let shop = self.shop();
            let shop = self.shops.get(shop).ok_or("there are shops")?;
            self.under_way.push(Purchase::new(shop, self.orders_count, &mut self.chance));
        }
        let nth = self.chance.below(self.under_way.len());
        let purchase = self.under_way.get_mut(nth).ok_or("one is under way")?;
        let is_over = purchase.step(&mut self.pen, &mut self.chance)?;
        if !is_over {
            return Ok(());
        }
        let purchase = self.under_way.swap_remove(nth);
        self.desk.hear(&purchase, &mut self.pen)?;
        if let Some((key, payment)) = purchase.into_due() {
            let due = self.due.entry(key).or_default();
            due.payments.push(payment);
            if due.payments.len() >= SETTLED_TOGETHER {
                due.settle(key, &mut self.pen)?;
            }
        }
        Ok(())
    }

    fn shop(&mut self) -> usize {
        if self.chance.percent(self.mix.hot_percent) {
            return 0;
        }
        self.chance.zipf(self.mix.merchants)
    }
}
