//! Whose rows a question may see. There is no question without one.

use domain::id::MerchantId;
use gate::{Call, Caller, Parameter, Parameters, Problem, rules};
use serde_json::{Value, json};
use sqlx::{Postgres, QueryBuilder};

/// Made of a caller the gate let in, and of nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenant {
    merchant_id: Option<MerchantId>,
    livemode: Option<bool>,
    is_staff: bool,
}

/// How the rows of a table belong to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenancy {
    /// By `merchant_id` and `livemode`.
    Rows,
    /// A merchant's own, in both modes: by this column.
    Merchant(&'static str),
    /// Of the house: no merchant sees them.
    House,
}

const MERCHANT: Parameter = Parameter {
    name: "merchant_id",
    words: "Of this merchant. A merchant's key sees its own alone.",
    schema: merchant_schema,
};
const LIVEMODE: Parameter =
    Parameter { name: "livemode", words: "Of this mode. A merchant's key sees its own alone.", schema: flag_schema };

fn merchant_schema() -> Value {
    json!({ "type": "string", "pattern": "^MER[0-9a-f]{32}$" })
}

fn flag_schema() -> Value {
    json!({ "type": "boolean" })
}

impl Tenancy {
    /// How a member of the house says whose rows are meant.
    pub(crate) const fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::Rows => &[MERCHANT, LIVEMODE],
            Self::Merchant(_) => &[MERCHANT],
            Self::House => &[],
        }
    }
}

impl Tenant {
    /// A merchant's key is a tenant by itself; the house sees everybody, or whom it names.
    ///
    /// # Errors
    /// A merchant's key names another merchant or mode, or what is named cannot be read.
    pub(crate) fn of(call: &Call, given: &Parameters<'_>) -> Result<Self, Problem> {
        let merchant_id = given.read(MERCHANT.name, |text| text.parse::<MerchantId>().ok())?;
        let livemode = given.read(LIVEMODE.name, |text| text.parse::<bool>().ok())?;
        match &call.caller {
            Caller::Operator { .. } => Ok(Self { merchant_id, livemode, is_staff: true }),
            Caller::Merchant { merchant_id: own, livemode: mode, key_id: _ } => {
                let differs = merchant_id.is_some_and(|named| named != *own) || livemode.is_some_and(|it| it != *mode);
                if differs {
                    return Err(Problem::turned_away(rules::MERCHANT_DIFFERS));
                }
                Ok(Self { merchant_id: Some(*own), livemode: Some(*mode), is_staff: false })
            }
        }
    }

    /// The one merchant, where it is one.
    pub(crate) const fn merchant_id(&self) -> Option<MerchantId> {
        self.merchant_id
    }

    /// The one mode, where it is one.
    pub(crate) const fn livemode(&self) -> Option<bool> {
        self.livemode
    }

    /// Writes ` where …` for rows of `alias`: whatever else is asked comes after it, with ` and`.
    pub(crate) fn restrict(&self, sql: &mut QueryBuilder<'_, Postgres>, tenancy: Tenancy, alias: &str) {
        sql.push(" where true");
        let column = match tenancy {
            Tenancy::Rows => "merchant_id",
            Tenancy::Merchant(column) => column,
            Tenancy::House => {
                // The door keeps merchants out of such routes; here nothing is left to it.
                sql.push(if self.is_staff { "" } else { " and false" });
                return;
            }
        };
        if let Some(merchant_id) = self.merchant_id {
            sql.push(format!(" and {alias}.{column} = ")).push_bind(merchant_id.uuid());
        }
        if let (Some(livemode), Tenancy::Rows) = (self.livemode, tenancy) {
            sql.push(format!(" and {alias}.livemode = ")).push_bind(livemode);
        }
    }

    /// As a part of what makes two questions the same.
    pub(crate) fn mark(&self) -> String {
        let merchant = self.merchant_id.map(|id| id.to_string()).unwrap_or_default();
        format!("{merchant} {:?} {}", self.livemode, self.is_staff)
    }
}
