//! Measures the verification of a log with many events, against a bare scan of the same rows.

use std::path::Path;
use std::sync::Arc;

use doorward::audit::{Action, Attribution, Detail, Event, EventDraft, SecretSummary};
use doorward::auth::{Core, Issuer};
use doorward::sqlite::SqliteStore;
use doorward::store::copy::{Cell, Rows};
use doorward::store::{LogCheck, OpenMode, Revision, verify_log};
use doorward::types::{Clock, Environment, Incarnation, Name, OrganizationId, SecretState, SystemClock, Timestamp};
use rusqlite::Connection;

use crate::harness;

pub(crate) async fn run(count: usize, rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log.db");
    let store = Arc::new(SqliteStore::open(&path, OpenMode::Create).await?);
    harness::say(&format!("writing {count} events"));
    let organization = OrganizationId::from_u128(7);
    fill(&*store, organization, count).await?;
    let core = Core::new(store.clone());
    Issuer::new(&core).provision("Acme".parse()?, &harness::operator()?.request()).await?;
    #[expect(clippy::disallowed_methods, reason = "a benchmark reads its own log")]
    let scope = harness::operator()?.scope(organization, Environment::Production)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = SystemClock.reading();
        let seen = bare_scan(&path)?;
        theirs.push(SystemClock.reading().raw.since(started.raw).as_secs_f64());
        let started = SystemClock.reading();
        let verified = verify_log(&*store, &scope, &LogCheck::default(), &mut |_| {}).await?;
        ours.push(SystemClock.reading().raw.since(started.raw).as_secs_f64());
        anyhow::ensure!(verified.size() as usize == count && seen >= count, "{} of {count}", verified.size());
    }
    let name = |metric: &str| format!("{metric}_{count}_events");
    harness::print("log", &name("bare_scan"), harness::median(&theirs), "s", None);
    let against = Some(("a bare scan of the same rows", harness::ratio(&ours, &theirs)));
    harness::print("log", &name("verify"), harness::median(&ours), "s", against);
    Ok(())
}

async fn fill(store: &dyn Rows, organization: OrganizationId, count: usize) -> anyhow::Result<()> {
    store.begin_copy("the bench").await?;
    let table = store.tables().iter().find(|table| table.name == "audit_events");
    let table = table.ok_or_else(|| anyhow::anyhow!("no audit events"))?;
    let secret = |generation| -> anyhow::Result<SecretSummary> {
        Ok(SecretSummary::new("4fG7hJ2kLm".parse()?, generation, SecretState::Current))
    };
    let detail = Detail::default()
        .with_name("production".parse::<Name>()?)
        .with_before(vec![secret(1)?])
        .with_after(vec![secret(2)?]);
    let detail_text = serde_json::to_string(&detail)?;
    let draft = EventDraft::new(
        &Attribution::local("cli:root".parse()?),
        Timestamp::from_millis(1_767_225_600_000),
        Action::AccessKeyRegenerated,
        "key_01h455vb4pex5vsknk084sn02q".into(),
        (organization, Environment::Production),
    )
    .with_detail(detail);
    let text = |text: &str| Cell::Text(text.to_owned());
    let (mut last, mut rows) = (None, Vec::new());
    for number in 1..=count {
        let event = Event::following(last, Incarnation::FIRST, draft.clone());
        last = Some((event.sequence, event.hash));
        let hash = |hash: Option<doorward::audit::Hash>| hash.map_or(Cell::Null, |hash| Cell::Bytes(hash.0.to_vec()));
        rows.push(vec![
            text(&organization.to_string()),
            text("production"),
            Cell::Number(number as i64),
            Cell::Number(1),
            Cell::Number(draft.time.as_millis()),
            text(draft.actor.as_str()),
            Cell::Null,
            text(draft.action.as_str()),
            text(&draft.subject),
            Cell::Null,
            Cell::Null,
            text(&detail_text),
            hash(event.previous_hash),
            hash(event.hash),
            Cell::Number(number as i64),
        ]);
        if rows.len() == 5_000 || number == count {
            store.add_rows(table, std::mem::take(&mut rows), String::new()).await?;
        }
    }
    Ok(store.finish_copy(Revision(1), None, Incarnation::FIRST).await?)
}

/// Reads and drops every column of every event.
fn bare_scan(path: &Path) -> anyhow::Result<usize> {
    let connection = Connection::open(path)?;
    let mut scan = connection.prepare("SELECT * FROM audit_events ORDER BY organization, environment, sequence")?;
    let columns = scan.column_count();
    let mut rows = scan.query([])?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            std::hint::black_box(row.get_ref(column)?);
        }
        seen += 1;
    }
    Ok(seen)
}
