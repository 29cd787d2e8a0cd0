//! Sealed values of a page, opened at once: masked, or `[erased]` where destroyed.

use domain::sealed::{Note, Sealed};
use sqlx::PgPool;
use vault::Vault;

use super::{
    cell::{Cell, Kind, Shown},
    sight::Sight,
};

/// What is shown of a value whose key was destroyed, to everybody alike.
const ERASED: &str = "[erased]";

/// Puts in the place of every sealed value what this sight shows of it; whether any is shown as it is.
///
/// # Errors
/// The database failed.
pub(crate) async fn open(
    pool: &PgPool,
    vault: &Vault,
    sight: Sight,
    columns: &[Shown],
    rows: &mut [Vec<Cell>],
) -> Result<bool, sqlx::Error> {
    let sealed: Vec<Sealed<Note>> = rows
        .iter()
        .flatten()
        .filter_map(|cell| match cell {
            Cell::Sealed(ciphertext) => Some(Sealed::new(ciphertext.clone(), None)),
            Cell::Nothing | Cell::Text(_) | Cell::Integer(_) | Cell::Sum(_) | Cell::Flag(_) => None,
            Cell::Moment(_) | Cell::Day(_) | Cell::Json(_) => None,
        })
        .collect();
    let mut opened = vault::open_all(pool, vault, &sealed).await?.into_iter();
    let mut is_any_shown = false;
    for row in rows {
        for (cell, column) in row.iter_mut().zip(columns) {
            match (&*cell, column.kind) {
                (Cell::Sealed(_), Kind::Sealed(personal)) => {
                    let text = opened.next().flatten();
                    is_any_shown |= text.is_some();
                    let text = text.map(|text| sight.shows(&text, personal));
                    *cell = Cell::Text(text.unwrap_or_else(|| ERASED.to_owned()));
                }
                // What stands in the open is taken out when it is destroyed.
                (Cell::Text(text), Kind::Open(_)) if text.is_empty() => *cell = Cell::Text(ERASED.to_owned()),
                (Cell::Text(text), Kind::Open(personal)) => {
                    is_any_shown = true;
                    *cell = Cell::Text(sight.shows(text, personal));
                }
                _ => {}
            }
        }
    }
    Ok(is_any_shown && sight == Sight::Open)
}
