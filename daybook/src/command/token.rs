//! `daybook token`: who may work on the ledger, and with which bearer token.

use std::{process::ExitCode, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};
use domain::{
    aggregate::Aggregate as _,
    id::{OperatorId, TokenId},
    operator::{
        Operator, OperatorCommand,
        event::{Enrolled, Role, TokenIssued},
    },
    refusal::Refusal as _,
};
use event_store::{Act, Answer, DataKey, Outcome, Verdict};
use uuid::Uuid;
use vault::{TokenName, Vault};

use super::{place::Place, say};
use crate::{
    database,
    failure::{Failure, Result},
};

/// Whoever can reach the database and the master key from a command line: nobody's account.
const CONSOLE: OperatorId = OperatorId::new(Uuid::nil());

/// Issue and revoke operators' bearer tokens
#[derive(Args, Debug)]
pub(super) struct Token {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    act: TokenAct,
}

#[derive(Debug, Subcommand)]
enum TokenAct {
    /// Enrol an operator, if they are new, and issue a token; it is printed once and kept nowhere
    Create {
        /// What they may do
        #[arg(long, value_enum)]
        role: RoleName,
        /// Who it is; kept sealed
        #[arg(long)]
        email: String,
        /// Their name; kept sealed
        #[arg(long, default_value = "operator")]
        name: String,
        /// How long the token opens the door
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=366))]
        days: u16,
    },
    /// Revoke a token at once
    Revoke {
        /// Whose, as `create` named them
        operator: OperatorId,
        /// Which, as `create` named it
        token: TokenId,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    Operator,
    Support,
    Analyst,
    Auditor,
}

impl RoleName {
    const fn role(self) -> Role {
        match self {
            Self::Operator => Role::Operator,
            Self::Support => Role::Support,
            Self::Analyst => Role::Analyst,
            Self::Auditor => Role::Auditor,
        }
    }
}

impl Token {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let vault = self.place.vault().await?;
        let (operator, commands, data_key, words) = match self.act {
            TokenAct::Create { role, email, name, days } => {
                let expires_at = Utc::now() + TimeDelta::days(i64::from(days));
                create(&vault, role.role(), &email, &name, expires_at)
            }
            TokenAct::Revoke { operator, token } => {
                let command = OperatorCommand::RevokeToken { token_id: token, by: CONSOLE };
                (operator, vec![command], None, format!("{token} is revoked"))
            }
        };
        let store = self.place.store().await?;
        let outcome = store.execute(act(operator, commands, data_key)).await;
        let done = match outcome {
            Ok(Outcome::Accepted { .. }) => say(words).map(|()| ExitCode::SUCCESS),
            Ok(Outcome::Refused { answer, .. }) => Err(Failure::NotThere(answer.body)),
            Ok(other) => Err(Failure::NotThere(format!("unexpected: {other:?}"))),
            Err(failure) => Err(Failure::NotThere(failure.to_string())),
        };
        database::close(&store).await;
        done
    }
}

type Issued = (OperatorId, Vec<OperatorCommand>, Option<DataKey>, String);

/// What enrols an operator, gives the role and issues the token; whatever of it is true already changes nothing.
fn create(vault: &Vault, role: Role, email: &str, name: &str, expires_at: DateTime<Utc>) -> Issued {
    let person = vault.contact_index(email);
    let (operator_id, envelope) = (OperatorId::derive(&person), vault.envelope());
    let token_id = TokenId::new(Uuid::now_v7());
    let token = vault.issue_token(TokenName { operator_id, token_id });
    let index = || Some(person.clone());
    let enrolled = Enrolled {
        operator_id,
        name: envelope.seal(name, index()),
        email: envelope.seal(email, index()),
        roles: [role].into(),
        by: None,
    };
    let issued = TokenIssued { token_id, hash: token.hash, expires_at, by: CONSOLE };
    let commands = vec![
        OperatorCommand::Enrol(Box::new(enrolled)),
        OperatorCommand::GrantRole { role, by: CONSOLE },
        OperatorCommand::IssueToken(Box::new(issued)),
    ];
    let words = format!(
        "{}\n\n{operator_id} {token_id}, until {}; this is the only time the token is shown",
        token.text.as_str(),
        expires_at.format("%Y-%m-%d")
    );
    (operator_id, commands, Some(vault.wrapped(&envelope, Some(person))), words)
}

fn act(operator: OperatorId, commands: Vec<OperatorCommand>, data_key: Option<DataKey>) -> Act {
    let id: Arc<str> = operator.to_string().into();
    Act::deciding(move |books| {
        let is_new = books.version::<Operator>(&id)? == 0;
        for command in &commands {
            // Whoever is enrolled stays as they were enrolled.
            if !is_new && matches!(command, OperatorCommand::Enrol(_)) {
                continue;
            }
            if let Err(refusal) = books.tell::<Operator>(&id, command)? {
                let body = format!("{} ({})", refusal, refusal.code());
                return Ok(Verdict::Refused(Answer { status: 422, body }));
            }
        }
        if let Some(data_key) = data_key.as_ref().filter(|_key| is_new) {
            books.keep_key(data_key);
        }
        Ok(Verdict::Accepted(Answer { status: 200, body: Operator::TYPE.to_owned() }))
    })
}
