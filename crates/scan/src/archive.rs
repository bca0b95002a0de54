//! Archives: zip, tar and gzip, within each other.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use crate::finder::Finder;
use crate::limits::Limits;
use crate::report::{Place, Report};
use crate::stream::Stream;

/// The first bytes of a text, which tell an archive: the magic word of tar is at 257.
const HEAD: usize = 512;

/// The form of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Text,
    Gzip,
    Tar,
    Zip,
}

impl Form {
    fn of(head: &[u8], place: &Place) -> Self {
        let name = place.members.last().unwrap_or(&place.file);
        match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            _ if head.get(257..).is_some_and(|rest| rest.starts_with(b"ustar")) => Self::Tar,
            // An archive from before the magic word: its first header is a whole block.
            _ if name.ends_with(".tar") && head.len() == HEAD => Self::Tar,
            _ => Self::Text,
        }
    }
}

/// The look at one file, with everything in it.
pub(crate) struct Look<'a> {
    finder: &'a Finder,
    limits: Limits,
    /// The bytes that may still be inflated.
    left: Cell<u64>,
}

impl<'a> Look<'a> {
    pub(crate) const fn new(finder: &'a Finder, limits: Limits) -> Self {
        Self { finder, limits, left: Cell::new(limits.inflated) }
    }

    /// Looks at a file that can be read at any place.
    pub(crate) fn file(&self, file: &mut (impl Read + Seek), place: &Place, report: &mut Report) {
        match head_of(file) {
            Ok(head) if Form::of(&head, place) == Form::Zip && self.may_open(place) => {
                match file.seek(SeekFrom::Start(0)) {
                    Ok(_) => self.zip(file, place, report),
                    Err(error) => report.fault(self.finder, place, error),
                }
            }
            Ok(head) => self.rest(&head, file, place, report),
            Err(error) => report.fault(self.finder, place, error),
        }
    }

    /// Looks at a text that can be read once.
    pub(crate) fn stream(&self, mut from: &mut dyn Read, place: &Place, report: &mut Report) {
        match head_of(&mut from) {
            Ok(head) => self.rest(&head, from, place, report),
            Err(error) => report.fault(self.finder, place, error),
        }
    }

    /// Looks at a text whose head has been read.
    fn rest(&self, head: &[u8], from: &mut dyn Read, place: &Place, report: &mut Report) {
        let form = Form::of(head, place);
        let mut whole = head.chain(from);
        if form != Form::Text && !self.may_open(place) {
            let fault = format!("more than {} archives within each other: not opened", self.limits.depth);
            report.fault(self.finder, place, fault);
            return self.text(&mut whole, place, report);
        }
        match form {
            Form::Text => self.text(&mut whole, place, report),
            Form::Gzip => {
                let name = place.members.last().unwrap_or(&place.file);
                let member = place.member(inflated_name(name));
                let mut inflated = self.inflating(MultiGzDecoder::new(BufReader::new(&mut whole)));
                self.stream(&mut inflated, &member, report);
            }
            Form::Tar => self.tar(&mut whole, place, report),
            Form::Zip => {
                let mut held = Vec::new();
                let limit = self.limits.in_memory;
                match whole.take(limit.saturating_add(1)).read_to_end(&mut held) {
                    Ok(_) if u64::try_from(held.len()).is_ok_and(|length| length <= limit) => {
                        self.zip(&mut Cursor::new(held), place, report);
                    }
                    Ok(_) => {
                        let fault = format!("an archive within another, of more than {limit} bytes: not opened");
                        report.fault(self.finder, place, fault);
                    }
                    Err(error) => report.fault(self.finder, place, error),
                }
            }
        }
    }

    fn may_open(&self, place: &Place) -> bool {
        place.members.len() < self.limits.depth
    }

    fn text(&self, from: &mut dyn Read, place: &Place, report: &mut Report) {
        report.texts += 1;
        let read = Stream::new(self.finder).read(from, &mut |sighting| report.found(place, sighting));
        if let Err(error) = read {
            report.fault(self.finder, place, error);
        }
    }

    fn tar(&self, from: &mut dyn Read, place: &Place, report: &mut Report) {
        let mut archive = tar::Archive::new(from);
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(error) => return report.fault(self.finder, place, error),
        };
        for entry in entries {
            match entry {
                Ok(mut entry) => {
                    let kind = entry.header().entry_type();
                    if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
                        let member = self.member(place, &entry.path_bytes(), report);
                        self.stream(&mut entry, &member, report);
                    }
                }
                // The next header is unknown.
                Err(error) => return report.fault(self.finder, place, error),
            }
            if self.left.get() == 0 {
                return;
            }
        }
    }

    fn zip(&self, from: &mut (impl Read + Seek), place: &Place, report: &mut Report) {
        let mut archive = match ZipArchive::new(&mut *from) {
            Ok(archive) => archive,
            Err(error) => {
                report.fault(self.finder, place, error);
                // It may be no archive after all.
                return match from.seek(SeekFrom::Start(0)) {
                    Ok(_) => self.text(from, place, report),
                    Err(error) => report.fault(self.finder, place, error),
                };
            }
        };
        for number in 0..archive.len() {
            match archive.by_index(number) {
                Ok(entry) if entry.is_dir() => {}
                Ok(entry) => {
                    let member = self.member(place, entry.name_raw(), report);
                    self.stream(&mut self.inflating(entry), &member, report);
                }
                Err(error) => report.fault(self.finder, &place.member(format!("entry {number}")), error),
            }
            if self.left.get() == 0 {
                return;
            }
        }
    }

    /// Returns the place of a member. Its name can hold a value itself.
    fn member(&self, place: &Place, name: &[u8], report: &mut Report) -> Place {
        let (name, sightings) = self.finder.redacted(name);
        let member = place.member(name);
        report.named(&member, sightings);
        member
    }

    const fn inflating<R: Read>(&self, from: R) -> Inflating<'_, R> {
        Inflating { from, left: &self.left }
    }
}

/// Returns the first bytes of a text: fewer if it is shorter.
fn head_of(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    from.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Returns the name of the file that a gzip file holds.
fn inflated_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match (name.strip_suffix(".tgz"), name.strip_suffix(".gz")) {
        (Some(name), _) => format!("{name}.tar"),
        (None, Some(name)) => name.to_owned(),
        (None, None) => "content".to_owned(),
    }
}

/// Reads what is inflated until there is too much of it.
struct Inflating<'a, R> {
    from: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Inflating<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let left = self.left.get().checked_sub(u64::try_from(read).unwrap_or(u64::MAX));
        self.left.set(left.unwrap_or_default());
        match left {
            Some(_) => Ok(read),
            None => {
                Err(io::Error::new(ErrorKind::FileTooLarge, "it inflates to too many bytes: not looked at to its end"))
            }
        }
    }
}
