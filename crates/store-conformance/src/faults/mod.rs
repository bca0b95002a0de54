//! What is left of a store whose disk, process or database failed: the part of the suite that looks at the wreck.
//!
//! A child process carries out a plan and says after each step what it was told. Wherever the child was struck, the store
//! must then hold what a plan of just those steps leaves behind that it says were made: every step that was acknowledged, none
//! that was refused, and of an unanswered one all or nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use doorward_audit::{Action, Detail, Event, EventDraft};
use doorward_key::{Digest, KeyPrefix};
use doorward_types::{
    AccessKeyId, Environment, Locator, OperatorId, OrganizationId, RequestId, SecretState, Timestamp,
};

use crate::fixtures::{name, reference};
use doorward_records::Store;
use doorward_store::{
    AccessKey, Change, ChangeContext, EventFilter, OperationId, Operator, Organization, Page, ProviderAccess,
    RequestHash, Scope, Secret, StoreError, Successor,
};
use doorward_store_memory::MemoryStore;

/// A disk that fails, to be loaded before the C library: its source says how it is told what to do.
const DISK: &str = include_str!("disk.c");

/// Compiles the disk that fails into this folder.
///
/// # Panics
///
/// Where there is no C compiler.
#[must_use]
pub fn disk(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("disk.c"), folder.join("disk.so"));
    std::fs::write(&source, DISK).unwrap();
    let mut compiler = Command::new("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).arg("-ldl").status();
    assert!(compiled.unwrap().success(), "the C compiler failed");
    library
}

/// One step of a plan.
#[derive(Clone, Debug)]
enum Step {
    Change(Box<Change>, ChangeContext),
    AddOperator(Operator, EventDraft),
    RemoveOperator(OperatorId, EventDraft),
}

/// So many rounds of everything that can happen to keys and operators; the same at each call.
fn plan(rounds: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 1..=rounds {
        let base = u128::from(round) << 32;
        let organization = OrganizationId::from_u128(base);
        let key = |id: u128, environment| AccessKey {
            id: AccessKeyId::from_u128(base + id),
            organization,
            environment,
            name: name("a key"),
            created_at: Timestamp::from_millis(1),
            created_by: name("ada"),
        };
        let secret = |number: u32, generation, state| Secret {
            locator: Locator::new(format!("{round:05}{number:05}").into_bytes().try_into().unwrap()).unwrap(),
            digest: Digest::from_bytes([u8::try_from(number).unwrap(); 32]),
            generation,
            state,
            created_at: Timestamp::from_millis(2),
        };
        let (current, staged) = (SecretState::Current, SecretState::Staged);
        let (production, first, second) =
            (key(1, Environment::Production), key(2, Environment::Test), key(3, Environment::Test));
        let (place, operator) = (reference(&production), operator(base));
        let regenerate = |retired: u32, successor| {
            let retired = vec![secret(retired, 0, current).locator];
            Change::Regenerate { key: place, retired, successor }
        };
        let record = Organization { id: organization, name: name("Acme"), created_at: Timestamp::from_millis(1) };
        let provision = Change::Provision {
            organization: record,
            key: production.clone(),
            secret: secret(1, 1, current),
            only_if_empty: false,
        };
        let mut change = |change, action, key: &AccessKey| {
            let event = event(steps.len(), action, organization, key.environment, &key.id.to_string());
            let operation = OperationId::from_bytes((base + steps.len() as u128).to_be_bytes());
            let context = ChangeContext::new(operation, event.into(), RequestHash::of([]), KeyPrefix::default());
            steps.push(Step::Change(Box::new(change), context));
        };
        change(provision, Action::OrganizationCreated, &production);
        let create = Change::Create { key: first.clone(), secret: secret(2, 1, current) };
        change(create, Action::AccessKeyCreated, &first);
        let stage = Change::Stage { key: place, secret: secret(3, 2, staged) };
        change(stage, Action::AccessKeyStaged, &production);
        let promote = regenerate(1, Successor::Promote(secret(3, 2, staged).locator));
        change(promote, Action::AccessKeyRegenerated, &production);
        let stage = Change::Stage { key: place, secret: secret(4, 3, staged) };
        change(stage, Action::AccessKeyStaged, &production);
        let unstage = Change::Unstage { key: place, staged: secret(4, 3, staged).locator };
        change(unstage, Action::AccessKeyStageDiscarded, &production);
        change(regenerate(3, Successor::Fresh(secret(5, 4, current))), Action::AccessKeyRegenerated, &production);
        let create = Change::Create { key: second.clone(), secret: secret(6, 1, current) };
        change(create, Action::AccessKeyCreated, &second);
        let delete = Change::Delete { key: reference(&first), retired: vec![secret(2, 1, current).locator] };
        change(delete, Action::AccessKeyDeleted, &first);
        let told = |steps: &[Step], action| {
            let (nil, subject) = (OrganizationId::INSTALLATION, operator.id.to_string());
            event(steps.len(), action, nil, Environment::Production, &subject)
        };
        let added = told(&steps, Action::OperatorCreated);
        steps.push(Step::AddOperator(operator.clone(), added));
        if round.is_multiple_of(2) {
            let removed = told(&steps, Action::OperatorDeleted);
            steps.push(Step::RemoveOperator(operator.id, removed));
        }
    }
    steps
}

fn operator(base: u128) -> Operator {
    let number = format!("{:010}", base >> 32);
    Operator {
        provider: ProviderAccess::Local,
        id: OperatorId::from_u128(base),
        name: name(&number),
        locator: number.parse().unwrap(),
        digest: Digest::from_bytes([9; 32]),
        created_at: Timestamp::from_millis(3),
    }
}

fn event(
    step: usize,
    action: Action,
    organization: OrganizationId,
    environment: Environment,
    subject: &str,
) -> EventDraft {
    EventDraft {
        time: Timestamp::from_millis(3),
        actor: name("ada"),
        actor_id: None,
        action,
        subject: subject.to_owned(),
        organization,
        environment,
        source_address: None,
        request_id: Some(RequestId::from_u128(step as u128)),
        detail: Detail::default(),
    }
}

async fn take(store: &dyn Store, step: Step) -> Result<(), StoreError> {
    match step {
        Step::Change(change, context) => store.change(*change, context).await.map(drop),
        Step::AddOperator(operator, event) => store.add_operator(operator, event).await,
        Step::RemoveOperator(id, event) => store.remove_operator(id, event).await,
    }
}

/// What the child does: carries out the plan, and says on standard output what came of each step, before the next.
#[expect(clippy::print_stdout, reason = "its parent listens")]
pub async fn live(store: &dyn Store, rounds: u32) {
    for (number, step) in plan(rounds).into_iter().enumerate() {
        let outcome = match take(store, step).await {
            Ok(()) => "made",
            Err(StoreError::Conflict(_) | StoreError::Missing) => "refused",
            Err(_) => "unknown",
        };
        println!("step {number} {outcome}");
    }
}

/// Whether the store is what the child's words allow. `said` is all that it wrote.
///
/// # Errors
///
/// What the store has lost, kept or made up.
pub async fn judge(store: &dyn Store, rounds: u32, said: &str) -> Result<(), String> {
    let steps = plan(rounds);
    let outcomes: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split_once("step ")?.1.split_once(' '))
        .enumerate()
        .filter_map(|(place, (number, outcome))| (number == place.to_string()).then_some(outcome))
        .collect();
    let logs = logs(rounds);
    let found = events(store, &logs).await;
    let made: BTreeSet<usize> =
        found.iter().flatten().filter_map(|event| usize::try_from(event.draft.request_id?.as_u128()).ok()).collect();
    for number in 0..steps.len() {
        let is_made = made.contains(&number);
        match outcomes.get(number) {
            Some(&"made") if !is_made => return Err(format!("step {number} was acknowledged, and is lost")),
            Some(&"refused") if is_made => return Err(format!("step {number} was refused, and was made")),
            None if is_made && number > outcomes.len() => return Err(format!("step {number} was never asked for")),
            _ => {}
        }
    }
    // The same steps where nothing fails.
    let expected = MemoryStore::new();
    for number in &made {
        let step = steps.get(*number).cloned().ok_or("an event of no step")?;
        take(&expected, step).await.map_err(|error| format!("step {number} cannot have been made: {error}"))?;
    }
    if found != events(&expected, &logs).await {
        return Err("the audit logs are not those of the changes".into());
    }
    let (seen, due) = (state(store, &logs).await, state(&expected, &logs).await);
    if seen != due { Err(format!("the store holds {seen:#?}, and should hold {due:#?}")) } else { Ok(()) }
}

fn logs(rounds: u32) -> Vec<OrganizationId> {
    let organizations = (1..=rounds).map(|round| OrganizationId::from_u128(u128::from(round) << 32));
    [OrganizationId::INSTALLATION].into_iter().chain(organizations).collect()
}

/// Every log, oldest event first.
async fn events(store: &dyn Store, logs: &[OrganizationId]) -> Vec<Vec<Event>> {
    let mut all = Vec::new();
    for organization in logs {
        for environment in [Environment::Production, Environment::Test] {
            let scope = Scope::assertion(*organization, environment);
            let mut events = store.events(&scope, &EventFilter::default(), Page::first(10_000)).await.unwrap();
            events.reverse();
            all.push(events);
        }
    }
    all
}

/// Everything else that a plan touches.
async fn state(store: &dyn Store, organizations: &[OrganizationId]) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut records = Vec::new();
    for id in organizations {
        records.push((store.organization(*id).await.unwrap(), store.access_keys(*id).await.unwrap()));
    }
    let mut live = Vec::new();
    let mut page = store.live_secrets(None, 1_000).await.unwrap().proved_of_any_store().unwrap().1;
    while let Some(last) = page.last().cloned() {
        live.append(&mut page);
        page = store.live_secrets(Some(&last), 1_000).await.unwrap().proved_of_any_store().unwrap().1;
    }
    live.sort_by_key(|live| live.secret.locator);
    (store.position().await.unwrap().proved_of_any_store().unwrap().1, records, live, store.operators().await.unwrap())
}
