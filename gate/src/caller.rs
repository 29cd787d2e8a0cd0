//! Who asks: a merchant by its API key, or an operator by a token.

use std::{collections::BTreeSet, sync::Arc};

use axum::http::{HeaderMap, header::AUTHORIZATION};
use chrono::{DateTime, Utc};
use domain::{
    actor::Actor,
    id::{ApiKeyId, MerchantId, OperatorId},
    merchant::{Merchant, Standing},
    operator::{Operator, event::Role},
};
use event_store::Store;
use vault::{ApiKeyName, Vault};
use zeroize::Zeroizing;

use crate::{old_keys::OldKeys, problem::Problem, rules, signature::Signed};

const KEY_HEADER: &str = "x-api-key";
const SIGNATURE_HEADER: &str = "x-signature";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    Merchant { merchant_id: MerchantId, livemode: bool, key_id: ApiKeyId },
    Operator { operator_id: OperatorId, roles: BTreeSet<Role> },
}

/// The merchant of the development server, whose key and signature everybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demo {
    pub merchant_id: MerchantId,
    pub key_id: ApiKeyId,
}

impl Demo {
    pub const KEY: &'static str = "test-api-key";
    pub const SIGNATURE: &'static str = "test-signature";
}

/// A caller whose credential is good; what is left to check is the signature.
pub(crate) struct Known {
    pub(crate) caller: Caller,
    proof: Proof,
}

enum Proof {
    /// A token is proof enough.
    Token,
    Signature(Zeroizing<String>),
    /// The demo merchant: its literal signature, or a real one.
    Demo(Zeroizing<String>),
}

impl Caller {
    pub const fn actor(&self) -> Actor {
        match self {
            Self::Merchant { merchant_id, .. } => Actor::Merchant(*merchant_id),
            Self::Operator { operator_id, .. } => Actor::Operator(*operator_id),
        }
    }

    /// Whose keys are told apart from everybody else's.
    pub fn idempotency_scope(&self) -> Arc<str> {
        match self {
            Self::Merchant { merchant_id, livemode: true, .. } => format!("{merchant_id} live").into(),
            Self::Merchant { merchant_id, livemode: false, .. } => format!("{merchant_id} test").into(),
            Self::Operator { operator_id, .. } => operator_id.to_string().into(),
        }
    }
}

/// Finds out who asks.
///
/// # Errors
/// There are no credentials, they are not good (why is told to nobody), or the log cannot be asked.
pub(crate) async fn identify(
    headers: &HeaderMap,
    store: &Store,
    vault: &Vault,
    (demo, old_keys): (Option<Demo>, &OldKeys),
    now: DateTime<Utc>,
) -> Result<Known, Problem> {
    match (one(headers, KEY_HEADER)?, one(headers, AUTHORIZATION.as_str())?) {
        (Some(key), None) => merchant(key, store, vault, (demo, old_keys), now).await,
        (None, Some(authorization)) => operator(authorization, store, vault, now).await,
        (Some(_), Some(_)) => Err(invalid()),
        (None, None) => Err(Problem::turned_away(rules::CREDENTIALS_MISSING)),
    }
}

const fn invalid() -> Problem {
    Problem::turned_away(rules::CREDENTIALS_INVALID)
}

async fn merchant(
    key: &str,
    store: &Store,
    vault: &Vault,
    (demo, old_keys): (Option<Demo>, &OldKeys),
    now: DateTime<Utc>,
) -> Result<Known, Problem> {
    let demo = demo.filter(|_demo| key == Demo::KEY);
    let name = demo.map(|demo| ApiKeyName { merchant_id: demo.merchant_id, key_id: demo.key_id, livemode: false });
    let name = name.or_else(|| vault.api_key_name(key));
    // What is written like one of ours and is none is told apart before it costs a look at the log.
    let old = match name {
        None if !vault::is_written_like_ours(key) => old_keys.find(store, vault, key).await?,
        None | Some(_) => None,
    };
    let name = name.or_else(|| old.as_ref().map(|old| old.name));
    let ApiKeyName { merchant_id, key_id, livemode } = name.ok_or_else(invalid)?;
    let (merchant, _version) = store.read::<Merchant>(&merchant_id.to_string().into()).await?;
    let good = merchant
        .valid_key(key_id, now)
        .filter(|kept| vault.is_credential(key, &kept.hash) && kept.livemode == livemode)
        .ok_or_else(invalid)?;
    if merchant.standing() == Standing::Closed {
        return Err(Problem::turned_away(rules::ACCOUNT_CLOSED));
    }
    let secret = match &old {
        Some(old) => old.secret(vault)?,
        None => vault.signing_secret(key_id, good.generation),
    };
    let proof = if demo.is_some() { Proof::Demo(secret) } else { Proof::Signature(secret) };
    Ok(Known { caller: Caller::Merchant { merchant_id, livemode, key_id }, proof })
}

async fn operator(authorization: &str, store: &Store, vault: &Vault, now: DateTime<Utc>) -> Result<Known, Problem> {
    let (scheme, token) = authorization.split_once(' ').ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid());
    }
    Ok(Known { caller: whose_token(token, store, vault, now).await?, proof: Proof::Token })
}

/// The operator a bearer token belongs to.
///
/// # Errors
/// The token is not good (why is told to nobody), or the log cannot be asked.
pub async fn whose_token(token: &str, store: &Store, vault: &Vault, now: DateTime<Utc>) -> Result<Caller, Problem> {
    let name = vault.token_name(token).ok_or_else(invalid)?;
    let (operator, _version) = store.read::<Operator>(&name.operator_id.to_string().into()).await?;
    let good = operator.valid_token(name.token_id, now).filter(|kept| vault.is_credential(token, &kept.hash));
    good.ok_or_else(invalid)?;
    let roles = Role::ALL.iter().copied().filter(|role| operator.has_role(*role)).collect();
    Ok(Caller::Operator { operator_id: name.operator_id, roles })
}

impl Known {
    /// Whether the request is signed as it stands.
    ///
    /// # Errors
    /// It is not, and why.
    pub(crate) fn prove(&self, headers: &HeaderMap, signed: &Signed<'_>, now: DateTime<Utc>) -> Result<(), Problem> {
        let signature = one(headers, SIGNATURE_HEADER)?;
        let given = || signature.ok_or(Problem::turned_away(rules::SIGNATURE_MISSING));
        match &self.proof {
            Proof::Token => Ok(()),
            Proof::Demo(_) if signature == Some(Demo::SIGNATURE) => Ok(()),
            Proof::Demo(secret) | Proof::Signature(secret) => signed.verify(given()?, secret, now),
        }
    }
}

/// The only value of a header. Two credentials are none.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid());
    }
    value.to_str().map(Some).map_err(|_not_ascii| invalid())
}
