//! The merchants of the demo: registered, set up, each asking with its test key.

use load::Caller;
use serde_json::{Value, json};

use super::desk::Desk;
use crate::failure::{Failure, Result};

pub(super) struct Shop {
    pub(super) id: String,
    pub(super) caller: Caller,
    pub(super) channel: &'static str,
    pub(super) currency: &'static str,
    /// Minor units of a hundredth of a major one, so that prices are alike in every currency.
    pub(super) cent: i64,
}

const SHOPS: [(&str, &str, &str, i64); 5] = [
    ("Corner Theatre", "stripe", "USD", 1),
    ("Harbour Books", "paypal", "EUR", 1),
    ("Moss & Fern", "alipay", "CNY", 1),
    ("Night Train", "stripe", "GBP", 1),
    ("Coin Kiosk", "crypto", "USDT", 10_000),
];

/// Has an operator register and set up each of them.
pub(super) async fn open(desk: &mut Desk, operator: &Caller) -> Result<Vec<Shop>> {
    let mut shops = Vec::new();
    for (n, (name, channel, currency, cent)) in SHOPS.into_iter().enumerate() {
        let profile = json!({ "name": name, "email": format!("owner-{n}@example.com") });
        let told = desk.must(operator, "/api/v1/merchants", &profile).await?;
        let id = told.text("/data/merchant_id")?;
        let caller = test_key(&told.body)
            .ok_or_else(|| Failure::NotThere(format!("{name} was registered without a test key")))?;
        for (what, body) in [
            ("activate", json!({})),
            ("channels", json!({ "channel": channel, "allowed": true })),
            ("currencies", json!({ "currency": currency, "allowed": true })),
            ("fees", json!({ "channel": channel, "currency": currency, "rate_bps": 290 })),
        ] {
            desk.must(operator, &format!("/api/v1/merchants/{id}/{what}"), &body).await?;
        }
        shops.push(Shop { id, caller, channel, currency, cent });
    }
    Ok(shops)
}

fn test_key(told: &Value) -> Option<Caller> {
    let keys = told.pointer("/shown_once/keys")?.as_array()?;
    let text = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
    let test = keys.iter().find(|key| text(key, "api_key").is_some_and(|key| key.starts_with("dbk_test_")))?;
    Some(Caller::key(&text(test, "api_key")?, &text(test, "signing_secret")?))
}
