//! Every write there is: its address, who may ask, what it takes, what it does.

use std::sync::Arc;

use domain::{
    adjustment::AdjustmentRefusal,
    merchant::MerchantRefusal,
    order::OrderRefusal,
    payment::PaymentRefusal,
    periods::PeriodsRefusal,
    refusal::{Listed, Rule},
    remittance::RemittanceRefusal,
    risk_rules::RiskRulesRefusal,
    settlement::SettlementRefusal,
};
use futures_util::future::BoxFuture;
use gate::{Body, Call, Entrance, Gate, Problem, Reply, Scope};
use serde_json::{Map, Value};
use sqlx::PgPool;

use crate::{
    adjustments,
    countries::Countries,
    merchants, orders,
    payments::{self, bulk},
    periods,
    plan::Plan,
    refunds, remittances, reviews, risk, settlements,
    tally::Tally,
};

const BODY_MAX: usize = 64 * 1024;
const BULK_BODY_MAX: usize = 1024 * 1024;
type Shapes = (fn() -> Value, fn() -> Value);
type Reader = fn(&Map<String, Value>) -> Result<(), Problem>;

/// One write.
#[derive(Clone, Copy)]
pub struct Route {
    /// As axum writes it, with `{names}` for its parts. Every write is a POST.
    pub path: &'static str,
    /// Noun and verb: names the operation in the OpenAPI document and on the command line.
    pub words: (&'static str, &'static str),
    pub summary: &'static str,
    pub entrance: Entrance,
    /// What it takes: the schema and an example.
    pub body: Shapes,
    /// Whether a body can be read.
    pub read: Reader,
    /// The rules of the aggregate it commands.
    pub rules: fn() -> Vec<&'static Rule>,
    pub(crate) work: Work,
}

impl Route {
    /// Whether the whole request has one idempotency key.
    pub const fn has_one_key(&self) -> bool {
        matches!(self.work, Work::One(_))
    }
}

/// What it does: most make one plan.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    One(Planner),
    Many(Server),
}

pub(crate) type Planner = for<'c> fn(&'c Api, &'c Call) -> BoxFuture<'c, Result<Plan, Problem>>;
pub(crate) type Server = for<'c> fn(&'c Api, &'c Call) -> BoxFuture<'c, Result<Reply, Problem>>;

const fn one<B: Body, R: Listed>(
    path: &'static str,
    words: (&'static str, &'static str),
    summary: &'static str,
    scope: Scope,
    planner: Planner,
) -> Route {
    Route {
        path,
        words,
        summary,
        entrance: Entrance { scope, body_max: BODY_MAX, counted: None },
        body: (B::schema, B::example),
        read: reads::<B>,
        rules: rules_of::<R>,
        work: Work::One(planner),
    }
}

fn reads<B: Body>(object: &Map<String, Value>) -> Result<(), Problem> {
    B::parse(object).map(drop)
}

fn rules_of<R: Listed>() -> Vec<&'static Rule> {
    R::ALL.iter().map(R::rule).collect()
}

/// The list. A new write is a line here and a plan in its file.
pub const ROUTES: &[Route] = &[
    one::<payments::CreatePayment, PaymentRefusal>(
        "/api/v1/payments",
        ("payment", "create"),
        "Start a payment, or find the one its order has",
        Scope::TakePayments,
        payments::create,
    ),
    Route {
        path: "/api/v1/payments/bulk",
        words: ("payment", "create-many"),
        summary: "Start up to 1,000 payments, each with its own key and answer",
        entrance: Entrance { scope: Scope::TakePayments, body_max: BULK_BODY_MAX, counted: Some(bulk::LIST) },
        body: (<bulk::Bulk as gate::Field>::schema, <bulk::Bulk as Body>::example),
        read: reads::<bulk::Bulk>,
        rules: rules_of::<PaymentRefusal>,
        work: Work::Many(bulk::create),
    },
    one::<payments::CapturePayment, PaymentRefusal>(
        "/api/v1/payments/{payment_no}/capture",
        ("payment", "capture"),
        "Take what was authorised, or a part of it",
        Scope::TakePayments,
        payments::capture,
    ),
    one::<payments::CancelPayment, PaymentRefusal>(
        "/api/v1/payments/{payment_no}/cancel",
        ("payment", "cancel"),
        "Cancel before capture, or let the rest go after a part",
        Scope::TakePayments,
        payments::cancel,
    ),
    one::<payments::CancelAtChannel, PaymentRefusal>(
        "/api/v1/channels/{channel}/payments/{channel_trade_no}/cancel",
        ("channel", "cancel-payment"),
        "Cancel the payment a channel knows by its own number",
        Scope::WorkChannels,
        payments::cancel_at_channel,
    ),
    one::<refunds::CreateRefund, PaymentRefusal>(
        "/api/v1/refunds",
        ("refund", "create"),
        "Give back a payment, whole or in part",
        Scope::Refund,
        refunds::create,
    ),
    one::<orders::PlaceOrder, OrderRefusal>(
        "/api/v1/orders",
        ("order", "place"),
        "Place an order by itself",
        Scope::PlaceOrders,
        orders::create,
    ),
    one::<orders::CancelOrder, OrderRefusal>(
        "/api/v1/orders/{order_no}/cancel",
        ("order", "cancel"),
        "Cancel an order that is not paid",
        Scope::PlaceOrders,
        orders::cancel,
    ),
    one::<reviews::DecideReview, PaymentRefusal>(
        "/api/v1/reviews/{payment_no}/approve",
        ("review", "approve"),
        "Let a payment in review go on",
        Scope::DecideReviews,
        reviews::approve,
    ),
    one::<reviews::DecideReview, PaymentRefusal>(
        "/api/v1/reviews/{payment_no}/reject",
        ("review", "reject"),
        "End a payment in review",
        Scope::DecideReviews,
        reviews::reject,
    ),
    one::<risk::PublishRules, RiskRulesRefusal>(
        "/api/v1/risk/rules",
        ("risk", "publish"),
        "Publish the risk rules that decide from now on",
        Scope::KeepRisk,
        risk::publish,
    ),
    one::<risk::ListEntry, RiskRulesRefusal>(
        "/api/v1/risk/blocklist",
        ("risk", "block"),
        "Reject what touches a merchant, customer, card, address or country",
        Scope::KeepRisk,
        risk::block,
    ),
    one::<risk::ListEntry, RiskRulesRefusal>(
        "/api/v1/risk/blocklist/remove",
        ("risk", "unblock"),
        "Take an entry off the blocklist",
        Scope::KeepRisk,
        risk::unblock,
    ),
    one::<risk::ListEntry, RiskRulesRefusal>(
        "/api/v1/risk/allowlist",
        ("risk", "allow"),
        "Approve what touches an entry, within limits and the blocklist",
        Scope::KeepRisk,
        risk::allow,
    ),
    one::<risk::ListEntry, RiskRulesRefusal>(
        "/api/v1/risk/allowlist/remove",
        ("risk", "disallow"),
        "Take an entry off the allowlist",
        Scope::KeepRisk,
        risk::disallow,
    ),
    one::<settlements::OpenSettlement, SettlementRefusal>(
        "/api/v1/settlements",
        ("settlement", "open"),
        "Open the settlement of a period",
        Scope::Settle,
        settlements::open,
    ),
    one::<settlements::Nothing, SettlementRefusal>(
        "/api/v1/settlements/{settlement_no}/close",
        ("settlement", "close"),
        "Close a settlement: nothing more comes in",
        Scope::Settle,
        settlements::close,
    ),
    one::<settlements::Nothing, SettlementRefusal>(
        "/api/v1/settlements/{settlement_no}/approve",
        ("settlement", "approve"),
        "Approve a closed settlement, as the second person",
        Scope::PayOut,
        settlements::approve,
    ),
    one::<settlements::Nothing, SettlementRefusal>(
        "/api/v1/settlements/{settlement_no}/payout",
        ("settlement", "pay-out"),
        "Have an approved settlement paid out",
        Scope::PayOut,
        settlements::pay_out,
    ),
    one::<remittances::RecordRemittance, RemittanceRefusal>(
        "/api/v1/remittances",
        ("remittance", "record"),
        "Record what a channel has paid us",
        Scope::KeepBooks,
        remittances::record,
    ),
    one::<adjustments::ProposeAdjustment, AdjustmentRefusal>(
        "/api/v1/adjustments",
        ("adjustment", "propose"),
        "Propose to move money by hand",
        Scope::KeepBooks,
        adjustments::propose,
    ),
    one::<settlements::Nothing, AdjustmentRefusal>(
        "/api/v1/adjustments/{adjustment_no}/approve",
        ("adjustment", "approve"),
        "Approve an adjustment, as the second person",
        Scope::KeepBooks,
        adjustments::approve,
    ),
    one::<adjustments::SayWhy, AdjustmentRefusal>(
        "/api/v1/adjustments/{adjustment_no}/reject",
        ("adjustment", "reject"),
        "Reject an adjustment",
        Scope::KeepBooks,
        adjustments::reject,
    ),
    one::<adjustments::SayWhy, AdjustmentRefusal>(
        "/api/v1/adjustments/{adjustment_no}/reverse",
        ("adjustment", "reverse"),
        "Propose to take an adjustment back",
        Scope::KeepBooks,
        adjustments::reverse,
    ),
    one::<settlements::Nothing, AdjustmentRefusal>(
        "/api/v1/adjustments/{adjustment_no}/reverse/approve",
        ("adjustment", "approve-reversal"),
        "Take an adjustment back, as the second person",
        Scope::KeepBooks,
        adjustments::approve_reversal,
    ),
    one::<adjustments::SayWhy, AdjustmentRefusal>(
        "/api/v1/adjustments/{adjustment_no}/reverse/reject",
        ("adjustment", "reject-reversal"),
        "Let an adjustment stand",
        Scope::KeepBooks,
        adjustments::reject_reversal,
    ),
    one::<periods::CloseMonth, PeriodsRefusal>(
        "/api/v1/periods",
        ("period", "close"),
        "Close a month: what comes later is kept under the next",
        Scope::KeepBooks,
        periods::close,
    ),
    one::<periods::OfModeWhy, PeriodsRefusal>(
        "/api/v1/periods/{month}/reopen",
        ("period", "reopen"),
        "Propose to open the last closed month again",
        Scope::KeepBooks,
        periods::propose_reopening,
    ),
    one::<periods::OfMode, PeriodsRefusal>(
        "/api/v1/periods/{month}/reopen/approve",
        ("period", "approve-reopening"),
        "Open a month again, as the second person",
        Scope::KeepBooks,
        periods::approve_reopening,
    ),
    one::<periods::OfModeWhy, PeriodsRefusal>(
        "/api/v1/periods/{month}/reopen/reject",
        ("period", "reject-reopening"),
        "Leave a month closed",
        Scope::KeepBooks,
        periods::reject_reopening,
    ),
    one::<merchants::RegisterMerchant, MerchantRefusal>(
        "/api/v1/merchants",
        ("merchant", "register"),
        "Register a merchant; its keys are shown once",
        Scope::KeepMerchants,
        merchants::register,
    ),
    one::<merchants::Activate, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/activate",
        ("merchant", "activate"),
        "Let a merchant take real money",
        Scope::KeepMerchants,
        merchants::activate,
    ),
    one::<merchants::ForAReason, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/suspend",
        ("merchant", "suspend"),
        "Stop a merchant from taking payments",
        Scope::KeepMerchants,
        merchants::suspend,
    ),
    one::<merchants::ForAReason, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/close",
        ("merchant", "close"),
        "Close a merchant's account for good",
        Scope::KeepMerchants,
        merchants::close,
    ),
    one::<merchants::AgreeFees, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/fees",
        ("merchant", "agree-fees"),
        "Agree the fees of a channel and currency",
        Scope::KeepMerchants,
        merchants::agree_fees,
    ),
    one::<merchants::AgreeLimits, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/limits",
        ("merchant", "agree-limits"),
        "Agree the limits of a currency",
        Scope::KeepMerchants,
        merchants::agree_limits,
    ),
    one::<merchants::AllowChannel, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/channels",
        ("merchant", "allow-channel"),
        "Allow or withdraw a channel",
        Scope::KeepMerchants,
        merchants::allow_channel,
    ),
    one::<merchants::AllowCurrency, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/currencies",
        ("merchant", "allow-currency"),
        "Allow or withdraw a currency",
        Scope::KeepMerchants,
        merchants::allow_currency,
    ),
    one::<merchants::AgreeSchedule, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/schedule",
        ("merchant", "agree-schedule"),
        "Agree when and how a merchant is settled",
        Scope::KeepMerchants,
        merchants::agree_schedule,
    ),
    one::<merchants::RotateKey, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/keys",
        ("key", "rotate"),
        "Issue the next API key; it is shown once",
        Scope::KeepMerchants,
        merchants::rotate_key,
    ),
    one::<merchants::Activate, MerchantRefusal>(
        "/api/v1/merchants/{merchant_id}/keys/{key_id}/revoke",
        ("key", "revoke"),
        "Revoke an API key at once",
        Scope::KeepMerchants,
        merchants::revoke_key,
    ),
];

/// What plans may look at: the log behind the gate, and what this crate has looked up of it.
#[derive(Clone)]
pub struct Api {
    pub gate: Gate,
    pub pool: PgPool,
    pub countries: Countries,
    pub tally: Arc<Tally>,
}
