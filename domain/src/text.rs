//! Values stored as their text: one way to write them, one way to read them back.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::de;

/// Reads any value through its `FromStr`, borrowed or owned, without a copy of the text.
pub(crate) struct Parsing<T>(pub(crate) PhantomData<T>);

impl<T> de::Visitor<'_> for Parsing<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text form of the value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Serialises as `Display` writes, deserialises as `FromStr` reads.
macro_rules! stored_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::text::Parsing(std::marker::PhantomData))
            }
        }
    };
}

pub(crate) use stored_as_text;
