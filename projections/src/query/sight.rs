//! Who may see personal values as they are; everybody else sees that there are some.

use domain::operator::event::Role;
use gate::Caller;

use super::cell::Personal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Open,
    Masked,
}

impl Sight {
    /// A merchant sees what its own customers told it. Of the house, operators do.
    pub(crate) fn of(caller: &Caller) -> Self {
        match caller {
            Caller::Merchant { .. } => Self::Open,
            Caller::Operator { roles, .. } if roles.contains(&Role::Operator) => Self::Open,
            Caller::Operator { .. } => Self::Masked,
        }
    }

    pub(crate) fn shows(self, text: &str, personal: Personal) -> String {
        match (self, personal) {
            (Self::Open, Personal::Email | Personal::Words) => text.to_owned(),
            (Self::Masked, Personal::Email) => masked_email(text),
            (Self::Masked, Personal::Words) => MASK.to_owned(),
        }
    }
}

const MASK: &str = "***";

/// The first letter and the house it is delivered to: enough to say on the telephone that it is the right one.
fn masked_email(email: &str) -> String {
    match (email.chars().next(), email.rsplit_once('@')) {
        (Some(first), Some((name, house))) if name.chars().count() > 1 => format!("{first}{MASK}@{house}"),
        (_, Some((_name, house))) => format!("{MASK}@{house}"),
        (_, None) => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::id::OperatorId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn of_the_house_only_operators_see_personal_values() {
        let sight = |roles: &[Role]| {
            let roles: BTreeSet<Role> = roles.iter().copied().collect();
            Sight::of(&Caller::Operator { operator_id: OperatorId::new(Uuid::nil()), roles })
        };
        assert_eq!(sight(&[Role::Operator]), Sight::Open);
        assert_eq!(sight(&[Role::Auditor, Role::Operator]), Sight::Open);
        for role in [Role::Support, Role::Analyst, Role::Auditor] {
            assert_eq!(sight(&[role]), Sight::Masked, "{role:?}");
        }
    }

    #[test]
    fn a_masked_value_tells_little() {
        for (email, masked) in [
            ("ann@example.com", "a***@example.com"),
            ("a@example.com", "***@example.com"),
            ("\"a@b\"@example.com", "\"***@example.com"),
            ("no address", "***"),
            ("", "***"),
        ] {
            assert_eq!(Sight::Masked.shows(email, Personal::Email), masked);
        }
        assert_eq!(Sight::Masked.shows("Ann lives here", Personal::Words), "***");
        assert_eq!(Sight::Open.shows("ann@example.com", Personal::Email), "ann@example.com");
    }
}
