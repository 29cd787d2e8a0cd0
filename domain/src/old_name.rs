//! A name from the platform before, and what it stands for here: given once, for ever.

use serde::{Deserialize, Serialize};

use crate::{aggregate::Aggregate, refusal::refusals};

pub mod event;
use event::{Given, OldNameEvent, StandsFor};

/// One stream for each name, found by the name alone: no table has to be asked what a name stands for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OldName {
    given: Option<Given>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OldNameCommand {
    Give(Box<Given>),
}

refusals! {
    /// Why a name is not given.
    pub enum OldNameRefusal {
        OldNameDiffers = "old_name_differs", 409,
            "This name already stands for something else.", "该名称已指向其他对象。";
    }
}

impl Aggregate for OldName {
    const TYPE: &'static str = "old_name";
    const STATE_VERSION: i32 = 1;
    type Command = OldNameCommand;
    type Event = OldNameEvent;
    type Refusal = OldNameRefusal;

    fn decide(&self, command: &OldNameCommand) -> Result<Vec<OldNameEvent>, OldNameRefusal> {
        let OldNameCommand::Give(wanted) = command;
        match &self.given {
            Some(given) if given.stands_for == wanted.stands_for => Ok(Vec::new()),
            Some(_) => Err(OldNameRefusal::OldNameDiffers),
            None => Ok(vec![OldNameEvent::Given(wanted.clone())]),
        }
    }

    fn apply(&mut self, event: &OldNameEvent) {
        let OldNameEvent::Given(given) = event;
        self.given = Some(given.as_ref().clone());
    }
}

impl OldName {
    /// What it stands for, once it was given.
    #[must_use]
    pub fn stands_for(&self) -> Option<&StandsFor> {
        self.given.as_ref().map(|given| &given.stands_for)
    }
}

#[cfg(test)]
mod tests;
