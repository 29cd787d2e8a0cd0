//! What stands beside the log: answers under their keys, and wrapped keys.

use uuid::Uuid;

use crate::act::Answer;
use crate::store::Store;

/// What is remembered under a key: of which request, where that was decided, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub fingerprint: [u8; 32],
    pub position: i64,
    pub sequence: i64,
    pub answer: Answer,
}

const REMEMBERED: &str = "select k.n, a.fingerprint, a.position, a.sequence, a.status, a.body \
     from unnest($1::text[], $2::text[]) with ordinality as k (scope, key, n) \
     cross join lateral (select * from log.answers a where a.scope = k.scope and a.key = k.key offset 0) a";

impl Store {
    /// What is remembered under each of these keys, by scope and key, in their order.
    ///
    /// # Errors
    /// Where the log cannot be reached.
    pub async fn remembered(&self, keys: &[(&str, &str)]) -> Result<Vec<Option<Remembered>>, sqlx::Error> {
        let (scopes, names): (Vec<&str>, Vec<&str>) = keys.iter().copied().unzip();
        let rows: Vec<(i64, Vec<u8>, i64, i64, i16, String)> =
            sqlx::query_as(REMEMBERED).bind(scopes).bind(names).fetch_all(self.pool()).await?;
        let mut remembered = vec![None; keys.len()];
        for (n, fingerprint, position, sequence, status, body) in rows {
            let fingerprint = <[u8; 32]>::try_from(fingerprint)
                .map_err(|bytes| sqlx::Error::Decode(format!("a fingerprint of {} bytes", bytes.len()).into()))?;
            let place = usize::try_from(n.saturating_sub(1)).ok().and_then(|at| remembered.get_mut(at));
            if let Some(place) = place {
                *place = Some(Remembered { fingerprint, position, sequence, answer: Answer { status, body } });
            }
        }
        Ok(remembered)
    }

    /// A wrapped key, as [`crate::Books::keep_key`] kept it.
    ///
    /// # Errors
    /// Where the database cannot be reached.
    pub async fn kept_key(&self, id: Uuid) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let kept = sqlx::query_scalar("select wrapped from vault.data_keys where id = $1").bind(id);
        kept.fetch_optional(self.pool()).await
    }
}
