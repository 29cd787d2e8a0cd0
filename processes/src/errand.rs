//! One request to a channel, from before it is sent until its fate is known.

use channels::{Done, NotSent, Unknown, Void, Voided, outcome::Reason};
use chrono::TimeDelta;
use domain::{channel::Channel, payment::attempt::Decline, saga::step::CoursePhase};

use crate::{
    call::{Call, Care, Heard, Request},
    process::{Next, Stop},
    saga::{Memory, Step},
    take_payment::said,
    turn::Turn,
};

/// How long one call may take, all limits of a line together, and some more.
const CALL_WITHIN: TimeDelta = TimeDelta::seconds(20);

/// How long to wait before asking a partner again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before the first retry; eight times as long before each further one.
    pub retry_after: TimeDelta,
    /// While the partner is at it, or waits for the customer.
    pub look_again_after: TimeDelta,
    /// For so long a merchant may capture. Card networks let an authorisation lapse after about as long, and until then the
    /// customer cannot use the money: what nobody has claimed by then goes back.
    pub captured_within: TimeDelta,
    /// When no more tries are left: long enough that a request which is still not known was never received.
    pub last_look_after: TimeDelta,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retry_after: TimeDelta::seconds(1),
            look_again_after: TimeDelta::seconds(3),
            captured_within: TimeDelta::days(7),
            last_look_after: TimeDelta::seconds(90),
        }
    }
}

/// What became of it.
pub(crate) enum End {
    Settled(Done),
    Declined(Decline),
}

/// Under way, or at its end.
pub(crate) enum Standing {
    Going(Next),
    Ended(End),
}

/// Goes on with a request: records the try before it is sent, retries, asks, and in the end calls a person.
pub(crate) fn go_on(turn: &mut Turn<'_, '_>, memory: &Memory, step: Step, call: Call) -> Result<Standing, Stop> {
    let course = memory.course(turn, step)?;
    if let Some(heard) = turn.take_heard() {
        return hear(turn, memory, step, course.phase(), heard);
    }
    let waiting_until = memory.state(turn)?.waiting_until();
    let not_yet = waiting_until.filter(|until| turn.now < *until);
    let care = match course.phase() {
        CoursePhase::NotStarted => {
            memory.begin(turn, step, Some(call.request.partner_key()), CALL_WITHIN)?;
            Care::Send
        }
        // Whoever sent it has died before it heard, or the partner is still at it.
        CoursePhase::Started => Care::AskThenSend,
        CoursePhase::RetryScheduled | CoursePhase::Failed if not_yet.is_some() => {
            return Ok(Standing::Going(not_yet.map_or(Next::Rest, Next::Wait)));
        }
        CoursePhase::RetryScheduled => {
            memory.begin(turn, step, Some(call.request.partner_key()), CALL_WITHIN)?;
            Care::AskThenSend
        }
        // A person has looked, and lets it be tried again.
        CoursePhase::Failed if memory.retry(turn, step, turn.now)? => {
            memory.begin(turn, step, Some(call.request.partner_key()), CALL_WITHIN)?;
            Care::AskThenSend
        }
        CoursePhase::Failed => Care::Ask,
        CoursePhase::Succeeded => return Ok(Standing::Going(Next::Rest)),
    };
    Ok(Standing::Going(Next::Call(Box::new(Call { care, ..call }))))
}

/// Goes on with a request that must be done in the end: where the channel refuses it, a person has to look, who reads
/// `refused` and the channel's reason. What the channel did, once it has; until then, what comes next.
pub(crate) fn insist<T>(
    turn: &mut Turn<'_, '_>,
    memory: &Memory,
    step: Step,
    call: Call,
    (refused, wanted): (&str, fn(Done) -> Option<T>),
) -> Result<Result<T, Next>, Stop> {
    match go_on(turn, memory, step, call)? {
        Standing::Going(next) => Ok(Err(next)),
        Standing::Ended(End::Settled(done)) => Ok(wanted(done).ok_or(Next::Rest)),
        Standing::Ended(End::Declined(decline)) => {
            memory.fail(turn, step, &said(decline))?;
            let reason = format!("{refused}: {}", said(decline));
            memory.need_attention(turn, &reason, "operations").map(Err)
        }
    }
}

/// An authorisation at a channel, and the request to let go of it.
pub(crate) struct Held {
    pub(crate) channel: Channel,
    pub(crate) livemode: bool,
    pub(crate) void: Void,
}

/// Has the channel let go of an authorisation, as [`insist`] does.
pub(crate) fn let_go(
    turn: &mut Turn<'_, '_>,
    memory: &Memory,
    step: Step,
    held: Held,
    refused: &str,
) -> Result<Result<Voided, Next>, Stop> {
    let Held { channel, livemode, void } = held;
    let call = Call { channel, livemode, care: Care::Send, request: Request::Void(void) };
    let voided = |done| match done {
        Done::Voided(voided) => Some(voided),
        Done::Authorised(_) | Done::Captured(_) | Done::Refunded(_) | Done::PaidOut(_) => None,
    };
    insist(turn, memory, step, call, (refused, voided))
}

fn hear(
    turn: &mut Turn<'_, '_>,
    memory: &Memory,
    step: Step,
    phase: CoursePhase,
    heard: &Heard,
) -> Result<Standing, Stop> {
    let why = match heard {
        Heard::Settled(done) => return Ok(Standing::Ended(End::Settled(done.clone()))),
        Heard::Declined(decline) => return Ok(Standing::Ended(End::Declined(*decline))),
        // It has it: that costs no try.
        Heard::Unknown(Unknown::Pending | Unknown::CustomerMustAct { .. }) => {
            return Ok(Standing::Going(Next::Wait(turn.now + turn.patience.look_again_after)));
        }
        Heard::NotSent(not_sent) if not_sent.retry_after.is_none() && is_first(turn, memory, step)? => {
            // No try was ever let out, and none ever will be.
            memory.fail(turn, step, &not_sent.to_string())?;
            return Ok(Standing::Ended(End::Declined(never(&not_sent.reason))));
        }
        // Nothing left the house: that costs no try either.
        Heard::NotSent(NotSent { retry_after: Some(pause), .. }) if phase == CoursePhase::Started => {
            let pause = TimeDelta::from_std(*pause).unwrap_or(turn.patience.last_look_after);
            return Ok(Standing::Going(Next::Wait(turn.now + pause.max(turn.patience.retry_after))));
        }
        Heard::Absent if phase == CoursePhase::Failed => {
            return Ok(Standing::Ended(End::Declined(Decline::NeverReceived)));
        }
        Heard::Unknown(why) => why.to_string(),
        Heard::NotSent(not_sent) => not_sent.to_string(),
        Heard::Absent => "the partner does not know of it".to_owned(),
    };
    if phase == CoursePhase::Started {
        memory.fail(turn, step, &why)?;
        let at = turn.now + pause(turn, memory, step)?;
        if memory.retry(turn, step, at)? {
            return Ok(Standing::Going(Next::Wait(at)));
        }
        let at = turn.now + turn.patience.last_look_after;
        memory.wait(turn, at)?;
        return Ok(Standing::Going(Next::Wait(at)));
    }
    let reason = format!("{} is not answered for, and nobody knows whether it was done: {why}", step.1);
    memory.need_attention(turn, &reason, "operations").map(Standing::Going)
}

/// Why no try will ever be let out, for whoever waits for it.
const fn never(reason: &Reason) -> Decline {
    match reason {
        Reason::NoPartner(_) => Decline::NoPartner,
        Reason::AmountNotExpressible(_) | Reason::KeyNotExpressible | Reason::BreakerOpen => Decline::Other,
        Reason::Paused | Reason::LineBusy | Reason::TooFast | Reason::Unreachable(_) => Decline::Other,
    }
}

fn is_first(turn: &mut Turn<'_, '_>, memory: &Memory, step: Step) -> Result<bool, Stop> {
    Ok(memory.course(turn, step)?.tries_count() <= 1)
}

/// Longer with every try since a person last looked, and a little different for every saga, so that they do not all come at once.
fn pause(turn: &mut Turn<'_, '_>, memory: &Memory, step: Step) -> Result<TimeDelta, Stop> {
    let tries_count = memory.course(turn, step)?.fresh_tries_count().clamp(1, 5);
    let longer = 8_i32.pow(tries_count.saturating_sub(1));
    let jitter = memory.id().bytes().rev().take(2).fold(0_i32, |sum, byte| (sum * 31 + i32::from(byte)) % 250);
    let base = turn.patience.retry_after * longer;
    Ok(base + base * jitter / 1_000)
}
