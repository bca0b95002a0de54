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
    /// The space for bytes. It begins with the kept ones.
    space: Vec<u8>,
    /// The number of kept bytes.
    kept: usize,
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
        Self { finder, space: Vec::new(), kept: 0, offset: 0, feeds: 0, looked_at: 0, last: None }
    }

    /// Takes the next part. Tells of the values that are whole.
    pub fn feed(&mut self, part: &[u8], tell: &mut dyn FnMut(Sighting)) {
        self.space.truncate(self.kept);
        self.space.extend_from_slice(part);
        self.kept = self.space.len();
        self.go_on(tell);
    }

    /// Looks at the rest of the text.
    pub fn finish(mut self, tell: &mut dyn FnMut(Sighting)) {
        let until = self.kept;
        self.look(until, tell);
    }

    /// Looks at a text until its end.
    ///
    /// # Errors
    ///
    /// Fails if the text cannot be read to its end. Everything before was looked at.
    pub fn read(mut self, mut from: impl Read, tell: &mut dyn FnMut(Sighting)) -> std::io::Result<()> {
        loop {
            let room = self.kept + PART;
            // Zeros are written once, since a part overwrites the part before it.
            if self.space.len() < room {
                self.space.resize(room, 0);
            }
            match from.read(self.space.get_mut(self.kept..room).unwrap_or_default()) {
                Ok(0) => {
                    self.finish(tell);
                    return Ok(());
                }
                Ok(read) => {
                    self.kept = room.min(self.kept + read);
                    self.go_on(tell);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.finish(tell);
                    return Err(error);
                }
            }
        }
    }

    /// Looks at all but the last bytes, and forgets the bytes that no value can reach.
    fn go_on(&mut self, tell: &mut dyn FnMut(Sighting)) {
        let until = self.kept.saturating_sub(MARGIN);
        if until <= self.looked_at {
            return;
        }
        self.look(until, tell);
        let forgotten = until.saturating_sub(MARGIN);
        self.feeds += self.space.get(..forgotten).map_or(0, feeds);
        self.offset = self.offset.saturating_add(u64::try_from(forgotten).unwrap_or(u64::MAX));
        self.space.copy_within(forgotten..self.kept, 0);
        self.kept -= forgotten;
        self.looked_at = until - forgotten;
    }

    fn look(&mut self, until: usize, tell: &mut dyn FnMut(Sighting)) {
        let mut lines = Lines::default();
        let (kept, feeds, last) = (self.space.get(..self.kept).unwrap_or_default(), self.feeds, &mut self.last);
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
