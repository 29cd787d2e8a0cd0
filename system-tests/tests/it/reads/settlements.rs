//! Settlements with their lines: what the write API opened and closed, as it is read.

use serde_json::json;

use super::{caught_up, get, guest, post, rows, texts};

#[tokio::test]
async fn a_settlement_is_read_as_it_was_opened_and_closed() {
    let (branch, merchant, mut client) = guest().await;
    let period = json!({ "currency": "USD", "from": "2026-01-01", "until": "2026-01-31" });
    let opened = post(&mut client, &merchant.test, "/api/v1/settlements", &period).await.data("settlement_no");
    let yen = json!({ "currency": "JPY", "from": "2026-01-01", "until": "2026-01-31" });
    let other = post(&mut client, &merchant.test, "/api/v1/settlements", &yen).await.data("settlement_no");
    post(&mut client, &merchant.test, &format!("/api/v1/settlements/{opened}/close"), &json!({})).await;
    caught_up(branch, &mut client, &["/api/v1/settlements"]).await;
    let one = get(&mut client, &merchant.test, &format!("/api/v1/settlements/{opened}?expand=payouts")).await.json();
    assert_eq!(
        (&one["data"]["status"], &one["data"]["net"], &one["data"]["payouts"]),
        (&json!("nothing_owed"), &json!(0), &json!([])),
        "{one}"
    );
    assert_eq!(
        (&one["data"]["period_from"], &one["data"]["period_until"]),
        (&json!("2026-01-01"), &json!("2026-01-31"))
    );
    for (query, expected) in [
        ("status=nothing_owed", vec![&opened]),
        ("status=open", vec![&other]),
        ("currency=JPY", vec![&other]),
        ("amount[gt]=0", vec![]),
        ("created[gte]=2000-01-01T00:00:00Z", vec![&other, &opened]),
    ] {
        let answer = get(&mut client, &merchant.test, &format!("/api/v1/settlements?{query}")).await;
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(texts(&answer, "settlement_no"), expected, "{query}");
    }
    let lines = format!("/api/v1/settlements/{opened}/lines?kind=payment,refund&amount[gte]=0");
    assert_eq!(rows(&get(&mut client, &merchant.test, &lines).await).len(), 0);
    let unknown = format!("/api/v1/settlements/{opened}/lines?kind=gift");
    assert_eq!(get(&mut client, &merchant.test, &unknown).await.verdict(), "400 parameter_malformed");
}
