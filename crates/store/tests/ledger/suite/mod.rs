//! The ledger's promises, for any database: `cargo test -p callsign-store` runs them on SQLite,
//! `tests/external/postgres.sh` on PostgreSQL.

mod away;
mod forget;
mod jobs;
mod late;
mod people;
pub(crate) mod place;
mod poison;
mod queries;
mod refusals;
mod retention;
mod rows;
mod sums;
mod unnamed;

use place::Place;

/// A running test of a promise.
type Told = std::pin::Pin<Box<dyn Future<Output = ()>>>;
/// A promise and its name.
type Promise = (&'static str, fn(Place) -> Told);

/// Builds the table of promises from the paths of their functions.
macro_rules! promises {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// Every promise with its name.
        pub(crate) const ALL: &[Promise] =
            &[$((stringify!($name), |place| Box::pin($module::$name(place)))),*];
    };
}

promises![
    away::a_row_that_nothing_takes_closes_the_door_until_it_is_written,
    away::rows_that_wait_in_memory_are_written_once,
    away::rows_in_the_spill_file_count_once,
    forget::a_cost_that_arrives_after_forget_changes_nothing,
    forget::a_forgotten_person_leaves_only_sums,
    forget::a_key_that_others_use_keeps_its_name,
    jobs::a_job_is_its_creators_at_once_and_open_until_it_has_a_cost,
    late::a_price_that_comes_late_moves_the_sums,
    late::a_cost_that_can_never_be_found_is_counted,
    late::lookups_of_all_nodes_share_one_pace,
    people::an_identifier_in_several_tenants_is_found_in_each,
    people::users_whose_ids_begin_alike_stay_apart,
    people::the_form_that_a_provider_reports_is_found,
    people::two_users_with_one_identifier_are_a_collision,
    poison::a_refused_row_costs_only_itself,
    poison::a_refused_row_comes_back_from_the_spill_file,
    poison::refused_sums_cost_only_their_row,
    poison::a_refused_row_of_a_dead_process_is_taken_over,
    poison::a_rejected_row_is_repaired_or_dropped,
    poison::refused_sums_of_a_large_batch_cost_only_their_row,
    queries::a_search_without_index_stops_and_goes_on,
    queries::days_are_the_same_with_and_without_people,
    queries::requests_are_filtered,
    queries::requests_are_read_in_pages,
    queries::speed_is_read_from_classes_of_times,
    queries::usage_has_filters_and_two_groupings,
    queries::nothing_is_found_in_an_empty_period,
    refusals::equal_refusals_are_one_row,
    refusals::refusals_after_forget_are_new_ones,
    refusals::refusals_in_the_spill_file_are_counted,
    refusals::refusals_whose_first_row_waits_are_counted,
    retention::a_clock_that_nobody_confirms_deletes_nothing,
    retention::what_is_too_old_is_deleted,
    rows::a_dropped_request_is_a_client_that_left,
    rows::a_ledger_without_rows_answers_with_nothing,
    rows::a_request_can_be_read_back,
    rows::every_value_is_read_back,
    rows::odd_text_stays_text,
    rows::strict_means_that_the_row_is_there,
    rows::a_real_end_replaces_that_of_a_request_that_was_given_up,
    rows::two_nodes_share_a_ledger,
    rows::what_a_dead_run_left_is_taken_over_once,
    rows::what_runs_is_noted_and_finishes_as_one_row,
    sums::an_older_ledger_gets_sums_of_years,
    sums::errors_are_counted_by_kind_and_refusals_are_no_requests,
    sums::large_batches_are_summed_once,
    sums::sums_are_those_of_the_requests,
    sums::sums_stop_at_their_limit,
    unnamed::rejected_rows_leave_no_names,
];
