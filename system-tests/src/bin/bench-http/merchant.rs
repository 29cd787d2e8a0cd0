//! A merchant of the bench, set up over HTTP by an operator as a real one is.

use load::{Caller, Payments, Wire};
use serde_json::{Value, json};

use crate::Problem;

/// Registers a merchant, lets it take real money, agrees its terms; asks in one of its modes.
pub(crate) async fn set_up(address: &str, token: &str, livemode: bool) -> Result<Payments, Problem> {
    let (mut wire, operator) = (Wire::open(address).await?, Caller::token(token));
    let profile = json!({ "name": "Corner Theatre", "email": "owner@example.com" });
    let told = post(&mut wire, &operator, "", &profile).await?;
    let text = |at: &str| told.pointer(at).and_then(Value::as_str).ok_or_else(|| format!("no {at} in {told}"));
    let id = text("/data/merchant_id")?;
    for (path, body) in [
        ("activate", json!({})),
        ("channels", json!({ "channel": "stripe", "allowed": true })),
        ("currencies", json!({ "currency": "USD", "allowed": true })),
        ("fees", json!({ "channel": "stripe", "currency": "USD", "rate_bps": 290, "fixed": 30 })),
    ] {
        post(&mut wire, &operator, &format!("/{id}/{path}"), &body).await?;
    }
    // The first key is for trying things out, the second for real money.
    let key = if livemode { "/shown_once/keys/1" } else { "/shown_once/keys/0" };
    let caller = Caller::key(text(&format!("{key}/api_key"))?, text(&format!("{key}/signing_secret"))?);
    Ok(Payments::new(caller))
}

async fn post(wire: &mut Wire, operator: &Caller, path: &str, body: &Value) -> Result<Value, Problem> {
    let (body, key) = (body.to_string(), format!("set-up{path}"));
    operator.write("POST", &format!("/api/v1/merchants{path}"), &key, body.as_bytes(), &mut wire.request);
    Ok(serde_json::from_slice(wire.ask().await?.expect(false)?)?)
}
