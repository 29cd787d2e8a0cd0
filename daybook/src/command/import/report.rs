//! What came of it, for people: by table, by row where something is amiss, and sums.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use domain::{currency::Currency, money::Money};

use super::sums::{Here, Owed, Sums, accounts};
use crate::{
    command::say,
    failure::{Attempt as _, Result},
};

/// So many rows of a table are shown; all stand in the report.
const SHOWN: u64 = 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) read: u64,
    pub(super) taken: u64,
    pub(super) known: u64,
    pub(super) differ: u64,
    pub(super) refused: u64,
    pub(super) compared: u64,
    pub(super) expired: u64,
}

/// Says it, and writes it down where that is asked for.
pub(super) struct Report {
    file: Option<(PathBuf, BufWriter<File>)>,
    /// Rows of the table under way that were shown as amiss.
    shown: u64,
    /// Nothing is written: it is told what would be.
    dry: bool,
    pub(super) all: Counts,
}

impl Report {
    pub(super) fn open(path: Option<&Path>, dry: bool) -> Result<Self> {
        let file = path.map(|path| {
            let created = File::create(path).attempt(|| format!("creating {}", path.display()))?;
            Ok::<_, crate::failure::Failure>((path.to_owned(), BufWriter::new(created)))
        });
        Ok(Self { file: file.transpose()?, shown: 0, dry, all: Counts::default() })
    }

    /// To both.
    pub(super) fn line(&mut self, line: &str) -> Result<()> {
        self.write(line)?;
        say(line)
    }

    fn write(&mut self, line: &str) -> Result<()> {
        match &mut self.file {
            Some((path, file)) => writeln!(file, "{line}").attempt(|| format!("writing {}", path.display())),
            None => Ok(()),
        }
    }

    /// A row that is amiss.
    pub(super) fn amiss(&mut self, line: &str) -> Result<()> {
        self.write(line)?;
        self.shown = self.shown.saturating_add(1);
        if self.shown <= SHOWN { say(line) } else { Ok(()) }
    }

    pub(super) fn end_table(&mut self, name: &str, counts: Counts, took: Duration) -> Result<()> {
        if self.shown > SHOWN {
            let more = self.shown.saturating_sub(SHOWN);
            say(format!("  … and {more} more: --report FILE has all of them"))?;
        }
        self.shown = 0;
        let taken = if self.dry { "would be taken over" } else { "taken over" };
        let mut line =
            format!("{name:<12} {} read: {} {taken}, {} here before", counts.read, counts.taken, counts.known);
        for (count, word) in [
            (counts.compared, "compared"),
            (counts.expired, "expired"),
            (counts.differ, "DIFFER"),
            (counts.refused, "REFUSED"),
        ] {
            if count > 0 {
                line.push_str(&format!(", {count} {word}"));
            }
        }
        let per_second = counts.read.saturating_mul(1_000) / u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        line.push_str(&format!(" ({per_second} rows/s)"));
        self.all.add(counts);
        self.line(&line)
    }

    /// What stands here against what came from there. Whether they agree.
    pub(super) fn sums(&mut self, source: &str, sums: &Sums, here: &Here) -> Result<bool> {
        let mut agree = true;
        self.line(
            "\nmerchant, mode, currency: owed by the source, taken over until now, in the books now (minor units)",
        )?;
        for ((merchant, livemode, currency), owed) in &sums.owed {
            let (pending, available) = accounts(source, merchant);
            let Owed { pending_minor, told_pending_minor, available_minor } = *owed;
            for (word, wanted, account) in
                [("pending", pending_minor, pending), ("available", available_minor, available)]
            {
                let (taken, now) = here.owed(account, *livemode, *currency);
                if (wanted, taken, now) == (0, 0, 0) {
                    continue;
                }
                let is_well = self.dry || wanted == taken;
                agree &= is_well;
                let mark = if is_well { "" } else { "  NOT ALL OF IT IS HERE" };
                let mode = mode(*livemode);
                self.line(&format!("  {merchant} {mode} {currency} {word}: {wanted} / {taken} / {now}{mark}"))?;
            }
            if let Some(told) = told_pending_minor.filter(|told| *told != pending_minor) {
                agree = false;
                self.line(&format!(
                    "  {merchant} {} {currency} pending: the balances say {told}, the payments come to {pending_minor}",
                    mode(*livemode)
                ))?;
            }
        }
        Ok(self.migration(sums, here)? && agree)
    }

    /// What is left on the account that all of it goes against, and why.
    fn migration(&mut self, sums: &Sums, here: &Here) -> Result<bool> {
        let mut is_zero = true;
        let left = here.migration();
        let keys: std::collections::BTreeSet<(bool, Currency)> =
            left.keys().chain(sums.trial.keys()).copied().collect();
        for (livemode, currency) in keys {
            let to_be = sums.left(livemode, currency);
            let now = left.get(&(livemode, currency)).copied().unwrap_or_default();
            let (minor, is) = if self.dry { (to_be, "would be") } else { (now, "is") };
            let name = format!("suspense:migration {} {currency}", mode(livemode));
            if minor == 0 {
                self.line(&format!("{name} {is} 0: all of it is where it belongs"))?;
                continue;
            }
            is_zero = false;
            let side = if minor > 0 { "debit" } else { "credit" };
            self.line(&format!("{name} {is} NOT 0: {} in {side}, because", told(minor.saturating_abs(), currency)))?;
            let trial = sums.trial.get(&(livemode, currency)).copied().unwrap_or_default();
            let beyond = sums.pending_beyond(livemode, currency);
            if trial != 0 {
                self.line(&format!(
                    "  the balances there do not come to nothing: debits less credits are {}",
                    told(trial, currency)
                ))?;
            }
            if beyond > 0 {
                self.line(&format!(
                    "  payments bring {} more than the balances say is pending",
                    told(beyond, currency)
                ))?;
            }
            if beyond < 0 {
                let more = told(beyond.saturating_neg(), currency);
                self.line(&format!("  the balances say that {more} more is pending than payments bring"))?;
            }
            let other = minor.saturating_sub(to_be);
            if other != 0 {
                self.line(&format!(
                    "  {} is of rows that are not here, of other sources, or was moved since",
                    told(other, currency)
                ))?;
            }
        }
        Ok(is_zero)
    }

    pub(super) fn close(self) -> Result<()> {
        match self.file {
            Some((path, mut file)) => file.flush().attempt(|| format!("writing {}", path.display())),
            None => Ok(()),
        }
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.read, other.read),
            (&mut self.taken, other.taken),
            (&mut self.known, other.known),
            (&mut self.differ, other.differ),
            (&mut self.refused, other.refused),
            (&mut self.compared, other.compared),
            (&mut self.expired, other.expired),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

const fn mode(livemode: bool) -> &'static str {
    if livemode { "live" } else { "test" }
}

/// Beyond 64 bits there is no money, only its sum.
fn told(minor: i128, currency: Currency) -> String {
    i64::try_from(minor)
        .map_or_else(|_beyond| format!("{minor} {currency}"), |minor| Money::new(minor, currency).to_string())
}
