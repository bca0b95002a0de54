use std::str::FromStr;

use doorward_audit::Event;

/// What an event looks like.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Shape {
    /// As in an export: with all that its hash covers.
    #[default]
    Event,
    /// As security teams' tools take it; see [`Event::to_ocsf`].
    Ocsf,
}

impl Shape {
    /// The event as one line of JSON, with its end.
    pub(crate) fn line(self, event: &Event) -> String {
        match self {
            Self::Event => event.to_json_line(),
            Self::Ocsf => event.to_ocsf().to_string() + "\n",
        }
    }

    pub(crate) fn lines(self, events: &[Event]) -> String {
        events.iter().map(|event| self.line(event)).collect()
    }
}

impl FromStr for Shape {
    type Err = UnknownShape;

    fn from_str(text: &str) -> Result<Self, UnknownShape> {
        match text {
            "event" => Ok(Self::Event),
            "ocsf" => Ok(Self::Ocsf),
            _ => Err(UnknownShape),
        }
    }
}

/// A shape that there is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a shape is `event` or `ocsf`")]
pub struct UnknownShape;
