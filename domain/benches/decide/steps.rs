//! Decisions of sagas.

use domain::{
    actor::Actor,
    free_text::TextRefusal,
    id::SagaId,
    saga::{
        Resolution, SagaCommand,
        event::Started,
        step::{Start, Way},
    },
};

use crate::{Cases, at, merchant, one_after_the_other, why};

pub(crate) fn saga() -> Result<Cases<SagaCommand>, TextRefusal> {
    let start = SagaCommand::Start(Box::new(Started {
        saga_id: SagaId::derive("take_payment", "PAY1/1"),
        process: "take_payment".into(),
        business_id: "PAY1".into(),
        business_type: "payment".into(),
        merchant_id: Some(merchant()),
        livemode: true,
    }));
    let step = |way, try_no| {
        SagaCommand::StartStep(Box::new(Start {
            step: 1,
            way,
            try_no,
            name: "ChannelPayment".into(),
            partner_key: Some("PAY1/1/channel".into()),
            retries_max: 3,
            due_at: at(),
        }))
    };
    let (reason, by) = (why()?, Actor::Process);
    let fail = |try_no| SagaCommand::FailStep { step: 1, way: Way::Forward, try_no, error: "no answer".into() };
    let retry = SagaCommand::ScheduleRetry { step: 1, way: Way::Forward, try_no: 2, retry_at: at() };
    let succeed = |way| SagaCommand::SucceedStep { step: 1, way, result: "captured".into() };
    let attention = SagaCommand::NeedAttention { reason: "stuck".into(), owner: "operators".into(), due_at: at() };
    let done = [start.clone(), step(Way::Forward, 1), succeed(Way::Forward)];
    let stuck = [start.clone(), attention.clone()];
    let resolve = SagaCommand::Resolve { resolution: Resolution::Completed, by, reason: reason.clone() };
    let mut cases = one_after_the_other(
        &[],
        vec![
            ("start", start),
            ("wait", SagaCommand::Wait { until: at() }),
            ("start a step", step(Way::Forward, 1)),
            ("fail a step", fail(1)),
            ("schedule a retry", retry),
            ("start it again", step(Way::Forward, 2)),
            ("need attention", attention),
            ("resume", SagaCommand::Resume { by, reason }),
            ("succeed a step", succeed(Way::Forward)),
            ("compensate", SagaCommand::Compensate { reason: "declined".into() }),
            ("take a step back", step(Way::Undo, 1)),
            ("succeed taking it back", succeed(Way::Undo)),
            ("finish compensation", SagaCommand::FinishCompensation),
        ],
    );
    cases.push(("complete", done.to_vec(), SagaCommand::Complete));
    cases.push(("resolve", stuck.to_vec(), resolve));
    Ok(cases)
}
