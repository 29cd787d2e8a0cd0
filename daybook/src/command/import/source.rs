//! Where rows come from: a directory of CSV files, or the tables of a Postgres.

use std::{
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use futures_util::TryStreamExt as _;
use sqlx::Executor as _;
use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
};

/// Pieces of a table, in order; or why there are no more.
pub(super) type Feed = mpsc::Receiver<std::result::Result<Vec<u8>, String>>;

/// Pieces that may wait to be read.
const AHEAD: usize = 4;
const PIECE: usize = 64 * 1024;

/// The platform before.
pub(super) enum Source {
    Files(PathBuf),
    /// By its URL, with the questions that are asked of it: in this directory, or those that come with the program.
    Tables {
        url: String,
        selects: Option<PathBuf>,
    },
}

/// The questions for the tables as docs/import.md has them.
const SELECTS: [(&str, &str); 5] = [
    ("merchants", include_str!("../../../../docs/import/selects/merchants.sql")),
    ("api_keys", include_str!("../../../../docs/import/selects/api_keys.sql")),
    ("payments", include_str!("../../../../docs/import/selects/payments.sql")),
    ("balances", include_str!("../../../../docs/import/selects/balances.sql")),
    ("idempotency", include_str!("../../../../docs/import/selects/idempotency.sql")),
];

/// A table that is there.
pub(super) struct Opened {
    pub(super) feed: Feed,
    /// As people find it: a file, or a select.
    pub(super) name: String,
    /// How many bytes it has, where that is known.
    pub(super) bytes: Option<u64>,
}

impl Source {
    /// A table of it; none where there is none of that name.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub(super) async fn open(&self, table: &str) -> Result<Option<Opened>> {
        match self {
            Self::Files(directory) => file(&directory.join(format!("{table}.csv"))),
            Self::Tables { url, selects } => {
                let asked = match selects {
                    Some(directory) => select(&directory.join(format!("{table}.sql")))?,
                    None => SELECTS
                        .iter()
                        .find(|(known, _select)| *known == table)
                        .map(|(_table, select)| (*select).to_owned()),
                };
                match asked {
                    Some(select) => copied(url, &format!("{table}.sql"), &select).await.map(Some),
                    None => Ok(None),
                }
            }
        }
    }
}

fn file(path: &Path) -> Result<Option<Opened>> {
    let opening = || format!("opening {}", path.display());
    let mut file = match std::fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.attempt(opening)?,
    };
    let bytes = file.metadata().attempt(opening)?.len();
    let (pieces, feed) = mpsc::channel(AHEAD);
    drop(spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = match file.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => {
                    piece.truncate(read);
                    Ok(piece)
                }
                Err(error) => Err(error.to_string()),
            };
            let is_cut = read.is_err();
            if pieces.blocking_send(read).is_err() || is_cut {
                return;
            }
        }
    }));
    Ok(Some(Opened { feed, name: path.display().to_string(), bytes: Some(bytes) }))
}

fn select(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.attempt(|| format!("reading {}", path.display())).map(Some),
    }
}

/// What the select gives, as the database writes CSV. Nothing can be changed there.
async fn copied(url: &str, name: &str, select: &str) -> Result<Opened> {
    let mut connection = database::connect(url).await?;
    let asking = || format!("asking for {name}");
    connection.execute("set default_transaction_read_only = on").await.attempt(asking)?;
    let select = select.trim().trim_end_matches(';').to_owned();
    let (pieces, feed) = mpsc::channel(AHEAD);
    drop(tokio::spawn(async move {
        let copy = format!("copy ({select}) to stdout (format csv, header)");
        let copied = async {
            let mut rows = connection.copy_out_raw(&copy).await?;
            while let Some(piece) = rows.try_next().await? {
                if pieces.send(Ok(piece.to_vec())).await.is_err() {
                    break;
                }
            }
            Ok::<(), sqlx::Error>(())
        };
        if let Err(failure) = copied.await {
            // Whoever reads has gone where this cannot be sent.
            drop(pieces.send(Err(failure.to_string())).await);
        }
    }));
    Ok(Opened { feed, name: name.to_owned(), bytes: None })
}

/// A name for all that comes from there: part of every id, so it never changes.
pub(super) fn named(text: &str) -> std::result::Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=40).contains(&text.len()) && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err("a source is named by 1 to 40 letters, digits, `-`, `_` or `.`".to_owned())
}

/// Where a directory is named, it is there.
pub(super) fn must_be_there(directory: &Path) -> Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    Err(Failure::NotThere(format!("nothing was read: there is no directory {}", directory.display())))
}
