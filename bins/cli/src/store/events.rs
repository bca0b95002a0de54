//! Audit events from files: exports in JSON Lines, and files of a sink.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use doorward::audit::{FiledEvent, FiledEventError};
use doorward::auth::restore::{Comparison, Findings};

use crate::failure::CliError;
use crate::output::Output;
use crate::progress::Progress;

/// The longest line that is read as a whole: an event has some kilobytes.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// The maximum number of unreadable lines that are named.
const MAX_LISTED: usize = 20;

/// The findings from some files.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) findings: Findings,
    /// The number of lines that could not be read.
    pub(super) unreadable: u64,
    /// The first of these lines, each with the reason.
    pub(super) named: Vec<String>,
}

pub(super) async fn read(files: &[PathBuf], mut comparison: Comparison, output: &Output) -> Result<Told, CliError> {
    let mut told = Told::default();
    let mut progress = Progress::new(output);
    for file in files {
        read_file(file, &mut comparison, &mut told, &mut progress).await?;
    }
    progress.end();
    told.findings = comparison.finish().await?;
    Ok(told)
}

async fn read_file(
    path: &Path,
    comparison: &mut Comparison,
    told: &mut Told,
    progress: &mut Progress,
) -> Result<(), CliError> {
    let name = path.display();
    let unread = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => CliError::not_found(format!("there is no file {name}")),
        _ => CliError::of_file("read", path, &error),
    };
    let file = File::open(path).map_err(unread)?;
    let of = file.metadata().map_err(unread)?.len();
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut line, mut number, mut events, mut bytes) = (Vec::new(), 0_u64, 0_u64, 0_u64);
    loop {
        line.clear();
        let length = read_line(&mut reader, &mut line).map_err(unread)?;
        if length == 0 {
            break;
        }
        (number, bytes) = (number + 1, bytes + length as u64);
        match event(&line) {
            Ok(None) => {}
            Ok(Some(event)) => {
                events += 1;
                comparison.add(&event).await?;
            }
            Err(reason) => {
                told.unreadable += 1;
                if told.named.len() < MAX_LISTED {
                    told.named.push(format!("{name}, line {number}: {reason}"));
                }
            }
        }
        progress.show(&format!("comparing {name}: {} of {} MiB", bytes >> 20, of >> 20), bytes >= of);
    }
    if events == 0 && told.unreadable > 0 {
        progress.end();
        return Err(CliError::usage(format!(
            "{name} holds no audit events ({}): give an export in JSON Lines (`doorward audit export --format jsonl`), or a \
             sink's file",
            told.named.last().map(String::as_str).unwrap_or_default()
        )));
    }
    Ok(())
}

/// Reads the event of a line. Returns none if the line is empty.
/// Appends the next line, or the first bytes of a line that is too long. Returns their number, which is zero at the end.
pub(crate) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<usize> {
    reader.take(MAX_LINE_BYTES).read_until(b'\n', line)
}

fn event(line: &[u8]) -> Result<Option<FiledEvent>, String> {
    let is_whole = line.ends_with(b"\n");
    let text = str::from_utf8(line).map_err(|_| "this is no text in UTF-8".to_owned())?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    FiledEvent::from_line(text).map(Some).map_err(|error| match error {
        FiledEventError::NoJson(_) if !is_whole => "the file ends, or the line is too long".to_owned(),
        error => {
            let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
            printable(&format!("{error}{cause}"))
        }
    })
}

/// Returns the text without control characters, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_event_says_why_and_harms_no_terminal() {
        assert_eq!(event(b" \r\n"), Ok(None));
        assert_eq!(event(b"\xff\n").unwrap_err(), "this is no text in UTF-8");
        assert_eq!(event(b"{\"sequence\":1,").unwrap_err(), "the file ends, or the line is too long");
        for bad in ["sequence,time\n", "{\"sequence\":1,\n", "{\"detail\":{\"\\u001b[2J\":1}}\n", "7\n"] {
            let reason = event(bad.as_bytes()).unwrap_err();
            assert!(reason.starts_with("this is no") && !reason.contains('\u{1b}'), "{reason}");
        }
    }
}
