//! A country by its code of ISO 3166-1: two letters, one of those assigned.

use std::{fmt, str::FromStr};

use crate::{refusal::refusals, text::stored_as_text};

/// Small, `Copy`, written and read as its code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(&'static str);

refusals! {
    /// Why a code is no country.
    pub enum CountryRefusal {
        CountryUnknown = "country_unknown", 422, "There is no country of this code.", "没有这个代码的国家或地区。";
    }
}

#[rustfmt::skip]
const ASSIGNED: &[&str] = &[
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ", "BA", "BB", "BD",
    "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS", "BT", "BV", "BW", "BY", "BZ", "CA",
    "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CW", "CX", "CY", "CZ", "DE",
    "DJ", "DK", "DM", "DO", "DZ", "EC", "EE", "EG", "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA",
    "GB", "GD", "GE", "GF", "GG", "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY", "HK",
    "HM", "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP",
    "KE", "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT",
    "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK", "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS",
    "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ",
    "OM", "PA", "PE", "PF", "PG", "PH", "PK", "PL", "PM", "PN", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS",
    "RU", "RW", "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS", "ST",
    "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW",
    "TZ", "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI", "VN", "VU", "WF", "WS", "YE", "YT", "ZA",
    "ZM", "ZW",
];

impl Country {
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0
    }

    /// Every country, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        ASSIGNED.iter().copied().map(Self)
    }
}

impl FromStr for Country {
    type Err = CountryRefusal;

    fn from_str(code: &str) -> Result<Self, CountryRefusal> {
        let found = ASSIGNED.binary_search(&code).ok().and_then(|at| ASSIGNED.get(at));
        found.copied().map(Self).ok_or(CountryRefusal::CountryUnknown)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

stored_as_text!(Country);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_assigned_reads_back_from_its_code() {
        assert!(ASSIGNED.is_sorted_by(|one, next| one < next));
        assert_eq!(Country::all().count(), 249);
        for country in Country::all() {
            let json = serde_json::to_string(&country).unwrap();
            assert_eq!(json, format!("\"{country}\""));
            assert_eq!(serde_json::from_str::<Country>(&json).unwrap(), country);
        }
    }

    #[test]
    fn what_is_not_assigned_is_no_country() {
        for code in ["", "U", "us", "USA", "XX", "ZZ", "UK", "EU", "AN", " US"] {
            assert_eq!(code.parse::<Country>(), Err(CountryRefusal::CountryUnknown), "{code}");
        }
    }
}
