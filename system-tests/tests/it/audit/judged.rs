//! Receipts before another judge: a program made from their page, in another language.

use std::path::Path;
use std::process::Command;

use audit::receipt::{About, Receipt};
use serde_json::Value;
use system_tests::tree::root;

use super::Watched;
use super::proofs::{a_payment, dice, proofs};

const MUTATIONS: usize = 60;

/// Whether it takes the receipt, and what it says.
fn judge(file: &Path, receipt: &str, key: &str) -> (bool, String) {
    std::fs::write(file, receipt).unwrap();
    let judged = Command::new("python3").arg(root().join("scripts/verify-receipt.py")).arg(file).arg(key).output();
    let judged = judged.expect("python3 is not there");
    let said = String::from_utf8(judged.stdout).unwrap();
    match judged.status.code() {
        Some(0) => (true, said),
        Some(30) => (false, said),
        ended => panic!("{ended:?}: {said}{}", String::from_utf8_lossy(&judged.stderr)),
    }
}

/// What a receipt is worth: which events, under which checkpoint.
fn meant(receipt: &str) -> (Value, Value, Vec<Value>) {
    let read: Value = serde_json::from_str(receipt).unwrap();
    let events = read["events"].as_array().unwrap().iter().map(|proven| proven["event"].clone()).collect();
    (read["about"].clone(), read["checkpoint"].clone(), events)
}

// covers H6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_made_from_the_page_alone_takes_the_same_receipts_and_no_changed_one() {
    let watched = Watched::signed_at(&[300, 700]).await;
    let (proofs, key, payment) = (proofs(&watched), watched.key.to_string(), a_payment(&watched).await);
    let file = watched.place.at("receipt.json");
    let events = proofs.payment(payment).await.unwrap();
    let whole = proofs.receipt(About::Payment(payment.to_string()), &events).await.unwrap();
    let mut receipts = vec![whole.clone()];
    for position in [1, 2, 255, 256, 257, 511, 512, 513, 699, 700] {
        let event = proofs.event(position).await.unwrap();
        let about = if proofs.is_entry(&event).is_ok() { About::Entry(position) } else { About::Event(position) };
        receipts.push(proofs.receipt(about, &[event]).await.unwrap());
    }
    for receipt in &receipts {
        receipt.verify(std::slice::from_ref(&watched.key)).unwrap();
        let (is_taken, said) = judge(&file, &serde_json::to_string(receipt).unwrap(), &key);
        assert!(is_taken, "{said}");
        let count = receipt.events.len();
        assert!(said.starts_with(&format!("proven: {count} events are in the log when it had 700\n")), "{said}");
    }
    let another = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert!(!judge(&file, &serde_json::to_string(&whole).unwrap(), another).0);
    let mut short = whole.clone();
    short.events.remove(0);
    assert!(!judge(&file, &serde_json::to_string(&short).unwrap(), &key).0);

    let text = serde_json::to_string(&whole).unwrap();
    let (mut seed, mut refused) = (11, 0);
    while refused < MUTATIONS {
        let mut bytes = text.clone().into_bytes();
        let at = dice(&mut seed) % bytes.len();
        match dice(&mut seed) % 3 {
            0 => bytes[at] ^= 1 << (dice(&mut seed) % 7),
            1 => bytes[at] = b"0123456789abcdef"[dice(&mut seed) % 16],
            _ => bytes.insert(at, b"09af"[dice(&mut seed) % 4]),
        }
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        match judge(&file, &changed, &key) {
            (true, said) => assert_eq!(meant(&changed), meant(&text), "{said}"),
            (false, _why) => refused += 1,
        }
        if let Ok(ours) =
            Receipt::parse(&changed).and_then(|read| read.verify(std::slice::from_ref(&watched.key)).map(|_| read))
        {
            assert_eq!(ours, whole, "{changed}");
        }
    }
}
