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
mod origins;
mod outbox;
mod sealing;
mod tables;

use std::sync::Arc;

use doorward_records::Store;

pub use self::moving::moving;
use self::{audit::*, coherence::*, keys::*, links::*, origins::*, outbox::*, sealing::*, tables::*};

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
