//! The witness of a server: the tree over the log, and who signs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::{
    Notary, NotaryFailure, Proofs, Tree,
    key::{FileSigner, Signer},
};
use clap::Args;
use event_store::Store;
use futures_util::future::OptionFuture;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::{
    database,
    failure::{Failure, Result},
    forgetting::stopped,
};

/// The tree is a moment behind the log: it grows in large steps.
const REST: Duration = Duration::from_millis(100);
/// How long a question for a proof waits until what it is about is signed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Looking whether the log is the one that was signed; where the database is away, that waits.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
const ASKED_AGAIN: Duration = Duration::from_secs(1);

#[derive(Args, Clone, Debug)]
pub(crate) struct Witnessed {
    /// Leave the Merkle tree over the log, and signing it, to other processes
    #[arg(long, env = "DAYBOOK_WITHOUT_AUDIT")]
    without_audit: bool,

    /// The file with the key that signs checkpoints (`daybook audit key`), for its owner alone; several, one a line, while
    /// a key is changed
    #[arg(long, env = "DAYBOOK_CHECKPOINT_KEY_FILE", value_name = "FILE")]
    checkpoint_key_file: Option<PathBuf>,

    /// Where checkpoints are kept outside the database, best on another machine's disk
    #[arg(long, env = "DAYBOOK_CHECKPOINT_DIRECTORY", value_name = "DIRECTORY")]
    checkpoint_directory: Option<PathBuf>,

    /// How often the tree is signed, while it grows
    #[arg(long, env = "DAYBOOK_CHECKPOINT_EVERY_MS", default_value_t = 2_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(10..))]
    checkpoint_every_ms: u32,

    /// How often the books and the tree are looked at in passing, for /metrics and its alarms
    #[arg(long, env = "DAYBOOK_LOOK_EVERY_MS", default_value_t = 10_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(10..))]
    look_every_ms: u32,

    /// An auditor's session is over when nothing was asked for so long
    #[arg(long, env = "DAYBOOK_AUDIT_IDLE_MS", default_value_t = 300_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(10..))]
    audit_idle_ms: u32,
}

impl Witnessed {
    /// With a key and a directory of this home, where none are named; the key is drawn when it is first needed.
    pub(crate) fn at_home(&self, home: &Path) -> Result<Self> {
        let mut witnessed = self.clone();
        if witnessed.checkpoint_key_file.is_none() && !witnessed.without_audit {
            let file = home.join("checkpoint.key");
            if !file.exists() {
                FileSigner::draw(&file, "daybook.local/development")?;
            }
            witnessed.checkpoint_key_file = Some(file);
        }
        witnessed.checkpoint_directory.get_or_insert_with(|| directory_of(home));
        Ok(witnessed)
    }

    pub(crate) fn audit_idle(&self) -> Duration {
        Duration::from_millis(self.audit_idle_ms.into())
    }

    pub(crate) fn look_every(&self) -> Duration {
        Duration::from_millis(self.look_every_ms.into())
    }

    /// Whether the tree is kept here.
    pub(crate) const fn is_kept(&self) -> bool {
        !self.without_audit
    }

    /// Who recognises the log by what was signed of it, where that is kept here.
    pub(crate) fn recognition(&self, store: &Store, app_url: &str) -> Result<Recognition> {
        let directory = self.checkpoint_directory.clone();
        Ok(Recognition { store: store.clone(), pool: database::pool(app_url)?, directory })
    }

    /// The tree and its notary, until told to stop.
    pub(crate) async fn open(
        &self,
        store: &Store,
        app_url: &str,
        stopping: watch::Receiver<bool>,
    ) -> Result<impl Future<Output = ()> + Send + use<>> {
        let (pool, store) = (database::derived_pool(app_url)?, store.clone());
        let mut signers: Vec<Box<dyn Signer>> = Vec::new();
        if let Some(file) = &self.checkpoint_key_file {
            for signer in FileSigner::read(file)? {
                signers.push(Box::new(signer));
            }
        }
        if signers.is_empty() && !self.without_audit {
            tracing::warn!(
                "no checkpoints are signed: name a key with --checkpoint-key-file (`daybook audit key` makes one)"
            );
        }
        let tree = (!self.without_audit).then(|| store.follow(Tree, pool.clone()).paced(REST).run(stopping.clone()));
        let every = Duration::from_millis(self.checkpoint_every_ms.into());
        let notary = (!self.without_audit && !signers.is_empty())
            .then(|| Notary::new(pool, signers, self.checkpoint_directory.clone()).run(every, stopping));
        Ok(async {
            let (_tree, _notary) = tokio::join!(OptionFuture::from(tree), OptionFuture::from(notary));
        })
    }
}

/// Whether this is the log that was signed: none is served of which that is not known.
pub(crate) struct Recognition {
    store: Store,
    pool: PgPool,
    directory: Option<PathBuf>,
}

impl Recognition {
    /// Whether it is known to be.
    ///
    /// # Errors
    /// It is another.
    pub(crate) async fn look(&self) -> Result<bool> {
        let Some(directory) = &self.directory else { return Ok(true) };
        let looking = audit::self_check(&self.store, &self.pool, directory);
        let reason = match tokio::time::timeout(LOOK_WITHIN, looking).await {
            Ok(Ok(())) => return Ok(true),
            Ok(Err(NotaryFailure::NotContinued(words))) => return Err(Failure::OtherLog(words)),
            Ok(Err(failure)) => failure.to_string(),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        tracing::warn!(reason, "whether this is the log that was signed is not known yet: nothing is answered");
        Ok(false)
    }

    /// Looks until it is known, or told to stop. Where it is another, nothing comes of it but to stop.
    pub(crate) async fn finish(&self, mut stop: watch::Receiver<bool>) {
        let mut again = tokio::time::interval(ASKED_AGAIN);
        loop {
            let looked = tokio::select! {
                looked = async { again.tick().await; self.look().await } => looked,
                () = stopped(&mut stop) => return,
            };
            match looked {
                Ok(true) => return,
                Ok(false) => {}
                Err(failure) => {
                    tracing::error!(alarm = "this is not the log that was signed", %failure, "nothing is answered");
                    return stopped(&mut stop).await;
                }
            }
        }
    }
}

/// Where proofs are made for whoever asks.
pub(crate) fn proofs(store: &Store, app_url: &str) -> Result<Proofs> {
    Ok(Proofs { store: store.clone(), pool: database::reader_pool(app_url)?, patience: PATIENCE })
}

/// Where a home keeps checkpoints outside its database.
pub(crate) fn directory_of(home: &Path) -> PathBuf {
    home.join("checkpoints")
}
