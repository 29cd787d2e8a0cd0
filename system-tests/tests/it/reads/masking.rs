//! Personal values: open to a few, masked for most, `[erased]` once destroyed.

use serde_json::json;
use system_tests::branch::fresh;
use vault::{MasterKey, Vault};

use super::{get, guest, pay};

/// That of the servers of the tests.
const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[tokio::test]
async fn an_address_is_shown_to_its_merchant_and_to_operators_and_masked_for_others() {
    let (branch, merchant, mut client) = guest().await;
    let told = json!({ "customer_email": "ann@example.com", "description": "Rings twice" });
    let (payment_no, position) = pay(&mut client, &merchant.test, &fresh("masked"), told).await;
    let path = format!("/api/v1/payments/{payment_no}?min_position={position}");
    let listed = format!("/api/v1/payments?merchant_id={}&livemode=false", merchant.id);
    let open = ("ann@example.com", "Rings twice");
    let masked = ("a***@example.com", "***");
    for (caller, (email, note)) in [
        (&merchant.test, open),
        (&branch.operator, open),
        (&branch.staff("support").unwrap(), masked),
        (&branch.staff("analyst").unwrap(), masked),
        (&branch.staff("auditor").unwrap(), masked),
    ] {
        let one = get(&mut client, caller, &path).await;
        assert_eq!((one.data("customer_email").as_str(), one.data("description").as_str()), (email, note), "{one:?}");
        let list = get(&mut client, caller, &listed).await.json();
        assert_eq!(list["data"][0]["customer_email"], email, "{list}");
        let csv = system_tests::client::Request::get(&*listed).with("accept", "text/csv").by(caller);
        let csv = client.send(&csv).await.unwrap();
        assert_eq!(csv.body.contains("ann@example.com"), email == open.0, "{csv:?}");
    }
    let mut books = branch.ledger.superuser().await.unwrap();
    let kept: (String, String) =
        sqlx::query_as("select customer_email, description from read.payments where order_no is not null and id = $1")
            .bind(payment_no.parse::<domain::id::PaymentId>().unwrap().uuid())
            .fetch_one(&mut books)
            .await
            .unwrap();
    assert!(!kept.0.contains("ann") && !kept.1.contains("Rings"), "{kept:?}");

    // The keys are destroyed: what they sealed is shown to nobody, and the payment stays.
    let vault = Vault::new(&MasterKey::parse(MASTER_KEY).unwrap());
    let person = vault.customer_index(merchant.id.parse().unwrap(), "ann@example.com");
    let pool = branch.ledger.database().unwrap().pool(1);
    assert!(vault::forget_person(&pool, &person, i64::MAX).await.unwrap() >= 1);
    for caller in [&merchant.test, &branch.operator, &branch.staff("analyst").unwrap()] {
        let one = get(&mut client, caller, &path).await;
        assert_eq!(one.status, 200, "{one:?}");
        assert_eq!((&*one.data("customer_email"), &*one.data("description")), ("[erased]", "[erased]"), "{one:?}");
    }
}

#[tokio::test]
async fn a_merchants_contact_is_masked_as_well() {
    let (branch, merchant, mut client) = guest().await;
    super::caught_up(branch, &mut client, &["/api/v1/merchants"]).await;
    let path = format!("/api/v1/merchants/{}", merchant.id);
    let open = get(&mut client, &merchant.live, &path).await.data("email");
    assert!(open.ends_with("@example.com") && !open.contains('*'), "{open}");
    let masked = get(&mut client, &branch.staff("auditor").unwrap(), &path).await.data("email");
    assert!(masked.contains("***@example.com"), "{masked}");
}
