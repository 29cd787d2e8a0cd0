//! Whose hand it is: an operator's token, and what is done with it, told to the log.

use std::sync::Arc;

use chrono::Utc;
use clap::Args;
use domain::{
    free_text::FreeText,
    id::OperatorId,
    operator::{Operator, OperatorCommand, event::Role},
    refusal::Refusal as _,
};
use event_store::{Act, Answer, Outcome, Store, Verdict};
use vault::Vault;

use crate::failure::{Failure, Result};

#[derive(Args, Debug)]
pub(super) struct Hand {
    /// Who asks: an operator's token (`daybook token create`)
    #[arg(long, global = true, env = "DAYBOOK_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Hand {
    /// The deed goes into the log first: what was done without a trace was not done. Its position.
    pub(super) async fn write(&self, vault: &Vault, store: &Store, deed: OperatorCommand) -> Result<i64> {
        let id: Arc<str> = self.whose(vault, store).await?.to_string().into();
        let act = Act::deciding(move |books| match books.tell::<Operator>(&id, &deed)? {
            Ok(_events) => Ok(Verdict::Accepted(Answer::default())),
            Err(refusal) => Ok(Verdict::Refused(Answer { status: 422, body: refusal.code().to_owned() })),
        });
        match store.execute(act).await {
            Ok(Outcome::Accepted { position, .. }) => Ok(position),
            Ok(other) => Err(Failure::NotThere(format!("the deed was not recorded: {other:?}"))),
            Err(failure) => Err(Failure::NotThere(format!("the deed was not recorded: {failure}"))),
        }
    }

    /// Who holds the token: an operator, in the role of one.
    pub(super) async fn whose(&self, vault: &Vault, store: &Store) -> Result<OperatorId> {
        let no = |why: &str| Failure::NotThere(format!("{why}; `daybook token create --role operator` makes one"));
        let token = self.token.as_deref().ok_or_else(|| no("this needs DAYBOOK_TOKEN"))?;
        let name = vault.token_name(token).ok_or_else(|| no("this is no token"))?;
        let id: Arc<str> = name.operator_id.to_string().into();
        let read = store.read::<Operator>(&id).await.map_err(|failure| Failure::NotThere(failure.to_string()))?;
        let valid = read.0.valid_token(name.token_id, Utc::now());
        valid.filter(|kept| vault.is_credential(token, &kept.hash)).ok_or_else(|| no("this token is not valid"))?;
        if read.0.has_role(Role::Operator) { Ok(name.operator_id) } else { Err(no("this token is not of an operator")) }
    }
}

/// What an operator says, as the log may keep it.
pub(super) fn words(text: &str) -> Result<FreeText> {
    FreeText::parse(text).map_err(|refusal| Failure::NotThere(refusal.to_string()))
}
