//! The access log: one line for each request that was answered.

use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use doorward_api::{Answered, Caller};
use doorward_types::{AccessKeyId, Clock, Environment, OrganizationId, RequestId, SystemClock};
use http::HeaderValue;
use serde::Serialize;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::line::{Quoted, Style};
use crate::method;

/// The number of lines that may wait to be written: a second of many requests. Longer waits lose lines, and no request waits.
const WAITING_LINES: usize = 64 * 1024;

/// The length of the longest request id of a client that is logged. A key has 55 letters and a token 51; of the usual ids, the
/// UUID has 36.
const LONGEST_SENT_ID: usize = 48;

/// Writes lines to a thread, so that no request waits for the reader of the log.
#[derive(Debug)]
pub struct AccessLog {
    style: Style,
    one_of: NonZeroU64,
    seen: AtomicU64,
    lines: NonBlocking,
    lost: ErrorCounter,
    unwritten: Arc<AtomicU64>,
    _writer: WorkerGuard,
}

/// A line, in the order of its fields.
#[derive(Serialize)]
struct AccessLine<'a> {
    timestamp: String,
    source: Option<IpAddr>,
    method: &'static str,
    route: &'static str,
    status: u16,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<AccessKeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<OrganizationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_request_id: Option<&'a str>,
}

impl AccessLog {
    /// Writes to standard output, in this style: one of so many answers, and every answer of the server's own failures (status
    /// 500 and above).
    #[must_use]
    pub fn to_standard_output(style: Style, one_of: NonZeroU64) -> Self {
        Self::to(io::stdout(), style, one_of)
    }

    /// Writes to any writer, as [`AccessLog::to_standard_output`] does.
    #[must_use]
    pub fn to(writer: impl Write + Send + 'static, style: Style, one_of: NonZeroU64) -> Self {
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING_LINES);
        let unwritten = Arc::new(AtomicU64::new(0));
        let counting = Counting { writer, failed: Arc::clone(&unwritten) };
        let (lines, writer) = builder.thread_name("doorward-access-log").finish(counting);
        Self { style, one_of, seen: AtomicU64::new(0), lost: lines.error_counter(), unwritten, lines, _writer: writer }
    }

    /// Writes the line of a request, if it is its turn.
    pub(crate) fn write(&self, request: &Answered<'_>) {
        let is_due = || self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.one_of.get());
        if !request.status.is_server_error() && !is_due() {
            return;
        }
        let line = AccessLine::of(request);
        let text = match self.style {
            Style::Json => serde_json::to_string(&line).map(|line| line + "\n").unwrap_or_default(),
            Style::Text => format!("{line}\n"),
        };
        // It never waits: a line that finds no room is counted as lost.
        let _ = self.lines.clone().write_all(text.as_bytes());
    }

    /// Returns the number of lines that found no room, or could not be written.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.dropped_lines() as u64 + self.unwritten.load(Ordering::Relaxed)
    }
}

/// Counts the writes that failed, such as on a full disk. A write is a line.
struct Counting<W> {
    writer: W,
    failed: Arc<AtomicU64>,
}

impl<W: Write> Counting<W> {
    fn counted<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.inspect_err(|_| {
            self.failed.fetch_add(1, Ordering::Relaxed);
        })
    }
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.writer.write(bytes);
        self.counted(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl<'a> AccessLine<'a> {
    fn of(request: &Answered<'a>) -> Self {
        let (key_id, organization_id, environment, operator_id) = match request.caller {
            Some(Caller::Key { id, organization, environment, .. }) => {
                (Some(*id), Some(*organization), Some(*environment), None)
            }
            Some(Caller::Operator(id)) => (None, None, None, id.as_ref().map(|id| id.as_str())),
            _ => (None, None, None, None),
        };
        Self {
            timestamp: SystemClock.now().to_string(),
            source: request.source,
            method: method::name(request.method),
            route: request.route,
            status: request.status.as_u16(),
            duration_ms: request.took.as_micros() as f64 / 1_000.0,
            key_id,
            organization_id,
            environment,
            operator_id,
            request_id: request.request_id,
            sent_request_id: request.sent_request_id.and_then(loggable),
        }
    }
}

/// Returns a client's request id if it is one. A client can send anything in its place, also a key or a token: those are longer
/// than any usual id.
fn loggable(sent: &HeaderValue) -> Option<&str> {
    let is_usual = |letter: char| letter.is_ascii_alphanumeric() || "._:/=+-".contains(letter);
    sent.to_str().ok().filter(|id| id.len() <= LONGEST_SENT_ID && id.chars().all(is_usual))
}

/// A line for people: what every request has, then what some requests have, by name.
impl fmt::Display for AccessLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { timestamp, method, route, status, duration_ms, .. } = self;
        let source = self.source.map_or_else(|| "-".to_owned(), |source| source.to_string());
        write!(f, "{timestamp} {source} {method} {route} {status} {duration_ms}ms")?;
        let some: [(&str, Option<&dyn fmt::Display>); 6] = [
            ("key_id", self.key_id.as_ref().map(|id| id as _)),
            ("organization_id", self.organization_id.as_ref().map(|id| id as _)),
            ("environment", self.environment.as_ref().map(|environment| environment as _)),
            ("operator_id", self.operator_id.as_ref().map(|id| id as _)),
            ("request_id", self.request_id.as_ref().map(|id| id as _)),
            ("sent_request_id", self.sent_request_id.as_ref().map(|id| id as _)),
        ];
        for (name, value) in some {
            if let Some(value) = value {
                write!(f, " {name}={}", Quoted(&value.to_string()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use http::{Method, StatusCode};
    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(style: Style, one_of: u64, requests: &[Answered<'_>]) -> String {
        let kept = Kept::default();
        let log = AccessLog::to(kept.clone(), style, NonZeroU64::new(one_of).unwrap());
        for request in requests {
            log.write(request);
        }
        // The end of the log writes what waits.
        drop(log);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn caller() -> Caller {
        let seed = doorward_types::IdSeed::new(SystemClock.now(), [1; 10]);
        Caller::key(AccessKeyId::new(seed), OrganizationId::new(seed), Environment::Test)
    }

    fn answered<'a>(status: StatusCode, caller: &'a Caller, sent: &'a HeaderValue) -> Answered<'a> {
        Answered::new(&Method::GET, "/v1/whoami", status, Duration::from_micros(51))
            .by(Some([192, 0, 2, 7].into()), Some(caller))
            .with_ids(None, Some(sent))
    }

    #[test]
    fn a_line_says_who_asked_for_what_and_how_it_ended() {
        let (caller, sent) = (caller(), HeaderValue::from_static("abc.def"));
        let requests = [answered(StatusCode::OK, &caller, &sent)];
        let text = logged(Style::Text, 1, &requests);
        let Caller::Key { id, organization, .. } = &caller else { panic!("it is a key's") };
        let rest = format!(
            " 192.0.2.7 GET /v1/whoami 200 0.051ms key_id={id} organization_id={organization} environment=test \
             sent_request_id=abc.def\n"
        );
        assert!(text.ends_with(&rest), "{text}");
        let line: Value = serde_json::from_str(&logged(Style::Json, 1, &requests)).unwrap();
        assert_eq!(line["key_id"], id.to_string());
        assert_eq!(line["duration_ms"], 0.051);
        assert_eq!(line["sent_request_id"], "abc.def");
        assert!(line.get("operator_id").is_none());
    }

    #[test]
    fn no_header_of_a_client_breaks_a_line() {
        let (caller, sent) = (caller(), HeaderValue::from_bytes(b"x\xff\t\x80 y=\"z\"").unwrap());
        for style in [Style::Text, Style::Json] {
            assert_eq!(logged(style, 1, &[answered(StatusCode::OK, &caller, &sent)]).lines().count(), 1);
        }
        let long = HeaderValue::try_from("y".repeat(10_000)).unwrap();
        assert!(logged(Style::Text, 1, &[answered(StatusCode::OK, &caller, &long)]).len() < 600);
    }

    #[test]
    fn no_secret_that_a_client_sends_as_its_request_id_is_logged() {
        let (caller, key, token) = (caller(), "k".repeat(55), "t".repeat(51));
        for secret in [key.as_str(), token.as_str(), "postgres://ada:word@db", "a secret"] {
            let sent = HeaderValue::from_str(secret).unwrap();
            for style in [Style::Text, Style::Json] {
                let line = logged(style, 1, &[answered(StatusCode::OK, &caller, &sent)]);
                assert!(!line.contains(secret) && !line.contains("sent_request_id"), "{line}");
            }
        }
        let uuid = HeaderValue::from_static("5f2b7c1e-8a35-4d0e-9a0f-3d5c8a2b1e47");
        assert!(logged(Style::Text, 1, &[answered(StatusCode::OK, &caller, &uuid)]).contains("id=5f2b7c1e-"));
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (caller, sent) = (caller(), HeaderValue::from_static("a"));
        let log = AccessLog::to(Full, Style::Text, NonZeroU64::MIN);
        for _ in 0..3 {
            log.write(&answered(StatusCode::OK, &caller, &sent));
        }
        let AccessLog { unwritten, _writer: writer, .. } = log;
        // The end of the writer writes what waits.
        drop(writer);
        assert_eq!(unwritten.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_sample_has_every_failure_of_the_server() {
        let (caller, sent) = (caller(), HeaderValue::from_static("a"));
        let usual = answered(StatusCode::OK, &caller, &sent);
        let failed = answered(StatusCode::SERVICE_UNAVAILABLE, &caller, &sent);
        let requests = [vec![usual; 100], vec![failed; 7]].concat();
        let text = logged(Style::Text, 10, &requests);
        assert_eq!((text.matches(" 200 ").count(), text.matches(" 503 ").count()), (10, 7));
    }
}
