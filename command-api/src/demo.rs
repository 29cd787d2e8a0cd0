//! The demo merchant of the development server: everybody knows its key.

use std::sync::Arc;

use domain::{
    actor::Actor,
    channel::Channel,
    currency::Currency,
    fee::{FeeOnRefund, FeePlan},
    free_text::FreeText,
    id::{ApiKeyId, MerchantId},
    merchant::{
        Merchant, MerchantCommand,
        event::{KeyIssued, Profile, Registered},
    },
    money::BasisPoints,
    refusal::Listed as _,
};
use event_store::{Act, Answer, Failure, Outcome, Store, Tenant, Verdict};
use gate::Demo;
use uuid::Uuid;
use vault::{ApiKeyName, Vault};

/// Its ids are the same in every development ledger.
pub const DEMO: Demo =
    Demo { merchant_id: MerchantId::new(Uuid::from_u128(1)), key_id: ApiKeyId::new(Uuid::from_u128(1)) };
const LIVE_KEY: ApiKeyId = ApiKeyId::new(Uuid::from_u128(2));

/// Makes sure that there is a demo merchant, which at first may do everything. Doing it again changes nothing.
///
/// # Errors
/// The log cannot be written.
pub async fn ensure(store: &Store, vault: &Vault) -> Result<(), DemoFailure> {
    let (known, _version) = store.read::<Merchant>(&DEMO.merchant_id.to_string().into()).await?;
    let is_known = known.keys().any(|(id, _key)| id == DEMO.key_id);
    let merchant: Arc<str> = DEMO.merchant_id.to_string().into();
    // What was agreed since is for whoever agreed it to change.
    if is_known {
        return Ok(());
    }
    let (registration, data_key) = registration(vault);
    let act = Act::deciding(move |books| {
        // Another process may have been faster: this changes nothing that is so already.
        books.keep_key(&data_key);
        for command in std::iter::once(registration.clone()).chain(terms()) {
            if let Err(refusal) = books.tell::<Merchant>(&merchant, &command)? {
                return Ok(Verdict::Refused(Answer { status: 422, body: refusal.rule().code.to_owned() }));
            }
        }
        Ok(Verdict::Accepted(Answer::default()))
    });
    let tenant = Tenant { merchant_id: Some(DEMO.merchant_id.uuid()), livemode: None };
    match store.execute(Act { tenant, ..act }).await? {
        Outcome::Refused { answer, .. } => Err(DemoFailure::Refused(answer.body)),
        Outcome::Accepted { .. }
        | Outcome::Replayed { .. }
        | Outcome::KeyReused
        | Outcome::InFlight
        | Outcome::VersionMismatch { .. } => Ok(()),
    }
}

/// Why there is no demo merchant.
#[derive(Debug)]
pub enum DemoFailure {
    Refused(String),
    Log(Failure),
}

impl From<Failure> for DemoFailure {
    fn from(failure: Failure) -> Self {
        Self::Log(failure)
    }
}

impl std::fmt::Display for DemoFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "the demo merchant could not be set up: {code}"),
            Self::Log(failure) => write!(f, "the demo merchant could not be set up: {failure}"),
        }
    }
}

impl std::error::Error for DemoFailure {}

fn registration(vault: &Vault) -> (MerchantCommand, event_store::DataKey) {
    let (envelope, person) = (vault.envelope(), vault.contact_index("demo@example.com"));
    let profile = Profile {
        name: text("Demo merchant"),
        contact_name: None,
        email: envelope.seal("demo@example.com", Some(person.clone())),
        phone: None,
    };
    // Nobody ever sees the production key: the demo merchant takes no real money.
    let live = vault.issue_api_key(ApiKeyName { merchant_id: DEMO.merchant_id, key_id: LIVE_KEY, livemode: true });
    let issued = |key_id, livemode, hash| KeyIssued { key_id, livemode, hash, generation: 1 };
    let keys = [issued(DEMO.key_id, false, vault.credential_hash(Demo::KEY)), issued(LIVE_KEY, true, live.hash)];
    let registered = Registered { merchant_id: DEMO.merchant_id, profile, keys, by: Actor::Process };
    (MerchantCommand::Register(Box::new(registered)), vault.wrapped(&envelope, Some(person)))
}

const CURRENCIES: [&str; 16] =
    ["USD", "EUR", "GBP", "CNY", "JPY", "HKD", "SGD", "AUD", "CAD", "CHF", "KRW", "KWD", "BTC", "ETH", "USDT", "USDC"];

/// Every channel, and currencies of every exponent, at 2.9 %.
fn terms() -> Vec<MerchantCommand> {
    let by = Actor::Process;
    let plan = FeePlan {
        rate: BasisPoints::new(290).unwrap_or(BasisPoints::NONE),
        fixed_minor: 0,
        minimum_minor: 0,
        maximum_minor: None,
        on_refund: FeeOnRefund::Kept,
    };
    let channels = Channel::ALL.iter().copied();
    let currencies = || CURRENCIES.iter().filter_map(|code| code.parse::<Currency>().ok());
    let fees = |channel| currencies().map(move |currency| MerchantCommand::AgreeFees { channel, currency, plan, by });
    currencies()
        .map(|currency| MerchantCommand::AllowCurrency { currency, by })
        .chain(channels.clone().map(|channel| MerchantCommand::AllowChannel { channel, by }))
        .chain(channels.flat_map(fees))
        .collect()
}

fn text(words: &str) -> FreeText {
    FreeText::parse(words)
        .unwrap_or_else(|_refused: domain::free_text::TextRefusal| unreachable!("{words} is free text"))
}
