//! A refusal is a business no: a stable code, no cause, and an answer like any other.

/// A closed list of reasons why an aggregate says no. Codes are `snake_case` and never change.
pub trait Refusal: std::error::Error + Clone + PartialEq + Send + Sync + 'static {
    fn code(&self) -> &'static str;
}

/// A rule as the outside meets it: the code, the HTTP status and the sentence in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub code: &'static str,
    pub http_status: u16,
    pub english: &'static str,
    pub chinese: &'static str,
}

/// A refusal declared by `refusals!`: its variants stand in order of precedence, each with its rule.
pub trait Listed: Refusal + Copy + Ord {
    /// Every refusal of this kind, the one that wins first.
    const ALL: &'static [Self];

    fn rule(&self) -> &'static Rule;
}

/// Declares a closed list of refusals. The order of the variants is the order in which the rules are tried.
macro_rules! refusals {
    (
        $(#[$doc:meta])*
        pub enum $name:ident {
            $($variant:ident = $code:literal, $status:literal, $english:literal, $chinese:literal;)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $english] $variant,)+
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::refusal::Listed::rule(self).english)
            }
        }

        impl std::error::Error for $name {}

        impl $crate::refusal::Refusal for $name {
            fn code(&self) -> &'static str {
                $crate::refusal::Listed::rule(self).code
            }
        }

        impl $crate::refusal::Listed for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn rule(&self) -> &'static $crate::refusal::Rule {
                match self {
                    $(Self::$variant => &$crate::refusal::Rule {
                        code: $code,
                        http_status: $status,
                        english: $english,
                        chinese: $chinese,
                    },)+
                }
            }
        }
    };
}

pub(crate) use refusals;
