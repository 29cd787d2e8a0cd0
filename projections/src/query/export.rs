//! Long answers: page after page, each its own short statement, read no faster than the caller takes them.
//!
//! No snapshot is held: that would keep the database from tidying up for as long as the slowest caller reads. Rows that
//! come after the answer began are not in it, for it ends at its own position; a row that changes meanwhile is shown as
//! it is when its page is read.

use axum::body::Body;
use futures_util::stream;
use gate::{Problem, Reply};

use super::{
    Reads,
    answer::failed,
    cursor::Cursor,
    exporters::Exporting,
    format::{Format, Writer},
    freshness::Freshness,
    sealed,
    select::{Page, Question},
    sight::Sight,
};

/// Rows read at once.
const PAGE: u32 = 2_000;

/// An answer being written.
pub(crate) struct Export {
    pub(crate) reads: Reads,
    pub(crate) question: Question,
    pub(crate) sight: Sight,
    /// How many more rows at most.
    pub(crate) left: u64,
    pub(crate) after: Option<Cursor>,
    pub(crate) exporting: Exporting,
}

struct Underway {
    export: Export,
    writer: Writer,
    /// Read already: the head of the file and the first rows.
    first: Option<Page>,
    is_over: bool,
}

impl Export {
    /// The first page is read before anything is answered: what fails then is told as a problem.
    ///
    /// # Errors
    /// The first rows cannot be read, or not be written in this format.
    pub(crate) async fn reply(self, format: Format) -> Result<Reply, Problem> {
        let columns = self.question.resource.columns;
        let names = columns.iter().map(|column| column.name);
        let names = names.chain(self.question.expansions.iter().map(|expansion| expansion.name)).collect();
        let writer = Writer::new(format, names)?;
        let first = self.page().await?;
        let freshness = Freshness::of(&self.reads, first.position).await?;
        let begin = Underway { export: self, writer, first: Some(first), is_over: false };
        let pieces = stream::try_unfold(begin, |mut underway| async move {
            let piece = underway.next().await?;
            Ok::<_, std::io::Error>(piece.map(|piece| (piece, underway)))
        });
        Ok(freshness.mark(Reply::streamed(format.media_type(), Body::from_stream(pieces))))
    }

    async fn page(&self) -> Result<Page, Problem> {
        let limit = u32::try_from(self.left).unwrap_or(PAGE).min(PAGE);
        let mut page = self.question.page(&self.reads, self.after, limit).await?;
        let vault = &self.reads.gate.vault;
        let columns = self.question.resource.columns;
        sealed::open(&self.reads.pool, vault, self.sight, columns, &mut page.rows).await.map_err(failed)?;
        Ok(page)
    }
}

impl Underway {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, std::io::Error> {
        if self.is_over {
            return Ok(None);
        }
        let broken = |problem: Problem| std::io::Error::other(problem.rule().code);
        let (mut piece, page) = match self.first.take() {
            Some(page) => (self.writer.begin(self.export.question.resource.columns), page),
            None => (Vec::new(), self.export.page().await.map_err(broken)?),
        };
        let count = page.rows.len();
        self.export.left = self.export.left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        self.export.after = page.cursors.last().copied();
        piece.extend(self.writer.rows(page.rows));
        if count < usize::try_from(PAGE).unwrap_or(usize::MAX) || self.export.left == 0 {
            self.is_over = true;
            tracing::debug!(exporting = ?self.export.exporting, "a long answer is complete");
        }
        Ok(Some(piece))
    }
}
