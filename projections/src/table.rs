//! Tables of read models: one declaration gives the row, the DDL, the bytes and the documentation.

use std::fmt::Write as _;

use sqlx::Error;
use sqlx::postgres::PgRow;

/// A table as it is declared: what its DDL is made of.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub about: &'static str,
    pub columns: &'static [ColumnOf],
    /// The columns of the primary key.
    pub key: &'static [&'static str],
    /// Further indexes, made when a build has been filled: what stands after `on <table>`.
    pub indexes: &'static [&'static str],
}

#[derive(Debug)]
pub struct ColumnOf {
    pub name: &'static str,
    pub kind: &'static str,
    pub is_nullable: bool,
    pub is_reported: bool,
    pub about: &'static str,
}

/// A row of a declared table.
pub(crate) trait Row: Sized + Send + Sync {
    const TABLE: &'static Table;

    type Key: Ord + Clone + Send + Sync;

    fn key(&self) -> Self::Key;

    /// The columns of a key as text, in the order of [`Table::key`].
    fn key_texts(key: &Self::Key) -> Vec<String>;

    /// All columns, as `COPY … (format binary)` takes them.
    fn put(&self, out: &mut Vec<u8>);

    /// All columns as [`Row::take`] reads them.
    fn selected() -> String;

    /// # Errors
    /// The row is of another table.
    fn take(row: &PgRow) -> Result<Self, Error>;
}

impl Table {
    /// Where the rows of a build are.
    pub fn of_build(&self, build: i32) -> String {
        format!("read.{}_v{build}", self.name)
    }

    /// The statements that make it, ready to be filled.
    pub fn ddl(&self, build: i32) -> String {
        let name = self.of_build(build);
        let mut ddl = format!("create table if not exists {name} (\n");
        for column in self.columns {
            let null = if column.is_nullable { "" } else { " not null" };
            writeln!(ddl, "    {} {}{null},", column.name, column.kind).unwrap_or_default();
        }
        writeln!(ddl, "    primary key ({})\n);", self.key.join(", ")).unwrap_or_default();
        ddl
    }

    /// The statements that make what is asked of it quick, once it is filled.
    pub fn index_ddl(&self, build: i32) -> Vec<String> {
        let name = self.of_build(build);
        let index = |(n, columns): (usize, &&str)| {
            format!("create index if not exists {}_v{build}_by_{n} on {name} {columns};", self.name)
        };
        self.indexes.iter().enumerate().map(index).collect()
    }

    /// What is said of it and of each of its columns.
    pub fn comments(&self, build: i32) -> String {
        let name = self.of_build(build);
        let mut ddl = format!("comment on table {name} is {};\n", quoted(self.about));
        for column in self.columns {
            writeln!(ddl, "comment on column {name}.{} is {};", column.name, quoted(column.about)).unwrap_or_default();
        }
        ddl
    }
}

/// A text as SQL.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.trim().replace('\'', "''"))
}

/// Declares a table and its row:
///
/// ```text
/// table! {
///     /// What a row is.
///     ThingRow in "things", key (id: String), indexes ["(merchant_id, id)"] {
///         /// What the column holds.
///         id: String,
///     }
/// }
/// ```
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $row:ident in $name:literal, key ($($key:ident: $key_type:ty),+), indexes [$($index:literal),*] {
            $($(#[doc = $doc:literal])+ $column:ident: $type:ty,)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct $row {
            $($(#[doc = $doc])+ pub(crate) $column: $type,)+
        }

        impl $crate::table::Row for $row {
            const TABLE: &'static $crate::table::Table = &$crate::table::Table {
                name: $name,
                about: concat!($($about),+),
                columns: &[$($crate::table::ColumnOf {
                    name: stringify!($column),
                    kind: <$type as $crate::column::Column>::TYPE,
                    is_nullable: <$type as $crate::column::Column>::IS_NULLABLE,
                    is_reported: <$type as $crate::column::Column>::IS_REPORTED,
                    about: concat!($($doc),+),
                }),+],
                key: &[$(stringify!($key)),+],
                indexes: &[$($index),*],
            };

            type Key = ($($key_type,)+);

            fn key(&self) -> Self::Key {
                ($(Clone::clone(&self.$key),)+)
            }

            fn key_texts(key: &Self::Key) -> Vec<String> {
                let ($($key,)+) = key;
                vec![$($crate::column::Column::text($key)),+]
            }

            fn put(&self, out: &mut Vec<u8>) {
                const COLUMNS: &[&str] = &[$(stringify!($column)),+];
                out.extend_from_slice(&i16::try_from(COLUMNS.len()).unwrap_or(i16::MAX).to_be_bytes());
                $($crate::column::Column::put(&self.$column, out);)+
            }

            fn selected() -> String {
                [$(<$type as $crate::column::Column>::selected(stringify!($column))),+].join(", ")
            }

            fn take(row: &sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
                let mut at = 0..;
                Ok(Self {
                    $($column: $crate::column::Column::take(row, at.next().unwrap_or(usize::MAX))?,)+
                })
            }
        }
    };
}

pub(crate) use table;
