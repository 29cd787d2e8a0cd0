//! Sagas: two steps, both ways, with tries and people.

use domain::{
    id::SagaId,
    saga::{
        Resolution, SagaCommand,
        event::Started,
        step::{Start, Way},
    },
};

use super::*;

fn step() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(1_u32), 2 => Just(2), 1 => 0_u32..5]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![3 => Just(Way::Forward), 2 => Just(Way::Undo)]
}

fn try_no() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(1_u32), 3 => Just(2), 1 => 0_u32..6, 1 => Just(u32::MAX)]
}

fn any_command() -> impl Strategy<Value = SagaCommand> {
    let name = prop_oneof![3 => Just("one".to_owned()), 1 => Just("two".to_owned())];
    let start =
        (step(), way(), try_no(), name, 0_u32..3, at()).prop_map(|(step, way, try_no, name, retries_max, due_at)| {
            SagaCommand::StartStep(Box::new(Start { step, way, try_no, name, partner_key: None, retries_max, due_at }))
        });
    let resolution = prop_oneof![Just(Resolution::Completed), Just(Resolution::Compensated)];
    prop_oneof![
        8 => start,
        6 => (step(), way(), word()).prop_map(|(step, way, result)| SagaCommand::SucceedStep { step, way, result }),
        4 => (step(), way(), try_no(), word())
            .prop_map(|(step, way, try_no, error)| SagaCommand::FailStep { step, way, try_no, error }),
        4 => (step(), way(), try_no(), at())
            .prop_map(|(step, way, try_no, retry_at)| SagaCommand::ScheduleRetry { step, way, try_no, retry_at }),
        1 => at().prop_map(|until| SagaCommand::Wait { until }),
        2 => word().prop_map(|reason| SagaCommand::Compensate { reason }),
        1 => Just(SagaCommand::Complete),
        2 => Just(SagaCommand::FinishCompensation),
        1 => (word(), word(), at())
            .prop_map(|(reason, owner, due_at)| SagaCommand::NeedAttention { reason, owner, due_at }),
        2 => (actor(), text()).prop_map(|(by, reason)| SagaCommand::Resume { by, reason }),
        1 => (resolution, actor(), text())
            .prop_map(|(resolution, by, reason)| SagaCommand::Resolve { resolution, by, reason }),
    ]
}

pub(crate) fn history() -> impl Strategy<Value = Vec<SagaCommand>> {
    let started = SagaCommand::Start(Box::new(Started {
        saga_id: SagaId::derive("take_payment", "PAY1/1"),
        process: "take_payment".into(),
        business_id: "PAY1".into(),
        business_type: "payment".into(),
        merchant_id: None,
        livemode: false,
    }));
    let (step, way, try_no, name, error) = (1, Way::Forward, 1, "one".to_owned(), "one".to_owned());
    let (partner_key, retry_at) = (None, DateTime::from_timestamp(1_767_225_600, 0).unwrap());
    let start = Start { step, way, try_no, name, partner_key, retries_max: 3, due_at: retry_at };
    // What often happens first, so that what follows meets a step that is to be tried again.
    let beginning = [
        started,
        SagaCommand::StartStep(Box::new(start)),
        SagaCommand::FailStep { step, way, try_no, error },
        SagaCommand::ScheduleRetry { step, way, try_no: 2, retry_at },
    ];
    (1..=beginning.len(), prop::collection::vec(any_command(), 0..30))
        .prop_map(move |(length, more)| beginning.iter().take(length).cloned().chain(more).collect())
}
