"""What an interval of Amber means: identity, class, sign, units, and what is refused."""

import copy
import json
import math
from datetime import UTC, date, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.sources.amber import PRICE_COLUMNS, USAGE_COLUMNS, parse_prices, parse_usage
from energy_pipeline.sources.errors import SourceUnavailable

PRICE = {
    "type": "ActualInterval",
    "date": "2026-01-10",
    "duration": 5,
    "startTime": "2026-01-10T03:00:01Z",
    "endTime": "2026-01-10T03:05:00Z",
    "nemTime": "2026-01-10T13:05:00+10:00",
    "perKwh": 8.3,
    "renewables": 60.1,
    "spotPerKwh": 2.1,
    "channelType": "general",
    "spikeStatus": "none",
    "tariffInformation": {"period": "solarSponge", "season": "summer", "block": 2},
    "descriptor": "veryLow",
}
USAGE = PRICE | {
    "type": "Usage",
    "channelIdentifier": "E1",
    "kwh": 0.2,
    "cost": 1.66,
    "quality": "billable",
}
ABSENT = object()


def changed(row, **fields):
    row = copy.deepcopy(row) | fields
    return {name: value for name, value in row.items() if value is not ABSENT}


def only_row(parsed):
    assert parsed.rejects == []
    assert len(parsed.rows) == 1
    return parsed.rows.iloc[0]


def only_reject(parsed):
    assert parsed.rows.empty
    assert [reject.index for reject in parsed.rejects] == [0]
    return parsed.rejects[0].reason


def test_columns_and_their_order_are_those_of_the_interface():
    tariff = ["tariff_period", "tariff_season", "tariff_block", "demand_window"]
    when = ["interval_start", "duration_minutes"]
    words = ["spike_status", "descriptor"]
    money = ["per_kwh", "spot_per_kwh", "renewables"]
    spread = ["range_min", "range_max", "advanced_low", "advanced_predicted", "advanced_high"]
    expected = ["channel_type", *when, "price_class", "nem_date", *money, *words, *tariff, *spread]
    assert list(parse_prices([PRICE]).rows) == expected
    assert expected == PRICE_COLUMNS
    who = ["channel_identifier", "channel_type"]
    amounts = ["kwh", "per_kwh", "cost", "spot_per_kwh", "quality", "renewables"]
    expected = [*who, *when, "nem_date", *amounts, *words, *tariff]
    assert list(parse_usage([USAGE]).rows) == expected
    assert expected == USAGE_COLUMNS


def test_an_empty_answer_is_no_rows_of_the_same_dtypes_and_no_zeros():
    for parse, row in ((parse_prices, PRICE), (parse_usage, USAGE)):
        empty = parse([])
        assert (len(empty.rows), empty.rejects, empty.notices) == (0, [], [])
        assert empty.rows.dtypes.to_dict() == parse([row]).rows.dtypes.to_dict()


def test_a_start_one_second_late_becomes_the_start_of_the_interval_in_utc():
    row = only_row(parse_prices([PRICE]))
    assert row.interval_start == pd.Timestamp("2026-01-10T03:00:00Z")
    assert str(row.interval_start.tz) == "UTC"


def test_a_start_without_the_extra_second_and_another_zone_name_the_same_interval():
    exact = changed(PRICE, startTime="2026-01-10T13:00:00+10:00")
    assert only_row(parse_prices([exact])).interval_start == pd.Timestamp("2026-01-10T03:00:00Z")


def test_the_interval_that_ends_at_nem_midnight_belongs_to_the_day_before():
    last = changed(
        PRICE,
        date="2026-01-09",
        startTime="2026-01-09T13:55:01Z",
        endTime="2026-01-09T14:00:00Z",
        nemTime="2026-01-10T00:00:00+10:00",
    )
    assert only_row(parse_prices([last])).nem_date == date(2026, 1, 9)


def test_a_day_is_the_nem_day_while_sydney_is_already_at_the_next():
    late = changed(
        PRICE,
        date="2026-01-10",
        startTime="2026-01-10T13:00:01Z",  # 00:00 on the 11th in Sydney, 23:00 on the 10th NEM
        endTime="2026-01-10T13:05:00Z",
    )
    assert only_row(parse_prices([late])).nem_date == date(2026, 1, 10)


def test_a_date_that_contradicts_the_times_is_refused_and_a_missing_one_is_computed():
    assert "disagree" in only_reject(parse_prices([changed(PRICE, date="2026-01-11")]))
    assert only_row(parse_prices([changed(PRICE, date=ABSENT)])).nem_date == date(2026, 1, 10)


@pytest.mark.parametrize("key", ["startTime", "endTime", "duration", "channelType", "perKwh"])
@pytest.mark.parametrize("value", [ABSENT, None])
def test_a_row_without_what_identifies_it_or_its_price_is_refused_by_name(key, value):
    for parse, row in ((parse_prices, PRICE), (parse_usage, USAGE)):
        assert key in only_reject(parse([changed(row, **{key: value})]))


@pytest.mark.parametrize("key", ["channelIdentifier", "kwh", "cost"])
def test_usage_without_channel_energy_or_cost_is_refused_by_name(key):
    assert key in only_reject(parse_usage([changed(USAGE, **{key: ABSENT})]))


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": 10},
        {"duration": True},
        {"duration": "5"},
        {"duration": 30},
        {"duration": 15},
        {"startTime": "2026-01-10T02:55:01Z"},
        {"startTime": "2026-01-10T03:01:01Z"},
        {"endTime": "2026-01-10T03:05:01Z"},
        {"endTime": "2026-01-10T03:05:00"},
        {"endTime": "2026-01-10"},
        {"endTime": 1768014300},
        {"endTime": "soon"},
        {"startTime": "2026-01-10T03:01:01Z", "endTime": "2026-01-10T03:06:00Z"},
        {"startTime": "0001-01-01T00:00:01+14:00", "endTime": "0001-01-01T00:05:00+14:00"},
    ],
)
def test_times_that_are_wrong_or_contradict_each_other_are_refused(fields):
    only_reject(parse_prices([changed(PRICE, date=ABSENT, **fields)]))


@pytest.mark.parametrize(
    "value",
    ["8.3", True, False, math.nan, math.inf, -math.inf, [], {}, 10**400, 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_a_price_that_is_no_finite_number_is_refused(value):
    for key in ("perKwh", "spotPerKwh"):
        assert key in only_reject(parse_prices([changed(PRICE, **{key: value})]))
    for key in ("perKwh", "spotPerKwh", "kwh", "cost"):
        assert key in only_reject(parse_usage([changed(USAGE, **{key: value})]))


def test_a_refused_row_is_named_by_its_place_and_the_others_are_kept():
    later = changed(PRICE, startTime="2026-01-10T03:05:01Z", endTime="2026-01-10T03:10:00Z")
    parsed = parse_prices([PRICE, "what", changed(PRICE, perKwh="x"), later])
    assert [reject.index for reject in parsed.rejects] == [1, 2]
    assert len(parsed.rows) == 2
    assert list(parsed.rows.index) == [0, 1]


@pytest.mark.parametrize(
    ("fields", "price_class"),
    [
        ({"type": "ActualInterval"}, "actual"),
        ({"type": "CurrentInterval", "estimate": False}, "locked"),
        ({"type": "CurrentInterval", "estimate": True}, "estimate"),
        ({"type": "CurrentInterval"}, "estimate"),
        ({"type": "CurrentInterval", "estimate": "false"}, "estimate"),
        ({"type": "ForecastInterval"}, "forecast"),
    ],
)
def test_only_a_current_interval_that_says_it_is_no_estimate_is_locked(fields, price_class):
    assert only_row(parse_prices([changed(PRICE, **fields)])).price_class == price_class


def test_an_interval_of_an_unknown_type_is_refused():
    assert "DreamInterval" in only_reject(parse_prices([changed(PRICE, type="DreamInterval")]))
    assert "type" in only_reject(parse_prices([changed(PRICE, type=ABSENT)]))
    assert "ActualInterval" in only_reject(parse_usage([changed(USAGE, type="ActualInterval")]))


def test_words_never_seen_before_are_kept_and_new_fields_are_passed_over():
    row = changed(
        PRICE,
        channelType="vehicle",
        descriptor="absurdlyLow",
        spikeStatus="looming",
        tariffInformation={"period": "midnightSun", "season": "monsoon", "demandWindow": True},
        carbon={"intensity": 3},
    )
    row = only_row(parse_prices([row]))
    assert row.channel_type == "vehicle"
    assert (row.descriptor, row.spike_status) == ("absurdlyLow", "looming")
    assert (row.tariff_period, row.tariff_season) == ("midnightSun", "monsoon")
    assert bool(row.demand_window)


@pytest.mark.parametrize("value", [ABSENT, None])
def test_missing_optional_fields_are_missing_and_not_zero(value):
    names = ("spotPerKwh", "renewables", "spikeStatus", "descriptor", "tariffInformation")
    row = only_row(parse_prices([changed(PRICE, **dict.fromkeys(names, value))]))
    missing = set(PRICE_COLUMNS[PRICE_COLUMNS.index("spot_per_kwh") :])
    assert missing == {name for name in PRICE_COLUMNS if pd.isna(row[name])}


def test_an_unreadable_optional_field_is_missing_with_a_notice():
    parsed = parse_prices([changed(PRICE, renewables="lots", tariffInformation="peak")])
    row = only_row(parsed)
    assert math.isnan(row.renewables)
    assert pd.isna(row.tariff_period)
    assert [notice.index for notice in parsed.notices] == [0, 0]
    assert "lots" in parsed.notices[0].reason


def test_renewables_over_100_percent_are_kept():
    assert only_row(parse_prices([changed(PRICE, renewables=109.08)])).renewables == 109.08


def test_feed_in_keeps_the_suppliers_sign_in_every_price_and_its_odd_order():
    row = changed(
        PRICE,
        type="ForecastInterval",
        channelType="feedIn",
        tariffInformation=ABSENT,
        perKwh=-11.0,
        advancedPrice={"low": -7.1, "predicted": -11.1, "high": -14.9},
        range={"min": -5.0, "max": 40.0},
    )
    row = only_row(parse_prices([row]))
    assert row.per_kwh == -11.0
    assert (row.advanced_low, row.advanced_predicted, row.advanced_high) == (-7.1, -11.1, -14.9)
    assert (row.range_min, row.range_max) == (-5.0, 40.0)


def test_a_charge_for_exporting_stays_positive():
    assert only_row(parse_prices([changed(PRICE, channelType="feedIn", perKwh=1.9)])).per_kwh == 1.9


@pytest.mark.parametrize("spot", [1925.0, -110.0])
def test_prices_at_cap_and_floor_are_kept_in_cents(spot):
    assert only_row(parse_prices([changed(PRICE, spotPerKwh=spot)])).spot_per_kwh == spot


def test_exported_energy_is_positive_and_a_negative_one_is_turned_round_with_a_notice():
    feed_in = changed(USAGE, channelType="feedIn", channelIdentifier="B1", perKwh=-8.3, cost=-1.66)
    sent = parse_usage([feed_in])
    assert only_row(sent).kwh == 0.2
    assert sent.notices == []
    turned = parse_usage([changed(feed_in, kwh=-0.2)])
    row = only_row(turned)
    assert (row.kwh, row.per_kwh, row.cost) == (0.2, -8.3, -1.66)
    assert "feedIn" in turned.notices[0].reason


def test_negative_import_is_refused():
    assert "-0.2" in only_reject(parse_usage([changed(USAGE, kwh=-0.2)]))


def test_durations_of_5_and_30_minutes_in_one_answer_keep_their_own():
    half_hour = changed(
        PRICE, duration=30, startTime="2026-01-10T03:30:01Z", endTime="2026-01-10T04:00:00Z"
    )
    rows = parse_prices([PRICE, half_hour]).rows
    assert rows["duration_minutes"].tolist() == [5, 30]
    assert rows["interval_start"].tolist() == [
        datetime(2026, 1, 10, 3, 0, tzinfo=UTC),
        datetime(2026, 1, 10, 3, 30, tzinfo=UTC),
    ]


def test_exact_repetitions_collapse_in_silence():
    for parse, row in ((parse_prices, PRICE), (parse_usage, USAGE)):
        no_tariff = changed(row, tariffInformation=ABSENT)
        parsed = parse([no_tariff, no_tariff, no_tariff])
        assert (len(parsed.rows), parsed.rejects) == (1, [])


def test_of_rows_that_contradict_each_other_the_last_is_kept_and_the_others_reported():
    parsed = parse_usage([USAGE, changed(USAGE, cost=2.0), USAGE, changed(USAGE, cost=3.0)])
    assert parsed.rows["cost"].tolist() == [3.0]
    assert [reject.index for reject in parsed.rejects] == [1, 2]
    assert "channel_identifier" in parsed.rejects[0].reason


def test_two_channels_of_one_type_are_two_rows_of_usage():
    assert len(parse_usage([USAGE, changed(USAGE, channelIdentifier="E3")]).rows) == 2


@pytest.mark.parametrize("payload", [{}, {"message": "x"}, None, "text", 3, True])
def test_an_answer_that_is_no_list_is_worth_another_attempt(payload):
    for parse in (parse_prices, parse_usage):
        with pytest.raises(SourceUnavailable, match="JSON list"):
            parse(payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def broken(row):
    """The row with any of its fields replaced by anything."""
    return st.dictionaries(st.sampled_from(sorted(row)), JSON, max_size=3).map(
        lambda fields: changed(row, **fields)
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_arrives_every_element_is_a_row_a_reject_or_a_repetition(data):
    for parse, row in ((parse_prices, PRICE), (parse_usage, USAGE)):
        payload = data.draw(st.lists(JSON | broken(row), max_size=5) | JSON)
        if not isinstance(payload, list):
            with pytest.raises(SourceUnavailable):
                parse(payload)
            continue
        parsed = parse(payload)
        refused = {reject.index for reject in parsed.rejects}
        accepted = [element for i, element in enumerate(payload) if i not in refused]
        assert len(parsed.rejects) == len(refused)
        assert all(reject.reason for reject in parsed.rejects)
        # What was accepted and is not in the rows repeats a row: so says parsing it alone.
        assert sum(len(parse([element]).rows) for element in accepted) == len(accepted)
        assert len(parsed.rows) <= len(accepted)
        assert bool(accepted) == bool(len(parsed.rows))
        assert (
            not parsed.rows[["interval_start", "duration_minutes", "per_kwh"]].isna().any(axis=None)
        )


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "name",
    [
        "samples/amber_prices_actual_5min.json",
        "samples/amber_prices_current_estimate.json",
        "samples/amber_prices_current_locked.json",
        "samples/amber_prices_spike.json",
        "data/amber-json-samples/amber_prices_json_shaped_sample.json.gz",
    ],
)
def test_every_price_of_the_samples_is_a_row(sample, name):
    payload = json.loads(sample(name))
    parsed = parse_prices(payload)
    assert (len(parsed.rows), parsed.rejects, parsed.notices) == (len(payload), [], [])
    assert parsed.rows["per_kwh"].tolist() == [row["perKwh"] for row in payload]
    assert [str(day) for day in parsed.rows["nem_date"]] == [row["date"] for row in payload]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "name",
    [
        "samples/amber_usage_5min.json",
        "samples/amber_usage_estimated_first.json",
        "samples/amber_usage_revised_later.json",
        "samples/amber_usage_cutover_30_to_5.json",
        "data/amber-json-samples/amber_usage_json_shaped_sample.json.gz",
    ],
)
def test_every_cost_of_the_samples_is_energy_times_price(sample, name):
    payload = json.loads(sample(name))
    parsed = parse_usage(payload)
    rows = parsed.rows
    assert (len(rows), parsed.rejects, parsed.notices) == (len(payload), [], [])
    assert (rows["cost"] - rows["kwh"] * rows["per_kwh"]).abs().max() <= 5.1e-5  # cents


@pytest.mark.shared_data
def test_a_revision_has_the_key_of_the_estimate_and_other_values(sample):
    first = parse_usage(json.loads(sample("samples/amber_usage_estimated_first.json"))).rows
    later = parse_usage(json.loads(sample("samples/amber_usage_revised_later.json"))).rows
    key = ["channel_identifier", "interval_start", "duration_minutes"]
    assert first[key].equals(later[key])
    assert not first["kwh"].equals(later["kwh"])
    assert set(first["quality"]) == {"estimated"}
    assert set(later["quality"]) == {"billable"}


@pytest.mark.shared_data
def test_the_cut_over_from_30_to_5_minutes_neither_overlaps_nor_leaves_a_hole(sample):
    rows = parse_usage(json.loads(sample("samples/amber_usage_cutover_30_to_5.json"))).rows
    assert set(rows["duration_minutes"]) == {5, 30}
    for _, channel in rows.sort_values("interval_start").groupby("channel_identifier"):
        ends = channel["interval_start"] + pd.to_timedelta(channel["duration_minutes"], unit="min")
        assert ends.tolist()[:-1] == channel["interval_start"].tolist()[1:]
