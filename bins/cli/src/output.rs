//! Tables for people, JSON for programs; values that are shown once to standard output, and nothing else beside them.

use std::io::Write;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use doorward::key::ShownOnce;
use serde::Serialize;

use crate::arguments::Format;
use crate::failure::Failure;

/// Where a command says what it did.
#[derive(Debug)]
pub struct Output {
    format: Format,
}

impl Output {
    /// In this format.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// A list: a table, or the document.
    ///
    /// # Errors
    ///
    /// Where standard output cannot be written.
    pub fn list<T: Serialize>(
        &self,
        document: &T,
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.document(document),
            Format::Table => write(&table(header, rows)),
        }
    }

    /// A change that was made: sentences for people, on standard error, or the document.
    ///
    /// # Errors
    ///
    /// Where standard output cannot be written.
    pub fn done<T: Serialize>(&self, document: &T, sentences: &str) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.document(document),
            Format::Table => {
                self.remark(sentences);
                Ok(())
            }
        }
    }

    /// Text that is made to be kept in a file: as it is, on standard output; or the document.
    ///
    /// # Errors
    ///
    /// Where standard output cannot be written.
    pub fn plain<T: Serialize>(&self, document: &T, text: &str) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.document(document),
            Format::Table => write(text),
        }
    }

    /// A change that made a value: the value alone on standard output, the sentences on standard error; or the document.
    ///
    /// # Errors
    ///
    /// Where standard output cannot be written: the value is then lost, and the failure says so.
    pub fn shown_once<T: Serialize>(&self, document: &T, value: &ShownOnce, sentences: &str) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.document(document),
            Format::Table => {
                self.remark(sentences);
                let line = zeroize::Zeroizing::new(format!("{}\n", value.expose()));
                write(&line)
            }
        }
    }

    /// One JSON document on standard output.
    fn document<T: Serialize>(&self, document: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(document).map_err(|error| Failure::failed(error.to_string()))?;
        write(&zeroize::Zeroizing::new(format!("{text}\n")))
    }

    /// A sentence for people, on standard error.
    pub fn remark(&self, sentence: &str) {
        if self.format == Format::Table {
            let _ = writeln!(anstream::stderr(), "{sentence}");
        }
    }

    /// Why a command was not carried out: a sentence on standard error, or the problem document on standard output.
    pub fn failure(&self, failure: &Failure) {
        match self.format {
            Format::Json if failure.is_told() => {}
            Format::Json => drop(write(&format!("{}\n", failure.problem().to_json()))),
            Format::Table => {
                let cause = failure.cause().map(|cause| format!(" ({cause})")).unwrap_or_default();
                let _ = writeln!(anstream::stderr(), "doorward: {}{cause}", failure.problem().detail());
            }
        }
    }
}

/// Returns a table as lines of text.
#[must_use]
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.to_vec());
    table.add_rows(rows);
    format!("{table}\n")
}

/// Writes to standard output, whole.
///
/// # Errors
///
/// Where it cannot be written.
pub fn write(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
        Failure::failed(format!("standard output cannot be written ({error}); what it was to show is lost"))
    })
}
