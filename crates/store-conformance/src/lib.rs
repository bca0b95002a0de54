//! The suite that every engine must pass. It crosses every operation with every environment.
//!
//! ```
//! # async fn engine() -> std::sync::Arc<dyn doorward_store::Store> { std::sync::Arc::new(doorward_store_memory::MemoryStore::new()) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! doorward_store_conformance::all(engine).await;
//! # }
//! ```
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the suite stands in for the core, which mints scopes")]

mod audit;
mod coherence;
pub mod faults;
mod keys;
mod links;
mod moving;
mod origins;
mod outbox;
mod sealing;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use doorward_audit::{
    Action, Attribution, ChainVerifier, Checkpoint, Detail, Event, EventDraft, Hash, NoteKey, NoteVerifier, Pruned,
    PrunedFault, VerifiedLog,
};
use doorward_key::{Digest, KeyPrefix};
use doorward_origin::{AllowedOrigin, CustomSchemes};
use doorward_types::{
    AccessKeyId, AllowedOriginId, Environment, IdSeed, Incarnation, LinkSessionId, Locator, Name, OperatorId,
    OrganizationId, RegisteredUserId, SecretState, SessionId, Timestamp, ToolCallId,
};

pub use self::moving::moving;
use self::{audit::*, coherence::*, keys::*, links::*, origins::*, outbox::*, sealing::*, tables::*};
use doorward_store::{
    AccessKey, AccessKeyWithSecrets, CHANGE_LOG_LENGTH, Change, ChangeContext, Conflict, Connector, ConnectorName,
    Credential, CredentialKey, Doubt, EventFilter, FoundLink, IDEMPOTENCY_WINDOW, KeyRef, Knowledge, LINKS_KEPT,
    LinkSession, LinkStatus, LiveSecret, LogCheck, LogFault, LostChange, OPERATION_WINDOW, OperationId, Operator,
    Organization, OriginEntry, OriginsChange, Page, Poll, Position, ProviderAccess, ProviderIdentity, Record,
    RegisteredUser, RequestHash, Revision, Revocation, Scope, Sealed, SealedKind, SealedValue, SealingKeyId, Secret,
    SecretUsage, Session, SessionStatus, SignIn, SignInKind, Store, StoreError, StoreId, Successor, TOOL_CALLS_KEPT,
    TOOL_CALLS_LET_GO, Table, ToolCall, ToolOutcome, USAGE_KEPT, USAGE_SPAN, WhichKey, known_logs, verify_log,
};

/// Runs every case, each on a fresh engine. Panics at the first that fails, which is named on standard output.
pub async fn all<Made: Future<Output = Arc<dyn Store>>>(make: impl Fn() -> Made) {
    macro_rules! run {
        ($($case:ident),* $(,)?) => {
            $(
                println!(concat!("conformance: ", stringify!($case)));
                $case(make().await).await;
            )*
        };
    }
    run!(
        an_organization_has_its_production_key_from_the_start,
        one_key_is_found_among_many,
        organizations_are_found_by_name,
        there_is_never_a_second_production_key,
        the_production_key_cannot_be_deleted,
        a_key_lives_through_its_whole_life,
        a_refused_change_leaves_nothing_behind,
        an_idempotency_key_works_once_per_actor_and_day,
        an_operation_is_remembered_by_its_key_and_by_its_subject,
        a_change_for_another_store_or_prefix_is_refused,
        only_an_empty_store_is_provisioned_on_first_start,
        lists_come_in_pages,
        every_change_is_polled_once_and_in_order,
        a_poll_says_whether_another_process_waits_for_word,
        a_session_that_is_asked_for_word_is_told_so,
        a_change_names_the_longest_lease_from_before_it,
        a_restored_store_begins_an_incarnation,
        a_retired_session_is_told_so_and_waited_for,
        a_node_too_far_behind_loads_again,
        what_a_store_lost_is_noticed_until_it_is_answered_for,
        live_secrets_come_in_pages,
        uses_are_added_up_per_secret_and_hour,
        logs_are_apart,
        every_event_follows_the_one_before,
        an_event_names_the_incarnation_that_wrote_it,
        events_are_found_by_what_they_say,
        the_beginning_of_a_log_is_cut_off_under_a_statement,
        a_prune_that_no_event_tells_of_is_a_deletion,
        what_stands_for_pruned_events_is_signed_again,
        a_log_that_must_be_there_is_known,
        origins_are_allowed_and_disallowed_like_keys_live_and_die,
        every_allowed_origin_is_loaded_page_by_page,
        events_are_shipped_in_the_order_of_their_writing,
        a_sink_is_held_by_one_at_a_time,
        nothing_is_cut_off_that_a_sink_has_yet_to_ship,
        operators_are_added_and_removed_with_their_events,
        an_operator_is_bound_to_one_identity_for_good,
        no_operation_reaches_another_scope,
        what_changes_records_is_told,
        a_users_credentials_go_with_it,
        a_link_session_is_found_by_its_tokens_in_its_scope,
        a_link_session_goes_on_once_from_each_status,
        a_link_becomes_a_credential_once,
        tokens_that_nobody_confirms_are_revoked,
        a_credential_that_goes_is_revoked,
        a_revocation_is_taken_by_one_at_a_time,
        a_sealing_key_is_named_by_one_at_a_time,
        no_value_is_written_under_another_key_than_the_store_names,
        every_sealed_value_is_found_and_replaced_as_it_was_read,
        user_ids_are_unique_within_an_environment,
        operators_sign_in_once_by_a_link_and_stay_so_long,
        tool_calls_begin_and_end_in_their_own_scope,
        old_tool_calls_are_let_go,
    );
}

fn seed() -> IdSeed {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&count.to_be_bytes());
    IdSeed { now: Timestamp::from_millis(1_700_000_000_000 + i64::try_from(count).unwrap()), random }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn locator() -> Locator {
    let text = AccessKeyId::new(seed()).to_string();
    text[text.len() - Locator::LENGTH..].parse().unwrap()
}

fn secret(generation: u32, state: SecretState) -> Secret {
    let digest = Digest::from_bytes([u8::try_from(generation).unwrap_or(0); 32]);
    Secret { locator: locator(), digest, generation, state, created_at: Timestamp::from_millis(5) }
}

/// An event of which a case has nothing to say.
fn telling() -> EventDraft {
    event(Action::CredentialPut, OrganizationId::INSTALLATION, Environment::Production, "anything")
}

fn operation() -> OperationId {
    OperationId::from_bytes(AccessKeyId::new(seed()).as_u128().to_be_bytes())
}

fn access_key(organization: OrganizationId, environment: Environment) -> AccessKey {
    AccessKey {
        id: AccessKeyId::new(seed()),
        organization,
        environment,
        name: name("a key"),
        created_at: Timestamp::from_millis(4),
        created_by: name("ada"),
    }
}

fn reference(key: &AccessKey) -> KeyRef {
    KeyRef { organization: key.organization, environment: key.environment, id: key.id }
}

fn event(action: Action, organization: OrganizationId, environment: Environment, subject: &str) -> EventDraft {
    let attribution = Attribution::local(name("ada"));
    EventDraft {
        time: Timestamp::from_millis(3),
        actor: attribution.actor,
        action,
        subject: subject.to_owned(),
        organization,
        environment,
        source_address: Some([192, 0, 2, 1].into()),
        request_id: attribution.request_id,
        detail: Detail { name: Some(name("\"quoted\", =1+1; 東京")), ..Detail::default() },
    }
}

fn context(action: Action, key: &AccessKey) -> ChangeContext {
    context_of(event(action, key.organization, key.environment, &key.id.to_string()))
}

fn context_of(event: EventDraft) -> ChangeContext {
    let request = RequestHash::of([event.action.as_str()]);
    ChangeContext::new(operation(), event.into(), request, KeyPrefix::default())
}

async fn provision(store: &dyn Store) -> (Organization, AccessKey, Secret) {
    let id = OrganizationId::new(seed());
    let organization = Organization { id, name: name("Acme"), created_at: Timestamp::from_millis(1) };
    let key = access_key(organization.id, Environment::Production);
    let secret = secret(1, SecretState::Current);
    let change =
        Change::Provision { organization: organization.clone(), key: key.clone(), secret, only_if_empty: false };
    store.change(change, context(Action::OrganizationCreated, &key)).await.unwrap();
    (organization, key, secret)
}

async fn create(store: &dyn Store, organization: OrganizationId) -> (AccessKey, Secret) {
    let key = access_key(organization, Environment::Test);
    let secret = secret(1, SecretState::Current);
    let change = Change::Create { key: key.clone(), secret };
    store.change(change, context(Action::AccessKeyCreated, &key)).await.unwrap();
    (key, secret)
}

async fn register(store: &dyn Store) -> SessionId {
    let session = Session { id: SessionId::new(seed()), lease: Duration::from_secs(3) };
    store.register(session).await.unwrap();
    session.id
}

/// A poll as a node of this store's makes it, judged.
async fn poll(store: &dyn Store, session: SessionId, position: Position) -> Poll {
    let (_, identity) = store.identity().await.unwrap().proved_of_any_store().unwrap();
    let knowledge = Knowledge { store: identity.id, incarnation: identity.incarnation, position };
    knowledge.judge(store.poll(session, position).await.unwrap()).unwrap()
}

async fn sessions(store: &dyn Store) -> Vec<SessionStatus> {
    store.sessions().await.unwrap().proved_of_any_store().unwrap().1
}

async fn live_secret(store: &dyn Store, locator: Locator) -> Option<LiveSecret> {
    store.live_secret(locator).await.unwrap().proved_of_any_store().unwrap().1
}

async fn log(store: &dyn Store, organization: OrganizationId, environment: Environment) -> Vec<Event> {
    store
        .events(&Scope::assertion(organization, environment), &EventFilter::default(), Page::first(1_000))
        .await
        .unwrap()
}

/// All that a refused change must leave as it was.
async fn everything(store: &dyn Store) -> String {
    let mut shown = format!("{:?}", store.position().await.unwrap().proved_of_any_store().unwrap().1);
    for organization in store.organizations(Page::first(1_000)).await.unwrap() {
        shown += &format!("{organization:?} {:?}", store.access_keys(organization.id).await.unwrap());
        for environment in Environment::ALL {
            shown += &format!("{:?}", log(store, organization.id, environment).await);
        }
    }
    shown + &format!("{:?}", store.live_secrets(None, 1_000).await.unwrap().proved_of_any_store().unwrap().1)
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Conflict {
    match result {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}
