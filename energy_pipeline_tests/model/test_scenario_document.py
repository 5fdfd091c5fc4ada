"""Scenario documents: what is read, and how everything else is refused."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import tomllib
from pathlib import Path

import pytest

from energy_pipeline.model.scenario_toml import (
    MOST_BYTES,
    load_scenario,
    parse,
    read_scenario,
    with_values,
)
from energy_pipeline_tests.model.scenario_home import (
    BATTERY,
    CAR,
    DOCUMENT,
    FINANCE,
    SOLAR,
    dispatch,
)

EXAMPLES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))
WHOLE = DOCUMENT + SOLAR + BATTERY + CAR.format(charging="cheapest") + FINANCE


def refused(values: dict, document: str = WHOLE) -> str:
    """What is said of the document with other values."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the caller checks the words
        read_scenario(with_values(parse(document), values))
    return str(caught.value)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_shipped_example_is_read(path):
    assert load_scenario(path).name


def test_the_seven_examples_are_shipped():
    assert len(EXAMPLES) == 7


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_document_has_one_fingerprint_in_toml_and_in_json(path):
    tables = tomllib.loads(path.read_text())
    as_json = json.dumps(tables, default=lambda day: day.isoformat())
    assert load_scenario(as_json).sha256 == load_scenario(path).sha256


def test_order_and_whole_numbers_do_not_change_the_fingerprint():
    document = parse(WHOLE)
    turned = dict(reversed(document.items()))
    turned["solar"] = {**document["solar"], "kwp": 6.60, "inverter_kw": 5}
    assert read_scenario(turned).sha256 == read_scenario(document).sha256


def test_another_value_is_another_fingerprint():
    document = parse(WHOLE)
    other = with_values(document, {"solar.kwp": 6.7})
    assert read_scenario(other).sha256 != read_scenario(document).sha256


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"solar.kwp": -1}, ["solar.kwp", "-1", "between 0 and 100"]),
        ({"solar.kwp": 1e9}, ["solar.kwp", "1e+09", "between 0 and 100"]),
        ({"solar.kwp": "6.6 kW"}, ["solar.kwp", "must be a number", "6.6 kW"]),
        ({"solar.kwp": 6600}, ["solar.kwp", "6600", "kW of panels"]),
        ({"solar.inverter_efficiency": 96}, ["solar.inverter_efficiency", "not a percentage"]),
        ({"solar.kw": 5}, ["solar", "'kw'", "did you mean 'kwp'"]),
        ({"solar.azimuth_degrees": 400}, ["solar.azimuth_degrees", "0 north, 90 east"]),
        ({"solar.source": "satellite"}, ["solar.source", "weather, synthetic, measured"]),
        ({"battery.product": "tesla-powerwal-3"}, ["battery.product", "tesla-powerwall-3"]),
        ({"battery.capacity_kwh": 10}, ["battery", "product", "capacity_kwh"]),
        ({"battery.quote": {"round_trip_efficiency": 89}}, ["battery.quote.round_trip", "0 and 1"]),
        ({"battery.quote": {"charge_kw": 1e9}}, ["battery.quote.charge_kw", "100"]),
        ({"battery.quote": {"capacity": 5}}, ["battery.quote", "did you mean 'capacity_kwh'"]),
        ({"battery.reserve_fraction": 1.2}, ["battery.reserve_fraction", "0.95"]),
        ({"battery.units": 1.5}, ["battery.units", "whole number"]),
        ({"ev.vehicle": "tesla-model-y"}, ["ev.vehicle", "tesla-model-y-long-range"]),
        ({"ev.charging": "solar"}, ["ev.charging", "solar_only"]),
        ({"ev.bidirectional": {}}, ["ev.bidirectional", "'v2h' or 'v2g'"]),
        ({"ev.habits": {"floor_fraction": 0.9}}, ["ev.habits", "floor < limit"]),
        ({"ev.trips": [{"days": ["mo"], "depart": "8", "away_hours": 1, "km": 1}]}, ["24:00"]),
        ({"dispatch.strategy": "perfect"}, ["dispatch.strategy", "perfect_foresight"]),
        ({"dispatch.forecast_plan": {"replan_minutes": 7}}, ["replan_minutes", "5-minute"]),
        ({"finance.installed": "soon"}, ["finance.installed", "2025-07-01"]),
        ({"finance.discount_rate": 6}, ["finance.discount_rate", "fraction"]),
        ({"finance.years": 0}, ["finance.years", "1 and 40"]),
        ({"finance.state": "NWS"}, ["finance.state", "NSW"]),
        ({"finance.loan": {"fraction": 1, "annual_rate": 0.05, "years": 30}}, ["loan.years", "20"]),
        ({"household.timezone": "Sydney"}, ["household.timezone", "Sydney"]),
        ({"household.latitude": -91}, ["household.latitude", "-90 and 90"]),
        ({"plan.kind": "spot"}, ["plan.kind", "wholesale"]),
        ({"plan": {"kind": "wholesale", "network": "ausgrit"}}, ["plan.network", "ausgrid"]),
        (
            {"plan": {"kind": "wholesale", "network": "ausgrid", "network_code": "EA25",
                      "network_date": "2025-08-01"}},
            ["plan.network_code", "EA025"],
        ),
        ({"plan": {"kind": "tariff", "tariff": {"schema": "x"}}}, ["plan.tariff", "hes-tariff/1"]),
        ({"levels.load": math.inf}, ["levels.load", "finite"]),
        ({"name": "<script>alert(1)</script>"}, ["name", "< or >"]),
        ({"name": "a = $b"}, ["name", "letters"]),
        ({"description": "<img src=x>"}, ["description", "< or >"]),
        ({"description": "x\x00"}, ["description", "printable"]),
        ({"plan": {"kind": "tariff", "tariff": {"name": "<b>"}}}, ["plan.tariff.name", "< or >"]),
        ({"solar.kwp": 10**400}, ["solar.kwp", "401 digits"]),
        ({"name": "x" * 101}, ["name", "100"]),
        ({"name": "a\nb"}, ["name"]),
        ({"schema": "hes-scenario/2"}, ["schema", "hes-scenario/1"]),
        ({"solr": {}}, ["solr", "did you mean 'solar'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place_and_what_is_allowed(values, said):
    message = refused(values)
    for words in said:
        assert words in message


def test_v2h_asks_for_a_car_that_can():
    values = {"ev.charging": "v2h", "ev.v2x_status": "unsupported"}
    assert "hypothetical" in refused(values)


def test_an_uncertainty_must_name_a_value_that_can_be_run():
    rows = [{"path": "solar.kwq", "low": 1, "high": 2}]
    assert "did you mean 'kwp'" in refused({"uncertainty": rows})
    rows = [{"path": "solar.kwp", "low": 5, "high": 2e9}]
    assert "between 0 and 100" in refused({"uncertainty": rows})
    rows = [{"path": "solar.kwp", "low": 5, "high": 4}]
    assert "low must be below high" in refused({"uncertainty": rows})


def test_money_needs_a_price():
    document = DOCUMENT + '[battery]\nproduct = "sungrow-sbr-12.8"\n' + FINANCE
    with pytest.raises(ValueError, match=r"price|published"):
        load_scenario(document)


def test_a_size_of_nothing_is_nothing():
    document = parse(DOCUMENT + SOLAR + "[battery]\ncapacity_kwh = 0\n")
    scenario = read_scenario(with_values(document, {"solar.kwp": 0}))
    assert scenario.solar is None
    assert scenario.battery is None


def test_units_multiply_a_battery_and_its_price():
    one = load_scenario(DOCUMENT + BATTERY).battery
    two = load_scenario(DOCUMENT + BATTERY + "units = 2\n").battery
    assert two.battery.capacity_kwh == 2 * one.battery.capacity_kwh
    assert two.battery.charge_kw == 2 * one.battery.charge_kw
    assert two.price_aud == 2 * one.price_aud
    assert two.warranty_kwh == 2 * one.warranty_kwh


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "schema is missing"),
        ("not toml at all", "not a TOML document"),
        ('{"schema": "hes-scenario/1",', "not a JSON document"),
        ('{"name": "a", "name": "b"}', "'name' stands twice"),
        ('{"levels": {"load": NaN}}', "NaN"),
        ("[" * 5000, "not a TOML document"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested"),
        ("a = " + "[" * 20 + "]" * 20, "nested"),
        ("# " + "x" * MOST_BYTES, "at most 262,144"),
    ],
)
def test_what_is_no_document_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        load_scenario(text)


def test_a_file_is_named_in_what_is_wrong_with_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(WHOLE.replace("kwp = 6.6", "kwp = -6.6"))
    with pytest.raises(ValueError, match=r"mine\.toml: solar\.kwp"):
        load_scenario(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"mine\.toml: .*UTF-8"):
        load_scenario(path)
    path.write_text("#" * (MOST_BYTES + 1))
    with pytest.raises(ValueError, match=r"mine\.toml: the document has"):
        load_scenario(path)


def test_a_windows_file_with_a_mark_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(("\ufeff" + WHOLE.replace("\n", "\r\n")).encode())
    assert load_scenario(path).sha256 == load_scenario(WHOLE).sha256


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    yield path


def replaced(value, path, new):
    if not path:
        return new
    return {**value, path[0]: replaced(value[path[0]], path[1:], new)}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_whatever_stands_anywhere_is_read_or_refused_and_never_crashes(path):
    document = parse(path.read_text())
    strange = (-1, 0, 1e9, 1e308, "x", "", [], {}, [[]], [{}], True, None, "1", math.nan, {"a": 1})
    places = list(leaves({key: item for key, item in document.items() if key != "uncertainty"}))
    tried = 0
    for place, value in itertools.product(places[:-1], strange):
        tried += 1
        with contextlib.suppress(ValueError):
            read_scenario({**replaced(document, place, value), "uncertainty": []})
    assert tried > 100


def test_time_of_use_windows_may_not_overlap():
    text = WHOLE + dispatch("time_of_use") + (
        '[dispatch.time_of_use]\ncharge = [{ from = "22:00", to = "06:00" }]\n'
        'discharge = [{ from = "05:00", to = "09:00" }]\n'
    )  # fmt: skip
    with pytest.raises(ValueError, match="overlap"):
        load_scenario(text)
