//! Values that stand in records and answers as a text.

/// The text is none of an enum's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownWord(&'static str);

impl UnknownWord {
    /// Returns the error that says which words there are.
    #[must_use]
    pub const fn new(message: &'static str) -> Self {
        Self(message)
    }
}

/// Gives each value of an enum its word: `ALL`, `as_str`, `Display`, and `FromStr`, which fails with the message.
#[macro_export]
macro_rules! words {
    ($of:ident, $message:literal: $($value:ident = $word:literal),+ $(,)?) => {
        impl $of {
            /// Every value.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// The word in records and answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl std::fmt::Display for $of {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $of {
            type Err = $crate::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::UnknownWord> {
                let found = Self::ALL.into_iter().find(|value| value.as_str() == text);
                found.ok_or(const { $crate::UnknownWord::new($message) })
            }
        }
    };
}

/// Lets serde write a type as the text of its `Display`, and read the type by its `FromStr`.
#[macro_export]
macro_rules! as_text {
    ($of:ident) => {
        impl serde::Serialize for $of {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $of {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Gives a type a fixed text as its `Debug`, since its content is secret, or has no `Debug`.
#[macro_export]
macro_rules! debug_as {
    ($of:ident, $text:literal) => {
        impl std::fmt::Debug for $of {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($text)
            }
        }
    };
}

/// Gives a struct a `with_…` method for each field that is optional when the struct is made.
#[macro_export]
macro_rules! with_fields {
    ($of:ident: $($with:ident $field:ident: $type:ty),+ $(,)?) => {
        impl $of {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $with(mut self, $field: impl Into<$type>) -> Self {
                    self.$field = $field.into();
                    self
                }
            )+
        }
    };
}

/// Returns a value with some of its public fields changed. Records are `#[non_exhaustive]`, so that other crates cannot use
/// `..` for that.
///
/// ```
/// use doorward_types::{IdSeed, Timestamp, altered};
///
/// let seed = IdSeed::new(Timestamp::from_millis(1), [7; 10]);
/// let later = altered!(seed, now: Timestamp::from_millis(2));
/// assert_eq!(later.random, [7; 10]);
/// ```
#[macro_export]
macro_rules! altered {
    ($of:expr, $($field:ident: $value:expr),+ $(,)?) => {{
        let mut altered = $of;
        $(altered.$field = $value;)+
        altered
    }};
}
