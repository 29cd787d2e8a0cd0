//! Takes a payment: risk check, order, channel; and back again where the channel says no.

use std::sync::Arc;

use channels::{Authorise, Done};
use chrono::TimeDelta;
use domain::{
    actor::Actor,
    fact::Fact,
    free_text::FreeText,
    id::{CaptureId, OrderId, RiskRulesId},
    merchant::Merchant,
    order::{OpenForPayment, Order, OrderCommand},
    payment::{
        Agreed, Payment, PaymentCommand, Report,
        attempt::{CaptureMode, Decline, Phase},
        event::PaymentEvent,
        origin::Origin,
        status::Tried,
    },
    risk::{
        Assessment,
        engine::{assess, uncounted},
        facts::Counters,
        rule_set::{ReviewPolicy, RuleSet, Unreviewed},
    },
    risk_rules::RiskRules,
    saga::step::CoursePhase,
};
use traces::Value;

use crate::{
    call::{Call, Care, Heard, Request},
    errand::{self, End, Standing},
    facts::Attempt,
    process::{Business, Next, Process, Stop},
    saga::{Memory, Step},
    turn::{Counted, Turn},
};

const RISK: Step = (1, "RiskCheck");
const ORDER: Step = (2, "CreateOrder");
const CHANNEL: Step = (3, "ChannelPayment");
const NOTHING_MOVED: &str = "nothing moved; the order stays open for another attempt";

pub(crate) const TAKE_PAYMENT: &str = "take_payment";

pub(crate) struct TakePayment;

impl Process for TakePayment {
    fn name(&self) -> &'static str {
        TAKE_PAYMENT
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Payment(event) = fact else { return None };
        let hears = match event {
            PaymentEvent::Initiated(_) | PaymentEvent::AttemptOpened(_) => true,
            PaymentEvent::ReviewApproved { .. } | PaymentEvent::ReviewRejected { .. } => true,
            PaymentEvent::ReviewLapsed { .. } => true,
            PaymentEvent::Authorised { .. } | PaymentEvent::Captured(_) | PaymentEvent::Failed { .. } => true,
            PaymentEvent::Voided { .. } | PaymentEvent::AuthorisationExpired { .. } => true,
            PaymentEvent::Cancelled { .. } | PaymentEvent::AmountMismatched(_) => true,
            PaymentEvent::MoneySuspended(_) => true,
            PaymentEvent::TakenOver(_)
            | PaymentEvent::RiskApproved { .. }
            | PaymentEvent::RiskRejected { .. }
            | PaymentEvent::ReviewRequested { .. }
            | PaymentEvent::Submitted { .. }
            | PaymentEvent::OutcomeUnknown { .. }
            | PaymentEvent::CaptureRequested { .. }
            | PaymentEvent::CaptureDeclined { .. }
            | PaymentEvent::CancellationRequested { .. }
            | PaymentEvent::AuthorisedLate { .. }
            | PaymentEvent::LateAuthorisationReleased { .. }
            | PaymentEvent::AuthorisationLetGo { .. }
            | PaymentEvent::SuspenseReturned(_)
            | PaymentEvent::RefundReserved { .. }
            | PaymentEvent::RefundConfirmed(_)
            | PaymentEvent::RefundReleased { .. }
            | PaymentEvent::RefundBounced(_)
            | PaymentEvent::Disputed(_)
            | PaymentEvent::DisputeClosed { .. }
            | PaymentEvent::DisputeWonAfterAll(_)
            | PaymentEvent::Settled(_) => false,
        };
        hears.then(|| Business { id: stream.to_owned(), payment: stream.into() })
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let payment = turn.state::<Payment>(&turn.work.payment.clone())?;
        let Some((agreed, tried)) = payment.agreement().zip(payment.tried()) else { return Ok(Next::Rest) };
        let taking = Taking {
            agreed,
            id: Arc::clone(&turn.work.payment),
            memory: Memory::open(turn, &format!("{}/{}", turn.work.payment, tried.number))?,
            tried,
        };
        if taking.memory.has_ended(turn)? {
            return Ok(Next::Rest);
        }
        taking.go_on(turn)
    }
}

/// One attempt under way.
struct Taking<'p> {
    id: Arc<str>,
    agreed: &'p Agreed,
    tried: Tried,
    memory: Memory,
}

impl Taking<'_> {
    fn go_on(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        match self.phase(turn)? {
            Phase::Initiated => {
                self.check_risk(turn)?;
                if self.phase(turn)? == Phase::Initiated { Ok(Next::Rest) } else { self.go_on(turn) }
            }
            Phase::InReview => self.await_review(turn),
            Phase::Approved => {
                self.memory.resume(turn, "the review was decided")?;
                self.submit(turn)
            }
            Phase::Submitted | Phase::Unknown => self.ask_channel(turn),
            Phase::Authorised | Phase::Captured => self.succeed(turn),
            Phase::Rejected => {
                self.memory.fail(turn, RISK, "rejected")?;
                self.end(turn, "rejected by the risk check")
            }
            Phase::Withdrawn => self.end(turn, "cancelled before any channel heard of it"),
            Phase::Failed | Phase::Voided | Phase::Expired => {
                self.memory.fail(turn, CHANNEL, "not paid")?;
                self.end(turn, "the channel took no money")
            }
        }
    }

    fn phase(&self, turn: &mut Turn<'_, '_>) -> Result<Phase, Stop> {
        let payment = turn.state::<Payment>(&self.id)?;
        let last = payment.last_attempt().filter(|(number, _phase)| *number == self.tried.number);
        Ok(last.map_or(Phase::Failed, |(_number, phase)| phase))
    }

    fn check_risk(&self, turn: &mut Turn<'_, '_>) -> Result<(), Stop> {
        let assessment = self.assessment(turn)?;
        if self.memory.course(turn, RISK)?.phase() == CoursePhase::NotStarted {
            let (within, _then) = self.review_policy(turn)?;
            self.memory.begin(turn, RISK, None, within)?;
        }
        turn.mark("RiskCheck", || {
            let decision = ("risk.decision", Value::text(assessment.decision.name()));
            self.about()
                .into_iter()
                .chain([decision, ("risk.score", Value::Whole(u8::from(assessment.score).into()))])
                .collect()
        });
        turn.tell::<Payment>(&self.id, &PaymentCommand::RecordRisk { attempt: self.tried.number, assessment })
    }

    /// What every span of it carries.
    fn about(&self) -> Vec<(&'static str, Value)> {
        let Agreed { payment_id, merchant_id, order_no, amount, .. } = self.agreed;
        vec![
            ("merchant_id", Value::text(merchant_id.to_string())),
            ("payment_no", Value::text(payment_id.to_string())),
            ("order_no", Value::text(order_no.as_str().to_owned())),
            ("amount", Value::Whole(amount.amount_minor)),
            ("currency", Value::text(amount.currency.code())),
        ]
    }

    /// As of the moment the attempt began, by the rules as they are now.
    fn assessment(&self, turn: &mut Turn<'_, '_>) -> Result<Assessment, Stop> {
        let Agreed { merchant_id, livemode, amount, .. } = *self.agreed;
        let merchant: Arc<str> = merchant_id.to_string().into();
        let (rules, merchant) = (self.rules(turn)?, turn.state::<Merchant>(&merchant)?);
        let known = turn.known;
        let begun = known.brief.begun.as_ref().filter(|begun| begun.attempt == self.tried.number);
        let nowhere = Origin::default();
        let attempt = Attempt {
            merchant_id,
            livemode,
            amount,
            channel: self.tried.channel,
            method: known.brief.method.as_deref(),
            customer: known.brief.customer.as_ref(),
            origin: begun.map_or(&nowhere, |begun| &begun.origin),
            begun_at: begun.map_or(turn.now, |begun| begun.at),
        };
        let by_default = RuleSet::by_default(livemode);
        let book = rules.rulebook(&by_default);
        let facts = |counters| attempt.facts(&merchant, known.merchant_since, counters);
        match &known.counted {
            Counted::Known(counters) => Ok(assess(&book, &facts(counters.clone()))),
            Counted::NotAsked if book.looks_at_counters(&facts(Counters::default())) => Err(Stop::Uncounted),
            Counted::NotAsked => Ok(assess(&book, &facts(Counters::default()))),
            Counted::Unknown => Ok(uncounted(assess(&book, &facts(Counters::default())))),
        }
    }

    fn rules(&self, turn: &mut Turn<'_, '_>) -> Result<Arc<RiskRules>, Stop> {
        let rules: Arc<str> = RiskRulesId::derive(self.agreed.livemode).to_string().into();
        turn.state::<RiskRules>(&rules)
    }

    /// How long a person has to review, and what then, by the rules as they are now.
    fn review_policy(&self, turn: &mut Turn<'_, '_>) -> Result<(TimeDelta, Unreviewed), Stop> {
        let by_default = RuleSet::by_default(self.agreed.livemode);
        let ReviewPolicy { within_seconds, then } = self.rules(turn)?.rulebook(&by_default).rules.review_policy();
        Ok((TimeDelta::seconds(within_seconds.into()), then))
    }

    /// A person decides; when nobody has in time, it is rejected or somebody is called, as the rules say.
    fn await_review(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let (within, then) = self.review_policy(turn)?;
        match self.memory.state(turn)?.waiting_until() {
            None => {
                let until = turn.now + within;
                self.memory.wait(turn, until)?;
                Ok(Next::Wait(until))
            }
            Some(until) if turn.now < until => Ok(Next::Wait(until)),
            Some(_past) => match then {
                Unreviewed::CallSomebody => {
                    self.memory.need_attention(turn, "the risk review was not decided in time", "risk")
                }
                Unreviewed::Reject => {
                    turn.tell::<Payment>(&self.id, &PaymentCommand::LapseReview { attempt: self.tried.number })?;
                    self.go_on(turn)
                }
            },
        }
    }

    /// Everything before the channel is called, in the one append that also records that it will be.
    fn submit(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        self.memory.do_at_once(turn, RISK, "approved")?;
        if let Err(code) = self.open_order(turn)? {
            let reason = FreeText::parse(&format!("the order does not fit: {code}")).ok();
            turn.tell::<Payment>(&self.id, &PaymentCommand::Cancel { by: Actor::Process, reason })?;
            return self.end(turn, "the order does not fit");
        }
        self.memory.do_at_once(turn, ORDER, &self.order_id().to_string())?;
        turn.mark("CreateOrder", || self.about());
        turn.tell::<Payment>(&self.id, &PaymentCommand::Submit { attempt: self.tried.number })?;
        self.ask_channel(turn)
    }

    fn order_id(&self) -> OrderId {
        OrderId::derive(self.agreed.merchant_id, self.agreed.livemode, self.agreed.order_no.as_str())
    }

    fn open_order(&self, turn: &mut Turn<'_, '_>) -> Result<Result<(), &'static str>, Stop> {
        let Agreed { merchant_id, livemode, order_no, amount, .. } = self.agreed;
        let (order_id, id): (_, Arc<str>) = (self.order_id(), self.order_id().to_string().into());
        turn.presume_new::<Order>(&id);
        let named = FreeText::parse(order_no.as_str()).or_else(|_number_of_a_card| FreeText::parse("payment"));
        let subject = turn.known.brief.subject.clone().or(named.ok());
        let Some(subject) = subject else { return Ok(Err("text_empty")) };
        let (merchant_id, livemode, order_no, amount) = (*merchant_id, *livemode, order_no.clone(), *amount);
        let opening = OpenForPayment { order_id, merchant_id, livemode, order_no, subject, amount };
        let opened = turn.offer::<Order>(&id, &OrderCommand::OpenForPayment(Box::new(opening)))?;
        Ok(opened.map_err(|refusal| domain::refusal::Refusal::code(&refusal)))
    }

    fn ask_channel(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        if matches!(turn.heard(), Some(Heard::Unknown(_) | Heard::Absent)) {
            self.report(turn, Report::Unknown)?;
        }
        let ended = match errand::go_on(turn, &self.memory, CHANNEL, self.call(turn))? {
            Standing::Going(next) => return Ok(next),
            Standing::Ended(ended) => ended,
        };
        match ended {
            End::Declined(decline) => {
                self.memory.fail(turn, CHANNEL, &said(decline))?;
                self.report(turn, Report::Declined { decline })?;
            }
            End::Settled(Done::Authorised(authorised)) => {
                let (amount, effective_at) = (authorised.amount, authorised.effective_at);
                let channel_trade_no = authorised.channel_trade_no;
                self.report(turn, Report::Authorised { amount, channel_trade_no, effective_at })?;
                if let Some(captured) = authorised.captured {
                    self.report(
                        turn,
                        Report::Captured {
                            capture_id: self.capture_id(),
                            amount: captured.amount,
                            channel_trade_no: captured.channel_trade_no,
                            effective_at: captured.effective_at,
                        },
                    )?;
                }
            }
            End::Settled(Done::Captured(_) | Done::Voided(_) | Done::Refunded(_) | Done::PaidOut(_)) => {}
        }
        if matches!(self.phase(turn)?, Phase::Submitted | Phase::Unknown) {
            let reason = "what the channel says cannot be true of this payment";
            return self.memory.need_attention(turn, reason, "operations");
        }
        self.go_on(turn)
    }

    fn report(&self, turn: &mut Turn<'_, '_>, report: Report) -> Result<(), Stop> {
        turn.tell::<Payment>(&self.id, &PaymentCommand::Report { attempt: self.tried.number, report })
    }

    fn capture_id(&self) -> CaptureId {
        CaptureId::derive(self.agreed.payment_id, self.tried.number)
    }

    fn call(&self, turn: &Turn<'_, '_>) -> Call {
        let capture = (self.tried.capture_mode == CaptureMode::Automatic).then(|| self.capture_id());
        Call {
            channel: self.tried.channel,
            livemode: self.agreed.livemode,
            care: Care::Send,
            request: Request::Authorise(Authorise {
                key: key(&self.id, self.tried.number),
                payment_id: self.agreed.payment_id,
                attempt: self.tried.number,
                amount: self.agreed.amount,
                capture,
                method: turn.known.brief.method.clone(),
                traceparent: None,
            }),
        }
    }

    /// Authorised where the merchant captures, captured where nobody has to.
    fn succeed(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let phase = self.phase(turn)?;
        if phase == Phase::Authorised && self.tried.capture_mode == CaptureMode::Automatic {
            return self.await_capture(turn);
        }
        let trade_no = turn.state::<Payment>(&self.id)?.tried().and_then(|tried| tried.authorised_as);
        self.memory.succeed(turn, CHANNEL, trade_no.as_deref().unwrap_or("captured"))?;
        mark_paid(turn, &self.id)?;
        self.memory.complete(turn)?;
        Ok(Next::Rest)
    }

    /// The channel was to capture with the authorisation and has not said so yet.
    fn await_capture(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        if turn.take_heard().is_some() {
            return self.memory.need_attention(
                turn,
                "authorised, and not captured as it was asked to be",
                "operations",
            );
        }
        let call = Call { care: Care::Ask, ..self.call(turn) };
        Ok(Next::Call(Box::new(call)))
    }

    fn end(&self, turn: &mut Turn<'_, '_>, reason: &str) -> Result<Next, Stop> {
        self.memory.go_back(turn, reason, NOTHING_MOVED)?;
        Ok(Next::Rest)
    }
}

/// Under which an attempt is known to its channel.
pub(crate) fn key(payment: &str, attempt: u32) -> String {
    format!("{payment}-{attempt}-authorise")
}

/// The order learns of every capture. What it refuses, a person has to look at: the payment has the money.
pub(crate) fn mark_paid(turn: &mut Turn<'_, '_>, payment_id: &Arc<str>) -> Result<(), Stop> {
    let payment = turn.state::<Payment>(payment_id)?;
    let Some(agreed) = payment.agreement() else { return Ok(()) };
    let order = OrderId::derive(agreed.merchant_id, agreed.livemode, agreed.order_no.as_str());
    let (order, payment_id): (Arc<str>, _) = (order.to_string().into(), agreed.payment_id);
    for (capture_id, amount) in payment.captures() {
        turn.tell::<Order>(&order, &OrderCommand::MarkPaid { payment_id, capture_id, amount })?;
    }
    Ok(())
}

/// A decline in one word.
pub(crate) fn said(decline: Decline) -> String {
    let word = serde_json::to_value(decline).ok();
    word.as_ref().and_then(serde_json::Value::as_str).unwrap_or("declined").to_owned()
}
