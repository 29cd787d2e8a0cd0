//! Periods: closed in order when over, opened again by two; the late kept elsewhere.

use uuid::Uuid;

use super::*;
use crate::scenario::Story;

type Told = Story<Periods>;

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn person(number: u128) -> OperatorId {
    OperatorId::new(Uuid::from_u128(number))
}

fn reason() -> FreeText {
    FreeText::parse("a whole day was missing").unwrap()
}

fn close(name: &str, at: &str) -> PeriodsCommand {
    PeriodsCommand::Close { livemode: true, month: month(name), by: person(1), at: time(at) }
}

fn propose(name: &str, by: u128) -> PeriodsCommand {
    PeriodsCommand::ProposeReopening { month: month(name), by: person(by), reason: reason() }
}

fn approve(name: &str, by: u128) -> PeriodsCommand {
    PeriodsCommand::ApproveReopening { month: month(name), by: person(by) }
}

fn reject(name: &str) -> PeriodsCommand {
    PeriodsCommand::RejectReopening { month: month(name), by: person(2), reason: reason() }
}

fn closed() -> Told {
    Story::untold().given(&close("2026-02", "2026-03-05T00:00:00Z"))
}

#[test]
fn a_month_is_closed_when_it_is_over_and_with_it_all_before() {
    let told = Told::untold();
    told.clone().when(&close("2026-02", "2026-02-28T23:59:59Z")).then_refused(PeriodsRefusal::MonthNotOver);
    let told = told.when(&close("2026-02", "2026-03-01T00:00:00Z")).then(&["closed"]);
    assert_eq!(told.state.closed_through(), Some(month("2026-02")));
    told.clone().when(&close("2026-01", "2026-03-01T00:00:00Z")).then_nothing();
    told.clone().when(&close("2026-03", "2026-03-31T12:00:00Z")).then_refused(PeriodsRefusal::MonthNotOver);
    told.when(&close("2026-04", "2026-05-01T12:00:00Z")).then(&["closed"]);
}

#[test]
fn two_people_open_a_month_again() {
    let told = closed().when(&propose("2026-02", 1)).then(&["reopening_proposed"]);
    assert_eq!(told.state.reopening(), Some(month("2026-02")));
    told.clone().when(&propose("2026-02", 2)).then_nothing();
    told.clone().when(&approve("2026-02", 1)).then_refused(PeriodsRefusal::SecondPersonNeeded);
    let told = told.when(&approve("2026-02", 2)).then(&["reopened"]);
    assert_eq!(told.state.closed_through(), Some(month("2026-01")));
    assert_eq!(told.state.reopening(), None);
    // It is open now: to open it once more is to have opened it, to ask for it is to ask in vain.
    told.clone().when(&approve("2026-02", 3)).then_nothing();
    told.clone().when(&propose("2026-02", 3)).then_refused(PeriodsRefusal::MonthNotClosed);
    // Closed again, it takes two people again.
    let told = told.given(&close("2026-02", "2026-03-06T00:00:00Z"));
    told.when(&approve("2026-02", 3)).then_refused(PeriodsRefusal::ReopeningNotProposed);
}

#[test]
fn a_month_that_is_not_to_be_opened_stays_closed() {
    let told = closed().given(&propose("2026-02", 1)).when(&reject("2026-02")).then(&["reopening_rejected"]);
    assert_eq!(told.state.closed_through(), Some(month("2026-02")));
    told.when(&approve("2026-02", 2)).then_refused(PeriodsRefusal::ReopeningNotProposed);
    closed().when(&reject("2026-02")).then_nothing();
    closed().when(&reject("2026-03")).then_refused(PeriodsRefusal::MonthNotClosed);
}

#[test]
fn the_last_month_closed_is_opened_first() {
    let proposed = closed().given(&propose("2026-02", 1));
    let later = proposed.given(&close("2026-03", "2026-04-01T00:00:00Z"));
    for command in [propose("2026-02", 1), propose("2026-01", 1), approve("2026-02", 2)] {
        later.clone().when(&command).then_refused(PeriodsRefusal::LaterMonthClosed);
    }
    for command in [propose("2026-04", 1), approve("2026-04", 2)] {
        later.clone().when(&command).then_refused(PeriodsRefusal::MonthNotClosed);
    }
    Told::untold().when(&propose("2026-02", 1)).then_refused(PeriodsRefusal::MonthNotClosed);
}

#[test]
fn what_is_late_is_kept_under_the_first_open_moment_and_all_else_under_its_own() {
    let through = Some(month("2026-02"));
    let open = time("2026-03-01T00:00:00Z");
    for late in ["2026-02-28T23:59:59.999999Z", "2026-02-01T00:00:00Z", "2025-07-04T12:00:00Z", "1969-01-01T00:00:00Z"]
    {
        assert_eq!(kept_under(through, time(late)), open, "{late}");
        assert_eq!(kept_under(None, time(late)), time(late));
    }
    for in_time in ["2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000001Z", "2031-01-01T00:00:00Z"] {
        assert_eq!(kept_under(through, time(in_time)), time(in_time));
    }
}
