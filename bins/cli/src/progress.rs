use std::io::{IsTerminal, Write};
use std::time::Duration;

use doorward::types::{Clock, MonoInstant, SystemClock};

use crate::arguments::Format;
use crate::output::Output;

/// Shows the progress of long work: on one line of a terminal, or in a line every few seconds.
pub(crate) struct Progress {
    silent: bool,
    terminal: bool,
    last: MonoInstant,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(output: &Output) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { silent: output.format() == Format::Json, terminal, last: SystemClock.tick(), shown: false }
    }

    /// Shows a text, unless another was shown a moment ago. The end of long work is always shown; short work shows nothing.
    pub(crate) fn show(&mut self, text: &str, ends: bool) {
        let pause = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(5) };
        let now = SystemClock.tick();
        if self.silent || (now.since(self.last) < pause && !(ends && self.shown)) {
            return;
        }
        (self.last, self.shown) = (now, true);
        let (start, end) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        let mut stderr = anstream::stderr();
        let _ = write!(stderr, "{start}{text}{end}").and_then(|()| stderr.flush());
    }

    /// Leaves the line.
    pub(crate) fn end(&self) {
        if self.terminal && self.shown {
            let _ = writeln!(anstream::stderr());
        }
    }
}
