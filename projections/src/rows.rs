//! The rows of one table that a step touches: read once, changed in memory, written once.

use std::collections::{BTreeMap, BTreeSet};

use event_store::Poison;
use sqlx::postgres::PgConnection;

use crate::books::Books;
use crate::table::Row;

/// However often a step touches a row, it is read once and written once.
pub(crate) struct Rows<R: Row>(BTreeMap<R::Key, Touched<R>>);

struct Touched<R> {
    row: R,
    /// It stands in the table already.
    is_old: bool,
    is_changed: bool,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R: Row> Rows<R> {
    /// The rows whose `column` has one of these values, as far as there are any.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn load(books: &mut Books<'_>, column: &str, values: Vec<String>) -> Result<Self, Poison> {
        let mut rows = Self::default();
        rows.load_more(books, column, values).await?;
        Ok(rows)
    }

    /// The rows where `column` has one of these values and `other` one of those.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn load_within(
        books: &mut Books<'_>,
        column: &str,
        values: Vec<String>,
        other: &str,
        others: Vec<String>,
    ) -> Result<Self, Poison> {
        let mut rows = Self::default();
        rows.fetch(books, &[(column, values), (other, others)]).await?;
        Ok(rows)
    }

    /// Those as well; what is here already stays as it is.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn load_more(
        &mut self,
        books: &mut Books<'_>,
        column: &str,
        values: Vec<String>,
    ) -> Result<(), Poison> {
        self.fetch(books, &[(column, values)]).await
    }

    async fn fetch(&mut self, books: &mut Books<'_>, wanted: &[(&str, Vec<String>)]) -> Result<(), Poison> {
        if wanted.iter().any(|(_column, values)| values.is_empty()) {
            return Ok(());
        }
        let condition = |(n, (column, _values)): (usize, &(&str, Vec<String>))| {
            format!("{column} = any(${}::text[]::{}[])", n.saturating_add(1), kind::<R>(column))
        };
        let conditions: Vec<String> = wanted.iter().enumerate().map(condition).collect();
        let table = R::TABLE.of_build(books.build);
        let select = format!("select {} from {table} where {}", R::selected(), conditions.join(" and "));
        let mut query = sqlx::query(&select);
        for (_column, values) in wanted {
            let distinct: BTreeSet<&str> = values.iter().map(String::as_str).collect();
            query = query.bind(Vec::from_iter(distinct));
        }
        for found in query.fetch_all(&mut *books.connection).await? {
            let row = R::take(&found)?;
            self.0.entry(row.key()).or_insert(Touched { row, is_old: true, is_changed: false });
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &R::Key) -> Option<&R> {
        self.0.get(key).map(|touched| &touched.row)
    }

    /// The row of this key, to be changed: it will be written. It must be there, for the log says so.
    ///
    /// # Errors
    /// It is not there: the event that would have made it is not in the log, or was skipped.
    pub(crate) fn must(&mut self, key: &R::Key) -> Result<&mut R, Poison> {
        let name = || format!("{} has no row {}", R::TABLE.name, R::key_texts(key).join(", "));
        match self.0.get_mut(key) {
            Some(touched) => {
                touched.is_changed = true;
                Ok(&mut touched.row)
            }
            None => Err(Poison::Event(name())),
        }
    }

    /// A row that was not there, or takes the place of the one that was.
    pub(crate) fn put(&mut self, row: R) {
        let key = row.key();
        let is_old = self.0.get(&key).is_some_and(|touched| touched.is_old);
        self.0.insert(key, Touched { row, is_old, is_changed: true });
    }

    /// The row of this key, made where it is not there yet. It will be written.
    pub(crate) fn or_new(&mut self, key: R::Key, new: impl FnOnce() -> R) -> &mut R {
        let touched = self.0.entry(key).or_insert_with(|| Touched { row: new(), is_old: false, is_changed: true });
        touched.is_changed = true;
        &mut touched.row
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &R> {
        self.0.values().map(|touched| &touched.row)
    }

    /// To be changed, those that are picked.
    pub(crate) fn iter_mut(&mut self, mut picked: impl FnMut(&R) -> bool) -> impl Iterator<Item = &mut R> {
        self.0.values_mut().filter(move |touched| picked(&touched.row)).map(|touched| {
            touched.is_changed = true;
            &mut touched.row
        })
    }

    /// Writes what was changed.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn save(&mut self, books: &mut Books<'_>) -> Result<(), Poison> {
        let changed = || self.0.values().filter(|touched| touched.is_changed);
        let old: Vec<Vec<String>> =
            changed().filter(|touched| touched.is_old).map(|touched| R::key_texts(&touched.row.key())).collect();
        let pieces = encoded(changed().map(|touched| &touched.row));
        if !old.is_empty() {
            remove::<R>(books.connection, books.build, old).await?;
        }
        copy_in::<R>(books, pieces).await?;
        for touched in self.0.values_mut() {
            touched.is_old |= touched.is_changed;
            touched.is_changed = false;
        }
        Ok(())
    }
}

/// Rows that only ever come: written as they are.
///
/// # Errors
/// The database failed.
pub(crate) async fn append<R: Row>(books: &mut Books<'_>, rows: &[R]) -> Result<(), Poison> {
    copy_in::<R>(books, encoded(rows.iter())).await
}

/// Rows as `COPY … (format binary)` takes them, in pieces; none where there are none.
fn encoded<'r, R: Row + 'r>(rows: impl Iterator<Item = &'r R>) -> Vec<Vec<u8>> {
    const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    const END: [u8; 2] = (-1_i16).to_be_bytes();
    const PIECE: usize = 256 * 1024;
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Vec::new();
    }
    let (mut pieces, mut piece) = (Vec::new(), SIGNATURE.to_vec());
    for row in rows {
        row.put(&mut piece);
        if piece.len() >= PIECE {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    piece.extend_from_slice(&END);
    pieces.push(piece);
    pieces
}

async fn copy_in<R: Row>(books: &mut Books<'_>, pieces: Vec<Vec<u8>>) -> Result<(), Poison> {
    if pieces.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = R::TABLE.columns.iter().map(|column| column.name).collect();
    let table = R::TABLE.of_build(books.build);
    let copy = format!("copy {table} ({}) from stdin (format binary)", names.join(", "));
    let mut sink = books.connection.copy_in_raw(&copy).await?;
    for piece in pieces {
        sink.send(piece).await?;
    }
    sink.finish().await?;
    Ok(())
}

/// A changed row is taken out and copied in again, with all that are new.
async fn remove<R: Row>(connection: &mut PgConnection, build: i32, keys: Vec<Vec<String>>) -> Result<(), Poison> {
    let (mut arrays, mut names, mut same) = (Vec::new(), Vec::new(), Vec::new());
    let mut by_column: Vec<Vec<String>> = R::TABLE.key.iter().map(|_column| Vec::with_capacity(keys.len())).collect();
    for key in keys {
        for (column, value) in by_column.iter_mut().zip(key) {
            column.push(value);
        }
    }
    for (n, name) in (1..).zip(R::TABLE.key) {
        arrays.push(format!("${n}::text[]::{}[]", kind::<R>(name)));
        names.push(*name);
        same.push(format!("t.{name} = k.{name}"));
    }
    let delete = format!(
        "delete from {} t using unnest({}) as k ({}) where {}",
        R::TABLE.of_build(build),
        arrays.join(", "),
        names.join(", "),
        same.join(" and ")
    );
    let mut query = sqlx::query(&delete);
    for column in by_column {
        query = query.bind(column);
    }
    query.execute(connection).await?;
    Ok(())
}

/// The type of a column, without its collation.
fn kind<R: Row>(name: &str) -> &'static str {
    let found = R::TABLE.columns.iter().find(|column| column.name == name).map_or("text", |column| column.kind);
    found.split_once(" collate").map_or(found, |(kind, _collation)| kind)
}
