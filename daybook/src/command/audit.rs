//! `daybook audit`: the key that signs, what was signed, the tree made anew.

use std::{path::PathBuf, process::ExitCode};

use audit::key::{FileSigner, Signer as _};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{place::Place, say};
use crate::{
    database,
    failure::{Failure, Result},
    witness,
};

/// Look after the witness: make its key, see what it signed, make its tree anew
#[derive(Args, Debug)]
pub(super) struct Audit {
    #[command(subcommand)]
    act: AuditAct,
}

#[derive(Debug, Subcommand)]
enum AuditAct {
    /// Draw a key that signs checkpoints, write it to a file for its owner alone, and print the public one
    Key {
        /// The file, which must not be there yet
        file: PathBuf,
        /// What the log is called, for ever: your domain and a word, such as example.com/ledger
        #[arg(long)]
        name: String,
    },
    /// Print the newest checkpoint, as it was signed
    Checkpoint {
        #[command(flatten)]
        place: Place,
        /// Every checkpoint, smallest first
        #[arg(long)]
        all: bool,
    },
    /// Print the public keys that have signed
    Keys {
        #[command(flatten)]
        place: Place,
    },
    /// Make the stored tree anew from the log, as the owner of the schema; nothing that was signed changes
    Rebuild {
        #[command(flatten)]
        place: Place,
        /// The database as its owner sees it; without it, as the application's user
        #[arg(long, env = "DATABASE_OWNER_URL", hide_env_values = true)]
        database_owner_url: Option<String>,
    },
}

const PAGE: i64 = 1_000;

impl Audit {
    pub(super) async fn run(self) -> Result<ExitCode> {
        match self.act {
            AuditAct::Key { file, name } => {
                let signer = FileSigner::draw(&file, &name)?;
                say(signer.key())?;
            }
            AuditAct::Checkpoint { place, all } => checkpoints(&place, all).await?,
            AuditAct::Keys { place } => {
                let store = place.store().await?;
                let keys = witness::proofs(&store, &place.url()?)?.keys().await;
                database::close(&store).await;
                for key in keys.map_err(|failure| Failure::NotThere(failure.to_string()))? {
                    say(key)?;
                }
            }
            AuditAct::Rebuild { place, database_owner_url } => rebuild(&place, database_owner_url).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn checkpoints(place: &Place, all: bool) -> Result<()> {
    let store = place.store().await?;
    let proofs = witness::proofs(&store, &place.url()?)?;
    let failed = |failure: audit::ProofsFailure| Failure::NotThere(failure.to_string());
    if all {
        let mut from = 1;
        loop {
            let page = proofs.checkpoints(from, PAGE).await.map_err(failed)?;
            for note in &page {
                say(note)?;
            }
            match page.last() {
                Some(last) => from = last.claimed().size.saturating_add(1),
                None => break,
            }
        }
    } else {
        match proofs.newest().await.map_err(failed)? {
            Some(note) => say(note.to_string().trim_end())?,
            None => {
                let how =
                    "no checkpoint was signed yet: serve with --checkpoint-key-file (`daybook audit key` makes one)";
                return Err(Failure::NotThere(how.to_owned()));
            }
        }
    }
    database::close(&store).await;
    Ok(())
}

async fn rebuild(place: &Place, owner_url: Option<String>) -> Result<()> {
    drop(place.connect().await?);
    let url = place.url()?;
    let mut owner = database::connect(owner_url.as_deref().filter(|url| !url.is_empty()).unwrap_or(&url)).await?;
    let style = ProgressStyle::with_template("tree {bar:32} {human_pos}/{human_len} {per_sec} ETA {eta}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_invalid| ProgressStyle::default_bar()));
    let watch = |at: i64, head: i64| {
        bar.set_length(u64::try_from(head).unwrap_or_default());
        bar.set_position(u64::try_from(at).unwrap_or_default());
    };
    let built = audit::rebuild(&database::parse(&url)?, &mut owner, &watch).await;
    bar.finish_and_clear();
    let size = built.map_err(|failure| Failure::NotThere(format!("the tree is as it was: {failure}")))?;
    say(format_args!("the tree was made anew: {size} leaves; `daybook verify` holds it against what was signed"))
}
