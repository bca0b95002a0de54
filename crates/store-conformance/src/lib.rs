//! The suite that every engine must pass. It crosses every operation with every environment.
//!
//! ```
//! # async fn engine() -> std::sync::Arc<dyn doorward_records::Store> { std::sync::Arc::new(doorward_store_memory::MemoryStore::new()) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! doorward_store_conformance::all(engine).await;
//! # }
//! ```
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the suite stands in for the core, which mints scopes")]

mod audit;
mod coherence;
pub mod faults;
mod fixtures;
mod keys;
mod links;
mod moving;
mod organizations;
mod origins;
mod outbox;
mod passkeys;
mod sealing;
mod tables;

use std::sync::Arc;

use doorward_records::Store;
use doorward_store::KeyEngine;

pub use self::moving::moving;
use self::{
    audit::*, coherence::*, fixtures::Keys, keys::*, links::*, organizations::*, origins::*, outbox::*, passkeys::*,
    sealing::*, tables::*,
};

macro_rules! run {
    ($make:expr; $($case:ident),* $(,)?) => {
        $(
            println!(concat!("conformance: ", stringify!($case)));
            $case($make.await).await;
        )*
    };
}

/// Runs every case, each on a fresh engine. Panics at the first failure. Standard output names the case.
pub async fn all<Made: Future<Output = Arc<dyn Store>>>(make: impl Fn() -> Made) {
    let with_log = async || {
        let store = make().await;
        Keys { engine: store.clone(), log: Some(store) }
    };
    run_keys(with_log).await;
    run!(
        make();
        a_restored_store_begins_an_incarnation,
        a_node_describes_itself_while_it_is_registered,
        a_lost_change_is_reported_until_an_operator_accepts_it,
        uses_are_added_up_per_secret_and_hour,
        the_newest_change_of_a_record_is_known,
        events_come_in_pages,
        logs_are_separate,
        every_event_follows_the_event_before,
        an_event_names_the_incarnation_that_wrote_it,
        events_are_found_by_their_fields,
        a_prune_replaces_the_beginning_of_a_log_by_a_statement,
        a_prune_without_its_event_is_a_deletion,
        a_prune_statement_is_signed_again,
        a_log_that_must_exist_is_known,
        events_are_shipped_in_the_order_of_their_writing,
        a_sink_is_held_by_one_at_a_time,
        no_event_is_pruned_before_every_sink_has_shipped_it,
        operators_are_added_and_removed_with_their_events,
        an_operator_is_bound_to_one_identity_for_good,
        no_operation_reaches_another_scope,
        every_change_of_a_record_writes_an_event,
        a_users_credentials_are_deleted_with_the_user,
        a_link_session_is_found_by_its_tokens_in_its_scope,
        a_link_session_leaves_each_status_once,
        a_link_becomes_a_credential_once,
        unconfirmed_tokens_are_revoked,
        a_removed_credential_is_revoked,
        a_revocation_is_taken_by_one_at_a_time,
        a_sealing_key_is_named_by_one_at_a_time,
        values_are_written_only_under_the_stores_sealing_key,
        every_sealed_value_is_found_and_replaced_as_it_was_read,
        user_ids_are_unique_within_an_environment,
        operators_sign_in_once_by_a_link_and_sessions_expire,
        a_passkey_belongs_to_one_operator_and_ends_with_it,
        a_passkey_is_used_as_it_was_seen,
        a_challenge_is_answered_once,
        tool_calls_begin_and_end_in_their_own_scope,
        old_tool_calls_are_deleted,
        the_data_of_a_closed_organization_is_erased_when_it_is_due,
    );
}

/// Runs the cases that are about keys: for an engine that has no more than the core needs to verify, issue, rotate and delete.
pub async fn keys<Made: Future<Output = Arc<dyn KeyEngine>>>(make: impl Fn() -> Made) {
    run_keys(async || Keys { engine: make().await, log: None }).await;
}

async fn run_keys(make: impl AsyncFn() -> Keys) {
    run!(
        make();
        an_organization_has_its_production_key_from_the_start,
        one_key_is_found_among_many,
        organizations_are_found_by_name,
        organizations_are_found_by_a_part_of_their_names,
        an_external_id_always_names_the_same_organization,
        a_name_belongs_to_one_organization_unless_a_duplicate_is_asked_for,
        a_change_of_an_organization_is_polled_with_all_its_secrets,
        an_organization_is_changed_only_as_it_was_seen,
        a_closed_organization_has_neither_keys_nor_origins,
        there_is_never_a_second_production_key,
        the_production_key_cannot_be_deleted,
        a_key_is_created_staged_regenerated_and_deleted,
        the_words_about_a_key_are_changed_as_they_were_seen,
        a_secret_is_marked_as_leaked_as_it_was_seen,
        a_revoked_secret_is_remembered_with_its_refused_calls,
        the_state_of_several_organizations_is_read_at_once,
        a_refused_change_leaves_nothing_behind,
        an_imported_secret_is_marked_and_never_imported_again,
        an_idempotency_key_works_once_per_actor_and_day,
        an_operation_is_remembered_by_its_key_and_by_its_subject,
        a_change_for_another_store_or_prefix_is_refused,
        only_an_empty_store_is_provisioned_on_first_start,
        lists_come_in_pages,
        every_change_is_polled_once_and_in_order,
        a_poll_reports_whether_another_process_waits,
        a_poll_tells_a_session_that_it_must_acknowledge,
        a_change_names_the_longest_lease_from_before_it,
        a_retired_session_is_notified_and_stays_listed,
        a_node_too_far_behind_reloads,
        active_secrets_come_in_pages,
        allowing_and_disallowing_an_origin_is_polled_like_a_key_change,
        every_allowed_origin_is_loaded_page_by_page,
    );
}
