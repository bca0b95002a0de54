//! Every event arrives, in order, at least once.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use doorward_audit::{Action, Attribution, Event, EventDraft};
use doorward_records::Store;
use doorward_sink::{EventFormat, FileSink, Shipper, Sink, SinkError, Webhook, WebhookSecret};
use doorward_store::{AuditLog, Outbox};
use doorward_store_memory::MemoryStore;
use doorward_types::{Environment, Name, OrganizationId, SystemClock, Timestamp};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use standardwebhooks::Webhook as Receiver;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

fn draft() -> EventDraft {
    EventDraft::new(
        &Attribution::local("ada".parse().unwrap()),
        Timestamp::from_millis(3),
        Action::AccessKeyCreated,
        "key_01h455vb4pex5vsknk084sn02q".to_owned(),
        (OrganizationId::INSTALLATION, Environment::Test),
    )
}

async fn write(store: &MemoryStore, count: u32) {
    for _ in 0..count {
        store.record(draft()).await.unwrap();
    }
}

/// A running shipper.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(store: &Arc<MemoryStore>, sink: impl Sink + 'static) -> Self {
        let store: Arc<dyn Store> = Arc::clone(store) as _;
        let (stop, stopped) = oneshot::channel();
        let shipper = Shipper::new(store, name(), sink).unwrap();
        Self { stop, task: tokio::spawn(shipper.run(async { stopped.await.unwrap() })) }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    fn kill(&self) {
        self.task.abort();
    }
}

fn name() -> Name {
    "siem".parse().unwrap()
}

async fn position(store: &MemoryStore) -> u64 {
    store.sinks().await.unwrap().first().map_or(0, |sink| sink.position)
}

async fn until_shipped(store: &MemoryStore, position_wanted: u64) {
    let shipped = async {
        while position(store).await < position_wanted {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), shipped).await.unwrap();
}

fn sequences(path: &std::path::Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap();
    let sequence = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["sequence"].as_u64().unwrap();
    text.lines().map(sequence).collect()
}

#[tokio::test]
async fn a_file_has_every_event_once_however_often_the_shipper_starts() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::new()));
    let path = folder.path().join("audit.jsonl");
    let sink = || FileSink::open(&path, EventFormat::Event).unwrap();
    write(&store, 1_500).await;
    let first = Running::start(&store, sink());
    until_shipped(&store, 1_500).await;
    first.stop().await;
    write(&store, 2).await;
    let second = Running::start(&store, sink());
    until_shipped(&store, 1_502).await;
    // A log rotation sends no signal.
    std::fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
    write(&store, 1).await;
    until_shipped(&store, 1_503).await;
    second.stop().await;
    assert_eq!(sequences(&folder.path().join("audit.jsonl.1")), (1..=1_502).collect::<Vec<_>>());
    assert_eq!(sequences(&path), [1_503]);
}

#[tokio::test]
async fn a_partial_line_after_a_crash_is_cut_off() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::new()));
    let path = folder.path().join("audit.jsonl");
    write(&store, 3).await;
    for left in [r#"{"sequence":1}"#.to_owned() + "\n{\"sequ", "{".repeat(10_000)] {
        std::fs::write(&path, &left).unwrap();
        let mut sink = FileSink::open(&path, EventFormat::Event).unwrap();
        let events: Vec<Event> =
            store.events_after(1, 10).await.unwrap().into_iter().map(|shipment| shipment.event.unwrap()).collect();
        sink.deliver(&events).await.unwrap();
        let before = usize::from(left.contains('\n'));
        assert_eq!(sequences(&path)[before..], [2, 3]);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_refused_at_once() {
    assert!(FileSink::open("/nowhere/audit.jsonl", EventFormat::Event).is_err());
}

/// Records its events. It takes at most this number of events, and then hangs.
#[derive(Clone, Debug)]
struct Recorder {
    taken: Arc<Mutex<Vec<u64>>>,
    hangs_after: usize,
}

impl Sink for Recorder {
    fn batch(&self) -> usize {
        1
    }

    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        if self.taken.lock().unwrap().len() >= self.hangs_after {
            std::future::pending::<()>().await;
        }
        self.taken.lock().unwrap().extend(events.iter().map(|event| event.sequence));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_takes_over_from_a_silent_node() {
    let store = Arc::new(MemoryStore::new());
    let taken = Arc::new(Mutex::new(vec![]));
    let recorder = |hangs_after| Recorder { taken: Arc::clone(&taken), hangs_after };
    write(&store, 3).await;
    let first = Running::start(&store, recorder(2));
    sleep(Duration::from_secs(1)).await;
    let second = Running::start(&store, recorder(usize::MAX));
    // While the first may still be alive, the second does not ship.
    sleep(Duration::from_secs(10)).await;
    assert_eq!(*taken.lock().unwrap(), [1, 2]);
    sleep(Duration::from_secs(10)).await;
    let so_far = taken.lock().unwrap().clone();
    // Events whose progress the first had not stored come twice.
    assert_eq!(so_far, [1, 2, 1, 2, 3]);
    write(&store, 1).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(taken.lock().unwrap().last(), Some(&4));
    first.kill();
    second.stop().await;
}

/// Without events to ship, silence means nothing, and nothing is written.
#[tokio::test(start_paused = true)]
async fn an_idle_sink_stays_with_its_node() {
    let store = Arc::new(MemoryStore::new());
    let taken = Arc::new(Mutex::new(vec![]));
    let recorder = || Recorder { taken: Arc::clone(&taken), hangs_after: usize::MAX };
    let first = Running::start(&store, recorder());
    sleep(Duration::from_secs(1)).await;
    let before = store.sinks().await.unwrap();
    let second = Running::start(&store, recorder());
    sleep(Duration::from_secs(300)).await;
    assert_eq!(store.sinks().await.unwrap(), before);
    // A shipper that stops in order releases the sink.
    first.stop().await;
    write(&store, 1).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(*taken.lock().unwrap(), [1]);
    second.stop().await;
}

/// A healthy node keeps its sink after any idle time: an idle time that another node observed is not silence.
#[tokio::test(start_paused = true)]
async fn an_idle_node_keeps_its_sink_when_there_is_something_to_ship_again() {
    let store = Arc::new(MemoryStore::new());
    let taken = Arc::new(Mutex::new(vec![]));
    let recorder = || Recorder { taken: Arc::clone(&taken), hangs_after: usize::MAX };
    let first = Running::start(&store, recorder());
    sleep(Duration::from_secs(1)).await;
    let second = Running::start(&store, recorder());
    let holder = async || store.sinks().await.unwrap()[0].holder;
    let held = holder().await;
    for idle in [17, 17, 300, 86_400] {
        sleep(Duration::from_millis(idle * 1_000 + 130)).await;
        write(&store, 5).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(holder().await, held, "after {idle} s");
    }
    assert_eq!(*taken.lock().unwrap(), (1..=20).collect::<Vec<_>>());
    // The silence is measured from the first waiting event on.
    first.kill();
    sleep(Duration::from_secs(300)).await;
    write(&store, 1).await;
    sleep(Duration::from_secs(14)).await;
    assert_eq!(holder().await, held);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(taken.lock().unwrap().last(), Some(&21));
    second.stop().await;
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Taken = Arc<Mutex<Vec<(StatusCode, HeaderMap, Bytes)>>>;

/// A receiver that answers with each of these in turn, then with 204.
async fn receiver(answers: Vec<StatusCode>) -> (String, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let taken = Taken::default();
    let (kept, answers) = (Arc::clone(&taken), Arc::new(answers));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
            let service = service_fn(move |request: Request<Incoming>| {
                let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let mut kept = kept.lock().unwrap();
                    let status = answers.get(kept.len()).copied().unwrap_or(StatusCode::NO_CONTENT);
                    kept.push((status, head.headers, body));
                    let mut response = Response::new(Empty::<Bytes>::new());
                    *response.status_mut() = status;
                    response.headers_mut().insert("location", "http://127.0.0.1:1/".parse().unwrap());
                    Ok::<_, hyper::Error>(response)
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, taken)
}

fn webhook(url: &str, secrets: &[&str]) -> Webhook {
    let secrets = secrets.iter().map(|secret| secret.parse().unwrap()).collect();
    Webhook::new(url, secrets, EventFormat::Event, Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn a_webhook_is_signed_retried_and_in_order() {
    let store = Arc::new(MemoryStore::new());
    write(&store, 5).await;
    let trouble = vec![StatusCode::NO_CONTENT, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::FOUND];
    let (url, taken) = receiver(trouble).await;
    let second_secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let running = Running::start(&store, webhook(&url, &[second_secret, SECRET]));
    until_shipped(&store, 5).await;
    running.stop().await;
    let taken = taken.lock().unwrap();
    let order: Vec<u64> = taken
        .iter()
        .map(|(_, _, body)| serde_json::from_slice::<serde_json::Value>(body).unwrap()["sequence"].as_u64().unwrap())
        .collect();
    // The second event failed twice and was repeated, and no event overtook it.
    assert_eq!(order, [1, 2, 2, 2, 3, 4, 5]);
    for (_, headers, body) in &*taken {
        for secret in [SECRET, second_secret] {
            Receiver::new(secret).unwrap().verify(body, headers).unwrap();
            let mut forged = body.to_vec();
            forged[20] ^= 1;
            Receiver::new(secret).unwrap().verify(&forged, headers).unwrap_err();
        }
        Receiver::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap().verify(body, headers).unwrap_err();
    }
    let ids: Vec<_> = taken.iter().map(|(_, headers, _)| headers["webhook-id"].to_str().unwrap()).collect();
    let log = "doorward/org_00000000000000000000000000/test";
    assert_eq!(ids[0..3], [format!("{log}/1"), format!("{log}/2"), format!("{log}/2")]);
}

#[tokio::test]
async fn a_webhooks_secrets_are_replaced_while_events_go_out() {
    let store = MemoryStore::new();
    write(&store, 1).await;
    let events: Vec<Event> =
        store.events_after(0, 1).await.unwrap().into_iter().map(|shipment| shipment.event.unwrap()).collect();
    let (url, taken) = receiver(vec![]).await;
    let next = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let mut webhook = webhook(&url, &[SECRET]);
    let secrets = webhook.secrets();
    webhook.deliver(&events).await.unwrap();
    secrets.replace(vec![next.parse().unwrap()]).unwrap();
    webhook.deliver(&events).await.unwrap();
    assert!(secrets.replace(vec![]).is_err(), "nothing would be signed");
    webhook.deliver(&events).await.unwrap();
    let verifies = |secret: &str| {
        let receiver = Receiver::new(secret).unwrap();
        let taken = taken.lock().unwrap();
        taken.iter().map(|(_, headers, body)| receiver.verify(body, headers).is_ok()).collect::<Vec<_>>()
    };
    assert_eq!((verifies(SECRET), verifies(next)), (vec![true, false, false], vec![false, true, true]));
}

#[tokio::test]
async fn a_webhook_without_tls_is_refused() {
    let new = |url: &str| {
        Webhook::new(url, vec![SECRET.parse().unwrap()], EventFormat::Event, Arc::new(SystemClock)).map(drop)
    };
    for url in ["https://siem.example.com/hook", "http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:1/"] {
        assert!(new(url).is_ok(), "{url}");
    }
    for url in ["http://siem.example.com/", "http://127.0.0.1.example.com/", "ftp://localhost/", "/hook", "", "https:"]
    {
        assert!(new(url).is_err(), "{url}");
    }
    for secret in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_!"] {
        assert!(secret.parse::<WebhookSecret>().is_err(), "{secret}");
    }
    assert!(Webhook::new("https://a.example/", vec![], EventFormat::Event, Arc::new(SystemClock)).is_err());
}
