//! What the platform before knew: requests it answered, payments by its numbers.

use std::sync::Arc;

use domain::{
    id::{MerchantId, OldNameId, PaymentId},
    old_name::{OldName, event::StandsFor},
};
use event_store::{Failure, Store};
use sha2::{Digest as _, Sha256};
use vault::Vault;

use crate::door::Call;

/// No number of a payment was longer.
pub const OLD_NO_MAX: usize = 64;

/// What a request was that was answered there: `body` is the SHA-256 of what was sent, where that was kept.
pub fn fingerprint_before(vault: &Vault, method: &str, path_and_query: &str, body: Option<&[u8]>) -> [u8; 32] {
    let (method, path_and_query) = (method.as_bytes(), path_and_query.as_bytes());
    match body {
        Some(body) => vault.fingerprint(&[b"before, with this body", method, path_and_query, body]),
        None => vault.fingerprint(&[b"before, with any body", method, path_and_query]),
    }
}

impl Call {
    /// This request, as it may have been answered there: with its body, or where only that it was asked for is known.
    pub fn fingerprints_before(&self, vault: &Vault) -> [[u8; 32]; 2] {
        let (method, path_and_query) = &self.asked;
        let sent = Sha256::digest(&self.sent);
        [Some(sent.as_slice()), None].map(|body| fingerprint_before(vault, method, path_and_query, body))
    }
}

/// Whether a text may be a number a payment had there: visible ASCII, and not written as numbers are here.
pub fn is_old_no(text: &str) -> bool {
    (1..=OLD_NO_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && text.parse::<PaymentId>().is_err()
}

/// The payment a merchant means: by the number it has here, or the one it had there. The name of an old number follows
/// from whose it is, so that nobody finds another's.
///
/// # Errors
/// The log cannot be asked.
pub async fn payment_named(
    store: &Store,
    whose: Option<(MerchantId, bool)>,
    text: &str,
) -> Result<Option<PaymentId>, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(Some(id));
    }
    let Some((merchant, livemode)) = whose.filter(|_whose| is_old_no(text)) else { return Ok(None) };
    let id: Arc<str> = OldNameId::of_payment(merchant, livemode, text).to_string().into();
    let (name, _version) = store.read::<OldName>(&id).await?;
    Ok(match name.stands_for() {
        Some(StandsFor::Payment { payment_id, .. }) => Some(*payment_id),
        Some(StandsFor::ApiKey { .. } | StandsFor::Answer { .. }) | None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_ours_is_no_old_one() {
        for old in ["P2024-000017", "PAY7", "17", &"9".repeat(64), "PAY0000000000000000000000000000000A"] {
            assert!(is_old_no(old), "{old}");
        }
        for other in ["", "a b", "é", "a\n", &"9".repeat(65), "PAY00000000000000000000000000000001"] {
            assert!(!is_old_no(other), "{other}");
        }
    }
}
