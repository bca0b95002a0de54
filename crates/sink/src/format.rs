use doorward_audit::Event;
use serde::Deserialize;

/// The format of an event: in a configuration, `event` or `ocsf`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EventFormat {
    /// The format of an export, with all that the event's hash covers.
    #[default]
    Event,
    /// The format for security tools; see [`Event::to_ocsf`].
    Ocsf,
}

impl EventFormat {
    /// Returns the event as one line of JSON with its line end.
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
