//! Payments: start, capture, cancel.

use std::net::IpAddr;

use domain::{
    channel::Channel,
    country::Country,
    currency::Currency,
    free_text::{FreeText, OrderNo},
    id::{CaptureId, MerchantId, PaymentId, RiskRulesId},
    merchant::Merchant,
    money::Money,
    payment::{
        Agreed, Initiate, Payment, PaymentCommand, PaymentRefusal,
        attempt::CaptureMode,
        event::Purpose,
        origin::{Origin, names_a_card},
    },
    risk_rules::RiskRules,
};
use event_store::{Books, DataKey, Halt, Verdict};
use futures_util::future::BoxFuture;
use gate::{Address, Amount, Body as _, Call, Email, Metadata, Problem, Url, body, rules};
use serde::Serialize;
use vault::Vault;

use crate::{
    plan::{Plan, Teller, Words},
    routes::Api,
    tally::Counted,
    tenant::{World, at_version, stream},
    trades,
};

pub(crate) mod bulk;

body! {
    /// What a merchant sends to be paid.
    pub(crate) struct CreatePayment {
        required order_no: OrderNo = "ORDER-20260101-1", "Your own number of the order. It has one payment, however often you ask.";
        required amount: Amount = 10000, "In minor units: 10000 is 100.00 USD.";
        required currency: Currency = "USD", "ISO 4217, or BTC, ETH, USDT, USDC.";
        required channel: Channel = "stripe", "Through which partner.";
        optional merchant_id: MerchantId = "MER00000000000000000000000000000001", "Yours. Operators must name it.";
        optional livemode: bool = false, "Whether real money moves. Operators must say; a key says it by itself.";
        optional subject: FreeText = "Two tickets", "What is paid for.";
        optional body: FreeText = "Row 7, seats 1 and 2", "More about it. Kept sealed.";
        optional description: FreeText = null, "Another name of `body`: send one of them. Kept sealed.";
        optional pay_method: FreeText = "pm_card_visa", "The channel's name of how the customer pays.";
        optional capture: Capturing = "automatic", "Take the money at once, or hold it until you ask.";
        optional customer_email: Email = "customer@example.com", "Kept sealed.";
        optional callback_url: Url = "https://example.com/callback", "Where to tell you of it.";
        optional return_url: Url = "https://example.com/return", "Where the customer goes afterwards.";
        optional metadata: Metadata = { "ticket": "42" }, "Up to 20 pairs of your own.";
        optional customer_ip: Address = "192.0.2.7", "Where the customer is on the internet. Kept as a keyed index.";
        optional customer_country: Country = "DE", "Where the customer lives, by the code of ISO 3166-1.";
        optional card_country: Country = "DE", "Where the card was issued.";
    }
}

body! {
    pub(crate) struct CapturePayment {
        optional amount: Amount = 4000, "In minor units; all that is left when absent.";
    }
}

body! {
    pub(crate) struct CancelPayment {
        optional reason: FreeText = "The customer changed their mind", "Why. Kept with the event, as it is written.";
    }
}

body! {
    pub(crate) struct CancelAtChannel {
        optional reason: FreeText = "The customer changed their mind", "Why. Kept with the event, as it is written.";
        optional livemode: bool = true, "Whether it is real money; it is, where nothing is said.";
    }
}

/// When the money is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capturing(CaptureMode);

impl gate::Field for Capturing {
    fn read(value: &serde_json::Value, at: &str, problems: &mut Vec<gate::FieldProblem>) -> Option<Self> {
        match value.as_str() {
            Some("automatic") => Some(Self(CaptureMode::Automatic)),
            Some("manual") => Some(Self(CaptureMode::Manual)),
            _ => {
                problems.push(gate::FieldProblem { pointer: at.to_owned(), rule: rules::FIELD_MALFORMED });
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "string", "enum": ["automatic", "manual"] })
    }
}

const CREATED: Words = ("the payment was accepted", "支付已受理");
const FOUND: Words = ("this order already has a payment", "该订单已有支付");
const CAPTURING: Words = ("the capture was accepted", "请款已受理");
const CANCELLING: Words = ("the cancellation was accepted", "取消已受理");

/// A payment as every answer shows it.
#[derive(Serialize)]
struct Shown<'p> {
    payment_no: PaymentId,
    order_no: &'p str,
    status: &'static str,
    amount: i64,
    currency: &'static str,
    captured: i64,
    refunded: i64,
    livemode: bool,
}

impl<'p> Shown<'p> {
    fn of(id: PaymentId, payment: &'p Payment) -> Option<Self> {
        let agreed = payment.agreement()?;
        let minor = |money: Option<Money>| money.map_or(0, |money| money.amount_minor);
        Some(Self {
            payment_no: id,
            order_no: agreed.order_no.as_str(),
            status: payment.status().name(),
            amount: agreed.amount.amount_minor,
            currency: agreed.amount.currency.code(),
            captured: minor(payment.captured()),
            refunded: minor(payment.refunded()),
            livemode: agreed.livemode,
        })
    }
}

pub(crate) fn create<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async { CreatePayment::parse(&call.body)?.plan(api, call) })
}

impl CreatePayment {
    /// A payment's name follows from its order: whoever asks again, under whatever key, finds the first.
    pub(crate) fn plan(self, api: &Api, call: &Call) -> Result<Plan, Problem> {
        let vault = &api.gate.vault;
        let world = World::named(call, self.merchant_id, self.livemode)?;
        if self.body.is_some() && self.description.is_some() {
            return Err(Problem::field("/description", rules::FIELD_TWICE));
        }
        let World { merchant_id, livemode } = world;
        let id = PaymentId::derive(merchant_id, livemode, self.order_no.as_str());
        let (payment, merchant) = (stream(id), stream(merchant_id));
        let (purpose, data_key) = self.sealed(vault, merchant_id);
        let address = self.customer_ip.map(|Address(address)| address).or(call.address);
        let (origin, lists) = (self.origin(api, address), stream(RiskRulesId::derive(livemode)));
        let agreed = Agreed {
            payment_id: id,
            merchant_id,
            livemode,
            order_no: self.order_no,
            amount: Money::new(self.amount.0, self.currency),
        };
        let (channel, method) = (self.channel, self.pay_method);
        let capture_mode = self.capture.map_or(CaptureMode::Automatic, |Capturing(mode)| mode);
        let (teller, demanded) = (Teller::of(call), call.if_match);
        let counted = Counted::Payment(channel, self.currency);
        let plan = Plan::new(world.tenant(), move |books| {
            let terms = books.state::<Merchant>(&merchant)?.terms(livemode, channel, agreed.amount.currency);
            books.presume_new::<Payment>(&payment);
            at_version::<Payment>(books, &payment, demanded)?;
            let before = books.version::<Payment>(&payment)?;
            let (agreed, method, purpose) = (agreed.clone(), method.clone(), purpose.clone());
            let ip_networks = match address {
                Some(address) => books.state::<RiskRules>(&lists)?.listed(address),
                None => Vec::new(),
            };
            let origin = Origin { ip_networks, ..origin.clone() };
            let initiate = Initiate { agreed, channel, capture_mode, method, purpose, origin, terms };
            if let Err(refusal) = books.tell::<Payment>(&payment, &PaymentCommand::Initiate(Box::new(initiate)))? {
                return Ok(teller.refused(refusal));
            }
            let is_new = books.version::<Payment>(&payment)? > before;
            if let Some(data_key) = data_key.as_ref().filter(|_key| before == 0) {
                books.keep_key(data_key);
            }
            shown(books, &teller, if is_new { CREATED } else { FOUND }, id)
        });
        Ok(Plan { counted, ..plan })
    }

    /// Where it comes from, as far as it may be kept: cards and addresses as indexes, and the countries that are known.
    fn origin(&self, api: &Api, address: Option<IpAddr>) -> Origin {
        let vault = &api.gate.vault;
        let card = self.pay_method.as_ref().map(FreeText::as_str).filter(|method| names_a_card(method));
        Origin {
            card_token: card.and_then(|card| vault.card_index(card).parse().ok()),
            ip: address.and_then(|address| vault.address_index(address).parse().ok()),
            ip_networks: Vec::new(),
            ip_country: address.and_then(|address| api.countries.of(address)),
            card_country: self.card_country,
            customer_country: self.customer_country,
        }
    }

    /// What the merchant says about the payment, personal values sealed; and the key that opens them, if there are any.
    fn sealed(&self, vault: &Vault, merchant_id: MerchantId) -> (Purpose, Option<DataKey>) {
        let note = self.body.as_ref().or(self.description.as_ref());
        let person = self.customer_email.as_ref().map(|email| vault.customer_index(merchant_id, &email.0));
        let envelope = (note.is_some() || person.is_some()).then(|| vault.envelope());
        let purpose = Purpose {
            subject: self.subject.clone(),
            description: note.zip(envelope.as_ref()).map(|(note, envelope)| envelope.seal(note.as_str(), None)),
            customer_email: self
                .customer_email
                .as_ref()
                .zip(envelope.as_ref())
                .map(|(email, envelope)| envelope.seal(&email.0, person.clone())),
            callback_url: self.callback_url.as_ref().map(|url| url.0.clone()),
            return_url: self.return_url.as_ref().map(|url| url.0.clone()),
            metadata: self.metadata.as_ref().map(|metadata| metadata.0.clone()).unwrap_or_default(),
        };
        (purpose, envelope.map(|envelope| vault.wrapped(&envelope, person)))
    }
}

pub(crate) fn capture<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let CapturePayment { amount } = CapturePayment::parse(&call.body)?;
        let capture_id = CaptureId::asked_for(&call.caller.idempotency_scope(), call.key_text());
        let named = World::of_payment_named(api, call, call.path("payment_no")).await?;
        change(call, named, CAPTURING, move |payment, agreed| {
            let left =
                agreed.amount.amount_minor.saturating_sub(payment.captured().map_or(0, |money| money.amount_minor));
            let amount = Money::new(amount.map_or(left, |amount| amount.0), agreed.amount.currency);
            PaymentCommand::Capture { capture_id, amount }
        })
    })
}

pub(crate) fn cancel<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let CancelPayment { reason } = CancelPayment::parse(&call.body)?;
        let named = World::of_payment_named(api, call, call.path("payment_no")).await?;
        cancel_named(call, named, reason)
    })
}

/// As [`cancel`], by the number the channel gave the payment.
pub(crate) fn cancel_at_channel<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let CancelAtChannel { reason, livemode } = CancelAtChannel::parse(&call.body)?;
        let livemode = livemode.unwrap_or(true);
        let named = match call.path("channel").parse::<Channel>() {
            Ok(channel) => trades::find(api, channel, livemode, call.path("channel_trade_no")).await?,
            Err(_unknown) => None,
        };
        let named = match named {
            Some(id) => World::of_payment(api, call, id).await?.map(|world| (id, world)),
            None => None,
        };
        cancel_named(call, named, reason)
    })
}

fn cancel_named(call: &Call, named: Option<(PaymentId, World)>, reason: Option<FreeText>) -> Result<Plan, Problem> {
    let by = call.caller.actor();
    change(call, named, CANCELLING, move |_payment, _agreed| PaymentCommand::Cancel { by, reason: reason.clone() })
}

/// One command on a payment.
fn change(
    call: &Call,
    named: Option<(PaymentId, World)>,
    words: Words,
    command: impl Fn(&Payment, &Agreed) -> PaymentCommand + Send + Sync + 'static,
) -> Result<Plan, Problem> {
    let Some((id, world)) = named else { return Err(Problem::turned_away(absent())) };
    let (payment, teller, demanded) = (stream(id), Teller::of(call), call.if_match);
    Ok(Plan::new(world.tenant(), move |books| {
        let state = books.state::<Payment>(&payment)?;
        let Some(agreed) = state.agreement().filter(|_agreed| world.has_payment(&state)) else {
            return Ok(teller.refused(PaymentRefusal::PaymentAbsent));
        };
        at_version::<Payment>(books, &payment, demanded)?;
        match books.tell::<Payment>(&payment, &command(&state, agreed))? {
            Ok(()) => shown(books, &teller, words, id),
            Err(refusal) => Ok(teller.refused(refusal)),
        }
    }))
}

/// What is said of a payment that does not exist, or not for this caller.
pub(crate) fn absent() -> &'static domain::refusal::Rule {
    domain::refusal::Listed::rule(&PaymentRefusal::PaymentAbsent)
}

/// The payment as it stands on these books.
fn shown(books: &mut Books<'_>, teller: &Teller, words: Words, id: PaymentId) -> Result<Verdict, Halt> {
    let state = books.state::<Payment>(&stream(id))?;
    Ok(match Shown::of(id, &state) {
        Some(shown) => teller.done(words, shown),
        None => teller.refused(PaymentRefusal::PaymentAbsent),
    })
}
