//! The merchants of a history, and what they and their customers look like.

use domain::actor::Actor;
use domain::channel::Channel;
use domain::currency::Currency;
use domain::fee::{FeeOnRefund, FeePlan};
use domain::free_text::FreeText;
use domain::id::{ApiKeyId, MerchantId};
use domain::merchant::event::{KeyIssued, Profile, Registered};
use domain::merchant::{Merchant, MerchantCommand};
use domain::money::BasisPoints;
use domain::sealed::Sealed;
use domain::terms::Terms;
use vault::{MasterKey, Vault};

use super::Problem;
use super::chance::Chance;
use super::pen::Pen;

#[derive(Clone, Copy, Debug)]
pub(super) struct Shop {
    pub(super) id: MerchantId,
}

pub(super) const PLAN: FeePlan = FeePlan {
    rate: BasisPoints::NONE,
    fixed_minor: 30,
    minimum_minor: 0,
    maximum_minor: None,
    on_refund: FeeOnRefund::Returned,
};

pub(super) const TERMS: Terms = Terms {
    merchant_active: true,
    channel_allowed: true,
    currency_allowed: true,
    payment_limit_minor: None,
    fee_plan: Some(PLAN),
};

/// The vault of these histories: any thirty-two bytes that differ will do.
///
/// # Errors
/// Never.
pub fn vault() -> Result<Vault, Problem> {
    let key = MasterKey::parse("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    Ok(Vault::new(&key.map_err(|reason| reason.to_string())?))
}

impl Shop {
    pub(super) fn open(n: usize, chance: &mut Chance, pen: &mut Pen) -> Result<Self, Problem> {
        let id = MerchantId::new(chance.uuid());
        let profile = Profile {
            name: text(&format!("Shop number {n}"))?,
            contact_name: None,
            email: vault()?.envelope().seal("shop@example.com", Some(chance.letters(43))),
            phone: None,
        };
        let mut issued = |livemode, generation| KeyIssued {
            key_id: ApiKeyId::new(chance.uuid()),
            livemode,
            hash: "5a".repeat(32),
            generation,
        };
        let (keys, next) = ([issued(false, 1), issued(true, 1)], issued(true, 2));
        let by = Actor::Process;
        let mut commands = vec![
            MerchantCommand::Register(Box::new(Registered { merchant_id: id, profile, keys, by })),
            MerchantCommand::Activate { by },
            MerchantCommand::AllowCurrency { currency: Currency::USD, by },
            MerchantCommand::AgreeFees { channel: Channel::Stripe, currency: Currency::USD, plan: PLAN, by },
        ];
        commands.extend(Channel::ALL.iter().map(|channel| MerchantCommand::AllowChannel { channel: *channel, by }));
        if n.is_multiple_of(5) {
            commands.push(MerchantCommand::RotateKey { issue: Box::new(next), old_valid_until: pen.now, by });
        }
        let mut merchant = Merchant::default();
        for command in &commands {
            pen.tell(&mut merchant, &id.to_string(), (Some(id.uuid()), None), command)?;
        }
        Ok(Self { id })
    }
}

pub(super) fn text(words: &str) -> Result<FreeText, Problem> {
    FreeText::parse(words).map_err(|refusal| refusal.to_string().into())
}

/// A personal value as it stands in a log: nobody opens it there.
pub(super) fn sealed<T>(chance: &mut Chance, length: usize) -> Sealed<T> {
    let person = chance.below(20_000);
    Sealed::new(chance.letters(length), Some(format!("{person:043}")))
}
