use std::fmt::Debug;
use std::pin::Pin;

use doorward_types::Timestamp;
use serde_json::{Value, json};

use crate::{EventFormat, SinkError};

/// A message for people, beside the audit logs: it tells of something that is no change, such as the misuse of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Notice {
    /// The unique id, which is the same for each attempt to deliver.
    pub id: String,
    /// The kind, such as `access_key.misused`.
    pub kind: &'static str,
    /// The time of the notice.
    pub time: Timestamp,
    /// The sentence for people.
    pub sentence: String,
    /// The facts, by their names.
    pub facts: serde_json::Map<String, Value>,
}

impl Notice {
    /// Creates a notice.
    #[must_use]
    pub const fn new(
        id: String,
        kind: &'static str,
        time: Timestamp,
        sentence: String,
        facts: serde_json::Map<String, Value>,
    ) -> Self {
        Self { id, kind, time, sentence, facts }
    }

    /// Returns the notice as one line of JSON with its line end.
    #[must_use]
    pub fn to_json_line(&self, format: EventFormat) -> String {
        let value = match format {
            EventFormat::Event => self.to_json(),
            EventFormat::Ocsf => self.to_ocsf(),
        };
        format!("{value}\n")
    }

    fn to_json(&self) -> Value {
        let mut fields = self.facts.clone();
        for (name, value) in [
            ("type", json!(self.kind)),
            ("id", json!(self.id)),
            ("time", json!(self.time)),
            ("text", json!(self.sentence)),
        ] {
            fields.insert(name.to_owned(), value);
        }
        Value::Object(fields)
    }

    /// Returns the notice for security tools: OCSF 1.5, class Detection Finding (2004).
    ///
    /// Source: <https://schema.ocsf.io/1.5.0/classes/detection_finding>
    fn to_ocsf(&self) -> Value {
        json!({
            "activity_id": 1,
            "category_uid": 2,
            "class_uid": 2004,
            "type_uid": 200_401,
            "severity_id": 3,
            "status_id": 1,
            "time": self.time.as_millis(),
            "message": self.sentence,
            "metadata": {"version": "1.5.0", "product": {"name": "Doorward", "vendor_name": "Doorward"}, "uid": self.id},
            "finding_info": {"uid": self.id, "title": self.sentence, "types": [self.kind]},
            "unmapped": self.to_json(),
        })
    }
}

/// The future of [`Receiver::tell`].
pub type Telling<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

/// The receiver of notices.
pub trait Receiver: Debug + Send {
    /// Takes a notice. If it fails, the notice is handed over again.
    fn tell<'a>(&'a mut self, notice: &'a Notice) -> Telling<'a>;
}
