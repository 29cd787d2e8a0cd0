//! What a read model is handed to write with: one transaction, one build, and the vault.

use domain::sealed::Sealed;
use event_store::Poison;
use sqlx::postgres::{PgConnection, PgPool};
use vault::Vault;

use crate::table::Table;

/// A transaction on one build of a read model's tables. Everything written commits with the place in the log.
pub struct Books<'a> {
    pub(crate) connection: &'a mut PgConnection,
    pub(crate) build: i32,
    pub(crate) vault: &'a Vault,
    /// Where the keys are, if not beside the rows.
    pub(crate) keys: Option<&'a PgPool>,
}

impl Books<'_> {
    /// How many rows a small table has.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count(&mut self, table: &Table) -> Result<i32, Poison> {
        let count = format!("select count(*)::int from {}", table.of_build(self.build));
        Ok(sqlx::query_scalar(&count).fetch_one(&mut *self.connection).await?)
    }

    /// A personal value in the open; nothing where its key was destroyed.
    ///
    /// # Errors
    /// The database failed, or the value is damaged.
    pub async fn open<T>(&mut self, sealed: &Sealed<T>) -> Result<String, Poison> {
        let opened = match self.keys {
            Some(keys) => vault::open(keys, self.vault, sealed).await,
            None => vault::open(&mut *self.connection, self.vault, sealed).await,
        };
        match opened {
            Ok(opened) => Ok(opened.map(|text| text.as_str().to_owned()).unwrap_or_default()),
            Err(sqlx::Error::Decode(damage)) => Err(Poison::Event(damage.to_string())),
            Err(failure) => Err(failure.into()),
        }
    }
}
