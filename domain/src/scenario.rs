//! Given, when, then: how aggregates are told about in tests.

use crate::aggregate::{Aggregate, Event};

/// A stream being told, with the answer to the last command.
#[derive(Clone, Debug)]
pub(crate) struct Story<A: Aggregate> {
    pub(crate) state: A,
    pub(crate) history: Vec<A::Event>,
    answer: Result<Vec<A::Event>, A::Refusal>,
}

impl<A: Aggregate + PartialEq> Story<A> {
    pub(crate) fn untold() -> Self {
        Self { state: A::default(), history: Vec::new(), answer: Ok(Vec::new()) }
    }

    /// The command was decided, with events.
    pub(crate) fn given(self, command: &A::Command) -> Self {
        let told = self.when(command);
        assert!(!told.events().is_empty(), "nothing came of it");
        told
    }

    /// Decides the command; where it is accepted it is true from then on, so deciding it again yields nothing.
    pub(crate) fn when(mut self, command: &A::Command) -> Self {
        self.answer = self.state.decide(command);
        if let Ok(events) = &self.answer {
            for event in events {
                self.state.apply(event);
            }
            assert_eq!(self.state.decide(command), Ok(Vec::new()), "the same command again");
            self.history.extend(events.iter().cloned());
        }
        let mut refolded = A::default();
        self.history.iter().for_each(|event| refolded.apply(event));
        assert_eq!(refolded, self.state);
        self
    }

    pub(crate) fn events(&self) -> &[A::Event] {
        self.answer.as_ref().unwrap()
    }

    pub(crate) fn then(self, types: &[&str]) -> Self {
        let told: Vec<&str> = self.events().iter().map(Event::event_type).collect();
        assert_eq!(told, types);
        self
    }

    pub(crate) fn then_exactly(self, events: &[A::Event]) -> Self {
        assert_eq!(self.events(), events);
        self
    }

    pub(crate) fn then_nothing(self) -> Self {
        self.then(&[])
    }

    pub(crate) fn then_refused(self, refusal: A::Refusal) -> Self {
        assert_eq!(self.answer, Err(refusal));
        self
    }
}
