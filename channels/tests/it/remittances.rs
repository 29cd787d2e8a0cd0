//! What every channel in the list remits: each movement once, on a day that stays told.

use channels::{
    AskRemittance, Line, NotSent, Remitted,
    partners::exponents,
    remittance::{Line as Told, Moved, Page, Sum},
};
use chrono::{NaiveDate, Utc};
use domain::{channel::Channel as Name, id::CaptureId, money::Money};

use crate::stand::{Stand, charge, payment, refund, settled, usd};

fn today() -> NaiveDate {
    Utc::now().date_naive()
}

async fn page(line: &Line, date: NaiveDate, after: u64) -> Page {
    match line.remittance(&AskRemittance { date, after }).await {
        Ok(Remitted::Found(page)) => page,
        other => panic!("{other:?}"),
    }
}

async fn all(line: &Line, date: NaiveDate) -> (Vec<Sum>, Vec<Told>) {
    let (mut lines, mut after) = (Vec::new(), 0);
    loop {
        let page = page(line, date, after).await;
        lines.extend(page.lines);
        after = lines.last().map_or(after, |line| line.number);
        if !page.has_more {
            return (page.sums, lines);
        }
    }
}

// covers I20
#[tokio::test]
async fn a_day_is_told_once_it_has_ended_with_every_line_of_it() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let (line, date) = (stand.line(name), today());
        settled(line.authorise(&charge(1, usd(10_000), "pm_x")).await.unwrap());
        settled(line.refund(&refund(1, 1, usd(3_000))).await.unwrap());
        assert_eq!(line.remittance(&AskRemittance { date, after: 0 }).await, Ok(Remitted::NotYet), "{name}");
        assert!(stand.close(name, date).await.is_success());
        let told = page(line, date, 0).await;
        assert_eq!(told.sums, [Sum { gross: usd(7_000), fee: usd(140), net: usd(6_860), lines_count: 2 }], "{name}");
        let capture_id = CaptureId::derive(payment(1), 1);
        let refund_id = refund(1, 1, usd(1)).refund_id;
        let moved: Vec<_> = told.lines.iter().map(|line| (line.number, line.moved, line.gross, line.fee)).collect();
        let (payment_id, attempt) = (payment(1), 1);
        assert_eq!(
            moved,
            [
                (1, Moved::Captured { payment_id, attempt, capture_id }, usd(10_000), usd(140)),
                (2, Moved::Refunded { payment_id, attempt, refund_id }, usd(-3_000), usd(0)),
            ],
            "{name}"
        );
        // What comes now is another day's, and nobody is told otherwise of this one.
        settled(line.authorise(&charge(2, usd(500), "pm_x")).await.unwrap());
        assert_eq!(page(line, date, 0).await, told, "{name}");
        let yesterday = date.pred_opt().unwrap();
        assert_eq!(page(line, yesterday, 0).await, Page { sums: vec![], lines: vec![], has_more: false }, "{name}");
    }
}

#[tokio::test]
async fn a_long_day_is_told_page_by_page() {
    let stand = Stand::up().await;
    let line = stand.line(Name::Stripe);
    let charges: Vec<_> = (1..=230).map(|number| charge(number, usd(100), "pm_x")).collect();
    let taken = futures_util::future::join_all(charges.iter().map(|charge| line.authorise(charge))).await;
    assert!(taken.into_iter().all(|taken| settled(taken.unwrap()).captured.is_some()));
    stand.close(Name::Stripe, today()).await;
    let (sums, lines) = all(line, today()).await;
    assert_eq!(sums, [Sum { gross: usd(23_000), fee: usd(230), net: usd(22_770), lines_count: 230 }]);
    assert!(lines.iter().map(|line| line.number).eq(1..=230));
}

#[tokio::test]
async fn whatever_a_channel_counts_in_its_fee_is_money() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let line = stand.line(name);
        for (number, code) in (1..).zip(["ISK", "UGX", "MGA", "HUF", "JPY", "KWD", "USD"]) {
            let money = Money::new(12_300, code.parse().unwrap());
            settled(line.authorise(&charge(number, money, "pm_x")).await.unwrap());
        }
        stand.close(name, today()).await;
        let (sums, lines) = all(line, today()).await;
        assert_eq!((sums.len(), lines.len()), (7, 7), "{name}");
        for sum in sums {
            assert_eq!(sum.gross.amount_minor, 12_300, "{name} {}", exponents(name).of(sum.gross.currency));
            assert_eq!(sum.gross.checked_sub(sum.fee), Ok(sum.net), "{name}");
            assert!((0..=200).contains(&sum.fee.amount_minor), "{name}: {sum:?}");
        }
    }
}

#[tokio::test]
async fn where_nobody_answers_no_day_is_told() {
    let stand = Stand::up().await;
    let (partners, asked) = (stand.partners, AskRemittance { date: today(), after: 0 });
    let Err(NotSent { retry_after: None, .. }) = partners.line(Name::Stripe, true).remittance(&asked).await else {
        panic!("real money has no partner")
    };
}
