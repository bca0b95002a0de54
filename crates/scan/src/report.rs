use std::fmt;

use crate::finder::Finder;
use crate::sighting::Sighting;

/// The place of a text. Values within the names of files are replaced by their public beginnings.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Place {
    /// The path of the file, or `-` for standard input.
    pub file: String,
    /// The files within it, if it is an archive: the outermost first.
    pub members: Vec<String>,
    /// The commit that brought the file, if it is of the history of a repository.
    pub commit: Option<String>,
}

impl Place {
    /// Returns the place of a file.
    #[must_use]
    pub fn of(file: String) -> Self {
        Self { file, ..Self::default() }
    }

    /// Returns the place of a member of this archive.
    pub(crate) fn member(&self, name: String) -> Self {
        let mut place = self.clone();
        place.members.push(name);
        place
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(commit) = &self.commit {
            write!(f, "{}:", commit.get(..12).unwrap_or(commit))?;
        }
        f.write_str(&self.file)?;
        self.members.iter().try_for_each(|member| write!(f, "!{member}"))
    }
}

/// A value, and its place.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The place of the text.
    pub place: Place,
    /// The value in it.
    pub sighting: Sighting,
}

/// A text that could not be looked at, or not to its end.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Unread {
    /// The place of the text.
    pub place: Place,
    /// The reason.
    pub fault: String,
}

/// The result of a search.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The values.
    pub findings: Vec<Finding>,
    /// The texts that could not be looked at.
    pub unread: Vec<Unread>,
    /// The number of texts that were looked at.
    pub texts: u64,
}

impl Report {
    /// Adds another report.
    pub fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.unread.extend(other.unread);
        self.texts += other.texts;
    }

    /// Sorts by place and line.
    pub fn sort(&mut self) {
        self.findings.sort_by(|a, b| (&a.place, a.sighting.offset).cmp(&(&b.place, b.sighting.offset)));
        self.unread.sort();
    }

    pub(crate) fn found(&mut self, place: &Place, sighting: Sighting) {
        self.findings.push(Finding { place: place.clone(), sighting });
    }

    pub(crate) fn fault(&mut self, finder: &Finder, place: &Place, fault: impl fmt::Display) {
        self.unread.push(Unread { place: place.clone(), fault: finder.redact(&fault.to_string()) });
    }

    /// Adds the values in a name of `place`, whose text does not show them.
    pub(crate) fn named(&mut self, place: &Place, sightings: Vec<Sighting>) {
        for sighting in sightings {
            self.found(place, Sighting { line: 0, ..sighting });
        }
    }
}
