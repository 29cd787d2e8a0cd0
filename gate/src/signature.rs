//! `X-Signature`: made with the key's secret, lately, for this very request.

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use crate::{problem::Problem, rules};

const TOLERANCE_S: i64 = 300;
const SIGNATURES_MAX: usize = 4;

/// What is signed.
pub(crate) struct Signed<'r> {
    pub(crate) method: &'r str,
    pub(crate) path_and_query: &'r str,
    pub(crate) key: &'r str,
    pub(crate) body: &'r [u8],
}

impl Signed<'_> {
    /// `t=<unix seconds>,v1=<hex>`; more than one v1 while a client changes its secret.
    ///
    /// # Errors
    /// The header is malformed, too old, too far ahead, or made with another secret or for another request.
    pub(crate) fn verify(&self, header: &str, secret: &str, now: DateTime<Utc>) -> Result<(), Problem> {
        let malformed = || Problem::turned_away(rules::SIGNATURE_MALFORMED);
        let (mut seconds, mut given) = (None, Vec::new());
        for part in header.split(',') {
            match part.trim().split_once('=').ok_or_else(malformed)? {
                ("t", text) if seconds.is_none() => seconds = Some(text),
                ("v1", text) if given.len() < SIGNATURES_MAX => given.push(text),
                _ => return Err(malformed()),
            }
        }
        let seconds = seconds.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(malformed)?;
        let at: i64 = seconds.parse().map_err(|_too_long| malformed())?;
        if given.is_empty() {
            return Err(malformed());
        }
        if now.timestamp().saturating_sub(at).saturating_abs() > TOLERANCE_S {
            return Err(Problem::turned_away(rules::SIGNATURE_EXPIRED));
        }
        let right = hex::encode(self.sign(seconds, secret));
        // Every one is looked at, whichever fits.
        let fits = given
            .iter()
            .fold(Choice::from(0), |fits, given| fits | right.as_bytes().ct_eq(given.to_ascii_lowercase().as_bytes()));
        if fits.into() { Ok(()) } else { Err(Problem::turned_away(rules::SIGNATURE_INVALID)) }
    }

    fn sign(&self, seconds: &str, secret: &str) -> Vec<u8> {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return Vec::new() };
        for part in [seconds, ".", self.method, ".", self.path_and_query, ".", self.key, "."] {
            mac.update(part.as_bytes());
        }
        mac.update(self.body);
        mac.finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "dbs_secret";

    fn request() -> Signed<'static> {
        Signed { method: "POST", path_and_query: "/api/v1/payments", key: "k1", body: b"{\"amount\":1}" }
    }

    fn verify(header: &str, now: i64) -> Result<(), &'static str> {
        let now = DateTime::from_timestamp(now, 0).unwrap();
        request().verify(header, SECRET, now).map_err(|problem| problem.rule().code)
    }

    #[test]
    fn the_signature_is_the_published_one() {
        // printf '1700000000.POST./api/v1/payments.k1.{"amount":1}' | openssl dgst -sha256 -hmac dbs_secret
        assert_eq!(
            hex::encode(request().sign("1700000000", SECRET)),
            "69f885fda0e3f663ae83ff845896b2bdc536c795f68edc35d8a47f5d6e6a4099"
        );
    }

    // covers G1, G2
    #[test]
    fn only_a_fresh_signature_of_this_very_request_opens() {
        let right = hex::encode(request().sign("1700000000", SECRET));
        let header = format!("t=1700000000,v1={right}");
        assert_eq!(verify(&header, 1_700_000_000), Ok(()));
        assert_eq!(verify(&header, 1_700_000_300), Ok(()));
        assert_eq!(verify(&header, 1_699_999_700), Ok(()));
        assert_eq!(verify(&header, 1_700_000_301), Err("signature_expired"));
        assert_eq!(verify(&header, 1_699_999_699), Err("signature_expired"));
        assert_eq!(verify(&format!("t=1700000001,v1={right}"), 1_700_000_000), Err("signature_invalid"));
        assert_eq!(verify(&format!("t=1700000000,v1={},v1={right}", "0".repeat(64)), 1_700_000_000), Ok(()));
        for changed in [
            Signed { method: "PUT", ..request() },
            Signed { path_and_query: "/api/v1/payments?x=1", ..request() },
            Signed { key: "k2", ..request() },
            Signed { body: b"{\"amount\":2}", ..request() },
        ] {
            let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
            assert!(changed.verify(&header, SECRET, now).is_err());
            assert!(request().verify(&header, "dbs_other", now).is_err());
        }
    }

    #[test]
    fn what_is_no_signature_is_said_to_be_none() {
        let zeros = "0".repeat(64);
        for header in [
            "",
            "x",
            "t=1",
            "v1=00",
            "t=,v1=00",
            "t=-1,v1=00",
            "t=1,t=1,v1=00",
            "t=99999999999999999999,v1=00",
            "t=1;v1=00",
            &format!("t=1{}", format!(",v1={zeros}").repeat(5)),
        ] {
            assert_eq!(verify(header, 1), Err("signature_malformed"), "{header}");
        }
        assert_eq!(verify("t=1,v1=", 1), Err("signature_invalid"));
    }
}
