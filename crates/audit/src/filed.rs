use std::error::Error;

use serde::Deserialize;
use serde_json::Value;

use crate::canonical::hash_of_value;
use crate::{Action, Event};

/// An event from a file. It is no proof that the event happened: anyone who can write the file can write the event.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FiledEvent {
    /// The event.
    pub event: Event,
    /// True if the event's hash covers the whole line. False if the line was changed.
    pub hash_fits: bool,
}

impl FiledEvent {
    /// Reads a line of a JSON Lines export, or of a sink in Doorward's form or in OCSF's.
    ///
    /// Ignores unknown fields, but the hash must cover them.
    ///
    /// # Errors
    ///
    /// [`FiledEventError`] if the line is not an event that this program knows.
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
            // Written before logs were chained.
            None => event.previous_hash.is_none(),
        };
        Ok(Self { event, hash_fits })
    }
}

/// Returns whether this is an event in Doorward's own form, as embedded in OCSF.
fn shown_as_ocsf(unmapped: &Value) -> bool {
    unmapped.get("sequence").is_some()
}

/// The reason why a line is not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FiledEventError {
    /// The line is JSON, but not an audit event.
    #[error("this is not an audit event")]
    NoEvent(#[source] Box<dyn Error + Send + Sync>),
    /// The line is not JSON.
    #[error("this is not a line of JSON")]
    NoJson(#[source] Box<dyn Error + Send + Sync>),
    /// The event has an action that this program does not know.
    #[error("this program does not know the action {0}: a newer program wrote the event")]
    UnknownAction(String),
}
