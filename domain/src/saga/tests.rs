//! Sagas: the table of what each command does in each state, and what a person may do.

use uuid::Uuid;

use super::*;
use crate::{
    aggregate::Event,
    id::{OperatorId, SagaId},
    refusal::Refusal,
    saga::step::CoursePhase,
    scenario::Story,
};

mod table;

type Told = Story<Saga>;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
}

fn reason() -> FreeText {
    FreeText::parse("looked into it").unwrap()
}

fn person() -> Actor {
    Actor::Operator(OperatorId::new(Uuid::from_u128(1)))
}

fn started() -> Started {
    Started {
        saga_id: SagaId::derive("take_payment", "PAY1/1"),
        process: "take_payment".into(),
        business_id: "PAY1".into(),
        business_type: "payment".into(),
        merchant_id: None,
        livemode: true,
    }
}

fn start_step(step: u32, way: Way, try_no: u32) -> SagaCommand {
    let (name, partner_key) = ("ChannelPayment".into(), Some("PAY1/1/channel".into()));
    SagaCommand::StartStep(Box::new(Start { step, way, try_no, name, partner_key, retries_max: 3, due_at: at(0) }))
}

fn succeed(step: u32, way: Way) -> SagaCommand {
    SagaCommand::SucceedStep { step, way, result: "done".into() }
}

fn fail(step: u32, way: Way, try_no: u32) -> SagaCommand {
    SagaCommand::FailStep { step, way, try_no, error: "no answer".into() }
}

fn schedule(step: u32, way: Way, try_no: u32) -> SagaCommand {
    SagaCommand::ScheduleRetry { step, way, try_no, retry_at: at(i64::from(try_no)) }
}

/// The commands by the names the table and the paths use; `s1` is of step 1 forward, `u1` of its undo.
fn command(name: &str) -> SagaCommand {
    let (name, step) = name.split_once(':').unwrap_or((name, "s1"));
    let (way, rest) = step.split_at(1);
    let way = if way == "u" { Way::Undo } else { Way::Forward };
    let (number, try_no) = rest.split_once('.').unwrap_or((rest, "1"));
    let (number, try_no) = (number.parse().unwrap(), try_no.parse().unwrap());
    match name {
        "start" => SagaCommand::Start(Box::new(started())),
        "step" => start_step(number, way, try_no),
        "succeed" => succeed(number, way),
        "fail" => fail(number, way, try_no),
        "retry" => schedule(number, way, try_no),
        "wait" => SagaCommand::Wait { until: at(99) },
        "compensate" => SagaCommand::Compensate { reason: "declined".into() },
        "complete" => SagaCommand::Complete,
        "finish" => SagaCommand::FinishCompensation,
        "attention" => {
            let (reason, owner) = ("stuck".into(), "operators".into());
            SagaCommand::NeedAttention { reason, owner, due_at: at(3_600) }
        }
        "resume" => SagaCommand::Resume { by: person(), reason: reason() },
        "resolve" => SagaCommand::Resolve { resolution: Resolution::Completed, by: person(), reason: reason() },
        "undo" => SagaCommand::Resolve { resolution: Resolution::Compensated, by: person(), reason: reason() },
        other => unreachable!("{other}"),
    }
}

fn told(path: &str) -> Told {
    path.split_whitespace().fold(Story::untold(), |told, name| told.given(&command(name)))
}

fn answer(told: &Told, name: &str) -> String {
    match told.state.decide(&command(name)) {
        Ok(events) => events.first().map_or("-", |event| event.event_type()).to_owned(),
        Err(refusal) => format!("!{}", refusal.code()),
    }
}

#[test]
fn a_saga_is_started_once() {
    told("start").when(&command("start")).then_nothing();
    let other = Started { business_id: "PAY2".into(), ..started() };
    told("start").when(&SagaCommand::Start(Box::new(other))).then_refused(SagaRefusal::SagaDiffers);
}

#[test]
fn steps_begin_in_order_each_after_the_one_before() {
    assert_eq!(answer(&told("start"), "step:s2"), "!step_out_of_order");
    assert_eq!(answer(&told("start"), "step:s0"), "!step_out_of_order");
    assert_eq!(answer(&told("start step:s1"), "step:s2"), "!step_out_of_order");
    let first = told("start step:s1 succeed:s1");
    assert_eq!(answer(&first, "fail:u1.0"), "!step_not_started");
    assert_eq!(answer(&first, "step:s2"), "step_started");
    assert_eq!(answer(&first, "step:s3"), "!step_out_of_order");
    assert_eq!(answer(&told("start"), "step:s1.2"), "!step_out_of_order");
    assert_eq!(answer(&told("start"), "step:s1.0"), "!step_out_of_order");
}

#[test]
fn a_step_is_tried_four_times_and_then_a_person_looks() {
    let tried = told(
        "start step:s1 fail:s1 retry:s1.2 step:s1.2 fail:s1.2 retry:s1.3 step:s1.3 fail:s1.3 retry:s1.4 step:s1.4 fail:s1.4",
    );
    assert_eq!(answer(&tried, "retry:s1.5"), "!retries_exhausted");
    assert_eq!(tried.state.step(1).map(|step| step.course(Way::Forward).tries_count()), Some(4));
    let resumed = tried.given(&command("attention")).given(&command("resume"));
    assert_eq!(answer(&resumed, "retry:s1.5"), "retry_scheduled");
}

#[test]
fn a_step_keeps_its_name_and_the_key_its_partner_knows() {
    let (name, partner_key) = (|| "ChannelPayment".to_owned(), || Some("PAY1/1/channel".to_owned()));
    let step = |way, try_no, name, partner_key| {
        SagaCommand::StartStep(Box::new(Start {
            step: 1,
            way,
            try_no,
            name,
            partner_key,
            retries_max: 3,
            due_at: at(0),
        }))
    };
    let others = |way, try_no| {
        [
            step(way, try_no, "Other".into(), partner_key()),
            step(way, try_no, name(), Some("PAY1/1/other".into())),
            step(way, try_no, name(), None),
        ]
    };
    let retrying = told("start step:s1 fail:s1 retry:s1.2");
    for other in others(Way::Forward, 1).iter().chain(&others(Way::Forward, 2)) {
        retrying.clone().when(other).then_refused(SagaRefusal::StepDiffers);
    }
    // Taking back is another act, with a key of its own from its first try on.
    let back = told("start step:s1 succeed:s1 compensate");
    let undone = back.given(&step(Way::Undo, 1, "ChannelVoid".into(), Some("PAY1/1/void".into())));
    for other in others(Way::Undo, 1) {
        undone.clone().when(&other).then_refused(SagaRefusal::StepDiffers);
    }
}

#[test]
fn a_try_is_scheduled_started_and_failed_once() {
    let scheduled = told("start step:s1 fail:s1 retry:s1.2");
    assert_eq!(answer(&scheduled, "retry:s1.2"), "-");
    assert_eq!(answer(&scheduled, "retry:s1.3"), "!step_out_of_order");
    assert_eq!(answer(&scheduled, "fail:s1"), "-");
    assert_eq!(answer(&scheduled, "step:s1"), "-");
    assert_eq!(answer(&scheduled, "step:s1.3"), "!step_out_of_order");
    let second = scheduled.given(&command("step:s1.2"));
    assert_eq!(answer(&second, "fail:s1"), "-");
    assert_eq!(answer(&second, "fail:s1.3"), "!step_out_of_order");
    assert_eq!(answer(&second, "fail:s1.2"), "step_failed");
}

#[test]
fn success_is_evidence_whenever_it_comes() {
    for path in [
        "start step:s1",
        "start step:s1 fail:s1",
        "start step:s1 fail:s1 retry:s1.2",
        "start step:s1 compensate",
        "start step:s1 attention",
    ] {
        assert_eq!(answer(&told(path), "succeed:s1"), "step_succeeded", "{path}");
    }
    assert_eq!(answer(&told("start step:s1 succeed:s1 complete"), "succeed:s1"), "-");
}

#[test]
fn what_succeeded_must_be_taken_back_before_compensation_is_done() {
    let back = told("start step:s1 succeed:s1 step:s2 fail:s2 compensate");
    assert_eq!(answer(&back, "finish"), "!step_not_compensated");
    let undoing = back.given(&command("step:u1"));
    assert_eq!(answer(&undoing, "finish"), "!step_still_open");
    let undone = undoing.given(&command("succeed:u1"));
    assert_eq!(answer(&undone, "finish"), "compensated");
    assert_eq!(undone.state.step(1).map(|step| step.course(Way::Undo).phase()), Some(CoursePhase::Succeeded));
}

#[test]
fn a_step_that_may_have_acted_is_open_until_it_is_taken_back() {
    let unknown = told("start step:s1 compensate");
    assert_eq!(answer(&unknown, "finish"), "!step_still_open");
    assert_eq!(answer(&unknown.given(&command("step:u1")).given(&command("succeed:u1")), "finish"), "compensated");
    assert_eq!(answer(&told("start step:s1 fail:s1 compensate"), "finish"), "compensated");
    // A try that was only scheduled is never made.
    assert_eq!(answer(&told("start step:s1 fail:s1 retry:s1.2 compensate"), "finish"), "compensated");
    let undoing = told("start step:s1 fail:s1 compensate step:u1 fail:u1");
    assert_eq!(answer(&undoing, "finish"), "compensated");
    assert_eq!(answer(&undoing.given(&command("retry:u1.2")), "finish"), "!step_still_open");
}

#[test]
fn an_undo_is_tried_again_like_any_step() {
    let failed = told("start step:s1 succeed:s1 compensate step:u1 fail:u1");
    let again = failed.given(&command("retry:u1.2")).given(&command("step:u1.2"));
    again.when(&command("succeed:u1")).then(&["step_compensated"]);
    assert_eq!(answer(&told("start compensate"), "step:u1"), "!step_unknown");
}

#[test]
fn a_wait_is_remembered_until_the_next_step() {
    let waiting = told("start wait");
    assert_eq!(waiting.state.waiting_until(), Some(at(99)));
    assert_eq!(waiting.clone().when(&SagaCommand::Wait { until: at(100) }).then(&["waiting"]).history.len(), 3);
    assert_eq!(waiting.given(&command("step:s1")).state.waiting_until(), None);
    let scheduled = told("start step:s1 fail:s1 retry:s1.2");
    assert_eq!(scheduled.state.waiting_until(), Some(at(2)));
    assert_eq!(scheduled.given(&command("compensate")).state.waiting_until(), None);
}

#[test]
fn a_person_sends_it_on_where_it_was() {
    for (path, phase) in [("start attention", Phase::Running), ("start compensate attention", Phase::Compensating)] {
        assert_eq!(told(path).state.phase(), Some(Phase::NeedsAttention));
        assert_eq!(told(path).given(&command("resume")).state.phase(), Some(phase));
    }
}

#[test]
fn tries_are_counted_anew_once_a_person_has_looked() {
    let tried = told("start step:s1.1 fail:s1.1 retry:s1.2 step:s1.2 fail:s1.2 attention");
    let fresh = |saga: &Saga| saga.step(1).unwrap().course(Way::Forward).fresh_tries_count();
    assert_eq!(fresh(&tried.state), 2);
    assert_eq!(fresh(&tried.given(&command("resume")).state), 0);
}

#[test]
fn a_person_ends_it_either_way_once() {
    let stuck = told("start attention");
    for (command_name, phase, other) in [("resolve", Phase::Completed, "undo"), ("undo", Phase::Compensated, "resolve")]
    {
        let ended = stuck.clone().when(&command(command_name)).then(&["resolved"]);
        assert_eq!(ended.state.phase(), Some(phase));
        assert_eq!(answer(&ended, other), "!saga_ended");
    }
    assert_eq!(Saga::default().phase(), None);
}
