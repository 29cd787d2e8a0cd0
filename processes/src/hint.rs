//! Hints: what somebody spoke of is asked after soon, and never often.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use channels::{Hint, Subject};
use domain::{
    id::PaymentId,
    payment::{Payment, status::Tried},
    refund::Refund,
};
use event_store::{Failure, Store};
use tokio::sync::{mpsc, watch};

use crate::{
    due::{self, Due},
    look_into::LOOK_INTO,
    runner::Desk,
    turn::Work,
};

/// The same attempt or refund is asked after so rarely, however often somebody speaks of it.
const EACH_EVERY: Duration = Duration::from_secs(60);
/// And all of them together so often.
const PER_SECOND: u32 = 5;
const AT_ONCE: u32 = 20;

/// What lets a hint pass: of a flood of them a trickle.
#[derive(Default)]
struct Sieve {
    /// At most what may pass within [`EACH_EVERY`].
    lately: BTreeMap<Subject, Instant>,
    /// When as many could pass at once again as ever.
    full_at: Option<Instant>,
}

impl Sieve {
    fn lets_pass(&mut self, subject: Subject, now: Instant) -> bool {
        self.lately.retain(|_subject, passed_at| now.duration_since(*passed_at) < EACH_EVERY);
        if self.lately.contains_key(&subject) {
            return false;
        }
        let one = Duration::from_secs(1) / PER_SECOND;
        let full_at = self.full_at.filter(|full_at| *full_at > now).unwrap_or(now) + one;
        if full_at.duration_since(now) > one * AT_ONCE {
            return false;
        }
        self.full_at = Some(full_at);
        self.lately.insert(subject, now);
        true
    }
}

/// Until nobody hints any more, or it is told to stop.
pub(crate) async fn heed(desk: &Desk, mut hints: mpsc::Receiver<Hint>, mut stop: watch::Receiver<bool>) {
    let mut sieve = Sieve::default();
    loop {
        let hint = tokio::select! {
            hint = hints.recv() => hint,
            _stopping = stop.wait_for(|stop| *stop) => None,
        };
        let Some(hint) = hint else { return };
        if !sieve.lets_pass(hint.subject, Instant::now()) {
            continue;
        }
        if let Err(reason) = enter(desk, hint).await {
            tracing::warn!(reason, "a hint was not followed");
        }
    }
}

/// Has it looked into, if it is about anything of ours.
pub(crate) async fn enter(desk: &Desk, hint: Hint) -> Result<(), String> {
    let work = work(&desk.store, hint).await.map_err(|failure| failure.to_string())?;
    let Some(work) = work else { return Ok(()) };
    // No event asked for it: whatever is heard of it later is news.
    let asked = [Due { work, heard: 0 }];
    due::enter(&desk.pool, &desk.runner, &asked, 0).await.map_err(|failure| failure.to_string())?;
    desk.look_for_more();
    Ok(())
}

async fn work(store: &Store, hint: Hint) -> Result<Option<Work>, Failure> {
    let (payment_id, attempt, business) = match hint.subject {
        Subject::Attempt { payment_id, attempt } => (payment_id, Some(attempt), format!("{payment_id}/{attempt}")),
        Subject::Refund(refund_id) => {
            let (refund, _version) = store.read::<Refund>(&refund_id.to_string().into()).await?;
            let Some(payment_id) = refund.payment_id() else { return Ok(None) };
            (payment_id, None, refund_id.to_string())
        }
        // Its own process asks until there is an answer.
        Subject::Payout(_) => return Ok(None),
    };
    let Some((payment, tried)) = known(store, payment_id, attempt).await? else { return Ok(None) };
    let agreed = payment.agreement().filter(|agreed| agreed.livemode == hint.livemode);
    let Some(agreed) = agreed.filter(|_agreed| tried.channel == hint.channel) else { return Ok(None) };
    Ok(Some(Work {
        process: LOOK_INTO,
        business: business.into(),
        payment: payment_id.to_string().into(),
        merchant_id: agreed.merchant_id,
        livemode: agreed.livemode,
    }))
}

async fn known(
    store: &Store,
    payment_id: PaymentId,
    attempt: Option<u32>,
) -> Result<Option<(Arc<Payment>, Tried)>, Failure> {
    let (payment, _version) = store.read::<Payment>(&payment_id.to_string().into()).await?;
    let tried = attempt.map_or_else(|| payment.tried(), |attempt| payment.tried_as(attempt));
    Ok(tried.map(|tried| (payment, tried)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn attempt(number: u128) -> Subject {
        Subject::Attempt { payment_id: PaymentId::new(Uuid::from_u128(number)), attempt: 1 }
    }

    #[test]
    fn of_a_flood_about_one_attempt_one_hint_a_minute_passes() {
        let (mut sieve, begun) = (Sieve::default(), Instant::now());
        let passed = (0..600).filter(|n| sieve.lets_pass(attempt(1), begun + Duration::from_millis(n * 100))).count();
        assert_eq!(passed, 1);
        assert!(sieve.lets_pass(attempt(1), begun + EACH_EVERY));
    }

    #[test]
    fn of_a_flood_about_many_a_trickle_passes_and_little_is_kept() {
        let (mut sieve, begun) = (Sieve::default(), Instant::now());
        let passed = |sieve: &mut Sieve, at: Instant, from: u128| {
            (from..from + 1_000).filter(|number| sieve.lets_pass(attempt(*number), at)).count()
        };
        assert_eq!(passed(&mut sieve, begun, 0), 20);
        assert_eq!(passed(&mut sieve, begun + Duration::from_secs(1), 1_000), 5);
        let mut most = 0;
        for second in 2..200 {
            passed(&mut sieve, begun + Duration::from_secs(second), u128::from(second) * 1_000);
            most = most.max(sieve.lately.len());
        }
        assert!(most <= 20 + 5 * 60, "{most}");
    }
}
