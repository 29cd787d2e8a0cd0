//! `daybook import`: takes over from the platform before, as often as it takes.

use std::{collections::HashSet, path::PathBuf, process::ExitCode, time::Instant};

use clap::{ArgGroup, Args};
use domain::id::OperatorId;
use indicatif::{ProgressBar, ProgressStyle};
use uuid::Uuid;

use super::{hand::Hand, place::Place};
use crate::{
    database,
    failure::{Failure, Result},
};

mod answers;
mod balances;
mod carry;
mod csv;
mod keys;
mod merchants;
mod payments;
mod plan;
mod report;
mod row;
mod source;
mod sums;
mod tables;

use carry::{AT_ONCE, Became, Carrier};
use csv::{Broken, Csv};
use plan::{Planned, Read, Takeover};
use report::{Counts, Report};
use row::{Amiss, Columns, Row};
use source::{Opened, Source};
use sums::{Here, Sums};
use tables::{TABLES, Table};

/// Rows differ, or were refused.
const ROWS_AMISS: u8 = 3;
/// All rows are here, and the sums do not agree.
const SUMS_AMISS: u8 = 4;

const EXIT: &str = "\
Rows are merchants, api_keys, payments, balances and idempotency keys: docs/import.md has every column. Each row has an id of \
its own there; it is taken over once, under SOURCE and that id. So it may be run again at any time, also after it was broken \
off: what is here is found, what is new comes in, and what differs is told and left as it is. A ledger may be served meanwhile.

Ends with 0 where all rows are here and all sums agree, 3 where rows differ or were refused, 4 where all rows are here and sums \
do not agree (what is left on suspense:migration, and why, is told), 1 where it was broken off. A dry run ends as it would end.

Examples:
  daybook import --from old/ --source old --dry-run     what would come of it; nothing is written
  daybook import --from old/ --source old --report report.txt
  daybook import --from-sql postgresql://reader@old/platform --source old";

/// Take over from the platform before: merchants, keys, open and refundable payments, balances, live idempotency keys
#[derive(Args, Debug)]
#[command(after_help = EXIT, group = ArgGroup::new("where").required(true).args(["from", "from_sql"]))]
pub(super) struct Import {
    /// A directory with `merchants.csv`, `api_keys.csv`, `payments.csv`, `balances.csv`, `idempotency.csv`, as far as there are any
    #[arg(long, value_name = "DIRECTORY")]
    from: Option<PathBuf>,
    /// A Postgres with these tables; it is only read
    #[arg(long, value_name = "URL", env = "DAYBOOK_IMPORT_URL", hide_env_values = true)]
    from_sql: Option<String>,
    /// With `--from-sql`: a directory with a select for each table, `merchants.sql` and so on, in place of those in docs/import/selects
    #[arg(long, value_name = "DIRECTORY", requires = "from_sql")]
    selects: Option<PathBuf>,
    /// What the platform before is called: part of every id, so never changed
    #[arg(long, value_parser = source::named, value_name = "NAME")]
    source: String,
    /// Tell what would come of it, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write every row that differs or was refused to a file, with the sums
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    hand: Hand,
    #[command(flatten)]
    place: Place,
}

/// All that is under way.
struct Taking {
    takeover: Takeover,
    carrier: Carrier,
    report: Report,
    sums: Sums,
    bar: ProgressBar,
}

/// A row with where it stands.
struct Placed {
    line: u64,
    planned: Planned,
}

impl Import {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let source = self.where_from()?;
        let store = self.place.store().await?;
        let vault = self.place.vault().await?;
        // Where nothing is written, nobody does it.
        let by = if self.dry_run { OperatorId::new(Uuid::nil()) } else { self.hand.whose(&vault, &store).await? };
        let name = self.source.clone();
        let mut taking = Taking {
            takeover: Takeover { source: name, by, vault, merchants: HashSet::new() },
            carrier: Carrier { store: store.clone(), dry: self.dry_run },
            report: Report::open(self.report.as_deref(), self.dry_run)?,
            sums: Sums::default(),
            bar: bar(),
        };
        for table in &TABLES {
            if let Err(failure) = taking.take(&source, table).await {
                database::close(&store).await;
                let all = taking.report.all;
                let stands = if self.dry_run { "nothing was written".to_owned() } else { taking.stands(all) };
                return Err(Failure::NotThere(format!("{failure}; {stands}")));
            }
        }
        let ended = self.end(taking).await;
        database::close(&store).await;
        ended
    }

    fn where_from(&self) -> Result<Source> {
        if let Some(directory) = &self.selects {
            source::must_be_there(directory)?;
        }
        match (&self.from, &self.from_sql) {
            (Some(directory), None) => {
                source::must_be_there(directory)?;
                Ok(Source::Files(directory.clone()))
            }
            (None, Some(url)) => Ok(Source::Tables { url: url.clone(), selects: self.selects.clone() }),
            _ => Err(Failure::NotThere(
                "nothing was read: say --from DIRECTORY or --from-sql URL, one of them".to_owned(),
            )),
        }
    }

    async fn end(&self, taking: Taking) -> Result<ExitCode> {
        let Taking { takeover, mut report, sums, bar, .. } = taking;
        let database = database::parse(&self.place.url()?)?;
        bar.set_message("the books");
        let watch = |at: i64, head: i64| {
            bar.set_length(u64::try_from(head).unwrap_or_default());
            bar.set_position(u64::try_from(at).unwrap_or_default());
        };
        let here = Here::read(&database, &takeover.source, watch).await.map_err(Failure::NotThere)?;
        bar.finish_and_clear();
        let agree = report.sums(&takeover.source, &sums, &here)?;
        let all = report.all;
        let are_rows_well = all.differ == 0 && all.refused == 0;
        let verdict = match (self.dry_run, are_rows_well, agree) {
            (true, true, _) => {
                let sums = if agree { "" } else { "the sums would not agree, see above; " };
                let Counts { taken, known, .. } = all;
                format!("dry run: {taken} rows would be taken over, {known} are here; {sums}nothing was written")
            }
            (true, false, _) => {
                let Counts { differ, refused, taken, .. } = all;
                format!(
                    "dry run: {taken} rows would be taken over, {differ} differ, {refused} would be refused; nothing was written"
                )
            }
            (false, true, true) => {
                format!("well: {} rows were taken over, {} were here, and all sums agree", all.taken, all.known)
            }
            (false, true, false) => "all rows are here, and the sums do not agree: see above".to_owned(),
            (false, false, _) => {
                let Counts { differ, refused, .. } = all;
                format!(
                    "{differ} rows differ and {refused} were refused: mend them there and run it again; all others are here"
                )
            }
        };
        report.line(&format!("\n{verdict}"))?;
        report.close()?;
        Ok(match (self.dry_run, are_rows_well, agree) {
            (_, false, _) => ExitCode::from(ROWS_AMISS),
            (_, true, true) => ExitCode::SUCCESS,
            (_, true, false) => ExitCode::from(SUMS_AMISS),
        })
    }
}

impl Taking {
    async fn take(&mut self, source: &Source, table: &'static Table) -> Result<()> {
        let begun = Instant::now();
        let Some(Opened { feed, name, bytes }) = source.open(table.name).await? else {
            return self.report.line(&format!("{:<12} there is none", table.name));
        };
        self.bar.set_length(bytes.unwrap_or_default());
        self.bar.set_message(table.name);
        let (mut csv, mut counts) = (Csv::new(feed), Counts::default());
        let broken = |Broken { line, what }: Broken| Failure::NotThere(format!("{name} line {line}: {what}"));
        let Some(head) = csv.next().await.map_err(broken)? else {
            return self.report.line(&format!("{:<12} {name} is empty", table.name));
        };
        let columns = Columns::read(&head, table.needed, table.may).map_err(broken)?;
        let mut rows = Vec::with_capacity(AT_ONCE);
        while let Some(record) = csv.next().await.map_err(broken)? {
            counts.read = counts.read.saturating_add(1);
            let read = Row::read(&columns, &record).and_then(|row| (table.read)(&mut self.takeover, &row));
            match read {
                Ok(Read::Act(planned)) => rows.push(Placed { line: record.line, planned: *planned }),
                Ok(Read::Compared(share)) => {
                    counts.compared = counts.compared.saturating_add(1);
                    self.sums.add(share);
                }
                Ok(Read::Expired) => counts.expired = counts.expired.saturating_add(1),
                Err(Amiss { column, what }) => {
                    counts.refused = counts.refused.saturating_add(1);
                    self.report.amiss(&format!("  REFUSED {name} line {}, column {column}: {what}", record.line))?;
                }
            }
            if rows.len() == AT_ONCE {
                self.carry(&name, &mut rows, &mut counts).await?;
                self.bar.set_position(csv.bytes());
            }
        }
        self.carry(&name, &mut rows, &mut counts).await?;
        self.bar.set_position(csv.bytes());
        self.report.end_table(table.name, counts, begun.elapsed())
    }

    async fn carry(&mut self, name: &str, rows: &mut Vec<Placed>, counts: &mut Counts) -> Result<()> {
        let (lines, planned): (Vec<u64>, Vec<Planned>) =
            rows.drain(..).map(|Placed { line, planned }| (line, planned)).unzip();
        let became = self.carrier.carry(&planned).await;
        let became = became.map_err(|why| Failure::NotThere(format!("{name} was broken off: {why}")))?;
        for ((line, row), became) in lines.into_iter().zip(planned).zip(became) {
            let share = row.share;
            let (count, amiss) = match became {
                Became::Taken => (&mut counts.taken, None),
                Became::Known => (&mut counts.known, None),
                Became::Differs(what) => (&mut counts.differ, Some(format!("  DIFFERS {name} line {line}: {what}"))),
                Became::Refused { code, why } => {
                    (&mut counts.refused, Some(format!("  REFUSED {name} line {line}: {why} ({code})")))
                }
            };
            *count = count.saturating_add(1);
            if let Some(share) = share {
                self.sums.add(share);
            }
            if let Some(amiss) = amiss {
                self.report.amiss(&amiss)?;
            }
        }
        Ok(())
    }

    /// What is true when it is broken off.
    fn stands(&self, all: Counts) -> String {
        let Counts { taken, known, .. } = all;
        format!(
            "of the tables before {taken} rows were taken over and {known} were here, and what came in of this one stays: \
             run it again, and it goes on"
        )
    }
}

fn bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("import {msg:12} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_invalid| ProgressStyle::default_bar()))
}
