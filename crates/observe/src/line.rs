//! The form of a log line. An event is one line of limited length, for any content of its fields.

use std::error::Error;
use std::fmt::{self, Write};

use doorward_types::{Clock, Foreign, SystemClock};
use serde::{Serialize, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The most bytes of a message or a field: our own sentences fit. What lies beneath an error is text of other programs, each
/// of which gets what [`Foreign`] gives.
const MAX_CHARS: usize = 2_000;

/// The fields that libraries which use `log` note beside their own.
const OF_LOG: &str = "log.";

/// Writes events as lines, for [`event_format`](tracing_subscriber::fmt::Layer::event_format).
#[derive(Clone, Copy, Debug)]
pub struct Line(Style);

/// The style of lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Style {
    /// For machines: one object a line.
    Json,
    /// For people.
    Text,
}

impl From<Style> for Line {
    fn from(style: Style) -> Self {
        Self(style)
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let target = fields.target.take().unwrap_or_else(|| metadata.target().to_owned());
        let time = SystemClock.now();
        match self.0 {
            Style::Text => {
                let level = *metadata.level();
                let (begin, end) = if writer.has_ansi_escapes() { color(level) } else { ("", "") };
                write!(writer, "{time} {begin}{level:>5}{end} {target}:")?;
                if let Some(message) = fields.message() {
                    write!(writer, " {message}")?;
                }
                for (name, value) in fields.others() {
                    match value {
                        Value::String(text) => write!(writer, " {name}={}", Quoted(text))?,
                        other => write!(writer, " {name}={other}")?,
                    }
                }
                writeln!(writer)
            }
            Style::Json => {
                let line =
                    JsonLine { timestamp: time.to_string(), level: metadata.level().as_str(), fields, target: &target };
                writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
            }
        }
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    timestamp: String,
    level: &'static str,
    fields: Fields,
    target: &'a str,
}

const fn color(level: Level) -> (&'static str, &'static str) {
    let begin = match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    };
    (begin, "\x1b[0m")
}

/// A value in a line of text: in quotes if its end could not be seen.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.contains([' ', '=', '"']) || self.0.is_empty() {
            true => write!(f, "\"{}\"", self.0.replace('"', "\\\"")),
            false => f.write_str(self.0),
        }
    }
}

/// The fields of an event, each value made harmless.
#[derive(Default)]
struct Fields {
    all: Vec<(&'static str, Value)>,
    target: Option<String>,
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.all.iter().map(|(name, value)| (name, value)))
    }
}

const MESSAGE: &str = "message";

impl Fields {
    fn message(&self) -> Option<&str> {
        self.all.iter().find(|(name, _)| *name == MESSAGE)?.1.as_str()
    }

    fn others(&self) -> impl Iterator<Item = &(&'static str, Value)> {
        self.all.iter().filter(|(name, _)| *name != MESSAGE)
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        match field.name() {
            "log.target" => {
                if let Value::String(target) = value.into() {
                    self.target = Some(target);
                }
            }
            name if name.starts_with(OF_LOG) => {}
            name => self.all.push((name, value.into())),
        }
    }

    fn put_text(&mut self, field: &Field, text: impl fmt::Display) {
        self.put(field, Foreign::within(text, MAX_CHARS).to_string());
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = Foreign::within(value, MAX_CHARS).to_string();
        for cause in std::iter::successors(value.source(), |cause| (**cause).source()) {
            // Writing into a String does not fail.
            let _ = write!(text, ": {}", Foreign::new(cause));
        }
        self.put(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(style: Style, tell: impl FnOnce()) -> String {
        let kept = Kept::default();
        let layer =
            tracing_subscriber::fmt::layer().with_writer(kept.clone()).with_ansi(false).event_format(Line(style));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), tell);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// An error of ours, over what another program said.
    #[derive(Debug)]
    struct Ours(io::Error);

    impl Ours {
        fn over(text: String) -> Self {
            Self(io::Error::other(text))
        }
    }

    impl fmt::Display for Ours {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("ours")
        }
    }

    impl Error for Ours {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    const FORGED: &str = "x\n2026-01-01T00:00:00.000Z  INFO doorward_server: FORGED\u{2028}\u{202e}\u{1b}[2J";

    #[test]
    fn no_value_of_any_kind_breaks_a_line() {
        for style in [Style::Text, Style::Json] {
            let text = logged(style, || {
                let error = Ours::over(FORGED.to_owned());
                tracing::warn!(text = FORGED, shown = %FORGED, debugged = ?FORGED, "told");
                tracing::warn!(error = &error as &dyn Error, "{FORGED}");
                tracing::warn!("{}", FORGED);
            });
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.lines().all(|line| !line.starts_with("2026-01-01")), "{text}");
            assert!(!text.contains(['\u{2028}', '\u{202e}', '\u{1b}']), "{text}");
            assert_eq!(text.matches("FORGED").count(), 6, "{text}");
        }
    }

    #[test]
    fn what_lies_beneath_an_error_is_cut_at_200_bytes_and_everything_at_some_length() {
        for style in [Style::Text, Style::Json] {
            let text = logged(style, || {
                let error = Ours::over("y".repeat(1_000_000));
                tracing::warn!(error = &error as &dyn Error, "told");
            });
            assert!(text.contains(&format!("ours: {}…", "y".repeat(200))) && text.len() < 500, "{text}");
            let text = logged(style, || tracing::warn!(value = "z".repeat(1_000_000), "told"));
            assert!(text.len() < 2_500, "{text}");
        }
    }

    #[test]
    fn a_line_has_its_fields_as_they_are() {
        let tell = || tracing::info!(count = 3, whole = true, name = "a b", id = %"c", "serving");
        let text = logged(Style::Text, tell);
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(rest, " INFO doorward_observe::line::tests: serving count=3 whole=true name=\"a b\" id=c\n");
        let line: Value = serde_json::from_str(&logged(Style::Json, tell)).unwrap();
        assert_eq!(
            line["fields"],
            serde_json::json!({"message": "serving", "count": 3, "whole": true, "name": "a b", "id": "c"})
        );
        assert_eq!(
            (line["level"].as_str(), line["target"].as_str()),
            (Some("INFO"), Some("doorward_observe::line::tests"))
        );
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
