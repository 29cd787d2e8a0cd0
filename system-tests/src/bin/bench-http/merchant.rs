//! A merchant of the bench, set up over HTTP by an operator as a real one is.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::Problem;
use crate::payments::Payments;
use crate::wire::Wire;

/// Registers a merchant, lets it take real money, agrees its terms; asks in one of its modes.
pub(crate) async fn set_up(address: &str, token: &str, livemode: bool) -> Result<Payments, Problem> {
    let mut wire = Wire::open(address).await?;
    let told = post(&mut wire, token, "", &json!({ "name": "Corner Theatre", "email": "owner@example.com" })).await?;
    let text = |at: &str| told.pointer(at).and_then(Value::as_str).ok_or_else(|| format!("no {at} in {told}"));
    let id = text("/data/merchant_id")?;
    for (path, body) in [
        ("activate", json!({})),
        ("channels", json!({ "channel": "stripe", "allowed": true })),
        ("currencies", json!({ "currency": "USD", "allowed": true })),
        ("fees", json!({ "channel": "stripe", "currency": "USD", "rate_bps": 290, "fixed": 30 })),
    ] {
        post(&mut wire, token, &format!("/{id}/{path}"), &body).await?;
    }
    // The first key is for trying things out, the second for real money.
    let key = if livemode { "/shown_once/keys/1" } else { "/shown_once/keys/0" };
    Payments::new(text(&format!("{key}/api_key"))?, text(&format!("{key}/signing_secret"))?)
}

async fn post(wire: &mut Wire, token: &str, path: &str, body: &Value) -> Result<Value, Problem> {
    let body = body.to_string();
    wire.request.clear();
    write!(
        wire.request,
        "POST /api/v1/merchants{path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\nidempotency-key: set-up{path}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(serde_json::from_slice(wire.ask().await?.expect(false)?)?)
}
