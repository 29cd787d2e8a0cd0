//! Long answers: page after page, read no faster than the caller takes them.
//!
//! No snapshot is held: that would keep the database from tidying up for as long as the slowest caller reads. Rows that
//! come after the answer began are not in it, for it ends at its own position; a row that changes meanwhile is shown as
//! it is when its page is read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::body::Body;
use futures_util::{future::BoxFuture, stream};
use gate::{Problem, Reply};

use super::{
    Reads,
    answer::failed,
    cell::{Cell, Shown},
    cursor::Cursor,
    exporters::Exporting,
    format::{Format, Writer},
    freshness::Freshness,
    sealed,
    select::Question,
    sight::Sight,
};

/// Rows read at once.
pub(crate) const PAGE: u32 = 1_000;

/// Some rows of a long answer, and how far in the log what they were read from had come.
pub(crate) struct Part {
    pub(crate) position: i64,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) is_last: bool,
}

/// Where the rows come from.
pub(crate) trait Parts: Send {
    /// The next rows, until one says it is the last.
    fn next(&mut self) -> BoxFuture<'_, Result<Part, Problem>>;
}

/// Rows that are all there already.
pub(crate) struct Whole(pub(crate) Option<Part>);

impl Parts for Whole {
    fn next(&mut self) -> BoxFuture<'_, Result<Part, Problem>> {
        let part = self.0.take().unwrap_or(Part { position: 0, rows: Vec::new(), is_last: true });
        Box::pin(std::future::ready(Ok(part)))
    }
}

/// An answer to be written.
pub(crate) struct Export {
    pub(crate) parts: Box<dyn Parts>,
    pub(crate) columns: &'static [Shown],
    /// Of all cells of a row: the columns, and whatever is shown inside it.
    pub(crate) names: Vec<&'static str>,
    pub(crate) exporting: Exporting,
}

struct Underway {
    export: Export,
    writer: Writer,
    /// Read already: the head of the file and the first rows.
    first: Option<Part>,
    is_over: bool,
    rows: Arc<AtomicU64>,
}

impl Export {
    /// The first rows are read before anything is answered: what fails then is told as a problem.
    ///
    /// # Errors
    /// The first rows cannot be read, or not be written in this format.
    pub(crate) async fn reply(mut self, reads: &Reads, format: Format) -> Result<Reply, Problem> {
        let writer = Writer::new(format, self.columns, self.names.clone())?;
        let first = self.parts.next().await?;
        let freshness = Freshness::of(reads, first.position).await?;
        let rows: Arc<AtomicU64> = Arc::default();
        let begin = Underway { export: self, writer, first: Some(first), is_over: false, rows: Arc::clone(&rows) };
        let pieces = stream::try_unfold(begin, |mut underway| async move {
            let piece = underway.next().await?;
            Ok::<_, std::io::Error>(piece.map(|piece| (piece, underway)))
        });
        Ok(freshness.mark(Reply::streamed(format.media_type(), Body::from_stream(pieces)).counted_by(rows)))
    }
}

impl Underway {
    /// A piece of the file, never an empty one.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, std::io::Error> {
        let broken = |problem: Problem| std::io::Error::other(problem.rule().code);
        let mut piece = Vec::new();
        while piece.is_empty() && !self.is_over {
            let part = match self.first.take() {
                Some(part) => {
                    piece = self.writer.begin(self.export.columns);
                    part
                }
                None => self.export.parts.next().await.map_err(broken)?,
            };
            self.rows.fetch_add(u64::try_from(part.rows.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
            piece.extend(self.writer.rows(part.rows)?);
            if part.is_last {
                piece.extend(self.writer.end()?);
                self.is_over = true;
                tracing::debug!(exporting = ?self.export.exporting, "a long answer is complete");
            }
        }
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

/// The rows of a question, page after page.
pub(crate) struct Pages {
    pub(crate) reads: Reads,
    pub(crate) question: Question,
    pub(crate) sight: Sight,
    /// How many more rows at most.
    pub(crate) left: u64,
    pub(crate) after: Option<Cursor>,
}

impl Parts for Pages {
    fn next(&mut self) -> BoxFuture<'_, Result<Part, Problem>> {
        Box::pin(async move {
            let limit = u32::try_from(self.left).unwrap_or(PAGE).min(PAGE);
            let mut page = self.question.page(&self.reads, self.after, limit).await?;
            let (vault, columns) = (&self.reads.gate.vault, self.question.resource.columns);
            sealed::open(&self.reads.pool, vault, self.sight, columns, &mut page.rows).await.map_err(failed)?;
            let count = u64::try_from(page.rows.len()).unwrap_or(u64::MAX);
            self.left = self.left.saturating_sub(count);
            self.after = page.cursors.last().copied();
            let is_last = count < u64::from(limit) || self.left == 0;
            Ok(Part { position: page.position, rows: page.rows, is_last })
        })
    }
}
