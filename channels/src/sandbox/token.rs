//! What a `pm_…` token makes the sandbox do. `docs/sandbox.md` is this table.

use domain::payment::attempt::Decline;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Approved,
    Declined(Decline),
    Disputed,
    NotReceived,
    Inquiry,
    EarlyFraudWarning,
    RefundPending,
    RefundBounces,
    RefundRefused,
    ThreeDSecure,
    TimeoutThenApproved,
    TimeoutThenAbsent,
    DuplicateReport,
    ReportBeforeAnswer,
    LateSuccess,
    PartialCapture,
    PartialCaptureKept,
    Flaky,
}

impl Token {
    /// Each with what it does, in the order of the document.
    pub const TABLE: &'static [(&'static str, Self, &'static str)] = &[
        ("pm_sandbox_visa", Self::Approved, "approved"),
        ("pm_sandbox_declined", Self::Declined(Decline::CardDeclined), "declined: `card_declined`"),
        ("pm_sandbox_insufficient_funds", Self::Declined(Decline::InsufficientFunds), "declined: `insufficient_funds`"),
        ("pm_sandbox_lost_card", Self::Declined(Decline::LostCard), "declined: `lost_card`"),
        ("pm_sandbox_stolen_card", Self::Declined(Decline::StolenCard), "declined: `stolen_card`"),
        ("pm_sandbox_expired_card", Self::Declined(Decline::ExpiredCard), "declined: `expired_card`"),
        ("pm_sandbox_incorrect_cvc", Self::Declined(Decline::IncorrectCvc), "declined: `incorrect_cvc`"),
        ("pm_sandbox_processing_error", Self::Declined(Decline::ProcessingError), "declined: `processing_error`"),
        ("pm_sandbox_velocity", Self::Declined(Decline::VelocityExceeded), "declined: `velocity_exceeded`"),
        ("pm_sandbox_disputed", Self::Disputed, "approved; once captured, disputed as fraudulent"),
        ("pm_sandbox_not_received", Self::NotReceived, "approved; once captured, disputed as not received"),
        ("pm_sandbox_inquiry", Self::Inquiry, "approved; once captured, an inquiry is reported and no money moves"),
        (
            "pm_sandbox_early_fraud_warning",
            Self::EarlyFraudWarning,
            "approved; once captured, a warning of fraud is reported and no money moves",
        ),
        (
            "pm_sandbox_refund_pending_then_succeeds",
            Self::RefundPending,
            "approved; refunds are pending first and succeed afterwards",
        ),
        (
            "pm_sandbox_refund_fails_after_success",
            Self::RefundBounces,
            "approved; refunds succeed and are given back afterwards",
        ),
        ("pm_sandbox_refund_refused", Self::RefundRefused, "approved; refunds are declined: `other`"),
        (
            "pm_sandbox_three_d_secure_required",
            Self::ThreeDSecure,
            "the customer must authenticate first; who does not in time is declined: `authentication_failed`",
        ),
        ("pm_sandbox_blocked_by_risk", Self::Approved, "approved: blocking it is for our own risk check"),
        ("pm_sandbox_elevated_risk", Self::Approved, "approved: reviewing it is for our own risk check"),
        (
            "pm_sandbox_timeout_then_approved",
            Self::TimeoutThenApproved,
            "approved, and the first answer never comes: asking for the status finds it",
        ),
        (
            "pm_sandbox_timeout_then_absent",
            Self::TimeoutThenAbsent,
            "never received, however often it is sent, and never answered: asking for the status does not find it",
        ),
        ("pm_sandbox_duplicate_report", Self::DuplicateReport, "approved; every report is sent twice"),
        (
            "pm_sandbox_report_before_answer",
            Self::ReportBeforeAnswer,
            "approved; the reports are delivered before the answer is given",
        ),
        (
            "pm_sandbox_late_success",
            Self::LateSuccess,
            "declined: `processing_error`; succeeds afterwards all the same",
        ),
        ("pm_sandbox_partial_capture", Self::PartialCapture, "approved; half of what is to be captured is captured"),
        (
            "pm_sandbox_partial_capture_kept",
            Self::PartialCaptureKept,
            "approved; half of what is to be captured is captured, and refunds are declined: `other`",
        ),
        (
            "pm_sandbox_flaky",
            Self::Flaky,
            "each request: first a 500 with nothing done, then done with a broken connection, then answered",
        ),
    ];

    /// What is not in the table, and no token at all, is approved.
    #[must_use]
    pub fn of(method: Option<&str>) -> Self {
        let row = Self::TABLE.iter().find(|(name, _, _)| Some(*name) == method);
        row.map_or(Self::Approved, |(_, token, _)| *token)
    }
}
