//! The texts that are looked at: files, folders, and texts that a program hands over.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ignore::{WalkBuilder, WalkState};

use crate::archive::Look;
use crate::finder::Finder;
use crate::limits::Limits;
use crate::report::{Place, Report};

/// Looks for values in files, folders, archives and repositories.
#[derive(Debug)]
pub struct Scanner {
    pub(crate) finder: Finder,
    pub(crate) limits: Limits,
    respects_ignore_files: bool,
}

impl Scanner {
    /// Returns a scanner that respects ignore files.
    #[must_use]
    pub fn new(finder: Finder) -> Self {
        Self { finder, limits: Limits::default(), respects_ignore_files: true }
    }

    /// The same scanner, which also looks at files that an ignore file names.
    #[must_use]
    pub fn without_ignore_files(self) -> Self {
        Self { respects_ignore_files: false, ..self }
    }

    /// The same scanner with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Looks at a file, or at every file of a folder but those of a repository's own folder `.git`.
    #[must_use]
    pub fn path(&self, path: &Path) -> Report {
        let mut report = match std::fs::metadata(path) {
            Ok(facts) if facts.is_dir() => self.folder(path),
            Ok(_) => self.file(path),
            Err(error) => {
                let mut report = Report::default();
                let place = self.place(path, &mut report);
                report.fault(&self.finder, &place, error);
                report
            }
        };
        report.sort();
        report
    }

    /// Looks at a text that another program hands over, such as standard input.
    #[must_use]
    pub fn reader(&self, name: &str, mut from: impl Read) -> Report {
        let mut report = Report::default();
        Look::new(&self.finder, self.limits).stream(&mut from, &Place::of(name.to_owned()), &mut report);
        report
    }

    fn folder(&self, folder: &Path) -> Report {
        let whole = Mutex::new(Report::default());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let respects = self.respects_ignore_files;
        let walk = WalkBuilder::new(folder)
            .standard_filters(respects)
            .require_git(false)
            .hidden(false)
            .threads(threads)
            .filter_entry(|entry| entry.file_name() != ".git")
            .build_parallel();
        walk.run(|| {
            Box::new(|entry| {
                let report = match entry {
                    Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => self.file(entry.path()),
                    Ok(_) => return WalkState::Continue,
                    Err(error) => {
                        let mut report = Report::default();
                        let place = self.place(folder, &mut report);
                        report.fault(&self.finder, &place, error);
                        report
                    }
                };
                whole.lock().unwrap_or_else(PoisonError::into_inner).add(report);
                WalkState::Continue
            })
        });
        whole.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &Path) -> Report {
        let mut report = Report::default();
        let place = self.place(path, &mut report);
        let look = Look::new(&self.finder, self.limits);
        match File::open(path) {
            Ok(mut file) => match file.stream_position() {
                Ok(_) => look.file(&mut file, &place, &mut report),
                // A pipe.
                Err(_) => look.stream(&mut file, &place, &mut report),
            },
            Err(error) => report.fault(&self.finder, &place, error),
        }
        report
    }

    /// Returns the place of a file. Its name can hold a value itself.
    pub(crate) fn place(&self, path: &Path, report: &mut Report) -> Place {
        let (name, sightings) = self.finder.redacted(path.as_os_str().as_encoded_bytes());
        let place = Place::of(name);
        report.named(&place, sightings);
        place
    }
}
