//! Reads what the sandbox says: strictly, for what is half understood is not known.

use domain::{
    channel::Channel as Name,
    money::Money,
    payment::{Report, dispute::DisputeOutcome},
    payout,
};
use hyper::StatusCode;

use crate::{
    exponents::Exponents,
    remittance::{Line, Moved, Page, Remitted, Sum},
    report::{Evidence, Subject, Told, Unverifiable, dispute_id},
    sandbox::protocol::{Answer, Booked, LineBody, PageBody, ReportBody, State, SumBody, What},
    wire::{Silence, not_understood},
};

/// What a status says and what the body says have to agree.
pub(super) fn answer(status: StatusCode, body: &[u8]) -> Result<Answer, Silence> {
    let answer: Answer = parse(status, body)?;
    let agree = match answer.state {
        State::Succeeded | State::Pending | State::RequiresAction => status == StatusCode::OK,
        State::Declined => status == StatusCode::PAYMENT_REQUIRED,
        State::NotFound => false,
    };
    if agree { Ok(answer) } else { Err(not_understood(format!("{status} and {:?}", answer.state))) }
}

/// Some other server's 404 is no evidence.
pub(super) fn not_found(body: &[u8]) -> Result<(), Silence> {
    let answer: Answer = parse(StatusCode::NOT_FOUND, body)?;
    if answer.state == State::NotFound { Ok(()) } else { Err(not_understood("404, and found".to_owned())) }
}

fn parse(status: StatusCode, body: &[u8]) -> Result<Answer, Silence> {
    serde_json::from_slice(body).map_err(|error| not_understood(format!("{status}: {error}")))
}

/// A page of a day's remittance. What names nothing is not understood: then none of it is.
pub(super) fn remitted(name: Name, exponents: Exponents, status: StatusCode, body: &[u8]) -> Result<Remitted, Silence> {
    if status != StatusCode::OK {
        return Err(not_understood(status.to_string()));
    }
    let page: PageBody =
        serde_json::from_slice(body).map_err(|error| not_understood(format!("no page of a remittance: {error}")))?;
    if !page.is_closed {
        return Ok(Remitted::NotYet);
    }
    let money = |minor, currency: &str| {
        let amount = exponents.from_partner(minor, currency);
        amount.ok_or_else(|| not_understood(format!("{minor} {currency}, which is no amount of ours")))
    };
    let sum = |sum: &SumBody| {
        let of = |minor| money(minor, &sum.currency);
        Ok(Sum {
            gross: of(sum.gross_minor)?,
            fee: of(sum.fee_minor)?,
            net: of(sum.net_minor)?,
            lines_count: sum.lines_count,
        })
    };
    let line = |line: &LineBody| {
        let of = |minor| money(minor, &line.currency);
        let moved = moved(name, line).ok_or_else(|| not_understood(format!("line {} names nothing", line.number)))?;
        let (number, no) = (line.number, line.no.clone());
        Ok(Line { number, moved, no, gross: of(line.gross_minor)?, fee: of(line.fee_minor)? })
    };
    let sums = page.sums.iter().map(sum).collect::<Result<_, Silence>>()?;
    let lines = page.lines.iter().map(line).collect::<Result<_, Silence>>()?;
    Ok(Remitted::Found(Page { sums, lines, has_more: page.has_more }))
}

fn moved(name: Name, line: &LineBody) -> Option<Moved> {
    let (payment_id, attempt) = line.payment_id.zip(line.attempt)?;
    Some(match line.what {
        Booked::Captured => Moved::Captured { payment_id, attempt, capture_id: line.capture_id? },
        Booked::Refunded => Moved::Refunded { payment_id, attempt, refund_id: line.refund_id? },
        Booked::RefundReturned => Moved::RefundReturned { payment_id, attempt, refund_id: line.refund_id? },
        Booked::DisputeLost => {
            Moved::DisputeLost { payment_id, attempt, dispute_id: dispute_id(name, line.no.as_deref()?) }
        }
    })
}

/// What it says if it is verified; else whom it claims to be about.
pub(super) fn report(
    name: Name,
    exponents: Exponents,
    body: &[u8],
    verified: Result<(), &'static str>,
) -> Result<Vec<Told>, Unverifiable> {
    let said: ReportBody = serde_json::from_slice(body)
        .map_err(|_error| Unverifiable { why: verified.err().unwrap_or("it is no report"), hint: None })?;
    let doubt = |why| Unverifiable { why, hint: hint(&said) };
    verified.map_err(doubt)?;
    if said.channel != name {
        return Err(doubt("it is about another channel"));
    }
    let evidence = evidence(exponents, &said).ok_or_else(|| doubt("it is not complete"))?;
    Ok(vec![Told { report_id: said.id, evidence, effective_at: said.at }])
}

fn hint(said: &ReportBody) -> Option<Subject> {
    let attempt = said.payment_id.zip(said.attempt);
    said.refund_id
        .map(Subject::Refund)
        .or_else(|| said.payout_id.map(Subject::Payout))
        .or_else(|| attempt.map(|(payment_id, attempt)| Subject::Attempt { payment_id, attempt }))
}

fn evidence(exponents: Exponents, said: &ReportBody) -> Option<Evidence> {
    let amount = || exponents.from_partner(said.amount_minor?, said.currency.as_deref()?);
    match said.what {
        What::Authorised => of_attempt(said, authorised(said, amount()?)?),
        What::Captured => of_attempt(said, captured(said, amount()?)?),
        What::Declined => of_attempt(said, Report::Declined { decline: said.decline? }),
        What::CaptureDeclined => {
            of_attempt(said, Report::CaptureDeclined { capture_id: said.capture_id?, decline: said.decline? })
        }
        What::Voided => of_attempt(said, Report::Voided { channel_trade_no: said.no.clone() }),
        What::Expired => of_attempt(said, Report::Expired { channel_trade_no: said.no.clone() }),
        What::Notice => {
            let (payment_id, attempt) = said.payment_id.zip(said.attempt)?;
            Some(Evidence::Notice { payment_id, attempt, notice: said.notice.clone()? })
        }
        What::RefundSucceeded => {
            let (refund_id, channel_refund_no) = (said.refund_id?, said.no.clone()?);
            Some(Evidence::RefundSucceeded { refund_id, channel_refund_no, amount: amount()? })
        }
        What::RefundFailed => Some(Evidence::RefundFailed { refund_id: said.refund_id?, decline: said.decline? }),
        What::PaidOut => of_payout(said, payout::Evidence::Paid, amount()?),
        What::PayoutFailed => of_payout(said, payout::Evidence::Failed, amount()?),
        What::PayoutReturned => of_payout(said, payout::Evidence::Returned, amount()?),
        What::DisputeOpened => {
            let (payment_id, attempt) = said.payment_id.zip(said.attempt)?;
            let dispute_id = dispute_id(said.channel, said.no.as_deref()?);
            Some(Evidence::DisputeOpened { payment_id, attempt, dispute_id, amount: amount()? })
        }
        What::DisputeWon => closed(said, DisputeOutcome::Won),
        What::DisputeLost => closed(said, DisputeOutcome::Lost),
    }
}

fn authorised(said: &ReportBody, amount: Money) -> Option<Report> {
    Some(Report::Authorised { amount, channel_trade_no: said.no.clone()?, effective_at: said.at })
}

fn captured(said: &ReportBody, amount: Money) -> Option<Report> {
    let (capture_id, channel_trade_no) = (said.capture_id?, said.no.clone()?);
    Some(Report::Captured { capture_id, amount, channel_trade_no, effective_at: said.at })
}

fn of_attempt(said: &ReportBody, report: Report) -> Option<Evidence> {
    let (payment_id, attempt) = said.payment_id.zip(said.attempt)?;
    Some(Evidence::Attempt { payment_id, attempt, report })
}

fn of_payout(said: &ReportBody, evidence: payout::Evidence, amount: Money) -> Option<Evidence> {
    Some(Evidence::Payout { payout_id: said.payout_id?, evidence, amount })
}

fn closed(said: &ReportBody, outcome: DisputeOutcome) -> Option<Evidence> {
    let (payment_id, attempt) = said.payment_id.zip(said.attempt)?;
    Some(Evidence::DisputeClosed {
        payment_id,
        attempt,
        dispute_id: dispute_id(said.channel, said.no.as_deref()?),
        outcome,
    })
}
