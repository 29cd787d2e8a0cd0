//! One row, read strictly: every value by its column, every fault named by it.

use chrono::{DateTime, Utc};
use domain::{currency::Currency, money::Money, refusal::Refusal};
use vault::Vault;

use super::csv::{Broken, Record};

/// What is wrong with a row. Values are shown where they cannot be secret or personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Amiss {
    pub(super) column: &'static str,
    pub(super) what: String,
}

/// Which column stands where.
#[derive(Debug)]
pub(super) struct Columns(Vec<&'static str>);

impl Columns {
    /// The head of a file: every column is known, none is there twice, none that is needed is missing.
    ///
    /// # Errors
    /// Which are not so.
    pub(super) fn read(head: &Record, needed: &[&'static str], may: &[&'static str]) -> Result<Self, Broken> {
        let broken = |what: String| Broken { line: head.line, what };
        let mut columns = Vec::with_capacity(head.fields.len());
        for (n, field) in head.fields.iter().enumerate() {
            let name = String::from_utf8_lossy(field);
            let known = needed.iter().chain(may).find(|known| **known == name.trim());
            let Some(known) = known else {
                let all: Vec<&str> = needed.iter().chain(may).copied().collect();
                // Its words are not repeated: a file without a head begins with what may be secret.
                let (nth, all) = (n.saturating_add(1), all.join(", "));
                return Err(broken(format!("the name of column {nth} is none of these: {all}")));
            };
            if columns.contains(known) {
                return Err(broken(format!("the column `{known}` is there twice")));
            }
            columns.push(*known);
        }
        match needed.iter().find(|needed| !columns.contains(*needed)) {
            Some(missing) => Err(broken(format!("the column `{missing}` is missing"))),
            None => Ok(Self(columns)),
        }
    }
}

/// A row under its head.
pub(super) struct Row<'r> {
    columns: &'r Columns,
    fields: Vec<&'r str>,
}

impl<'r> Row<'r> {
    /// # Errors
    /// It has more or fewer fields than the head, or is no text.
    pub(super) fn read(columns: &'r Columns, record: &'r Record) -> Result<Self, Amiss> {
        let (wanted, there) = (columns.0.len(), record.fields.len());
        if wanted != there {
            return Err(Amiss { column: "-", what: format!("the row has {there} fields, and its head {wanted}") });
        }
        let mut fields = Vec::with_capacity(there);
        for (column, field) in columns.0.iter().zip(&record.fields) {
            let text = std::str::from_utf8(field).ok().filter(|text| !text.contains('\0'));
            fields.push(text.ok_or_else(|| amiss(column, "is no text in UTF-8"))?);
        }
        Ok(Self { columns, fields })
    }

    /// What makes it this row and no other, secrets and all: a keyed hash.
    pub(super) fn fingerprint(&self, vault: &Vault, table: &str) -> [u8; 32] {
        let mut named: Vec<(&str, &str)> = self.columns.0.iter().copied().zip(self.fields.iter().copied()).collect();
        // A column that says nothing is as good as none.
        named.retain(|(_column, field)| !field.is_empty());
        named.sort_unstable();
        let parts = named.iter().flat_map(|(column, field)| [column.as_bytes(), field.as_bytes()]);
        let parts: Vec<&[u8]> = [b"row".as_slice(), table.as_bytes()].into_iter().chain(parts).collect();
        vault.fingerprint(&parts)
    }

    /// As it stands; empty where the column is not there.
    pub(super) fn get(&self, column: &'static str) -> &'r str {
        let at = self.columns.0.iter().position(|known| *known == column);
        at.and_then(|at| self.fields.get(at)).copied().unwrap_or_default()
    }

    pub(super) fn text(&self, column: &'static str, length_max: usize) -> Result<&'r str, Amiss> {
        let text = self.get(column);
        match text.len() {
            0 => Err(amiss(column, "is empty")),
            length if length > length_max => Err(amiss(column, &format!("is longer than {length_max} bytes"))),
            _ => Ok(text),
        }
    }

    /// A value that may be left empty.
    pub(super) fn maybe<T>(
        &self,
        column: &'static str,
        read: impl FnOnce(&str) -> Result<T, Amiss>,
    ) -> Result<Option<T>, Amiss> {
        let text = self.get(column);
        if text.is_empty() { Ok(None) } else { read(text).map(Some) }
    }

    /// By the rules of the ledger itself.
    pub(super) fn ruled<T, R: Refusal>(
        &self,
        column: &'static str,
        read: impl FnOnce(&str) -> Result<T, R>,
    ) -> Result<T, Amiss> {
        let text = self.get(column);
        if text.is_empty() {
            return Err(amiss(column, "is empty"));
        }
        read(text).map_err(|refusal| amiss(column, &refusal.to_string()))
    }

    /// The old id of the row, or of another it names: visible ASCII.
    pub(super) fn id(&self, column: &'static str) -> Result<&'r str, Amiss> {
        let text = self.text(column, 100)?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_plain { Ok(text) } else { Err(amiss(column, "has other characters than visible ASCII")) }
    }

    pub(super) fn flag(&self, column: &'static str) -> Result<bool, Amiss> {
        match self.get(column) {
            "true" | "t" => Ok(true),
            "false" | "f" => Ok(false),
            other => Err(amiss(column, &format!("is `{}`, neither true nor false", shown(other)))),
        }
    }

    pub(super) fn moment(&self, column: &'static str) -> Result<DateTime<Utc>, Amiss> {
        let text = self.get(column);
        let read = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
        read.map_err(|_not_so| amiss(column, &format!("is `{}`, no moment as 2026-01-31T12:00:00Z", shown(text))))
    }

    pub(super) fn number<N: std::str::FromStr>(&self, column: &'static str) -> Result<N, Amiss> {
        let text = self.get(column);
        text.parse().map_err(|_not_so| amiss(column, &format!("is `{}`, no whole number that fits here", shown(text))))
    }

    /// The currency, whose decimals are those the row was written with.
    pub(super) fn currency(&self) -> Result<Currency, Amiss> {
        let currency: Currency = self.ruled("currency", str::parse)?;
        let exponent: u8 = self.number("exponent")?;
        if exponent != currency.exponent() {
            let (code, own) = (currency.code(), currency.exponent());
            return Err(amiss("exponent", &format!("is {exponent}, and {code} has {own} decimals here")));
        }
        Ok(currency)
    }

    /// In minor units.
    pub(super) fn money(&self, column: &'static str, currency: Currency) -> Result<Money, Amiss> {
        self.number(column).map(|minor| Money::new(minor, currency))
    }

    /// Nothing where it is empty.
    pub(super) fn money_or_none(&self, column: &'static str, currency: Currency) -> Result<Money, Amiss> {
        if self.get(column).is_empty() { Ok(Money::new(0, currency)) } else { self.money(column, currency) }
    }
}

pub(super) fn amiss(column: &'static str, what: &str) -> Amiss {
    Amiss { column, what: what.to_owned() }
}

/// Cut, and without what would change a terminal.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}
