//! `daybook erase`: a person is forgotten, and the log keeps its every event.

use std::{
    io::{BufRead as _, stdin},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use domain::{
    id::{IdRefusal, MerchantId},
    operator::{OperatorCommand, event::Erasure},
};
use event_store::Store;
use uuid::Uuid;
use vault::Vault;

use super::{
    hand::{Hand, words},
    place::Place,
    say,
};
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
};

/// Forget a person: destroy the keys of everything that was sealed for them. It cannot be undone
///
/// The events stay as they are, and so do the books: only whose they were is gone. It needs an operator's token
/// and is itself an event, so a ledger restored from an older copy forgets them again when it is served.
#[derive(Args, Debug)]
pub(super) struct Erase {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    hand: Hand,
    /// Why, for the log; no personal data
    #[arg(long, global = true, default_value = "asked to be forgotten")]
    reason: String,
    #[command(subcommand)]
    who: Who,
}

#[derive(Debug, Subcommand)]
enum Who {
    /// A merchant's customer, by e-mail address
    Customer {
        #[arg(long)]
        merchant: MerchantId,
        /// The address; without it, one line of standard input, which no list of processes shows
        #[arg(long)]
        email: Option<String>,
    },
    /// Somebody who works with the ledger, a merchant's contact or an operator, by e-mail address
    Contact {
        /// The address; without it, one line of standard input, which no list of processes shows
        #[arg(long)]
        email: Option<String>,
    },
}

impl Erase {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let vault = self.place.vault().await?;
        let person = match &self.who {
            Who::Customer { merchant, email } => vault.customer_index(*merchant, &address(email.as_deref())?),
            Who::Contact { email } => vault.contact_index(&address(email.as_deref())?),
        };
        let store = self.place.store().await?;
        let done = self.forget(&vault, &store, &person).await;
        database::close(&store).await;
        done
    }

    /// The order first, for whoever follows it if this process dies; then at once.
    async fn forget(&self, vault: &Vault, store: &Store, index: &str) -> Result<ExitCode> {
        let pool = database::pool(&self.place.url()?)?;
        let keys_count = vault::keys_count(&pool, index).await.attempt(|| "looking for the person".to_owned())?;
        if keys_count == 0 {
            return Err(Failure::NotThere("nothing was done: nothing is sealed for this person".to_owned()));
        }
        let person = index.parse().map_err(|refusal: IdRefusal| Failure::NotThere(refusal.to_string()))?;
        let erasure = Erasure { erasure_id: Uuid::now_v7(), person, reason: words(&self.reason)? };
        let ordered_at = self.hand.write(vault, store, OperatorCommand::ErasePerson(Box::new(erasure))).await?;
        let destroying = || "the order is in the log and a server carries it out; destroying the keys here".to_owned();
        // A server that follows the log may have been quicker.
        vault::forget_person(&pool, index, ordered_at).await.attempt(destroying)?;
        say(format_args!("forgotten: {keys_count} keys are destroyed, and what they sealed is gone"))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn address(given: Option<&str>) -> Result<String> {
    let address = match given {
        Some(address) => address.to_owned(),
        None => {
            let mut line = String::new();
            stdin().lock().read_line(&mut line).attempt(|| "reading the address".to_owned())?;
            line
        }
    };
    let address = address.trim().to_owned();
    if address.contains('@') {
        Ok(address)
    } else {
        Err(Failure::NotThere("nothing was done: this is no e-mail address".to_owned()))
    }
}
