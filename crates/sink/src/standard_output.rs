use std::io::{self, Write};

use doorward_audit::Event;

use crate::{EventFormat, Notice, Receiver, Sink, SinkError, Telling};

/// Writes lines of JSON to standard output.
#[derive(Debug)]
pub struct StandardOutput {
    shape: EventFormat,
}

impl StandardOutput {
    /// Creates a sink for events in this format.
    #[must_use]
    pub const fn new(shape: EventFormat) -> Self {
        Self { shape }
    }
}

impl Sink for StandardOutput {
    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        write(self.shape.lines(events)).await
    }
}

impl Receiver for StandardOutput {
    fn tell<'a>(&'a mut self, notice: &'a Notice) -> Telling<'a> {
        Box::pin(write(notice.to_json_line(self.shape)))
    }
}

async fn write(lines: String) -> Result<(), SinkError> {
    // A blocked pipe blocks only this thread.
    let write = move || {
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush())
    };
    tokio::task::spawn_blocking(write).await.map_err(io::Error::other)??;
    Ok(())
}
