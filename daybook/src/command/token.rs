//! `daybook token`: who may work on the ledger, and with which bearer token.

use std::{process::ExitCode, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};
use domain::{
    aggregate::Aggregate as _,
    free_text::FreeText,
    id::{OperatorId, TokenId},
    operator::{
        Operator, OperatorCommand,
        event::{Enrolled, Role, TokenIssued},
    },
    refusal::Refusal as _,
};
use event_store::{Act, Answer, DataKey, Outcome, Store, Verdict};
use gate::{Caller, Email, Field as _};
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
///
/// Whoever holds a token of the role `operator` does it in their own name: give it as `DAYBOOK_TOKEN`. Without one this is
/// done by the console, which is whoever can reach the database and the master key; the log then keeps the number of
/// this machine's user and the reason given.
#[derive(Args, Debug)]
pub(super) struct Token {
    #[command(flatten)]
    place: Place,
    /// In whose name it is done; without it, the console's
    #[arg(long = "token", env = "DAYBOOK_TOKEN", hide_env_values = true, global = true)]
    own_token: Option<String>,
    /// Why, for whoever reads the log
    #[arg(long, global = true, value_parser = reason)]
    reason: Option<FreeText>,
    #[command(subcommand)]
    act: TokenAct,
}

fn reason(text: &str) -> std::result::Result<FreeText, String> {
    FreeText::parse(text).map_err(|refusal| refusal.to_string())
}

fn email(text: &str) -> std::result::Result<String, String> {
    let mut problems = Vec::new();
    Email::read(&text.into(), "", &mut problems).map(|Email(text)| text).ok_or_else(|| {
        problems.first().map_or("this is not an e-mail address", |problem| problem.rule.english).to_owned()
    })
}

#[derive(Debug, Subcommand)]
enum TokenAct {
    /// Enrol an operator, if they are new, and issue a token; it is printed once and kept nowhere
    Create {
        /// What they may do
        #[arg(long, value_enum)]
        role: RoleName,
        /// Who it is; kept sealed
        #[arg(long, value_parser = email)]
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
        let store = self.place.store().await?;
        let done = self.carry_out(&vault, &store).await;
        database::close(&store).await;
        done
    }

    async fn carry_out(&self, vault: &Vault, store: &Store) -> Result<ExitCode> {
        let by = self.who(vault, store).await?;
        let (operator, commands, data_key, words) = match &self.act {
            TokenAct::Create { role, email, name, days } => {
                let expires_at = Utc::now() + TimeDelta::days(i64::from(*days));
                create(vault, by, role.role(), email, name, expires_at)
            }
            TokenAct::Revoke { operator, token } => {
                let command = OperatorCommand::RevokeToken { token_id: *token, by };
                (*operator, vec![command], None, format!("{token} is revoked"))
            }
        };
        let metadata = self.metadata(by);
        let outcome = store.execute(Act { metadata, ..act(operator, commands, data_key) }).await;
        match outcome {
            Ok(Outcome::Accepted { .. }) => say(words).map(|()| ExitCode::SUCCESS),
            Ok(Outcome::Refused { answer, .. }) => Err(Failure::NotThere(answer.body)),
            Ok(other) => Err(Failure::NotThere(format!("unexpected: {other:?}"))),
            Err(failure) => Err(Failure::NotThere(failure.to_string())),
        }
    }

    /// Who does it: the operator whose token is given, or the console.
    async fn who(&self, vault: &Vault, store: &Store) -> Result<OperatorId> {
        let Some(token) = self.own_token.as_deref().filter(|token| !token.is_empty()) else { return Ok(CONSOLE) };
        match gate::whose_token(token, store, vault, Utc::now()).await {
            Ok(Caller::Operator { operator_id, roles }) if roles.contains(&Role::Operator) => Ok(operator_id),
            Ok(Caller::Operator { .. } | Caller::Merchant { .. }) => Err(Failure::NotThere(
                "nothing was done: DAYBOOK_TOKEN belongs to somebody who is no operator; unset it to do this as the \
                 console"
                    .to_owned(),
            )),
            Err(problem) => Err(Failure::NotThere(format!(
                "nothing was done: DAYBOOK_TOKEN opens nothing ({}); unset it to do this as the console",
                problem.rule().code
            ))),
        }
    }

    fn metadata(&self, by: OperatorId) -> Vec<(&'static str, String)> {
        let actor = if by == CONSOLE { "console".to_owned() } else { by.to_string() };
        let mut metadata = vec![("actor", actor), ("machine_user", machine_user())];
        metadata.extend(self.reason.as_ref().map(|reason| ("reason", reason.as_str().to_owned())));
        metadata
    }
}

/// The user of this machine, by number, as it says itself: a trace to follow, no proof.
fn machine_user() -> String {
    let uid = format!("uid {}", rustix::process::getuid().as_raw());
    match std::env::var("SUDO_UID").ok().and_then(|before| before.parse::<u32>().ok()) {
        Some(before) => format!("{uid}, as sudo from uid {before}"),
        None => uid,
    }
}

type Issued = (OperatorId, Vec<OperatorCommand>, Option<DataKey>, String);

/// What enrols an operator, gives the role and issues the token; whatever of it is true already changes nothing.
fn create(vault: &Vault, by: OperatorId, role: Role, email: &str, name: &str, expires_at: DateTime<Utc>) -> Issued {
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
        by: Some(by).filter(|by| *by != CONSOLE),
    };
    let issued = TokenIssued { token_id, hash: token.hash, expires_at, by };
    let commands = vec![
        OperatorCommand::Enrol(Box::new(enrolled)),
        OperatorCommand::GrantRole { role, by },
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
