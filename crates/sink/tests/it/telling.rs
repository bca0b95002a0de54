//! Notices: a receiver that fails delays no other, and nobody waits for it without end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_sink::{EventFormat, Notice, Receiver, SinkError, Tellers, Telling};
use doorward_types::Timestamp;
use serde_json::{Map, Value, json};

/// Keeps the ids of notices, after some failures.
#[derive(Debug, Default)]
struct Desk {
    failures: u32,
    attempts: Arc<AtomicU32>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Receiver for Desk {
    fn tell<'a>(&'a mut self, notice: &'a Notice) -> Telling<'a> {
        Box::pin(async move {
            if self.attempts.fetch_add(1, Ordering::SeqCst) < self.failures {
                return Err(SinkError::other("down"));
            }
            self.taken.lock().unwrap().push(notice.id.clone());
            Ok(())
        })
    }
}

fn notice(number: u32) -> Notice {
    let facts = Map::from_iter([("calls".to_owned(), json!(number))]);
    let time = Timestamp::from_millis(1_700_000_000_000);
    Notice::new(format!("notice_{number}"), "access_key.misused", time, "look at it".to_owned(), facts)
}

fn ids(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("notice_{number}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failing_receiver_delays_no_other_and_gets_everything_in_order_later() {
    let (well, ill) = (Desk::default(), Desk { failures: 3, ..Desk::default() });
    let (by_well, by_ill, attempts) = (Arc::clone(&well.taken), Arc::clone(&ill.taken), Arc::clone(&ill.attempts));
    let tellers =
        Tellers::start(vec![("well".parse().unwrap(), Box::new(well)), ("ill".parse().unwrap(), Box::new(ill))]);
    for number in 0..3 {
        tellers.tell(&notice(number));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((by_well.lock().unwrap().clone(), by_ill.lock().unwrap().len()), (ids(0..3), 0));
    assert_eq!(attempts.load(Ordering::SeqCst), 1, "no attempt follows at once");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(*by_ill.lock().unwrap(), ids(0..3));
    tellers.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_oldest_notices_are_dropped_and_the_stop_waits_for_three_seconds() {
    let dead = Desk { failures: u32::MAX, ..Desk::default() };
    let attempts = Arc::clone(&dead.attempts);
    let tellers = Tellers::start(vec![("dead".parse().unwrap(), Box::new(dead))]);
    for number in 0..2_000 {
        tellers.tell(&notice(number));
    }
    let begun = tokio::time::Instant::now();
    tellers.stop().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    let after = attempts.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(attempts.load(Ordering::SeqCst), after, "nobody tries after the stop");

    let slow = Desk { failures: 1, ..Desk::default() };
    let taken = Arc::clone(&slow.taken);
    let tellers = Tellers::start(vec![("slow".parse().unwrap(), Box::new(slow))]);
    for number in 0..1_500 {
        tellers.tell(&notice(number));
    }
    tellers.stop().await;
    assert_eq!(*taken.lock().unwrap(), ids(500..1_500));
}

#[test]
fn a_notice_is_a_line_in_each_format() {
    let read = |format| -> Value { serde_json::from_str(&notice(3).to_json_line(format)).unwrap() };
    let event = read(EventFormat::Event);
    assert_eq!(
        event,
        json!({"type": "access_key.misused", "id": "notice_3", "time": "2023-11-14T22:13:20.000Z", "text": "look at it", "calls": 3})
    );
    let finding = read(EventFormat::Ocsf);
    assert_eq!((&finding["class_uid"], &finding["type_uid"]), (&json!(2004), &json!(200_401)));
    assert_eq!((&finding["unmapped"], &finding["time"]), (&event, &json!(1_700_000_000_000_i64)));
}
