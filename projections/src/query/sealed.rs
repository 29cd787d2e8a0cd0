//! Sealed values of a page, opened at once: masked, or blank where destroyed.

use domain::sealed::{Note, Sealed};
use sqlx::PgPool;
use vault::Vault;

use super::{
    cell::{Cell, Kind, Shown},
    sight::Sight,
};

/// Puts in the place of every sealed value what this sight shows of it.
///
/// # Errors
/// The database failed.
pub(crate) async fn open(
    pool: &PgPool,
    vault: &Vault,
    sight: Sight,
    columns: &[Shown],
    rows: &mut [Vec<Cell>],
) -> Result<(), sqlx::Error> {
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
    for row in rows {
        for (cell, column) in row.iter_mut().zip(columns) {
            match (&*cell, column.kind) {
                (Cell::Sealed(_), Kind::Sealed(personal)) => {
                    let text = opened.next().flatten();
                    *cell = Cell::Text(text.map(|text| sight.shows(&text, personal)).unwrap_or_default());
                }
                (Cell::Text(text), Kind::Open(personal)) if !text.is_empty() => {
                    *cell = Cell::Text(sight.shows(text, personal));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
