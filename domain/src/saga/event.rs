//! What is stored of a saga, for ever. It remembers; it moves no money.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::events_named,
    free_text::FreeText,
    id::{MerchantId, SagaId},
    posting::Posting,
    saga::{
        Resolution,
        step::{Start, Way},
    },
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SagaEvent {
    Started(Box<Started>),
    StepStarted(Box<Start>),
    StepSucceeded { step: u32, result: String },
    StepFailed { step: u32, way: Way, try_no: u32, error: String },
    RetryScheduled { step: u32, way: Way, try_no: u32, retry_at: DateTime<Utc> },
    StepCompensated { step: u32, result: String },
    Waiting { until: DateTime<Utc> },
    CompensationBegun { reason: String },
    Completed,
    Compensated,
    AttentionNeeded { reason: String, owner: String, due_at: DateTime<Utc> },
    Resumed { by: Actor, reason: FreeText },
    Resolved { resolution: Resolution, by: Actor, reason: FreeText },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub saga_id: SagaId,
    /// The process whose memory this is.
    pub process: String,
    /// What it is about, by the id and the kind the outside knows.
    pub business_id: String,
    pub business_type: String,
    pub merchant_id: Option<MerchantId>,
    pub livemode: bool,
}

events_named!(SagaEvent {
    Started = "started", "1.0";
    StepStarted = "step_started", "1.0";
    StepSucceeded = "step_succeeded", "1.0";
    StepFailed = "step_failed", "1.0";
    RetryScheduled = "retry_scheduled", "1.0";
    StepCompensated = "step_compensated", "1.0";
    Waiting = "waiting", "1.0";
    CompensationBegun = "compensation_begun", "1.0";
    Completed = "completed", "1.0";
    Compensated = "compensated", "1.0";
    AttentionNeeded = "attention_needed", "1.0";
    Resumed = "resumed", "1.0";
    Resolved = "resolved", "1.0";
});

impl SagaEvent {
    #[must_use]
    pub const fn posting(&self) -> Posting {
        match self {
            Self::Started(_) | Self::StepStarted(_) | Self::StepSucceeded { .. } => Posting::none(),
            Self::StepFailed { .. } | Self::RetryScheduled { .. } | Self::StepCompensated { .. } => Posting::none(),
            Self::Waiting { .. } | Self::CompensationBegun { .. } | Self::Completed => Posting::none(),
            Self::Compensated | Self::AttentionNeeded { .. } => Posting::none(),
            Self::Resumed { .. } | Self::Resolved { .. } => Posting::none(),
        }
    }
}
