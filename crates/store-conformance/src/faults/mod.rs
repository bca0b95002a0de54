//! The state of a store after its disk, process or database failed: the part of the suite that checks the damage.
//!
//! A child process executes a plan and reports the result of each step. Wherever the child fails, the store must hold
//! exactly the effect of the acknowledged steps: every acknowledged step, no refused step, and an unanswered step completely or
//! not at all.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use doorward_audit::{Action, Attribution, Event, EventDraft};
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

/// A failing disk, to be loaded before the C library. Its source documents its commands.
const DISK: &str = include_str!("disk.c");

/// Compiles the failing disk into this folder.
///
/// # Panics
///
/// Panics if there is no C compiler.
#[must_use]
pub fn disk(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("disk.c"), folder.join("disk.so"));
    std::fs::write(&source, DISK).unwrap();
    let mut compiler = Command::new("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).arg("-ldl").status();
    assert!(compiled.unwrap().success(), "the C compiler failed");
    library
}

/// The calls at the beginning and at the end that every run strikes: a store is made there, and closed.
const EDGE: i64 = 4;

/// The seed of this process's random choices.
static SEED: LazyLock<u64> = LazyLock::new(|| {
    std::env::var("DOORWARD_SEED").map_or_else(|_| RandomState::new().hash_one(0), |seed| seed.parse().unwrap())
});

/// Returns the calls to strike, of all calls from 1 to `calls`.
///
/// With the variable `DOORWARD_TEST_LONG`, these are all calls. Otherwise these are the first and the last calls, and between
/// them one random call of each of `parts` parts of equal length. `salt` makes the choices of several faults differ.
///
/// The random choice has a seed, which is printed. The variable `DOORWARD_SEED` sets it. [`choose`] makes the choice.
///
/// # Panics
///
/// Panics if `DOORWARD_SEED` is not a number.
#[must_use]
#[expect(clippy::print_stdout, reason = "a failed test shows the seed that repeats it")]
pub fn sample(calls: i64, parts: i64, salt: i64) -> Vec<i64> {
    if std::env::var_os("DOORWARD_TEST_LONG").is_some() {
        return (1..=calls).collect();
    }
    let seed = *SEED;
    println!("DOORWARD_SEED={seed} chooses the same calls again");
    choose(calls, parts, seed.wrapping_add_signed(salt))
}

/// Returns the first and the last of the calls from 1 to `calls`, and between them the calls that a seed chooses: one of each of
/// `parts` parts.
#[must_use]
pub fn choose(calls: i64, parts: i64, seed: u64) -> Vec<i64> {
    let (first, last) = (EDGE.min(calls), (calls - EDGE).max(EDGE.min(calls)));
    let random = BuildHasherDefault::<DefaultHasher>::default();
    let between = (0..parts).filter_map(|part| {
        let [begin, end] = [part, part + 1].map(|part| first + (last - first) * part / parts);
        let offset = random.hash_one((seed, part)).checked_rem(end.abs_diff(begin))?;
        Some(begin + 1 + offset.cast_signed())
    });
    (1..=first).chain(between).chain(last + 1..=calls).collect()
}

/// One step of a plan.
#[derive(Clone, Debug)]
enum Step {
    Change(Box<Change>, ChangeContext),
    AddOperator(Operator, EventDraft),
    RemoveOperator(OperatorId, EventDraft),
}

/// Returns this number of rounds of all changes to keys and operators. The plan is the same at each call.
fn plan(rounds: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 1..=rounds {
        let base = u128::from(round) << 32;
        let organization = OrganizationId::from_u128(base);
        let key = |id: u128, environment| {
            AccessKey::new(
                organization,
                environment,
                AccessKeyId::from_u128(base + id),
                name("a key"),
                Timestamp::from_millis(1),
                name("ada"),
            )
        };
        let secret = |number: u32, generation, state| {
            Secret::new(
                state,
                Locator::new(format!("{round:05}{number:05}").into_bytes().try_into().unwrap()).unwrap(),
                Digest::from_bytes([u8::try_from(number).unwrap(); 32]),
                generation,
                Timestamp::from_millis(2),
            )
        };
        let (current, staged) = (SecretState::Current, SecretState::Staged);
        let (production, first, second) =
            (key(1, Environment::Production), key(2, Environment::Test), key(3, Environment::Test));
        let (place, operator) = (reference(&production), operator(base));
        let regenerate = |retired: u32, successor| {
            let retired = vec![secret(retired, 0, current).locator];
            Change::Regenerate { key: place, retired, successor }
        };
        let record = Organization::new(organization, name("Acme"), Timestamp::from_millis(1));
        let provision = Change::Provision {
            organization: record,
            key: production.clone(),
            secret: secret(1, 1, current),
            only_if_empty: false,
            allow_duplicate_name: true,
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
    Operator::new(
        OperatorId::from_u128(base),
        name(&number),
        number.parse().unwrap(),
        Digest::from_bytes([9; 32]),
        Timestamp::from_millis(3),
        ProviderAccess::Local,
    )
}

fn event(
    step: usize,
    action: Action,
    organization: OrganizationId,
    environment: Environment,
    subject: &str,
) -> EventDraft {
    EventDraft::new(
        &Attribution::local(name("ada")).with_request_id(RequestId::from_u128(step as u128)),
        Timestamp::from_millis(3),
        action,
        subject.to_owned(),
        (organization, environment),
    )
}

async fn take(store: &dyn Store, step: Step) -> Result<(), StoreError> {
    match step {
        Step::Change(change, context) => store.change(*change, context).await.map(drop),
        Step::AddOperator(operator, event) => store.add_operator(operator, event).await,
        Step::RemoveOperator(id, event) => store.remove_operator(id, event).await,
    }
}

/// The child's work: executes the plan, and prints each step's result before the next step.
#[expect(clippy::print_stdout, reason = "its parent listens")]
pub async fn live(store: &dyn Store, rounds: u32) {
    for (number, step) in plan(rounds).into_iter().enumerate() {
        let outcome = match take(store, step).await {
            Ok(()) => "made",
            Err(StoreError::Conflict(_) | StoreError::NotFound) => "refused",
            Err(_) => "unknown",
        };
        println!("step {number} {outcome}");
    }
}

/// Checks the store against the child's report. `said` is all of the child's output.
///
/// # Errors
///
/// Describes a step that the store lost, kept wrongly, or invented.
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
    // The same steps on a store that does not fail.
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

/// Returns every log, the oldest event first.
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

/// Returns all other data that a plan changes.
async fn state(store: &dyn Store, organizations: &[OrganizationId]) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut records = Vec::new();
    for id in organizations {
        records.push((store.organization(*id).await.unwrap(), store.access_keys(*id).await.unwrap()));
    }
    let mut live = Vec::new();
    let mut page = store.active_secrets(None, 1_000).await.unwrap().proved_of_any_store().unwrap().1;
    while let Some(last) = page.last().cloned() {
        live.append(&mut page);
        page = store.active_secrets(Some(&last), 1_000).await.unwrap().proved_of_any_store().unwrap().1;
    }
    live.sort_by_key(|live| live.secret.locator);
    (store.position().await.unwrap().proved_of_any_store().unwrap().1, records, live, store.operators().await.unwrap())
}
