//! Refunds at the channel: the whole table of what each command does in each phase.

use uuid::Uuid;

use super::*;
use crate::{
    aggregate::Event,
    channel::Channel,
    currency::Currency,
    free_text::FreeText,
    id::{MerchantId, RefundId},
    money::Money,
    scenario::Story,
};

fn request(amount_minor: i64) -> RefundCommand {
    RefundCommand::Request(Box::new(Requested {
        refund_id: RefundId::new(Uuid::from_u128(3)),
        payment_id: PaymentId::new(Uuid::from_u128(2)),
        merchant_id: MerchantId::new(Uuid::from_u128(1)),
        livemode: true,
        channel: Channel::Stripe,
        amount: Money::new(amount_minor, Currency::USD),
        reason: FreeText::parse("too small").unwrap(),
    }))
}

fn at(day: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(day * 86_400, 0)
}

fn command(name: &str) -> RefundCommand {
    match name {
        "request" => request(500),
        "send" => RefundCommand::Send,
        "succeed" => RefundCommand::ReportSucceeded { channel_refund_no: "re_1".into(), effective_at: at(1) },
        "fail" => RefundCommand::ReportFailed { decline: Decline::Other, effective_at: at(0) },
        "unknown" => RefundCommand::ReportUnknown,
        "bounce" => RefundCommand::ReportBounced,
        other => unreachable!("{other}"),
    }
}

fn told(path: &str) -> Story<Refund> {
    path.split_whitespace().fold(Story::untold(), |told, name| told.given(&command(name)))
}

/// How each phase is reached, then the answer to each command: an event, `-` for nothing, or `!` and a refusal.
const TABLE: &str = "
path                  | request   send succeed               fail             unknown          bounce
-                     | requested !refund_absent !refund_absent !refund_absent !refund_absent !refund_absent
request               | -         sent !refund_not_sent      !refund_not_sent !refund_not_sent !refund_not_sent
request,send          | -         -    succeeded             failed           outcome_unknown  bounced
request,send,unknown  | -         -    succeeded             failed           -                bounced
request,send,succeed  | -         -    -                     bounced          -                bounced
request,send,fail     | -         -    succeeded             -                -                bounced
request,send,fail,succeed   | -   -    -                     -                -                bounced
request,send,succeed,fail   | -   -    -                     -                -                -
request,send,succeed,bounce | -   -    -                     -                -                -
request,send,bounce         | -   -    -                     -                -                -
request,send,fail,bounce    | -   -    -                     -                -                -
";

#[test]
fn every_command_in_every_phase() {
    let mut rows = TABLE.trim().lines().map(|line| line.split_once('|').unwrap());
    let names: Vec<&str> = rows.next().unwrap().1.split_whitespace().collect();
    for (path, answers) in rows {
        let path = path.trim().replace(['-', ','], " ");
        for (name, answer) in names.iter().zip(answers.split_whitespace()) {
            let seen = match told(&path).state.decide(&command(name)) {
                Ok(events) => events.first().map_or("-", |event| event.event_type()).to_owned(),
                Err(refusal) => format!("!{}", crate::refusal::Refusal::code(&refusal)),
            };
            assert_eq!(seen, *answer, "{name} after [{path}]");
            told(&path).when(&command(name));
        }
    }
}

#[test]
fn a_refund_is_of_something() {
    for amount in [0, -1] {
        Story::<Refund>::untold().when(&request(amount)).then_refused(RefundRefusal::AmountNotPositive);
    }
}

#[test]
fn the_same_refund_otherwise_is_refused() {
    told("request").when(&request(501)).then_refused(RefundRefusal::RefundRequestDiffers);
}

/// Evidence says when the money moved; the same told again says nothing new.
#[test]
fn the_money_went_and_came_back_when_the_channel_says() {
    for (path, moved_at) in [
        ("request send", None),
        ("request send succeed", at(1)),
        ("request send fail", None),
        ("request send fail succeed", at(1)),
        ("request send succeed fail", at(0)),
        ("request send bounce", None),
    ] {
        assert_eq!(told(path).state.moved_at(), moved_at, "{path}");
    }
    let again = RefundCommand::ReportSucceeded { channel_refund_no: "re_1".into(), effective_at: at(9) };
    assert_eq!(told("request send succeed").state.decide(&again), Ok(Vec::new()));
}

/// Reports come in any order; what the channel says of the time tells which was first.
#[test]
fn a_success_and_a_failure_are_told_apart_by_when_they_were() {
    let succeed = |day| RefundCommand::ReportSucceeded { channel_refund_no: "re_1".into(), effective_at: at(day) };
    let fail = |day| RefundCommand::ReportFailed { decline: Decline::Other, effective_at: at(day) };
    let after = |told: &[RefundCommand]| {
        let story = told.iter().fold(told_to_the_channel(), Story::when);
        story.state.phase()
    };
    // It went out and came back, in whatever order that is told.
    assert_eq!(after(&[succeed(1), fail(2)]), Some(Phase::Bounced));
    assert_eq!(after(&[fail(2), succeed(1)]), Some(Phase::Failed));
    assert_eq!(after(&[fail(2), succeed(1), fail(2)]), Some(Phase::Failed));
    // It failed and succeeded after all; then it may come back.
    assert_eq!(after(&[fail(1), succeed(2)]), Some(Phase::SucceededLate));
    assert_eq!(after(&[fail(1), succeed(2), fail(1)]), Some(Phase::SucceededLate));
    assert_eq!(after(&[fail(1), succeed(2), fail(3)]), Some(Phase::Bounced));
}

fn told_to_the_channel() -> Story<Refund> {
    told("request send")
}

#[test]
fn what_may_be_asked_of_it() {
    assert_eq!((Refund::default().phase(), Refund::default().payment_id()), (None, None));
    let sent = told("request send").state;
    assert_eq!((sent.phase(), sent.payment_id()), (Some(Phase::Sent), Some(PaymentId::new(Uuid::from_u128(2)))));
}
