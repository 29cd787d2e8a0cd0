//! Proofs and receipts of a real history: true as made, refused however changed.

use std::time::Duration;

use audit::receipt::{About, Receipt};
use audit::{Proofs, ProofsFailure};
use domain::id::PaymentId;

use super::Watched;

const MUTATIONS: usize = 10_000;

pub(super) fn proofs(watched: &Watched) -> Proofs {
    let (store, pool) = (watched.ledger.store().unwrap(), watched.ledger.database().unwrap().pool(2));
    Proofs { store, pool, patience: Duration::ZERO }
}

pub(super) async fn a_payment(watched: &Watched) -> PaymentId {
    let most = "select aggregate_id from log.events where aggregate_type = 'payment' group by 1 order by count(*) desc, 1 limit 1";
    let id: String = sqlx::query_scalar(most).fetch_one(&mut watched.superuser().await).await.unwrap();
    id.parse().unwrap()
}

/// The same in every run.
pub(super) fn dice(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_proven_and_what_is_not_signed_yet_is_not() {
    let mut watched = Watched::signed_at(&[700]).await;
    let proofs = proofs(&watched);
    let trusted = [watched.key.clone()];
    for position in 1..=700 {
        let event = proofs.event(position).await.unwrap();
        let receipt = proofs.receipt(About::Event(position), &[event]).await.unwrap();
        let shown = receipt.verify(&trusted).unwrap();
        assert_eq!((shown.size, shown.events[0].position), (700, position));
    }
    watched.more(1).await;
    let proofs = self::proofs(&watched);
    let event = proofs.event(701).await.unwrap();
    let told = proofs.receipt(About::Event(701), &[event]).await.unwrap_err();
    assert!(matches!(told, ProofsFailure::NotSigned { position: 701, signed: 700 }), "{told}");
    for absent in [0, -1, 702, i64::MAX, i64::MIN] {
        assert!(matches!(proofs.event(absent).await, Err(ProofsFailure::Absent)), "{absent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_proven_whole_and_an_entry_with_what_it_does_to_the_books() {
    let watched = Watched::signed_at(&[700]).await;
    let (proofs, trusted, payment) = (proofs(&watched), [watched.key.clone()], a_payment(&watched).await);
    let events = proofs.payment(payment).await.unwrap();
    let about = About::Payment(payment.to_string());
    let receipt = proofs.receipt(about.clone(), &events).await.unwrap();
    assert!(receipt.events.len() > 3);
    receipt.verify(&trusted).unwrap();
    // Each of these would be a true proof of true events, and not of the payment.
    let mut short = receipt.clone();
    short.events.remove(1);
    let mut turned = receipt.clone();
    turned.events.swap(1, 2);
    let mut doubled = receipt.clone();
    doubled.events.insert(1, receipt.events[1].clone());
    let other = proofs.event(1).await.unwrap();
    let mut foreign = receipt.clone();
    foreign.events.extend(proofs.receipt(About::Event(1), &[other]).await.unwrap().events);
    for changed in [&short, &turned, &doubled, &foreign] {
        assert!(changed.verify(&trusted).is_err());
    }
    // Nor is the proof of an event one of another.
    let mut another = proofs.receipt(About::Event(1), &[proofs.event(1).await.unwrap()]).await.unwrap();
    another.verify(&trusted).unwrap();
    another.about = About::Event(2);
    assert!(another.verify(&trusted).is_err());
    let money = "select position from log.events where aggregate_type = 'payment' and event_type = 'captured' limit 1";
    let money: i64 = sqlx::query_scalar(money).fetch_one(&mut watched.superuser().await).await.unwrap();
    let mut entries = 0;
    for position in 1..=700 {
        let event = proofs.event(position).await.unwrap();
        match proofs.is_entry(&event) {
            Ok(()) => {
                let receipt = proofs.receipt(About::Entry(position), &[event]).await.unwrap();
                assert!(!receipt.verify(&trusted).unwrap().posting.unwrap().moves_no_money());
                entries += 1;
            }
            Err(ProofsFailure::NoEntry(_)) => assert_ne!(position, money),
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(entries >= 5, "{entries}");
}

// covers H6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_changed_receipts_are_refused_and_none_panics() {
    let watched = Watched::signed_at(&[300, 700]).await;
    let (proofs, trusted, payment) = (proofs(&watched), [watched.key.clone()], a_payment(&watched).await);
    let events = proofs.payment(payment).await.unwrap();
    let receipt = proofs.receipt(About::Payment(payment.to_string()), &events[..3.min(events.len())]).await.unwrap();
    let text = serde_json::to_string(&receipt).unwrap();
    Receipt::parse(&text).unwrap().verify(&trusted).unwrap();
    let mut seed = 7;
    let mut refused = 0;
    while refused < MUTATIONS {
        let mut bytes = text.clone().into_bytes();
        let at = dice(&mut seed) % bytes.len();
        match dice(&mut seed) % 5 {
            0 => bytes[at] ^= 1 << (dice(&mut seed) % 8),
            1 => bytes[at] = b"0123456789abcdef\"{}[],:+/="[dice(&mut seed) % 26],
            2 => bytes.truncate(at),
            3 => drop(bytes.remove(at)),
            _ => bytes.insert(at, b"09af\"{}[],"[dice(&mut seed) % 10]),
        }
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        match Receipt::parse(&changed).and_then(|read| read.verify(&trusted).map(|_shown| read)) {
            // Another way of writing the same thing is the same thing.
            Ok(read) => assert_eq!(read, receipt, "{changed}"),
            Err(_refusal) => refused += 1,
        }
    }
    // Proofs of one checkpoint do not hold under another, nor those of one size under the root of another.
    let mut older = receipt.clone();
    older.checkpoint = proofs.checkpoints(300, 1).await.unwrap()[0].to_string();
    assert!(older.verify(&trusted).is_err());
    let claimed = "\n700\n";
    for size in ["\n699\n", "\n701\n", "\n1400\n"] {
        let mut resized = receipt.clone();
        resized.checkpoint = receipt.checkpoint.replace(claimed, size);
        assert_ne!(resized, receipt);
        assert!(resized.verify(&trusted).is_err());
    }
    assert!(receipt.verify(&[]).is_err(), "no key, no proof");
}

// covers H6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn growth_is_proven_between_any_two_checkpoints_and_only_as_it_was() {
    let watched = Watched::signed_at(&[1, 64, 300, 301, 700]).await;
    let (proofs, trusted) = (proofs(&watched), [watched.key.clone()]);
    let sizes = [1, 64, 300, 301, 700];
    for (nth, first) in sizes.into_iter().enumerate() {
        for second in sizes.into_iter().skip(nth) {
            let growth = proofs.growth(first, second).await.unwrap();
            assert_eq!(growth.verify(&trusted), Ok((first, second)));
            let mut turned = growth.clone();
            std::mem::swap(&mut turned.first, &mut turned.second);
            assert_eq!(turned.verify(&trusted).is_ok(), first == second);
            for at in 0..growth.path.len() {
                let mut shorter = growth.clone();
                shorter.path.remove(at);
                assert!(shorter.verify(&trusted).is_err());
            }
        }
    }
    for (first, second) in [(2, 700), (300, 699), (700, 300), (0, 1)] {
        assert!(matches!(proofs.growth(first, second).await, Err(ProofsFailure::NoCheckpoint)));
    }
}
