use std::fmt;
use std::pin::Pin;

use doorward_audit::Event;

use crate::{Sink, SinkError};

/// A sink of any kind, such as for a list of sinks.
pub struct BoxSink(Box<dyn AnySink>);

impl BoxSink {
    /// Boxes a sink.
    pub fn new(sink: impl Sink + 'static) -> Self {
        Self(Box::new(sink))
    }
}

impl Sink for BoxSink {
    fn batch(&self) -> usize {
        self.0.batch()
    }

    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        self.0.deliver(events).await
    }
}

impl fmt::Debug for BoxSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

type Delivering<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

/// [`Sink`], as a trait of which there are objects.
trait AnySink: fmt::Debug + Send + Sync {
    fn batch(&self) -> usize;

    fn deliver<'a>(&'a mut self, events: &'a [Event]) -> Delivering<'a>;
}

impl<S: Sink> AnySink for S {
    fn batch(&self) -> usize {
        Sink::batch(self)
    }

    fn deliver<'a>(&'a mut self, events: &'a [Event]) -> Delivering<'a> {
        Box::pin(Sink::deliver(self, events))
    }
}
