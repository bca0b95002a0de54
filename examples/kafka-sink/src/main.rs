//! Audit events in a message broker, by a sink of one's own. README.md says how to run it.

mod broker;

use std::error::Error;

use doorward::AccessKeys;
use doorward::audit::Event;
use doorward::sink::{Sink, SinkError};

use crate::broker::Producer;

/// The sink: a topic of a broker.
#[derive(Debug)]
struct ToTopic(Producer);

impl Sink for ToTopic {
    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        for event in events {
            // The same event may come twice, after a crash: consumers know it again by this key.
            self.0.send(&event.uid(), &event.to_json_line()).await.map_err(SinkError::other)?;
        }
        // Returns once the broker has confirmed all of them. If it fails, they are all handed over again.
        self.0.flush().await.map_err(SinkError::other)
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "kafka.db".to_owned());
    let broker = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned());

    let keys = AccessKeys::open(format!("sqlite:{path}")).sink("kafka", ToTopic(Producer::new(broker))).start().await?;
    let end = keys.until_signal();
    if let Some(first) = keys.provision_first("my-service").await? {
        println!("production key, shown this one time: {}", first.value.expose());
    }
    println!("shipping");
    end.await;
    keys.stop().await?;
    Ok(())
}
