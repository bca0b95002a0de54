use std::io::{self, Write};

use async_trait::async_trait;
use doorward_audit::Event;

use crate::{Shape, Sink, SinkError};

/// Lines of JSON on standard output, for whatever collects it.
#[derive(Debug)]
pub struct StandardOutput {
    shape: Shape,
}

impl StandardOutput {
    /// Events of this shape.
    #[must_use]
    pub const fn new(shape: Shape) -> Self {
        Self { shape }
    }
}

#[async_trait]
impl Sink for StandardOutput {
    fn batch(&self) -> usize {
        100
    }

    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        let lines = self.shape.lines(events);
        // A pipe that no one reads, hangs a thread of its own.
        let write = move || {
            let mut out = io::stdout().lock();
            out.write_all(lines.as_bytes()).and_then(|()| out.flush())
        };
        tokio::task::spawn_blocking(write).await.map_err(io::Error::other)??;
        Ok(())
    }
}
