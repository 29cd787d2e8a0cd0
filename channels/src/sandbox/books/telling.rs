//! Which reports an entry in the books gives rise to.

use chrono::{DateTime, Utc};

use super::{
    deciding::number,
    entry::{Deed, Turn, Turned},
};
use crate::{
    request::Kind,
    sandbox::protocol::{ReportBody, State, What},
};

/// Of a request, as it was answered or came to stand.
pub(super) fn of_deed(deed: &Deed) -> Option<ReportBody> {
    let what = match (deed.answer.state, deed.kind) {
        (State::Succeeded, Kind::Authorise) if deed.answer.captured_minor.is_some() => What::Captured,
        (State::Succeeded, Kind::Authorise) => What::Authorised,
        (State::Succeeded, Kind::Capture) => What::Captured,
        (State::Succeeded, Kind::Void) => What::Voided,
        (State::Succeeded, Kind::Refund) => What::RefundSucceeded,
        (State::Succeeded, Kind::PayOut) => What::PaidOut,
        (State::Declined, Kind::Authorise) => What::Declined,
        (State::Declined, Kind::Capture) => What::CaptureDeclined,
        (State::Declined, Kind::Refund) => What::RefundFailed,
        (State::Declined, Kind::PayOut) => What::PayoutFailed,
        (State::Declined, Kind::Void) => return None,
        (State::Pending | State::RequiresAction | State::NotFound, _) => return None,
    };
    Some(report(deed, what, deed.answer.at))
}

/// Of what happened to a request, which stands as it did after it.
pub(super) fn of_turn(deed: &Deed, turned: &Turned) -> Option<ReportBody> {
    let what = match &turned.turn {
        Turn::Succeeded | Turn::Declined(_) => return of_deed(deed),
        Turn::Expired => What::Expired,
        Turn::Disputed => What::DisputeOpened,
        Turn::DisputeWon => What::DisputeWon,
        Turn::DisputeLost => What::DisputeLost,
        Turn::Returned => What::PayoutReturned,
        Turn::Notice(notice) => {
            return Some(ReportBody { notice: Some(notice.clone()), ..report(deed, What::Notice, turned.at) });
        }
    };
    Some(report(deed, what, turned.at))
}

fn report(deed: &Deed, what: What, at: DateTime<Utc>) -> ReportBody {
    let (order, channel) = (&deed.order, deed.channel.name());
    let is_dispute = matches!(what, What::DisputeOpened | What::DisputeWon | What::DisputeLost);
    let no = if is_dispute { Some(number("dsp", &[channel, &deed.key])) } else { deed.answer.no.clone() };
    ReportBody {
        id: number("rep", &[channel, &deed.key, &format!("{what:?}")]),
        channel: deed.channel,
        what,
        payment_id: order.payment_id,
        attempt: order.attempt,
        capture_id: order.capture_id,
        refund_id: order.refund_id,
        payout_id: order.payout_id,
        no,
        amount_minor: deed.answer.captured_minor.or(deed.answer.amount_minor),
        currency: deed.answer.currency.clone(),
        decline: deed.answer.decline,
        notice: None,
        at,
    }
}
