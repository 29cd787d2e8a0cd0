//! One merchant is settled: opened, closed, approved by a second person, paid out.

use std::time::{Duration, Instant};

use chrono::{Days, Utc};
use load::Caller;
use serde_json::json;
use sqlx::PgPool;

use super::{desk::Desk, shops::Shop};
use crate::failure::{Attempt as _, Result};

const WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the settlement came to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) settlement_no: String,
    pub(super) lines_count: i64,
    pub(super) paid_out_minor: i64,
    pub(super) currency: &'static str,
    pub(super) is_paid_out: bool,
}

/// Settles what this merchant has taken so far.
pub(super) async fn settle(
    desk: &mut Desk,
    pool: &PgPool,
    (opens, approves): (&Caller, &Caller),
    shop: &Shop,
) -> Result<Settled> {
    let today = Utc::now().date_naive();
    // Also what was paid before a midnight that has just passed.
    let from = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let period =
        json!({ "currency": shop.currency, "from": from, "until": today, "merchant_id": shop.id, "livemode": false });
    let settlement_no = desk.must(opens, "/api/v1/settlements", &period).await?.text("/data/settlement_no")?;
    lines_are_in(pool).await?;
    let step = |verb: &str| format!("/api/v1/settlements/{settlement_no}/{verb}");
    desk.must(opens, &step("close"), &json!({})).await?;
    desk.must(approves, &step("approve"), &json!({})).await?;
    desk.must(opens, &step("payout"), &json!({})).await?;
    let begun = Instant::now();
    let question = "select payments_count, paid_out_minor, status = 'paid_out' from read.settlements";
    let mut settled = Settled { settlement_no, currency: shop.currency, ..Settled::default() };
    while !settled.is_paid_out && begun.elapsed() < WITHIN {
        let row: Option<(i64, i64, bool)> =
            sqlx::query_as(question).fetch_optional(pool).await.attempt(|| "looking at the settlement".to_owned())?;
        (settled.lines_count, settled.paid_out_minor, settled.is_paid_out) = row.unwrap_or_default();
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(settled)
}

/// They come by themselves; when none has come between two looks, all are in.
async fn lines_are_in(pool: &PgPool) -> Result<()> {
    let (begun, mut before) = (Instant::now(), 0);
    while begun.elapsed() < WITHIN {
        let lines: i64 = sqlx::query_scalar("select count(*) from read.settlement_lines")
            .fetch_one(pool)
            .await
            .attempt(|| "looking at the lines of the settlement".to_owned())?;
        if lines > 0 && lines == before {
            return Ok(());
        }
        before = lines;
        tokio::time::sleep(LOOK_EVERY.saturating_mul(3)).await;
    }
    Ok(())
}
