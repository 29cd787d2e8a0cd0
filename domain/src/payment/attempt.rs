//! One try of a payment through one channel: it succeeds or ends, and stays ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    channel::Channel,
    currency::Currency,
    fee::FeePlan,
    id::CaptureId,
    money::Money,
    payment::{
        event::{Captured, PaymentEvent, Route},
        late_authorisation::LateAuthorisation,
    },
};

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Initiated,
    InReview,
    Approved,
    Submitted,
    Unknown,
    Authorised,
    Captured,
    /// Ended: by the risk check or a review.
    Rejected,
    /// Ended: declined by the channel.
    Failed,
    /// Ended: let go by the channel with nothing captured.
    Voided,
    /// Ended: not captured in time.
    Expired,
    /// Ended: cancelled before any channel heard of it.
    Withdrawn,
}

/// When an authorisation is captured: with it and whole, or when the merchant asks and in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    Automatic,
    Manual,
}

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Authorised,
    Captured,
}

/// Why a channel says no. What a channel calls otherwise is `other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decline {
    CardDeclined,
    InsufficientFunds,
    LostCard,
    StolenCard,
    ExpiredCard,
    IncorrectCvc,
    ProcessingError,
    VelocityExceeded,
    AuthenticationFailed,
    BlockedByChannel,
    /// The channel never had it, and says so past the time in which it could appear.
    NeverReceived,
    /// Nobody plays this channel for us: nothing was sent, and nothing will be.
    NoPartner,
    Other,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) channel: Channel,
    pub(super) capture_mode: CaptureMode,
    pub(super) fee_plan: FeePlan,
    pub(super) phase: Phase,
    /// What a person decided, where one was asked.
    pub(super) review_approved: Option<bool>,
    pub(super) authorised_minor: i64,
    pub(super) captured_minor: i64,
    /// What is left of the authorisation will not be captured any more.
    pub(super) remainder_released: bool,
    pub(super) captures: BTreeMap<CaptureId, Capture>,
    /// A capture was declined, at least once.
    pub(super) capture_declined: bool,
    /// The channel's number of the authorisation it rests on.
    pub(super) authorised_as: Option<String>,
    /// Authorisations it does not rest on, in the order they came.
    pub(super) late_authorisations: Vec<LateAuthorisation>,
    /// The channel's numbers of authorisations it has let go: whatever is told of these now is old news.
    pub(super) let_go: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Capture {
    pub(super) amount_minor: i64,
    pub(super) phase: CapturePhase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CapturePhase {
    Requested,
    Captured,
    /// Not taken as it was asked for: declined, let go with the authorisation, or of another amount.
    Declined,
}

impl Attempt {
    pub(super) fn new(number: u32, route: &Route) -> Self {
        Self {
            number,
            channel: route.channel,
            capture_mode: route.capture_mode,
            fee_plan: route.fee_plan,
            phase: Phase::Initiated,
            review_approved: None,
            authorised_minor: 0,
            captured_minor: 0,
            remainder_released: false,
            captures: BTreeMap::new(),
            capture_declined: false,
            authorised_as: None,
            late_authorisations: Vec::new(),
            let_go: BTreeSet::new(),
        }
    }

    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Rejected | Phase::Failed | Phase::Voided | Phase::Expired | Phase::Withdrawn)
    }

    /// What may still be captured.
    pub(super) const fn remaining_minor(&self) -> i64 {
        if self.remainder_released { 0 } else { self.authorised_minor.saturating_sub(self.captured_minor) }
    }

    /// What was booked of a capture.
    pub(super) fn captured(&self, capture_id: CaptureId, currency: Currency) -> Option<Money> {
        let known = self.captures.get(&capture_id).filter(|known| known.phase == CapturePhase::Captured);
        known.map(|known| Money::new(known.amount_minor, currency))
    }

    pub(super) fn is_capture_in_progress(&self) -> bool {
        self.captures.values().any(|capture| capture.phase == CapturePhase::Requested)
    }

    /// Folds an event about this attempt alone.
    pub(super) fn fold(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::RiskApproved { .. } => self.phase = Phase::Approved,
            PaymentEvent::RiskRejected { .. } => self.phase = Phase::Rejected,
            PaymentEvent::ReviewRequested { .. } => self.phase = Phase::InReview,
            PaymentEvent::ReviewApproved { .. } => self.fold_review(true),
            PaymentEvent::ReviewRejected { .. } | PaymentEvent::ReviewLapsed { .. } => self.fold_review(false),
            PaymentEvent::Submitted { .. } => self.phase = Phase::Submitted,
            PaymentEvent::OutcomeUnknown { .. } => self.phase = Phase::Unknown,
            PaymentEvent::Failed { .. } => self.phase = Phase::Failed,
            PaymentEvent::Authorised { amount, channel_trade_no, .. } => {
                self.phase = Phase::Authorised;
                self.authorised_minor = amount.amount_minor;
                self.authorised_as = Some(channel_trade_no.clone());
            }
            PaymentEvent::CaptureRequested { capture_id, amount, .. } => {
                let asked = Capture { amount_minor: amount.amount_minor, phase: CapturePhase::Requested };
                self.captures.insert(*capture_id, asked);
            }
            PaymentEvent::CaptureDeclined { capture_id, .. } => self.fold_capture_declined(*capture_id),
            PaymentEvent::Voided { channel_trade_no, .. } => {
                self.let_go.extend(channel_trade_no.clone());
                self.fold_released(Phase::Voided);
            }
            PaymentEvent::AuthorisationExpired { channel_trade_no, .. } => {
                self.let_go.extend(channel_trade_no.clone());
                self.fold_released(Phase::Expired);
            }
            PaymentEvent::AuthorisedLate { amount, channel_trade_no, .. } => {
                let (channel_trade_no, amount) = (channel_trade_no.clone(), *amount);
                self.late_authorisations.push(LateAuthorisation { channel_trade_no, amount, released: false });
            }
            PaymentEvent::LateAuthorisationReleased { channel_trade_no, .. } => {
                let named = |late: &&mut LateAuthorisation| late.channel_trade_no == *channel_trade_no;
                self.late_authorisations.iter_mut().filter(named).for_each(|late| late.released = true);
            }
            PaymentEvent::AuthorisationLetGo { channel_trade_no, .. } => {
                self.let_go.insert(channel_trade_no.clone());
            }
            PaymentEvent::Captured(captured) => self.fold_captured(captured),
            PaymentEvent::Initiated(_)
            | PaymentEvent::TakenOver(_)
            | PaymentEvent::AttemptOpened(_)
            | PaymentEvent::CancellationRequested { .. }
            | PaymentEvent::Cancelled { .. }
            | PaymentEvent::MoneySuspended(_)
            | PaymentEvent::SuspenseReturned(_)
            | PaymentEvent::AmountMismatched(_)
            | PaymentEvent::RefundReserved { .. }
            | PaymentEvent::RefundConfirmed(_)
            | PaymentEvent::RefundReleased { .. }
            | PaymentEvent::RefundBounced(_)
            | PaymentEvent::Disputed(_)
            | PaymentEvent::DisputeClosed { .. }
            | PaymentEvent::DisputeWonAfterAll(_)
            | PaymentEvent::Settled(_) => {}
        }
    }

    fn fold_captured(&mut self, captured: &Captured) {
        let amount_minor = captured.amount.amount_minor;
        self.phase = Phase::Captured;
        self.captured_minor = self.captured_minor.saturating_add(amount_minor);
        // A capture nobody authorised before carries its own authorisation.
        self.authorised_minor = self.authorised_minor.max(self.captured_minor);
        self.captures.insert(captured.capture_id, Capture { amount_minor, phase: CapturePhase::Captured });
    }

    /// What nobody asked for is known from then on, if the channel named it.
    fn fold_capture_declined(&mut self, capture_id: Option<CaptureId>) {
        self.capture_declined = true;
        if let Some(capture_id) = capture_id {
            let unasked = Capture { amount_minor: self.authorised_minor, phase: CapturePhase::Declined };
            self.captures.entry(capture_id).or_insert(unasked).phase = CapturePhase::Declined;
        }
    }

    pub(super) fn fold_not_captured(&mut self, capture_id: CaptureId) {
        if let Some(capture) = self.captures.get_mut(&capture_id) {
            capture.phase = CapturePhase::Declined;
        }
    }

    const fn fold_review(&mut self, approved: bool) {
        self.review_approved = Some(approved);
        self.phase = if approved { Phase::Approved } else { Phase::Rejected };
    }

    /// Nothing more will be captured: with nothing captured yet, the attempt ends as `end`.
    fn fold_released(&mut self, end: Phase) {
        self.remainder_released = true;
        for capture in self.captures.values_mut().filter(|capture| capture.phase == CapturePhase::Requested) {
            capture.phase = CapturePhase::Declined;
        }
        if self.captured_minor == 0 {
            self.phase = end;
        }
    }
}
