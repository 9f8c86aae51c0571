//! The fields of what a client sends, one struct for each name: what a client may write and nothing else.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// From what is written to what is meant.
pub trait Wire<B>: DeserializeOwned {
    fn body(self) -> Result<B, String>;
}

/// Declares the structs of a vocabulary, the table from a name to its reader, and the schemas. A `type` is written in a text frame and not in an
/// event, so that its absence is judged elsewhere.
macro_rules! vocabulary {
    ($body:ty; $($wire:literal $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(
            #[derive(serde::Deserialize, schemars::JsonSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            #[schemars(rename = $wire)]
            struct $name {
                #[serde(default, rename = "type")]
                #[schemars(with = "String", !default, extend("const" = $wire))]
                _type: serde::de::IgnoredAny,
                #[serde(default, rename = "id")]
                #[schemars(with = "Option<crate::protocol::ids::CommandId>")]
                _id: serde::de::IgnoredAny,
                $($(#[$attribute])* $field: $type,)*
            }
        )*

        /// Reads the fields of what is called `kind`; `None` when nothing is.
        pub(super) fn read(kind: &str, text: &str) -> Option<Result<$body, String>> {
            match kind {
                $($wire => Some($crate::protocol::fields::read::<$name>(text).and_then($crate::protocol::fields::Wire::body)),)*
                _ => None,
            }
        }

        /// Whether anything is called so.
        pub fn knows(name: &str) -> bool {
            matches!(name, $($wire)|*)
        }

        /// The schema of everything that a client may send, by name.
        pub fn command_schemas(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str, schemars::Schema)> {
            vec![$(($wire, generator.subschema_for::<$name>())),*]
        }

        impl $crate::protocol::fields::Wire<$body> for Ping {
            fn body(self) -> Result<$body, String> {
                Ok(<$body>::Ping)
            }
        }
    };
}

/// What the fields of a struct mean, when they mean something whatever their values are.
macro_rules! meaning {
    ($body:ty; $($name:ident { $($field:ident),* } => $variant:ident($meant:expr);)*) => {
        $(impl $crate::protocol::fields::Wire<$body> for $name {
            fn body(self) -> Result<$body, String> {
                let Self { _type, _id, $($field),* } = self;
                Ok(<$body>::$variant($meant))
            }
        })*
    };
}

pub(super) use {meaning, vocabulary};

/// Reads one struct; what is wrong is told with the field's place, in the names of the wire.
pub fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().to_string();
        let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        if path == "." { reason.to_owned() } else { format!("{path}: {reason}") }
    })
}

/// Tells a field that is there from one that is not: `null` counts as there.
pub fn maybe<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

pub fn chars<'de, const MAX: usize, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fits = !text.is_empty() && text.chars().take(MAX + 1).count() <= MAX;
    if fits { Ok(text) } else { Err(D::Error::custom(format_args!("must have 1–{MAX} characters"))) }
}

pub fn maybe_chars<'de, const MAX: usize, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    chars::<MAX, D>(deserializer).map(Some)
}

/// A list of `MIN` to `MAX` things; reading stops where it is too long.
pub fn list<'de, const MIN: usize, const MAX: usize, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct List<T, const MIN: usize, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Visitor<'de> for List<T, MIN, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of {MIN}–{MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut things = Vec::new();
            while let Some(thing) = list.next_element()? {
                if things.len() == MAX {
                    return Err(A::Error::custom(format_args!("must have {MIN}–{MAX} entries")));
                }
                things.push(thing);
            }
            match things.len() < MIN {
                true => Err(A::Error::custom(format_args!("must have {MIN}–{MAX} entries"))),
                false => Ok(things),
            }
        }
    }

    deserializer.deserialize_seq(List::<T, MIN, MAX>(PhantomData))
}
