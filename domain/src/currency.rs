//! Currencies, and how many decimals each truly has.

use std::{fmt, str::FromStr};

use crate::{refusal::refusals, text::stored_as_text};

/// A currency this ledger keeps books in: one of ISO 4217, or a token of a table of our own. Small, `Copy`, written and read as its code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: &'static str,
    exponent: u8,
}

refusals! {
    /// Why a currency code is no currency.
    pub enum CurrencyRefusal {
        CurrencyUnknown = "currency_unknown", 422,
            "This is not a currency with a defined number of decimals.", "该货币不存在或没有定义小数位数。";
    }
}

/// What ISO marks N.A. (gold, silver, bond units, drawing rights, test and no currency) is in no table: refused.
const TABLES: &[(u8, &[&str])] = &[(2, TWO), (0, ZERO), (3, THREE), (4, FOUR), (6, SIX), (8, EIGHT), (9, NINE)];

#[rustfmt::skip]
const TWO: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BMD", "BND",
    "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CNY", "COP", "COU",
    "CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS",
    "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR",
    "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU",
    "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK",
    "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS",
    "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD",
    "USN", "UYU", "UZS", "VED", "VES", "WST", "XAD", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG",
];
#[rustfmt::skip]
const ZERO: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
];
const THREE: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
const FOUR: &[&str] = &["CLF", "UYW"];
const SIX: &[&str] = &["USDC", "USDT"];
const EIGHT: &[&str] = &["BTC"];
/// Ether is kept in gwei: 64 bits of wei would end at nine ether.
const NINE: &[&str] = &["ETH"];

impl Currency {
    pub const EUR: Self = Self { code: "EUR", exponent: 2 };
    pub const USD: Self = Self { code: "USD", exponent: 2 };

    /// The code, which is also the stored form.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// How many decimals one major unit has.
    #[must_use]
    pub const fn exponent(self) -> u8 {
        self.exponent
    }

    /// Every currency, table by table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLES.iter().flat_map(|(exponent, codes)| codes.iter().map(|code| Self { code, exponent: *exponent }))
    }
}

impl FromStr for Currency {
    type Err = CurrencyRefusal;

    fn from_str(code: &str) -> Result<Self, CurrencyRefusal> {
        TABLES
            .iter()
            .find_map(|(exponent, codes)| {
                let found = codes.binary_search(&code).ok()?;
                codes.get(found).map(|code| Self { code, exponent: *exponent })
            })
            .ok_or(CurrencyRefusal::CurrencyUnknown)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

stored_as_text!(Currency);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_disjoint() {
        for (_, codes) in TABLES {
            assert!(codes.is_sorted());
        }
        let mut codes: Vec<_> = Currency::all().map(Currency::code).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!((codes.len(), count), (171, 171));
    }

    #[test]
    fn every_currency_reads_back_from_its_code() {
        for currency in Currency::all() {
            assert_eq!(currency.code().parse(), Ok(currency));
            let json = serde_json::to_string(&currency).unwrap();
            assert_eq!(json, format!("\"{currency}\""));
            assert_eq!(serde_json::from_str::<Currency>(&json).unwrap(), currency);
        }
    }

    #[test]
    fn exponents_are_those_published() {
        let published =
            [("USD", 2), ("JPY", 0), ("ISK", 0), ("KWD", 3), ("CLF", 4), ("MGA", 2), ("BTC", 8), ("ETH", 9)];
        for (code, exponent) in published.into_iter().chain([("USDT", 6), ("USDC", 6), ("UYW", 4), ("TND", 3)]) {
            assert_eq!(code.parse().map(Currency::exponent), Ok(exponent), "{code}");
        }
        assert_eq!("USD".parse(), Ok(Currency::USD));
        assert_eq!("EUR".parse(), Ok(Currency::EUR));
        assert_eq!(format!("{:?} {}", Currency::USD, Currency::EUR), "USD EUR");
    }

    #[test]
    fn what_has_no_decimals_defined_is_refused() {
        let not_applicable = "XAU XAG XPT XPD XBA XBB XBC XBD XDR XSU XUA XTS XXX";
        for code in not_applicable.split(' ').chain(["ZZZ", "usd", "US", "USDX", "", " USD"]) {
            assert_eq!(code.parse::<Currency>(), Err(CurrencyRefusal::CurrencyUnknown), "{code}");
        }
    }
}
