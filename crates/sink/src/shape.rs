use doorward_audit::Event;
use serde::Deserialize;

/// What an event looks like: in a configuration, `event` or `ocsf`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
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
