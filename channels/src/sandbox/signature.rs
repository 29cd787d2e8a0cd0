//! `Sandbox-Signature`: made with the shared secret, lately, over these very bytes.

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::report::Secret;

pub const HEADER: &str = "sandbox-signature";

const TOLERANCE_S: i64 = 300;
const SIGNATURES_MAX: usize = 4;

/// `t=<unix seconds>,v1=<hex>` over `<unix seconds>.<body>`.
#[must_use]
pub fn sign(body: &[u8], secret: &Secret, now: DateTime<Utc>) -> String {
    let seconds = now.timestamp().to_string();
    let made = mac(&seconds, body, secret).map(|mac| hex::encode(mac.finalize().into_bytes()));
    format!("t={seconds},v1={}", made.unwrap_or_default())
}

/// # Errors
/// Why it is not verified.
pub(super) fn verify(
    header: Option<&str>,
    body: &[u8],
    secrets: &[Secret],
    now: DateTime<Utc>,
) -> Result<(), &'static str> {
    const MALFORMED: &str = "the signature is malformed";
    let (mut seconds, mut given) = (None, Vec::new());
    for part in header.ok_or("there is no signature")?.split(',') {
        match part.trim().split_once('=').ok_or(MALFORMED)? {
            ("t", text) if seconds.is_none() => seconds = Some(text),
            ("v1", text) if given.len() < SIGNATURES_MAX => given.push(hex::decode(text).ok().ok_or(MALFORMED)?),
            _ => return Err(MALFORMED),
        }
    }
    let seconds = seconds.ok_or(MALFORMED)?;
    let at: i64 = seconds.parse().ok().ok_or(MALFORMED)?;
    if now.timestamp().saturating_sub(at).saturating_abs() > TOLERANCE_S {
        return Err("the signature is too old or too far ahead");
    }
    let fits =
        |secret: &Secret, given: &[u8]| mac(seconds, body, secret).is_some_and(|mac| mac.verify_slice(given).is_ok());
    if secrets.iter().any(|secret| given.iter().any(|given| fits(secret, given))) {
        Ok(())
    } else {
        Err("the signature fits no secret of this channel")
    }
}

/// HMAC takes a key of any length.
fn mac(seconds: &str, body: &[u8], secret: &Secret) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal()).ok()?;
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_signature_is_the_published_one() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let published = "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        assert_eq!(sign(br#"{"a":1}"#, &Secret::new("secret"), at(NOW)), published);
    }

    // As others do it: within 300 s.
    #[test]
    fn only_these_bytes_lately_and_by_a_secret_of_ours() {
        let (old, new) = (Secret::new("old"), Secret::new("new"));
        let signed = sign(b"{}", &old, at(NOW));
        let verify = |body: &[u8], secrets: &[Secret], now| verify(Some(&signed), body, secrets, at(now)).is_ok();
        let secrets = [new.clone(), old];
        assert!(
            verify(b"{}", &secrets, NOW) && verify(b"{}", &secrets, NOW + 300) && verify(b"{}", &secrets, NOW - 300)
        );
        assert!(!verify(b"{}", &secrets, NOW + 301) && !verify(b"{}", &secrets, NOW - 301));
        assert!(!verify(b"{ }", &secrets, NOW) && !verify(b"{}", &[new], NOW) && !verify(b"{}", &[], NOW));
    }

    #[test]
    fn what_is_malformed_is_no_signature() {
        let secret = [Secret::new("secret")];
        for header in ["", "t=1", "v1=00", "t=x,v1=00", "t=1700000000,v1=zz", "t=1700000000,v2=00", "t=1,t=2,v1=00"] {
            assert!(verify(Some(header), b"{}", &secret, at(NOW)).is_err(), "{header}");
        }
        assert!(verify(None, b"{}", &secret, at(NOW)).is_err());
    }
}
