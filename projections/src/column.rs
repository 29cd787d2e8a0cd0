//! Columns of read models: what a value is in Postgres, and its bytes on the way there.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Error, Row as _};
use uuid::Uuid;

/// A type that may stand in a column. The bytes are those of `COPY … (format binary)`.
pub(crate) trait Column: Sized {
    const TYPE: &'static str;
    const IS_NULLABLE: bool;
    /// Whether analysts see it: sealed values are of no use to them.
    const IS_REPORTED: bool;

    /// The length, then the value.
    fn put(&self, out: &mut Vec<u8>);

    /// How it is selected, so that [`Column::take`] reads it.
    fn selected(name: &str) -> String;

    /// # Errors
    /// The row holds something else.
    fn take(row: &PgRow, at: usize) -> Result<Self, Error>;

    /// As text, for looking it up.
    fn text(&self) -> String;
}

/// Ciphertext of a personal value; who may see it, opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ciphertext(pub(crate) String);

/// A personal value in the open, as the contract has it. Analysts do not see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Personal(pub(crate) String);

/// One of the list of columns' types that Postgres and sqlx write alike, but for the bytes.
macro_rules! columns {
    ($($type:ty = $name:literal, |$value:ident| $bytes:expr;)+) => {$(
        impl Column for $type {
            const TYPE: &'static str = $name;
            const IS_NULLABLE: bool = false;
            const IS_REPORTED: bool = true;

            fn put(&self, out: &mut Vec<u8>) {
                let $value = self;
                put_bytes(out, $bytes);
            }

            fn selected(name: &str) -> String {
                name.to_owned()
            }

            fn take(row: &PgRow, at: usize) -> Result<Self, Error> {
                row.try_get(at)
            }

            fn text(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

columns! {
    String = "text collate \"C\"", |text| text.as_bytes();
    bool = "boolean", |yes| &[u8::from(*yes)];
    i16 = "smallint", |number| &number.to_be_bytes();
    i32 = "integer", |number| &number.to_be_bytes();
    i64 = "bigint", |number| &number.to_be_bytes();
    Uuid = "uuid", |uuid| uuid.as_bytes();
    DateTime<Utc> = "timestamptz", |at| &since_2000(at.naive_utc()).to_be_bytes();
    NaiveDateTime = "timestamp", |at| &since_2000(*at).to_be_bytes();
    NaiveDate = "date", |day| &days_since_2000(*day).to_be_bytes();
}

impl Column for Vec<u8> {
    const TYPE: &'static str = "bytea";
    const IS_NULLABLE: bool = false;
    const IS_REPORTED: bool = false;

    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self);
    }

    fn selected(name: &str) -> String {
        name.to_owned()
    }

    fn take(row: &PgRow, at: usize) -> Result<Self, Error> {
        row.try_get(at)
    }

    fn text(&self) -> String {
        self.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

macro_rules! unreported {
    ($($type:ident)+) => {$(
        impl Column for $type {
            const TYPE: &'static str = String::TYPE;
            const IS_NULLABLE: bool = false;
            const IS_REPORTED: bool = false;

            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn selected(name: &str) -> String {
                name.to_owned()
            }

            fn take(row: &PgRow, at: usize) -> Result<Self, Error> {
                row.try_get(at).map(Self)
            }

            fn text(&self) -> String {
                self.0.clone()
            }
        }
    )+};
}

unreported! { Ciphertext Personal }

/// Sums of amounts, which may be beyond 64 bits.
impl Column for i128 {
    const TYPE: &'static str = "numeric(39)";
    const IS_NULLABLE: bool = false;
    const IS_REPORTED: bool = true;

    fn put(&self, out: &mut Vec<u8>) {
        put_numeric(out, *self);
    }

    fn selected(name: &str) -> String {
        format!("{name}::text")
    }

    fn take(row: &PgRow, at: usize) -> Result<Self, Error> {
        row.try_get::<&str, _>(at)?.parse().map_err(|reason: std::num::ParseIntError| Error::ColumnDecode {
            index: at.to_string(),
            source: reason.into(),
        })
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Column for serde_json::Value {
    const TYPE: &'static str = "jsonb";
    const IS_NULLABLE: bool = false;
    const IS_REPORTED: bool = true;

    fn put(&self, out: &mut Vec<u8>) {
        let text = self.to_string();
        let mut bytes = Vec::with_capacity(text.len().saturating_add(1));
        bytes.push(1);
        bytes.extend_from_slice(text.as_bytes());
        put_bytes(out, &bytes);
    }

    fn selected(name: &str) -> String {
        name.to_owned()
    }

    fn take(row: &PgRow, at: usize) -> Result<Self, Error> {
        row.try_get(at)
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl<C: Column> Column for Option<C> {
    const TYPE: &'static str = C::TYPE;
    const IS_NULLABLE: bool = true;
    const IS_REPORTED: bool = C::IS_REPORTED;

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.put(out),
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }

    fn selected(name: &str) -> String {
        C::selected(name)
    }

    fn take(row: &PgRow, at: usize) -> Result<Self, Error> {
        use sqlx::ValueRef as _;
        if row.try_get_raw(at)?.is_null() { Ok(None) } else { C::take(row, at).map(Some) }
    }

    fn text(&self) -> String {
        self.as_ref().map(C::text).unwrap_or_default()
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn since_2000(at: NaiveDateTime) -> i64 {
    const EPOCH_2000: i64 = 946_684_800_000_000;
    at.and_utc().timestamp_micros().saturating_sub(EPOCH_2000)
}

fn days_since_2000(day: NaiveDate) -> i32 {
    let days = since_2000(day.and_time(chrono::NaiveTime::MIN)).div_euclid(86_400_000_000);
    i32::try_from(days).unwrap_or(i32::MAX)
}

/// Digits of ten thousand, the highest first, without zeros at the end.
fn put_numeric(out: &mut Vec<u8>, number: i128) {
    const BASE: u128 = 10_000;
    let mut digits = Vec::new();
    let mut left = number.unsigned_abs();
    while left > 0 {
        digits.push(i16::try_from(left % BASE).unwrap_or_default());
        left /= BASE;
    }
    let weight = i16::try_from(digits.len()).unwrap_or_default().saturating_sub(1).max(0);
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let count = i16::try_from(digits.len().saturating_sub(zeros)).unwrap_or_default();
    let sign: u16 = if number < 0 { 0x4000 } else { 0 };
    out.extend_from_slice(&(8 + 2 * i32::from(count)).to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&0_u16.to_be_bytes());
    for digit in digits.iter().skip(zeros).rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}
