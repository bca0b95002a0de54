//! The search in a text that comes in parts.

use std::io::{ErrorKind, Read};

use crate::decode::MARGIN;
use crate::finder::{Finder, Lines, feeds};
use crate::sighting::Sighting;

/// The number of bytes that are read at once: few enough for a processor's cache.
const PART: usize = 256 * 1024;

/// A search in a text that comes in parts, of which only the last is kept.
#[derive(Debug)]
pub struct Stream<'a> {
    finder: &'a Finder,
    kept: Vec<u8>,
    /// The place of the kept bytes in the whole.
    offset: u64,
    /// The line feeds before the kept bytes.
    feeds: u64,
    /// The kept bytes before which everything was looked at.
    looked_at: usize,
    /// The place of the last sighting.
    last: Option<u64>,
}

impl<'a> Stream<'a> {
    /// Returns a search that has seen nothing yet.
    #[must_use]
    pub fn new(finder: &'a Finder) -> Self {
        Self { finder, kept: Vec::new(), offset: 0, feeds: 0, looked_at: 0, last: None }
    }

    /// Takes the next part. Tells of the values that are whole.
    pub fn feed(&mut self, part: &[u8], tell: &mut dyn FnMut(Sighting)) {
        self.kept.extend_from_slice(part);
        self.go_on(tell);
    }

    /// Looks at the rest of the text.
    pub fn finish(mut self, tell: &mut dyn FnMut(Sighting)) {
        let until = self.kept.len();
        self.look(until, tell);
    }

    /// Looks at a text until its end.
    ///
    /// # Errors
    ///
    /// Fails if the text cannot be read to its end. Everything before was looked at.
    pub fn read(mut self, mut from: impl Read, tell: &mut dyn FnMut(Sighting)) -> std::io::Result<()> {
        loop {
            let old = self.kept.len();
            self.kept.resize(old + PART, 0);
            let space = self.kept.get_mut(old..).unwrap_or_default();
            let read = match from.read(space) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    self.kept.truncate(old);
                    continue;
                }
                read => read,
            };
            self.kept.truncate(old + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => {
                    self.finish(tell);
                    return Ok(());
                }
                Ok(_) => self.go_on(tell),
                Err(error) => {
                    self.finish(tell);
                    return Err(error);
                }
            }
        }
    }

    /// Looks at all but the last bytes, and forgets the bytes that no value can reach.
    fn go_on(&mut self, tell: &mut dyn FnMut(Sighting)) {
        let until = self.kept.len().saturating_sub(MARGIN);
        if until <= self.looked_at {
            return;
        }
        self.look(until, tell);
        let forgotten = until.saturating_sub(MARGIN);
        self.feeds += self.kept.get(..forgotten).map_or(0, feeds);
        self.offset = self.offset.saturating_add(u64::try_from(forgotten).unwrap_or(u64::MAX));
        self.kept.drain(..forgotten);
        self.looked_at = until - forgotten;
    }

    fn look(&mut self, until: usize, tell: &mut dyn FnMut(Sighting)) {
        let mut lines = Lines::default();
        let (kept, feeds, last) = (&self.kept, self.feeds, &mut self.last);
        self.finder.search(kept, self.looked_at, until, self.offset, &mut |mut sighting, start| {
            // The needles of one value can lie on both sides of the end of a part.
            if *last != Some(sighting.offset) {
                *last = Some(sighting.offset);
                sighting.line = feeds + lines.of(kept, start);
                tell(sighting);
            }
        });
    }
}
