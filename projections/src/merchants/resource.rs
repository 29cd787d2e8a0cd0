//! What may be asked of merchants and of their API keys.

use domain::merchant::MerchantRefusal;
use domain::refusal::Listed as _;

use crate::query::cell::{Kind, Personal, Shown, shown};
use crate::query::filter::{Filter, Takes, filter};
use crate::query::resource::{Dated, Resource};
use crate::query::tenant::Tenancy;

const STANDINGS: &[&str] = &["registered", "active", "suspended", "closed"];

const COLUMNS: &[Shown] = &[
    shown("merchant_id", "id", Kind::Id("MER"), "The merchant."),
    shown("name", "name", Kind::Text, "The business, as it calls itself."),
    shown("status", "status", Kind::Text, "One of registered, active, suspended, closed."),
    shown("status_reason", "status_reason", Kind::Text, "Why it was suspended or closed."),
    shown("email", "email", Kind::Open(Personal::Email), "Where it is written to; masked for most of the house."),
    shown("contact_name", "contact_name", Kind::Sealed(Personal::Words), "Whom to speak to."),
    shown("phone", "phone", Kind::Sealed(Personal::Words), "The telephone number."),
    shown("channels", "channels", Kind::Json, "Channels it may use."),
    shown("currencies", "currencies", Kind::Json, "Currencies it may take."),
    shown("fees", "fees", Kind::Json, "Fee plans by channel and currency."),
    shown("limits", "limits", Kind::Json, "Limits by currency, in minor units."),
    shown("schedule", "schedule", Kind::Json, "When it is settled."),
    shown("created_at", "created_at", Kind::Moment, "When it was registered."),
    shown("updated_at", "updated_at", Kind::Moment, "When anything of it changed last."),
];

const KEY_COLUMNS: &[Shown] = &[
    shown("key_id", "id", Kind::Id("KEY"), "The key's public name."),
    shown("merchant_id", "merchant_id", Kind::Id("MER"), "Whose it is."),
    shown("livemode", "livemode", Kind::Flag, "Whether it moves real money."),
    shown("generation", "generation", Kind::Integer, "Counted per mode, from 1."),
    shown("valid_until", "valid_until", Kind::Moment, "Until when it opens the door, once a newer one was issued."),
    shown("revoked_at", "revoked_at", Kind::Moment, "When it was revoked."),
    shown("created_at", "created_at", Kind::Moment, "When it was issued."),
];

const FILTERS: &[Filter] = &[
    filter("status", "status", Takes::Words(|| STANDINGS.to_vec())),
    filter("email", "email_index", Takes::Contact),
    filter("created", "created_at", Takes::Moment),
];

/// Merchants are few: their order is the time they came.
const ORDER: &str = "extract(epoch from created_at) * 1000000";

pub(crate) static MERCHANTS: Resource = Resource {
    from: "read.merchants",
    models: &["merchants"],
    tenancy: Tenancy::Merchant("id"),
    id: "id",
    order: ORDER,
    dated: Dated { had_come: "t.created_at < $before", is_unchanged: "t.position <= $upto" },
    version: None,
    columns: COLUMNS,
    filters: FILTERS,
    expansions: &[],
    absent: || MerchantRefusal::MerchantAbsent.rule(),
};

pub(crate) static API_KEYS: Resource = Resource {
    from: "read.api_keys",
    models: &["merchants"],
    tenancy: Tenancy::Merchant("merchant_id"),
    id: "id",
    order: ORDER,
    // What happens to a key happens to its merchant.
    dated: Dated {
        had_come: "t.created_at < $before",
        is_unchanged: "(select m.position from read.merchants m where m.id = t.merchant_id) <= $upto",
    },
    version: None,
    columns: KEY_COLUMNS,
    filters: &[],
    expansions: &[],
    absent: || MerchantRefusal::MerchantAbsent.rule(),
};
