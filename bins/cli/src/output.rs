//! Tables for people, JSON for programs. A value that is shown once goes to standard output alone.

use std::io::{ErrorKind, IsTerminal, Write};

use doorward::auth::ChangeProgress;
use doorward::key::ShownOnce;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::arguments::{Format, ShownValue, ValueFormat};
use crate::change::{NewValue, RunningChange};
use crate::failure::CliError;
use crate::people::table;

/// The output of a command.
#[derive(Clone, Debug)]
pub struct Output {
    format: Format,
    value_format: ValueFormat,
    change: RunningChange,
}

impl Output {
    /// Returns an output in this format.
    #[must_use]
    pub fn new(format: Format, value: Option<ShownValue>) -> Self {
        let (value_format, cure) = value.map_or_else(Default::default, |value| (value.format, value.cure));
        let format = if value_format == ValueFormat::Json { Format::Json } else { format };
        Self { format, value_format, change: RunningChange::new(cure) }
    }

    /// Returns an output that says nothing to people.
    pub(crate) fn silent() -> Self {
        Self::new(Format::Json, None)
    }

    /// Hears of the command's change while it is made, and shows its new value.
    pub(crate) fn hear(&self, progress: &ChangeProgress<'_>) {
        match progress {
            ChangeProgress::Committing => self.change.begin(),
            ChangeProgress::Committed { subject, value, .. } => {
                let shown = match value {
                    None => NewValue::Safe,
                    Some(_) if self.is_document() => NewValue::InDocument,
                    Some(value) => self.value_early(subject, value).map_or_else(NewValue::Lost, |()| NewValue::Safe),
                };
                self.change.committed(subject, shown);
            }
            _ => {}
        }
    }

    /// Waits until the command's change is interrupted.
    pub(crate) async fn interrupted(&self) -> CliError {
        self.change.interrupted().await
    }

    /// Returns true if the command prints one JSON document.
    pub(crate) fn is_document(&self) -> bool {
        self.format == Format::Json
    }

    /// Returns the format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Prints a list: a table, or the document.
    ///
    /// # Errors
    ///
    /// Fails if standard output cannot be written.
    pub fn list<T: Serialize>(
        &self,
        document: &T,
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Json => show(&text_of(document)?),
            Format::Table => show(&table(header, rows)),
        }
    }

    /// Reports a change: sentences for people on standard error, or the document.
    ///
    /// # Errors
    ///
    /// Fails if standard output cannot be written.
    pub fn done<T: Serialize>(&self, document: &T, sentences: &str) -> Result<(), CliError> {
        self.remark(sentences);
        self.plain(document, "")
    }

    /// Prints text for a file to standard output, or the document.
    ///
    /// # Errors
    ///
    /// Fails if standard output cannot be written.
    pub fn plain<T: Serialize>(&self, document: &T, text: &str) -> Result<(), CliError> {
        match self.format {
            Format::Json => self.document(document),
            Format::Table => write(text),
        }
    }

    /// Reports a change that made a value. The value went to standard output when the change was committed, unless it is in
    /// the document.
    ///
    /// # Errors
    ///
    /// Fails if standard output cannot be written. The value is then lost, and the failure says so.
    pub fn shown_once<T: Serialize>(&self, document: &T, sentences: &str) -> Result<(), CliError> {
        match self.format {
            Format::Json => self.document(document).map_err(|error| self.change.document_lost(error)),
            Format::Table => {
                self.change.check_value()?;
                self.remark(sentences);
                Ok(())
            }
        }
    }

    /// Writes a new value to standard output before the change is in effect. Returns the reason if it cannot be written.
    fn value_early(&self, subject: &str, value: &ShownOnce) -> Result<(), String> {
        self.remark(&format!("The new value for {subject}, shown this one time:"));
        self.value("DOORWARD_ACCESS_KEY", value.expose()).map_err(|error| error.problem().detail().to_owned())?;
        self.remark("Waiting until every server knows it…");
        Ok(())
    }

    /// Writes the value of a change of `subject` to standard output, or the document. `name` is the variable of the format
    /// `env`.
    ///
    /// # Errors
    ///
    /// Fails if standard output cannot be written. The value is then lost, and the failure says so.
    pub(crate) fn value_or<T: Serialize>(
        &self,
        document: &T,
        subject: &str,
        (name, value): (&str, &str),
    ) -> Result<(), CliError> {
        let written = if self.is_document() { self.document(document) } else { self.value(name, value) };
        written.map_err(|error| self.change.lost(subject, error.problem().detail()))
    }

    /// Writes a value, with a line feed on a terminal only: programs keep what they read byte by byte.
    fn value(&self, name: &str, value: &str) -> Result<(), CliError> {
        let end = if std::io::stdout().is_terminal() { "\n" } else { "" };
        let text = match self.value_format {
            ValueFormat::Env => format!("{name}={value}\n"),
            ValueFormat::Value | ValueFormat::Json => format!("{value}{end}"),
        };
        write(&Zeroizing::new(text))
    }

    /// Prints one JSON document to standard output.
    fn document<T: Serialize>(&self, document: &T) -> Result<(), CliError> {
        write(&text_of(document)?)
    }

    /// Prints a sentence for people to standard error.
    pub fn remark(&self, sentence: &str) {
        if self.format == Format::Table {
            let _ = writeln!(anstream::stderr(), "{sentence}");
        }
    }

    /// Reports a failed command: a sentence on standard error, or the problem document on standard output.
    pub fn failure(&self, failure: &CliError) {
        match self.format {
            _ if failure.is_quiet() => {}
            Format::Json if failure.is_told() => {}
            // Without standard output, standard error is all that is left.
            Format::Json if !is_closed() && write(&format!("{}\n", failure.to_json())).is_ok() => {}
            Format::Json | Format::Table => {
                let cause = failure.cause().map(|cause| format!(" ({cause})")).unwrap_or_default();
                let _ = writeln!(anstream::stderr(), "doorward: {}{cause}", failure.problem().detail());
            }
        }
    }
}

/// Returns a document as one JSON text.
pub(crate) fn text_of<T: Serialize>(document: &T) -> Result<Zeroizing<String>, CliError> {
    let text = serde_json::to_string_pretty(document).map_err(|error| CliError::failed(error.to_string()))?;
    Ok(Zeroizing::new(format!("{text}\n")))
}

/// Writes a whole text to standard output.
///
/// # Errors
///
/// Fails if it cannot be written, also because its reader has ended: the text may be the only copy of a secret.
pub fn write(text: &str) -> Result<(), CliError> {
    put(text).map_err(lost)
}

/// Writes a text that can be asked for again, such as a list. A reader that ends, as `head` does, has what it wants.
///
/// # Errors
///
/// Fails like [`write()`], and quietly if the reader has ended.
pub fn show(text: &str) -> Result<(), CliError> {
    put(text).map_err(|error| if error.kind() == ErrorKind::BrokenPipe { CliError::closed_pipe() } else { lost(error) })
}

/// Returns true if standard output was closed at the start. The standard library then puts /dev/null in its place, for reading
/// and writing; `> /dev/null` is for writing alone.
#[cfg(unix)]
#[must_use]
pub fn is_closed() -> bool {
    use rustix::fs::{OFlags, fcntl_getfl, fstat, stat};
    let out = std::io::stdout();
    let is_null = |own: rustix::fs::Stat| stat("/dev/null").is_ok_and(|null| null.st_rdev == own.st_rdev);
    fstat(&out).is_ok_and(is_null) && fcntl_getfl(&out).is_ok_and(|flags| flags.contains(OFlags::RDWR))
}

/// Returns false: elsewhere, a closed standard output fails at the first write.
#[cfg(not(unix))]
#[must_use]
pub const fn is_closed() -> bool {
    false
}

fn put(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn lost(error: std::io::Error) -> CliError {
    CliError::failed(format!("standard output cannot be written ({error}); the output is lost"))
}
