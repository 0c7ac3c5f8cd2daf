"""Which test covers each row of the tables of controls, threats and incidents: what `docs/reference/controls.md` shows.

A case of the suite says its rows itself. What other tests cover is written here by hand, and so is why a row is not
covered yet. `python -m tests.conformance.coverage` writes the page anew; `test_controls.py` holds it to the tables.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance.case import slug
from tests.conformance.catalogue import CASES

ROOT: Final = Path(__file__).parents[2]
TABLES: Final = ROOT.parent / "shared" / "design"
PAGE: Final = ROOT / "docs" / "reference" / "controls.md"
NAMES: Final = ("controls", "threats", "incidents")

_IDENTITY: Final = "identity/test_identity_"

ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    "T01": (f"{_IDENTITY}wycheproof.py::test_every_signature_is_decided_as_the_file_says",),
    "T02": (f"{_IDENTITY}verifier.py::test_a_public_key_is_never_a_secret",),
    "T03": (f"{_IDENTITY}verifier.py::test_headers_are_judged",),
    "T04": (f"{_IDENTITY}wycheproof.py::test_every_signature_is_decided_as_the_file_says",),
    "T05": ("conformance/test_tenants.py::test_t05_nothing_is_fetched_from_where_a_header_says",),
    "T06": (f"{_IDENTITY}verifier.py::test_headers_are_judged",),
    "T07": (
        f"{_IDENTITY}binding.py::test_the_leeway_is_what_was_configured_and_a_minute_at_most",
        "faults/test_clock_and_limits.py::test_a_token_of_another_time_is_refused",
    ),
    "T09": (f"{_IDENTITY}binding.py::test_a_tenant_can_not_mint_another_tenants_tokens",),
    "T10": (f"{_IDENTITY}binding.py::test_a_token_of_another_type_is_none",),
    "T14": (f"{_IDENTITY}verifier.py::test_a_token_has_one_spelling",),
    "T15": (f"{_IDENTITY}verifier.py::test_json_has_one_meaning",),
    "T16": (
        f"{_IDENTITY}fetch.py::test_only_plain_https_addresses_are_fetched",
        f"{_IDENTITY}fetch.py::test_which_addresses_may_be_connected_to",
        f"{_IDENTITY}fetch.py::test_the_address_that_was_judged_is_the_one_connected_to",
        "unit/test_document.py::test_no_spelling_of_a_private_host_is_taken",
    ),
    "T17": (
        f"{_IDENTITY}fetch.py::test_a_flood_of_random_kids_costs_one_request_a_cooldown",
        f"{_IDENTITY}jwks.py::test_keys_outlive_their_issuer_for_a_bounded_time",
    ),
    "T18": (
        f"{_IDENTITY}fetch.py::test_a_long_document_is_refused",
        f"{_IDENTITY}jwks.py::test_an_event_loop_is_not_blocked_by_a_fetch",
        "faults/test_identity_faults.py::test_a_slow_issuer_keeps_only_its_own_callers_waiting",
    ),
    "T19": (f"{_IDENTITY}keys.py::test_small_rsa_keys_are_refused",),
    "T20": (f"{_IDENTITY}wycheproof.py::test_no_encrypted_token_is_taken_for_a_signed_one",),
    "T22": ("conformance/test_tenants.py::test_t22_a_change_is_in_force_at_once",),
    "T23": (
        "faults/test_identity_faults.py::test_a_cold_issuer_that_fails_is_unavailable",
        f"{_IDENTITY}binding.py::test_a_directory_or_key_store_that_does_not_answer_is_no_verdict",
    ),
    "Z02": ("unit/test_edge_handler.py::test_whatever_comes_cloudfront_takes_what_goes",),
    "F01": ("unit/test_names.py::test_a_denied_extension_is_seen_as_lenient_systems_see_it",),
    "F02": ("content/test_content_corpus.py::test_f02_every_other_fixture_is_refused_under_a_type_of_the_demo",),
    "F04": ("conformance/test_tenants.py::test_f04_two_uploads_of_one_name_never_meet",),
    "F12": (
        "conformance/test_tenants.py::test_f12_h18_a_limit_is_reached_on_every_backend",
        "stores/test_stores_ledger.py::test_two_hundred_reservations_of_four_processes_for_fifty_places",
        "unit/test_allowance.py::test_room_is_kept_while_an_upload_is_under_way_and_given_back_when_it_fails",
    ),
    "S01": ("unit/test_headers.py::test_whatever_else_s3_would_act_on_is_refused",),
    "S05": (
        "conformance/test_generated.py::test_names_mean_the_same_everywhere",
        "property/test_policy_properties.py::test_any_path_is_a_name_or_a_refusal",
    ),
    "S06": ("property/test_policy_properties.py::test_a_key_never_leaves_its_tenant",),
    "S07": (
        "local/test_embedded_s3.py::test_least_authority",
        "presigner/test_uppy_sts.py::test_boto3_uploads_under_the_prefix_and_nothing_else",
        "presigner/test_signer_authority.py::test_the_signer_may_put_and_nothing_else",
    ),
    "S08": (
        "conformance/test_tenants.py::test_s08_a_url_lives_as_long_as_the_policy_says",
        "unit/test_redirect.py::test_a_url_never_outlives_its_credentials",
        "infra/test_attacks.py::test_a_young_signature_and_a_long_upload_pass",
        "infra/test_attacks.py::test_a_role_is_denied_everything_else",
    ),
    "S09": (
        "conformance/test_plans.py::test_s09_m08_s3_holds_the_client_to_the_plan",
        "presigner/test_bounds_at_s3.py::test_a_broken_bound_is_refused",
        "unit/test_grant.py::test_s3_sees_exactly_what_was_granted",
    ),
    "S11": ("conformance/test_plans.py::test_s11_m07_a_create_only_plan_is_good_once",),
    "S12": (
        "unit/test_sealing.py::test_no_bit_of_a_sealed_value_can_be_changed",
        "presigner/test_multipart_plans.py::test_strangers_find_no_upload",
        "presigner/test_uppy_paths.py::test_both_key_and_upload_must_be_the_callers_own",
        "presigner/test_all_pairs.py::test_nobody_goes_on_with_what_is_anothers",
        "presigner/test_uppy_sign.py::test_s3s_id_counts_only_beside_its_own_sealed_key",
    ),
    "S15": ("conformance/test_plans.py::test_s15_every_algorithm_is_signed_and_verified",),
    "S19": (
        "conformance/conftest.py::examination",
        "unit/test_sigv4.py::test_secrets_do_not_print",
        "unit/test_intake.py::test_a_raw_request_does_not_show_its_headers",
    ),
    "H01": ("http/test_http_corpus.py::test_request_gets_exactly_its_verdict",),
    "H02": (
        "unit/test_forwarded.py::test_the_client_is_who_trusted_proxies_say",
        "unit/test_forwarded.py::test_the_scheme_is_the_nearest_trusted_proxys",
    ),
    "H03": (
        "http/test_http_properties.py::test_parse_head_never_raises_and_never_keeps_a_line_break",
        "http/test_http_properties.py::test_an_answers_head_has_exactly_its_lines",
    ),
    "H04": (
        "conformance/test_addresses.py::test_h04_t13_a_foreign_host_changes_nothing",
        "conformance/test_addresses.py::test_h04_cve_2026_48710_a_malformed_host_is_never_a_defect",
    ),
    "H05": (
        "conformance/test_cors.py::test_h05_a_page_may_read_every_answer",
        "conformance/test_cors.py::test_h05_no_other_page_may",
        "unit/test_cors.py::test_an_origin_is_allowed_exactly_or_not_at_all",
    ),
    "H06": (
        "http/test_http_behaviour.py::test_late_request_is_answered_408",
        "http/test_http_behaviour.py::test_body_below_the_minimum_rate_is_answered_408",
        "http/test_http_behaviour.py::test_connections_beyond_the_limit_are_told_to_come_back",
        "http/test_http_tls.py::test_a_handshake_counts_as_a_connection",
        "local/test_memory.py::test_a_stream_is_never_held",
    ),
    "H07": ("unit/test_pattern.py::test_what_makes_a_backtracker_hang_takes_a_few_steps",),
    "H08": (
        "unit/test_document.py::test_a_wrong_document_is_refused_with_every_pointer",
        "admin/test_admin_access.py::test_nobody_sets_what_is_not_theirs_to_set",
    ),
    "H10": (
        "stores/test_stores_policies.py::test_replacing_needs_the_present_etag",
        "admin/test_admin_documents.py::test_of_a_hundred_changes_of_one_state_one_is_taken",
        "workers/test_workers_changes.py::test_every_accepted_change_is_in_the_history",
    ),
    "H11": (
        "stores/test_stores_audit.py::test_lines_are_canonical_json_of_what_is_known",
        "unit/test_json_lines.py::test_whatever_is_logged_is_one_line_of_json",
    ),
    "H12": ("http/test_http_behaviour.py::test_defect_of_the_application_is_an_opaque_500",),
    "H13": (
        "unit/test_switches.py::test_who_finds_what_where",
        "workers/test_workers_metrics.py::test_whoever_watches_sees_all_workers",
    ),
    "H14": ("conformance/findings.py::_redirect_findings",),
    "H16": (
        f"{_IDENTITY}fetch.py::test_a_server_proves_its_name",
        "workers/test_workers_serve.py::test_tls_is_served_and_its_certificate_renewed",
    ),
    "H17": (
        "conformance/test_plans.py::test_h17_a_body_that_is_no_plan_is_refused",
        "unit/test_document.py::test_what_is_no_strict_json_is_a_fault",
    ),
    "H18": (
        "conformance/test_tenants.py::test_f12_h18_a_limit_is_reached_on_every_backend",
        "stores/test_stores_rate.py::test_of_many_times_the_load_exactly_the_budget_is_admitted",
    ),
    "H19": (
        "conformance/findings.py::refusal_findings",
        "conformance/test_plans.py::test_h12_h19_a_plan_is_refused_as_a_put_is",
    ),
    "M05": (f"{_IDENTITY}jwks.py::test_a_rotation_during_a_flood_is_seen_after_the_cooldown",),
    "M08": (
        "conformance/test_plans.py::test_s09_m08_s3_holds_the_client_to_the_plan",
        "faults/test_client_faults.py::test_a_body_longer_than_declared_is_the_declared_one_and_a_request_that_is_none",
    ),
    "M10": (
        "conformance/test_tenants.py::test_f12_h18_a_limit_is_reached_on_every_backend",
        "stores/test_stores_ledger.py::test_two_hundred_reservations_of_four_processes_for_fifty_places",
    ),
    "M12": (
        "stores/test_stores_audit.py::test_no_change_of_one_character_goes_unseen",
        "unit/test_json_lines.py::test_whatever_is_logged_is_one_line_of_json",
    ),
    "M13": (f"{_IDENTITY}fetch.py::test_a_name_that_resolves_to_loopback_is_refused",),
    "M14": ("faults/test_clock_and_limits.py::test_a_gateway_whose_clock_is_wrong_believes_no_token",),
    "M17": (
        "http/test_http_behaviour.py::test_late_request_is_answered_408",
        "faults/test_client_faults.py::test_a_body_that_stops_is_a_timeout",
    ),
    "M21": (
        "conformance/test_addresses.py::test_m21_a_path_beside_the_bases_stores_nothing",
        "conformance/test_generated.py::test_names_mean_the_same_everywhere",
    ),
    "M25": ("conformance/conftest.py::examination", "conformance/findings.py::refusal_findings"),
    "CVE-2025-45768 PyJWT": (f"{_IDENTITY}verifier.py::test_a_public_key_is_never_a_secret",),
    "CVE-2026-48522 PyJWT<2.13": (f"{_IDENTITY}fetch.py::test_only_plain_https_addresses_are_fetched",),
    "CVE-2026-48524 PyJWT<2.13": (
        f"{_IDENTITY}fetch.py::test_a_flood_of_random_kids_costs_one_request_a_cooldown",
        f"{_IDENTITY}jwks.py::test_keys_outlive_their_issuer_for_a_bounded_time",
    ),
    "aws-jwt-verify": (
        f"{_IDENTITY}oracle.py::test_every_difference_from_aws_jwt_verify_is_a_listed_one",
        f"{_IDENTITY}jwks.py::test_an_unknown_kid_costs_one_fetch_a_cooldown",
    ),
    "CVE-2026-48710 starlette<1.0.1": (
        "conformance/test_addresses.py::test_h04_cve_2026_48710_a_malformed_host_is_never_a_defect",
    ),
    "CVE-2026-54282/54283 starlette<1.3.1": (
        "conformance/test_addresses.py::test_h04_cve_2026_48710_a_malformed_host_is_never_a_defect",
        "unit/test_intake.py::test_a_path_outside_the_base_is_nothing",
    ),
    "CVE-2020-7694/7695 uvicorn<0.11.7": ("http/test_http_properties.py::test_an_answers_head_has_exactly_its_lines",),
    "uvicorn slow clients": ("http/test_http_behaviour.py::test_late_request_is_answered_408",),
    "CVE-2018-20060 urllib3": (f"{_IDENTITY}fetch.py::test_only_200_will_do_and_no_redirect_is_followed",),
    "CVE-2018-16889 Ceph": ("conformance/conftest.py::examination",),
    "CVE-2022-3854 Ceph RGW": (
        "http/test_http_corpus.py::test_mutated_requests_get_a_verdict_and_never_a_5xx",
        "conformance/test_generated.py::test_names_mean_the_same_everywhere",
    ),
    "Presign IDOR / open bucket (2025 write-ups: 273k bank PDFs)": (
        "property/test_policy_properties.py::test_a_key_never_leaves_its_tenant",
        "conformance/test_tenants.py::test_f04_two_uploads_of_one_name_never_meet",
    ),
    "T11": (
        "admin/test_admin_access.py::test_nobody_but_an_operator_reaches_a_route",
        "presigner/test_upload_ids.py::test_the_rules_about_the_caller_hold_for_a_begun_upload",
    ),
    "T12": ("presigner/test_upload_ids.py::test_only_the_owner_finds_an_upload_and_only_in_time",),
    "Z01": (
        "proxy/test_api_gateway_model.py::test_a_policy_for_one_request_refuses_another_even_if_it_was_cached",
        "proxy/test_definition.py::test_every_operation_asks_the_authorizer_every_time",
    ),
    "M03": ("proxy/test_api_gateway_model.py::test_a_cached_answer_would_let_one_requests_grant_serve_another",),
    "M04": ("proxy/test_authorizer.py::test_a_path_that_is_more_than_itself_in_a_policy_is_never_allowed",),
    "S10": (
        "presigner/test_single_plans.py::test_s3_holds_a_form_to_the_plan",
        "presigner/test_uppy_paths.py::test_a_form_is_held_to_the_tenants_bounds",
    ),
    "S13": (
        "presigner/test_multipart_plans.py::test_parts_that_are_not_there_are_not_signed",
        "presigner/test_multipart_plans.py::test_s3_holds_a_part_to_its_url",
        "presigner/test_uppy_paths.py::test_what_s3_holds_is_compared_before_a_part_is_signed",
    ),
    "S14": (
        "presigner/test_callers_first.py::test_a_tenant_has_only_so_many_uploads_unfinished",
        "presigner/test_ending.py::test_what_is_over_ends_and_nothing_else",
    ),
    "H09": ("admin/test_admin_access.py::test_nobody_but_an_operator_reaches_a_route",),
    "M11": (
        "admin/test_admin_access.py::test_nobody_but_an_operator_reaches_a_route",
        "admin/test_admin_access.py::test_nobody_sets_what_is_not_theirs_to_set",
    ),
    "M16": ("presigner/test_ending.py::test_what_a_crash_left_is_found_by_its_key_and_time",),
    "M24": (
        "presigner/test_multipart_plans.py::test_fifty_who_complete_at_once_get_one_answer",
        "presigner/test_parallel_completes.py::test_instances_that_complete_at_once_agree",
    ),
    "supabase/storage 1390/1391 (Sep 2026); s3-orchestrator 735; chimera 1200; s3s 51": (
        "presigner/test_multipart_plans.py::test_strangers_find_no_upload",
        "presigner/test_uppy_sign.py::test_s3s_id_counts_only_beside_its_own_sealed_key",
    ),
    "MinIO 7806, 3057; RustFS 984": ("presigner/test_single_plans.py::test_s3_holds_a_form_to_the_plan",),
    "API Gateway authorizer cache": (
        "proxy/test_api_gateway_model.py::test_a_cached_answer_would_let_one_requests_grant_serve_another",
    ),
    "tusd locks": ("presigner/test_parallel_completes.py::test_instances_that_complete_at_once_agree",),
    "F15": (
        "infra/test_attacks.py::test_a_role_is_denied_everything_else",
        "unit/test_headers.py::test_whatever_else_s3_would_act_on_is_refused",
    ),
    "S17": (
        "infra/test_templates.py::test_the_bucket_is_private_versioned_and_tidy",
        "infra/test_attacks.py::test_a_role_is_denied_everything_else",
    ),
    "S18": (
        "infra/test_recorded_calls.py::test_a_role_may_do_nothing_that_the_code_never_does",
        "infra/test_attacks.py::test_a_role_is_denied_everything_else",
    ),
    "S20": (
        "infra/test_attacks.py::test_only_our_distribution_puts",
        "infra/test_attacks.py::test_nobody_else_touches_an_object",
        "infra/test_templates.py::test_the_distribution_carries_the_headers_of_the_carriage_and_signs_always",
    ),
    "CloudFront OAC no-override": (
        "infra/test_templates.py::test_the_distribution_carries_the_headers_of_the_carriage_and_signs_always",
    ),
    "M26": (
        "infra/test_attacks.py::test_nobody_else_touches_an_object",
        "infra/test_templates.py::test_the_edge_function_is_on_every_behaviour",
    ),
    "Mangum 0.22.0 (own test)": (
        "unit/test_lambda_events.py::test_a_path_that_comes_as_it_was_sent_stays_so",
        "unit/test_lambda_events.py::test_no_event_makes_the_function_raise",
        "infra/test_packaged_functions.py::test_the_presigner_plans_for_each_kind_of_event",
    ),
    "API Gateway path/query": (
        "unit/test_lambda_events.py::test_a_path_that_was_decoded_is_encoded_again",
        "unit/test_lambda_events.py::test_queries_and_headers_arrive_whole",
        "proxy/test_definition.py::test_nothing_that_a_client_sends_is_mapped_anywhere",
    ),
    "supabase/storage 883, 1039": (
        "conformance/test_generated.py::test_names_mean_the_same_everywhere",
        "property/test_policy_properties.py::test_a_key_never_leaves_its_tenant",
    ),
}
"""Row to tests outside the cases: a path below `tests/` and the name of a function."""

_INSPECTION: Final = "inspection"

NOT_YET: Final[Mapping[str, str]] = {
    "T19": "The admin API takes no keys: a tenant names an issuer, whose weak keys are refused when they are fetched.",
    "T21": "No token is good only once; a token's end is held by T07, and an operator's changes need an ETag (H10).",
    "F03": "Polyglots are told from their first bytes only; the rest is inspection's.",
    "F06": "The gateway serves no objects: a GET of an upload is 405 (S04).",
    "F09": f"Archives: {_INSPECTION}.",
    "F10": f"Archives: {_INSPECTION}.",
    "F11": f"Pixels: {_INSPECTION}.",
    "F13": f"Reading before a verdict: {_INSPECTION}.",
    "F14": f"Embedded metadata: {_INSPECTION}; nothing is stripped.",
    "S16": "Requests don't say who the bucket's owner must be. Its name is the deployment's.",
    "H15": "Dependencies are installed by hash; a bill of materials and an audit come with the release.",
    "H16": "S3's certificate is verified by the library's default context; no test shows a self-signed one refused.",
    "H18": "Before anybody is authenticated, work is bounded by open connections, not by address.",
    "M27": "S16. A tenant's document has no member for a bucket, and one more member is refused (H08).",
    "CVE-2023-30798, 2024-47874, 2025-62727 starlette": "No form, part or Range is parsed; forms go to S3 itself.",
    "CVE-2024-24762, 2024-53981, 2026-24486, 40347, 42561, 53537-53540 python-multipart": (
        "No form is parsed, and the library is not installed."
    ),
    "uppy companion 6480, 2811": "The gateway fetches no URL that a client names, on Uppy's own paths either.",
    "Bucket squatting": "S16. A bucket is kept when its stack goes, so its name never becomes free by that.",
}
"""Row to why it is not covered, or what of it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a table: its id, and what it is about in its own words."""

    id: str
    about: str


def tables() -> dict[str, tuple[Row, ...]]:
    """The three tables as they stand beside the repository."""
    return {name: tuple(_rows(TABLES / f"{name}.tsv")) for name in NAMES}


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        for line in lines:
            yield Row(id=line["id"], about=line.get("control") or line.get("threat") or line.get("what") or "")


def in_cases() -> frozenset[str]:
    """The rows that cases of the suite cover."""
    return frozenset(row for case in CASES for row in case.rows)


def render(found: Mapping[str, tuple[Row, ...]]) -> str:
    """The page."""
    covered = in_cases()
    parts = [_HEAD]
    for name, rows in found.items():
        parts += [f"\n## {name.capitalize()}\n", "| row | what | covered by | not yet |", "| --- | --- | --- | --- |"]
        parts += (
            f"| {_cell(row.id)} | {_cell(row.about)} | {_where(row.id, covered)} | {_why(row.id)} |" for row in rows
        )
    return "\n".join(parts) + "\n"


_HEAD: Final = """\
# Controls, threats and incidents, and the tests that hold them

Each row of the tables that the gateway was designed by, and where it is held to. A row that can be asked for with `-k`
is covered by cases of the conformance suite: `.venv/bin/pytest tests/conformance -k S01` sends each of them to every
backend. Other tests stand with their path below `tests/`. The last column says what no test covers so far, and to which
part of the gateway it belongs.

This page is made by `.venv/bin/python -m tests.conformance.coverage`, and a test holds it to the tables and the tests.
"""


def _where(row: str, covered: frozenset[str]) -> str:
    cases = (f"`-k {slug(row)}`",) if row in covered else ()
    return "<br>".join((*cases, *(f"`{test}`" for test in ELSEWHERE.get(row, ())))) or "-"


def _why(row: str) -> str:
    return _cell(NOT_YET.get(row, ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    PAGE.write_text(render(tables()), encoding="utf-8")
