//! Whether a line of a remittance is of something our books know, and as they know it.

use channels::remittance::{Line, Moved};
use domain::{
    money::Money,
    payment::Payment,
    refund::{Phase, Refund},
};
use event_store::Store;

use super::days::Day;

/// Why it is none of ours; nothing where it is.
pub(super) async fn amiss(store: &Store, day: Day, line: &Line) -> Result<Option<String>, String> {
    let (payment_id, attempt) = line.moved.attempt();
    let read = store.read::<Payment>(&payment_id.to_string().into()).await;
    let (payment, _version) = read.map_err(|failure| failure.to_string())?;
    let is_there = payment.agreement().is_some_and(|agreed| agreed.livemode == day.livemode);
    if !is_there || payment.tried_as(attempt).is_none_or(|tried| tried.channel != day.channel) {
        return Ok(Some("there is no such payment through this channel".to_owned()));
    }
    let refund = match line.moved {
        Moved::Refunded { refund_id, .. } | Moved::RefundReturned { refund_id, .. } => {
            let read = store.read::<Refund>(&refund_id.to_string().into()).await;
            let (refund, _version) = read.map_err(|failure| failure.to_string())?;
            refund.phase()
        }
        Moved::Captured { .. } | Moved::DisputeLost { .. } => None,
    };
    Ok(differs(known(&payment, refund, line.moved), line))
}

/// What our books have of it, seen from the channel.
fn known(payment: &Payment, refund: Option<Phase>, moved: Moved) -> Result<Money, &'static str> {
    match moved {
        Moved::Captured { capture_id, .. } => {
            let captured = payment.captures().into_iter().find(|(id, _amount)| *id == capture_id);
            let suspended = || payment.suspended(capture_id).map(|(moved, _is_back)| moved.amount);
            captured.map(|(_id, amount)| amount).or_else(suspended).ok_or("it is not captured in our books")
        }
        Moved::Refunded { refund_id, .. } => {
            let has_gone = match refund {
                Some(Phase::Succeeded | Phase::SucceededLate | Phase::Bounced) => true,
                None | Some(Phase::Requested | Phase::Sent | Phase::Unknown | Phase::Failed) => false,
            };
            let refunded = payment.refund_reserved(refund_id).filter(|_amount| has_gone);
            let gone = refunded.or_else(|| payment.suspense_returned_as(refund_id));
            gone.map(negative).ok_or("it is not refunded in our books")
        }
        Moved::RefundReturned { refund_id, .. } => {
            let returned = payment.refund_reserved(refund_id).filter(|_amount| refund == Some(Phase::Bounced));
            returned.ok_or("the refund did not come back in our books")
        }
        Moved::DisputeLost { dispute_id, .. } => {
            payment.dispute_lost(dispute_id).map(negative).ok_or("no such dispute is lost in our books")
        }
    }
}

fn differs(known: Result<Money, &'static str>, line: &Line) -> Option<String> {
    match known {
        Ok(amount) if amount == line.gross => None,
        Ok(amount) => Some(format!("it is {amount} in our books")),
        Err(why) => Some(why.to_owned()),
    }
}

const fn negative(amount: Money) -> Money {
    Money::new(amount.amount_minor.saturating_neg(), amount.currency)
}
