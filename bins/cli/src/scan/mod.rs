//! `doorward scan`: keys and operators' tokens that leaked, and whether they are in force.

mod document;
mod hook;
mod lines;
mod sarif;
mod state;

use std::path::{Path, PathBuf};

use doorward::StoreUrl;
use doorward::api::Code;
use doorward::key::KeyPrefix;
use doorward_scan::rules::Rules;
use doorward_scan::{Finder, Report, Scanner};

use self::document::{Document, Row, UnreadRow};
use self::state::States;
use crate::arguments::{OtherScanner, Scan, ScanFormat};
use crate::context::CliContext;
use crate::failure::CliError;
use crate::output::{self, Output};

/// The store that is asked, if there is one.
struct Asked {
    context: Option<CliContext>,
    /// The reason if there is a store that cannot be asked.
    fault: Option<CliError>,
}

impl Asked {
    async fn open(url: &StoreUrl, output: &Output) -> Self {
        match CliContext::open_existing(url, output).await {
            Ok(context) => Self { context: Some(context), fault: None },
            Err(error) if error.problem().code() == Code::NotFound.into() => Self { context: None, fault: None },
            Err(error) => Self { context: None, fault: Some(error) },
        }
    }

    /// Returns the prefix to look for.
    fn prefix(&self, given: Option<&KeyPrefix>) -> KeyPrefix {
        let of_store = || self.context.as_ref().map(|context| context.core.prefix().clone());
        given.cloned().or_else(of_store).unwrap_or_default()
    }
}

pub(crate) async fn run(url: &StoreUrl, scan: &Scan, output: &Output) -> Result<(), CliError> {
    if scan.hook {
        return match &*scan.paths {
            [] => hook::install(Path::new("."), scan.prefix.as_ref(), output),
            [path] => hook::install(path, scan.prefix.as_ref(), output),
            _ => Err(CliError::usage("--hook installs into one repository: give one path".to_owned())),
        };
    }
    let asked = Asked::open(url, output).await;
    let prefix = asked.prefix(scan.prefix.as_ref());
    if let Some(scanner) = scan.rules {
        return match asked.fault {
            // Rules with another prefix would find nothing, and nobody would notice.
            Some(fault) if scan.prefix.is_none() => Err(fault),
            _ => output::show(&rules(scanner).for_prefix(&prefix)),
        };
    }
    let report = look(scan, Finder::new(&prefix));
    let document = judged(report, asked).await;
    for unread in &document.unread {
        output.remark(&format!("doorward: {}: {}", lines::printable(&unread.file), lines::printable(&unread.fault)));
    }
    let format = if output.is_document() && scan.format == ScanFormat::Text { ScanFormat::Json } else { scan.format };
    match format {
        ScanFormat::Text => output::show(&lines::of(&document))?,
        ScanFormat::Json => output::show(&output::text_of(&document)?)?,
        ScanFormat::Sarif => output::show(&output::text_of(&sarif::of(&document))?)?,
    }
    output.remark(&lines::summary(&document));
    match document.status(scan.staged) {
        0 => Ok(()),
        status => Err(CliError::answered(status)),
    }
}

/// Looks at everything that the arguments name.
fn look(scan: &Scan, finder: Finder) -> Report {
    let scanner = Scanner::new(finder);
    let scanner = if scan.no_ignore { scanner.without_ignore_files() } else { scanner };
    let here = [PathBuf::from(".")];
    let paths: &[PathBuf] = if scan.paths.is_empty() { &here } else { &scan.paths };
    let mut report = Report::default();
    for path in paths {
        report.add(match path {
            path if scan.git => scanner.history(path),
            path if scan.staged => scanner.staged(path, index_of_hook(path).as_deref()),
            path if path.as_os_str() == "-" => scanner.reader("-", std::io::stdin().lock()),
            path => scanner.path(path),
        });
    }
    report
}

/// Returns the index that git names to its hooks: `git commit FILE` has one of its own.
fn index_of_hook(path: &Path) -> Option<PathBuf> {
    let named = std::env::var_os("GIT_INDEX_FILE").filter(|named| !named.is_empty() && path.as_os_str() == ".");
    named.map(PathBuf::from)
}

/// Returns the findings with what the store says of them.
async fn judged(report: Report, asked: Asked) -> Document {
    let mut unread: Vec<_> = report.unread.iter().map(UnreadRow::from).collect();
    let mut states = States::new(asked.context.as_ref());
    let mut findings = Vec::with_capacity(report.findings.len());
    for finding in &report.findings {
        findings.push(Row::new(finding, states.of(&finding.sighting).await));
    }
    if let Some(fault) = asked.fault.or(states.into_fault()) {
        let cause = fault.cause().map(|cause| format!(" ({cause})")).unwrap_or_default();
        unread.push(UnreadRow { file: "the store".to_owned(), fault: format!("{}{cause}", fault.problem().detail()) });
    }
    Document { findings, unread, texts: report.texts }
}

const fn rules(scanner: OtherScanner) -> Rules {
    match scanner {
        OtherScanner::Gitleaks => Rules::Gitleaks,
        OtherScanner::Trufflehog => Rules::Trufflehog,
        OtherScanner::Trufflehog3 => Rules::Trufflehog3,
        OtherScanner::DetectSecrets => Rules::DetectSecrets,
        OtherScanner::Github => Rules::Github,
    }
}
