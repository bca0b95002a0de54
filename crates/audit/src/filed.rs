use std::error::Error;

use serde::Deserialize;
use serde_json::Value;

use crate::canonical::hash_of_value;
use crate::{Action, Event};

/// An event that was read back from a file. Nothing proves that it ever happened: anyone who can write the file can write
/// the event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FiledEvent {
    /// The event.
    pub event: Event,
    /// Whether the event's hash covers all that its line says. If it does not, the line was changed.
    pub hash_fits: bool,
}

impl FiledEvent {
    /// Reads a line of an export in JSON Lines, or of a sink in our own form or in that of OCSF.
    ///
    /// Fields that this program does not know are passed over, but the hash must cover them.
    ///
    /// # Errors
    ///
    /// [`FiledEventError`], if the line is no event that this program understands.
    pub fn from_line(line: &str) -> Result<Self, FiledEventError> {
        let mut shown: Value = serde_json::from_str(line).map_err(|error| FiledEventError::NoJson(error.into()))?;
        let own = match shown.get_mut("unmapped") {
            Some(own) if shown_as_ocsf(own) => own.take(),
            _ => shown,
        };
        let event = Event::deserialize(&own).map_err(|error| match own.get("action") {
            Some(Value::String(action)) if action.parse::<Action>().is_err() => {
                FiledEventError::UnknownAction(action.escape_default().to_string())
            }
            _ => FiledEventError::NoEvent(error.into()),
        })?;
        let hash_fits = match event.hash {
            Some(hash) => hash_of_value(own) == Some(hash),
            // From before logs were chained.
            None => event.previous_hash.is_none(),
        };
        Ok(Self { event, hash_fits })
    }
}

/// Whether this is an event in our own form, as it stands in OCSF's.
fn shown_as_ocsf(unmapped: &Value) -> bool {
    unmapped.get("sequence").is_some()
}

/// The reason that a line is no event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FiledEventError {
    /// It is JSON, and no event of ours.
    #[error("this is no audit event")]
    NoEvent(#[source] Box<dyn Error + Send + Sync>),
    /// It is no JSON.
    #[error("this is no line of JSON")]
    NoJson(#[source] Box<dyn Error + Send + Sync>),
    /// The event tells of something that this program does not know.
    #[error("this program does not know the action {0}: a newer program wrote the event")]
    UnknownAction(String),
}
