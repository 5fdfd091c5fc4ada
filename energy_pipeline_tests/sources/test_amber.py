"""The Amber client against the demo home's server, and against the samples sent word by word."""

import json
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from energy_pipeline.demo.server import DEMO_AMBER_TOKEN, DEMO_SITE_ID
from energy_pipeline.sources.amber import (
    AmberApi,
    Channel,
    Site,
    amber_api,
    choose_site,
    parse_sites,
)
from energy_pipeline.sources.errors import (
    KeyRejected,
    SourceRejected,
    SourceThrottled,
    SourceUnavailable,
    WindowTooLarge,
)

NOW = datetime(2026, 9, 25, 0, 47, 0, tzinfo=UTC)
FIRST = date(2026, 9, 10)
SITE = Site("01A", "Ausgrid", "active", None, None, 5, ())


@pytest.fixture
def amber(demo) -> AmberApi:
    demo.set_clock(now=NOW)
    return amber_api(DEMO_AMBER_TOKEN, demo.amber_url)


def test_seven_days_of_prices_hold_each_interval_of_each_channel_once(amber):
    answer = amber.prices(DEMO_SITE_ID, FIRST, FIRST + timedelta(days=6))
    rows = answer.parsed.rows
    assert (answer.parsed.rejects, answer.parsed.notices) == ([], [])
    assert rows.groupby(["channel_type", "nem_date"]).size().eq(288).all()
    assert len(rows) == 3 * 7 * 288
    assert set(rows["price_class"]) == {"actual"}
    assert rows["interval_start"].min() == datetime(2026, 9, 9, 14, tzinfo=UTC)
    assert answer.server_time == NOW
    assert answer.budget.limit == 50


def test_seven_days_of_usage_cost_energy_times_price(amber):
    answer = amber.usage(DEMO_SITE_ID, FIRST, FIRST + timedelta(days=6))
    rows = answer.parsed.rows
    assert (answer.parsed.rejects, answer.parsed.notices) == ([], [])
    assert rows.groupby(["channel_identifier", "nem_date"]).size().eq(288).all()
    assert (rows["cost"] - rows["kwh"] * rows["per_kwh"]).abs().max() <= 5.1e-5  # cents
    assert (rows["kwh"] >= 0).all()


def test_the_current_price_comes_with_its_neighbours(amber):
    rows = amber.current(DEMO_SITE_ID, next_intervals=20, previous_intervals=2).parsed.rows
    general = rows[rows["channel_type"] == "general"]
    assert general["price_class"].tolist()[:2] == ["actual", "actual"]
    assert general["price_class"].iloc[2] in {"locked", "estimate"}
    assert set(general["price_class"][3:]) == {"forecast"}
    assert len(general) == 23


def test_the_sites_of_the_account_are_listed_without_the_meters_number(amber):
    sites = amber.sites()
    assert choose_site(sites, None).id == DEMO_SITE_ID
    assert "NMI" not in repr(sites)
    assert not any("nmi" in asdict(site) for site in sites)


def test_a_wrong_key_is_refused_and_the_message_names_the_variable_and_the_cure(demo):
    wrong = amber_api("psk_wrong", demo.amber_url)
    for ask in (wrong.sites, lambda: wrong.prices(DEMO_SITE_ID, FIRST, FIRST)):
        with pytest.raises(KeyRejected, match=r"developers.*AMBER_TOKEN.*403"):
            ask()


def test_a_site_that_is_not_there_is_refused_for_good(amber):
    with pytest.raises(SourceRejected, match="404"):
        amber.usage("../01NOWHERE", FIRST, FIRST)


def test_more_days_than_the_supplier_gives_are_refused_as_a_window_too_large(amber):
    with pytest.raises(WindowTooLarge, match="Maximum 7 days"):
        amber.prices(DEMO_SITE_ID, FIRST, FIRST + timedelta(days=8))
    with pytest.raises(WindowTooLarge):
        amber.current(DEMO_SITE_ID, next_intervals=2048, previous_intervals=1)


def test_days_in_the_wrong_order_are_a_mistake_of_the_caller(amber):
    with pytest.raises(ValueError, match="must not be after"):
        amber.prices(DEMO_SITE_ID, FIRST, FIRST - timedelta(days=1))


def test_bulk_work_that_heeds_the_budget_leaves_the_reserve(amber):
    for _ in range(50):
        answer = amber.prices(DEMO_SITE_ID, FIRST, FIRST)
        if amber.seconds_to_wait(answer):
            break
    assert answer.budget.remaining == 15
    assert amber.seconds_to_wait(answer) == answer.budget.reset_seconds == 300
    assert (
        amber.current(DEMO_SITE_ID, next_intervals=0, previous_intervals=0).budget.remaining == 14
    )


def test_a_quota_used_up_is_told_with_its_reset(amber):
    for _ in range(50):
        amber.current(DEMO_SITE_ID, next_intervals=0, previous_intervals=0)
    with pytest.raises(SourceThrottled) as caught:
        amber.current(DEMO_SITE_ID, next_intervals=0, previous_intervals=0)
    assert caught.value.retry_after_seconds == 302.0


def test_usage_that_is_not_there_yet_is_no_rows_and_no_zeros(amber):
    answer = amber.usage(DEMO_SITE_ID, date(2026, 9, 25), date(2026, 9, 25))
    assert answer.parsed.rows.empty
    assert answer.parsed.rejects == []


def test_a_truncated_answer_is_worth_another_attempt_which_then_succeeds(demo, amber):
    demo.fault("*/prices", truncate=True, times=1)
    with pytest.raises(SourceUnavailable):
        amber.prices(DEMO_SITE_ID, FIRST, FIRST)
    assert len(amber.prices(DEMO_SITE_ID, FIRST, FIRST).parsed.rows) == 3 * 288


def test_a_supplier_that_is_down_and_comes_back_is_reached_with_the_same_client(demo, amber):
    amber.sites()
    demo.stop()
    with pytest.raises(SourceUnavailable):
        amber.sites()
    demo.start()
    assert amber.sites()


def test_only_the_dates_are_asked_for_in_iso_format(demo, amber):
    amber.usage(DEMO_SITE_ID, FIRST, FIRST + timedelta(days=1))
    assert demo.requests[-1].endswith(
        f"/sites/{DEMO_SITE_ID}/usage?startDate=2026-09-10&endDate=2026-09-11"
    )


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        ("samples/amber_prices_actual_5min.json", "prices", 9),
        ("samples/amber_prices_spike.json", "prices", 2),
        ("data/amber-json-samples/amber_prices_json_shaped_sample.json.gz", "prices", 288),
        ("samples/amber_usage_5min.json", "usage", 10),
        ("samples/amber_usage_cutover_30_to_5.json", "usage", 4),
        ("samples/amber_usage_empty.json", "usage", 0),
        ("data/amber-json-samples/amber_usage_json_shaped_sample.json.gz", "usage", 190),
    ],
)
def test_a_sample_sent_word_by_word_arrives_whole(demo, amber, sample, name, kind, count):
    demo.fault(f"*/{kind}", body=sample(name))
    parsed = getattr(amber, kind)(DEMO_SITE_ID, FIRST, FIRST).parsed
    assert (len(parsed.rows), parsed.rejects, parsed.notices) == (count, [], [])
    if kind == "usage":
        residual = parsed.rows["cost"] - parsed.rows["kwh"] * parsed.rows["per_kwh"]
        assert residual.abs().le(5.1e-5).all()  # cents


@pytest.mark.shared_data
@pytest.mark.parametrize("state", ["estimate", "locked"])
def test_the_current_price_of_the_samples_is_of_its_class(demo, amber, sample, state):
    demo.fault("*/prices/current", body=sample(f"samples/amber_prices_current_{state}.json"))
    rows = amber.current(DEMO_SITE_ID, next_intervals=11, previous_intervals=2).parsed.rows
    counts = rows["price_class"].value_counts().to_dict()
    assert counts == {"actual": 4, state: 2, "forecast": 22}
    now = rows[rows["price_class"] == state]
    assert now["advanced_predicted"].notna().all() == (state == "estimate")
    assert set(rows["duration_minutes"]) == {5, 30}


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "status", "error", "said"),
    [
        ("amber_error_403_invalid_key.json", 403, KeyRejected, "explicit deny"),
        ("amber_error_422_range.txt", 422, WindowTooLarge, "Maximum 7 days"),
        ("amber_error_502_internal.json", 502, SourceUnavailable, "Internal server error"),
    ],
)
def test_the_suppliers_own_words_are_passed_on(demo, amber, sample, name, status, error, said):
    demo.fault("*/usage", status=status, body=sample(f"samples/{name}"))
    with pytest.raises(error, match=said):
        amber.usage(DEMO_SITE_ID, FIRST, FIRST)


@pytest.mark.shared_data
def test_the_gateways_429_of_the_samples_is_not_taken_for_the_quota(raw_server, sample):
    sleeps = []
    raw_server.answer(sample("samples/amber_error_429_gateway.http"))
    api = replace(amber_api("psk_any", raw_server.url), sleep=sleeps.append)
    with pytest.raises(SourceThrottled, match="not by this account's quota"):
        api.sites()
    assert sleeps == [1.0, 2.0]


@pytest.mark.shared_data
def test_the_headers_of_the_samples_are_understood(raw_server, sample):
    raw_server.answer(sample("samples/amber_response_headers.http") + b"[]")
    answer = amber_api("psk_any", raw_server.url).prices("S", FIRST, FIRST)
    assert (answer.budget.limit, answer.budget.remaining) == (50, 43)
    assert answer.server_time == datetime(2026, 9, 25, 0, 45, 20, tzinfo=UTC)


@pytest.mark.shared_data
def test_the_sites_of_the_samples_are_read_and_the_active_one_is_chosen(sample):
    sites = parse_sites(json.loads(sample("samples/amber_sites.json")))
    assert [site.status for site in sites] == ["active", "closed"]
    assert sites[1].closed_on == date(2024, 12, 31)
    chosen = choose_site(sites, None)
    assert chosen.interval_length == 5
    assert chosen.active_from == date(2025, 1, 1)
    assert chosen.channels[2] == Channel("B1", "feedIn", "EA029")
    assert "FAKENMI" not in repr(sites)


def test_a_site_with_odd_fields_is_read_as_far_as_it_goes():
    odd = {"id": "01A", "status": "dormant", "channels": [{"identifier": "E1"}, 3, None]}
    assert parse_sites([odd, {"status": "active"}, "x", {"id": 3, "status": "active"}]) == [
        Site("01A", None, "dormant", None, None, None, ())
    ]
    dates = odd | {"activeFrom": "soon", "closedOn": 3, "intervalLength": "5", "channels": "E1"}
    assert parse_sites([dates]) == parse_sites([odd])
    with pytest.raises(SourceUnavailable):
        parse_sites({"message": "x"})


def test_the_wanted_site_is_chosen_even_if_closed():
    closed = replace(SITE, id="01B", status="closed")
    assert choose_site([SITE, closed], " 01B ") == closed


@pytest.mark.parametrize("wanted", [None, "", "  "])
def test_without_a_wish_the_only_active_site_is_chosen(wanted):
    assert choose_site([replace(SITE, id="01B", status="closed"), SITE], wanted) == SITE


def test_a_choice_that_cannot_be_made_is_refused_and_lists_the_sites():
    two = [SITE, replace(SITE, id="01B")]
    with pytest.raises(SourceRejected, match=r"2 active sites.*AMBER_SITE_ID.*01A.*01B"):
        choose_site(two, None)
    with pytest.raises(SourceRejected, match=r"0 active sites.*none"):
        choose_site([], None)
    with pytest.raises(SourceRejected, match=r"AMBER_SITE_ID is '01C'.*01A \(active\)"):
        choose_site(two, "01C")
