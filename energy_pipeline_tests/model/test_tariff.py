"""Windows, clocks, prices per interval, and the plan document."""

import copy
import json
import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.bill import marginal_prices
from energy_pipeline.model.tariff import (
    BlockPrice,
    EnergyCharge,
    FixedCharge,
    FlatPrice,
    SpotPrice,
    Tariff,
    Tier,
    Window,
)
from energy_pipeline.model.tariff_calendar import Calendar, intervals_per_day
from energy_pipeline.model.tariff_compile import compile_tariff
from energy_pipeline.model.tariff_toml import load_tariff, read_tariff

SYDNEY = "Australia/Sydney"


def days(first: str, count: int, minutes: int = 5, timezone: str = SYDNEY) -> pd.DatetimeIndex:
    start = pd.Timestamp(first, tz=timezone)
    end = pd.Timestamp(first, tz=timezone) + pd.DateOffset(days=count)
    return pd.date_range(start.tz_convert("UTC"), end.tz_convert("UTC"), freq=f"{minutes}min")[:-1]


def inside(window: Window, index: pd.DatetimeIndex, timezone=SYDNEY, holidays=()) -> set[str]:
    mask = Calendar.of(index, timezone, holidays).mask(window)
    return set(index[mask].tz_convert(timezone).strftime("%m-%d %H:%M"))


def test_local_and_nem_windows_differ_by_an_hour_in_summer_only():
    window = Window(start_minute=15 * 60, end_minute=21 * 60)
    for moment, local, aest in (
        ("2025-01-15T04:30Z", True, False),
        ("2025-07-15T05:30Z", True, True),
        ("2025-01-15T10:30Z", False, True),
    ):
        index = pd.date_range(moment, periods=2, freq="5min")
        assert Calendar.of(index, SYDNEY, ()).mask(window)[0] == local
        assert Calendar.of(index, "Australia/Brisbane", ()).mask(window)[0] == aest


def test_a_window_over_midnight_holds_both_ends_of_each_named_day():
    friday = Window(start_minute=21 * 60, end_minute=7 * 60, days=frozenset({4}))
    found = inside(friday, days("2025-07-03", 4, 30))
    assert {m[:5] for m in found} == {"07-04"}  # a Friday
    assert {m[6:] for m in found} == {
        f"{h:02d}:{m}" for h in (*range(7), 21, 22, 23) for m in ("00", "30")
    }


def test_days_of_the_clock_changes_have_276_and_300_intervals():
    assert len(days("2025-10-05", 1)) == 276
    assert len(days("2025-04-06", 1)) == 300
    day = (date(2025, 4, 5) - date(1970, 1, 1)).days
    assert list(intervals_per_day(day, day + 2, SYDNEY, 5)) == [288, 300, 288]


def test_the_repeated_hour_is_inside_its_window_twice():
    index = days("2025-04-06", 1)
    mask = Calendar.of(index, SYDNEY, ()).mask(Window(start_minute=120, end_minute=180))
    assert mask.sum() == 24
    index = days("2025-10-05", 1)
    assert Calendar.of(index, SYDNEY, ()).mask(Window(start_minute=120, end_minute=180)).sum() == 0


@pytest.mark.parametrize(
    ("rule", "weekday", "sunday"),
    [
        ("as_weekday", True, False),
        ("as_weekend", False, False),
        ("exclude", False, False),
        ("include", True, True),
        ("only", True, False),
    ],
)
def test_public_holidays_follow_the_rule_of_the_window(rule, weekday, sunday):
    """Friday 25 April 2025 is Anzac Day; 20 April, a Sunday, is Easter."""
    window = Window(days=frozenset(range(5)), holiday=rule)
    assert ("04-25 12:00" in inside(window, days("2025-04-25", 1, 30), holidays="AU-NSW")) == (
        weekday
    )
    assert ("04-20 12:00" in inside(window, days("2025-04-20", 1, 30), holidays="AU-NSW")) == (
        sunday
    )
    plain = "04-24 12:00" in inside(window, days("2025-04-24", 1, 30), holidays="AU-NSW")
    assert plain == (rule != "only")


def test_a_weekend_window_read_as_weekend_takes_the_holiday_in():
    window = Window(days=frozenset({5, 6}), holiday="as_weekend")
    assert "04-25 12:00" in inside(window, days("2025-04-25", 1, 30), holidays="AU-NSW")


def test_a_season_may_wrap_the_new_year_and_holds_the_leap_day():
    window = Window(seasons=((1101, 331),))
    assert inside(window, days("2024-02-29", 1, 30))
    assert not inside(window, days("2024-10-31", 1, 30))
    assert inside(window, days("2024-11-01", 1, 30))


def test_an_import_price_is_composed_as_on_a_wholesale_bill():
    index = pd.date_range("2025-01-01T00:00Z", periods=2, freq="5min")
    plan = Tariff(
        name="wholesale",
        timezone=SYDNEY,
        energy=(
            EnergyCharge(
                name="spot",
                direction="import",
                gst="ex",
                price=SpotPrice(region="NSW1", loss_factor=1.045, adder_aud_per_kwh=0.0388),
            ),
            EnergyCharge(
                name="network",
                direction="import",
                gst="ex",
                price=FlatPrice(rate_aud_per_kwh=0.2925),
            ),
            EnergyCharge(
                name="feed-in",
                direction="export",
                gst="none",
                price=SpotPrice(region="NSW1", loss_factor=1.045),
            ),
        ),
    )
    compiled = compile_tariff(plan, index, series={"NSW1": pd.Series([85.0, np.nan], index)})
    assert compiled.import_c_per_kwh[0] == pytest.approx(46.21375, abs=1e-12)
    assert compiled.export_c_per_kwh[0] == pytest.approx(8.8825, abs=1e-12)
    assert np.isnan(compiled.import_c_per_kwh[1])
    assert list(compiled.price_known) == [True, False]


def test_a_deep_negative_spot_price_makes_export_dearer_than_import():
    index = pd.date_range("2025-01-01T00:00Z", periods=2, freq="5min")
    spot = SpotPrice(region="NSW1", loss_factor=1.045)
    plan = Tariff(
        name="wholesale",
        timezone=SYDNEY,
        energy=(
            EnergyCharge(name="spot", direction="import", gst="ex", price=spot),
            EnergyCharge(
                name="rest", direction="import", gst="ex", price=FlatPrice(rate_aud_per_kwh=0.0622)
            ),
            EnergyCharge(name="feed-in", direction="export", gst="none", price=spot),
        ),
    )
    compiled = compile_tariff(plan, index, series={"NSW1": pd.Series(-850.0, index)})
    assert compiled.import_c_per_kwh[0] == pytest.approx(-90.8655, abs=1e-10)
    assert compiled.export_c_per_kwh[0] == pytest.approx(-88.825, abs=1e-10)


def test_a_household_billed_on_half_hours_pays_their_mean_spot_price():
    index = pd.date_range("2025-01-01T00:00Z", periods=12, freq="5min")
    plan = Tariff(
        name="half hours",
        timezone=SYDNEY,
        bill_interval_minutes=30,
        energy=(
            EnergyCharge(
                name="spot", direction="import", gst="none", price=SpotPrice(region="NSW1")
            ),
        ),
    )
    spot = pd.Series(np.arange(12.0) * 10, index)
    compiled = compile_tariff(plan, index, series={"NSW1": spot})
    assert compiled.import_c_per_kwh == pytest.approx([2.5] * 6 + [8.5] * 6)


def test_marginal_prices_follow_the_tier_that_each_day_has_reached():
    index = days("2025-07-01", 2, 30)
    price = BlockPrice(
        period="day", tiers=(Tier(up_to_kwh=8, rate_aud_per_kwh=0.15), Tier(rate_aud_per_kwh=0.05))
    )
    plan = Tariff(
        name="stepped",
        timezone=SYDNEY,
        energy=(EnergyCharge(name="fit", direction="export", gst="none", price=price),),
    )
    compiled = compile_tariff(plan, index)
    _, export = marginal_prices(compiled, np.zeros(96), np.full(96, 1.0))
    assert export == pytest.approx(([15.0] * 8 + [5.0] * 40) * 2)
    assert compiled.export_c_per_kwh == pytest.approx([15.0] * 96)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (pd.date_range("2025-01-01", periods=4, freq="5min"), "UTC"),
        (pd.date_range("2025-01-01", periods=4, freq="5min", tz=SYDNEY), "UTC"),
        (pd.date_range("2025-01-01", periods=4, freq="7min", tz="UTC"), "evenly spaced"),
        (pd.date_range("2025-01-01T00:02", periods=4, freq="5min", tz="UTC"), "evenly spaced"),
        (pd.date_range("2025-01-01", periods=4, freq="5min", tz="UTC")[[0, 1, 3]], "missing rows"),
        (pd.date_range("2025-01-01", periods=1, freq="5min", tz="UTC"), "two or more"),
    ],
)
def test_an_index_that_cannot_be_billed_is_refused(index, said):
    charge = FixedCharge(name="supply", amount_aud=1.0, unit="day", gst="ex")
    with pytest.raises(ValueError, match=said):
        compile_tariff(Tariff(name="x", timezone=SYDNEY, fixed=(charge,)), index)


def test_a_window_edge_inside_an_interval_is_refused():
    charge = EnergyCharge(
        name="odd",
        direction="import",
        gst="ex",
        price=FlatPrice(rate_aud_per_kwh=0.3),
        windows=(Window(start_minute=15 * 60 + 15),),
    )
    plan = Tariff(name="x", timezone=SYDNEY, energy=(charge,))
    compile_tariff(plan, days("2025-07-01", 1, 15))
    with pytest.raises(ValueError, match="'odd' has a window edge at 15:15"):
        compile_tariff(plan, days("2025-07-01", 1, 30))


PLAN = """
schema = "hes-tariff/1"
name = "Wholesale on Ausgrid EA116 + EA029"
valid = { from = 2025-07-01, to = 2026-06-30 }
timezone = "Australia/Sydney"
holidays = "AU-NSW"
gst = 0.10

[[fixed]]
name = "network + metering"
amount = 0.6288
unit = "day"
gst = "ex"

[[window]]
name = "peak"
months = [11, 12, 1, 2, 3, 6, 7, 8]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
holiday = "as_weekday"
from = "15:00"
to = "21:00"

[[energy]]
name = "wholesale"
direction = "import"
price = { kind = "spot", region = "NSW1", loss_factor = 1.045, adder = 0.0 }
gst = "ex"
[[energy]]
name = "network anytime"
direction = "import"
price = { kind = "flat", rate = 0.0234 }
gst = "ex"
component = "network"
[[energy]]
name = "blocks example"
direction = "import"
window = "peak"
gst = "ex"
enabled = false
[energy.price]
kind = "blocks"
period = "P1D"
tiers = [{ up_to = 10.0, rate = 0.30 }, { rate = 0.36 }]
[[energy]]
name = "EA029 charge"
direction = "export"
window_inline = { from = "10:00", to = "15:00" }
gst = "none"
[energy.price]
kind = "blocks"
period = "P1M"
per_day = true
tiers = [{ up_to = 6.85, rate = 0.0 }, { rate = -0.01232 }]

[[demand]]
name = "EA116"
window = "peak"
measure = "half_hour_mean_kw"
reset = "P1M"
rate = 0.3329
unit = "kw_day"
min_kw = 0.0
gst = "ex"

[export_limit]
kind = "fixed"
kw = 5.0
"""


def test_a_plan_document_is_read_whole(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    plan = load_tariff(path)
    assert [charge.name for charge in plan.energy] == [
        "wholesale",
        "network anytime",
        "EA029 charge",
    ]
    assert plan.demand[0].windows[0].seasons == ((601, 831), (1101, 331))
    assert plan.export_limit_kw == 5.0
    assert plan.valid_to == date(2026, 6, 30)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rate = 0.0234", 'rate = "cheap"', r"energy\[1\]\.price\.rate: must be a number"),
        ("rate = 0.0234", "rate = nan", r"energy\[1\]\.price\.rate: must be a finite number"),
        ("rate = 0.0234", "rat = 0.0234", r"energy\[1\]\.price: unknown key 'rat'.*'rate'"),
        ("loss_factor = 1.045", "loss_factor = 104.5", r"energy\[0\]\.price: loss_factor is 104"),
        (
            'direction = "import"',
            'direction = "imprt"',
            r"energy\[0\]\.direction: 'imprt'.*'import'",
        ),
        ('window = "peak"\nmeasure', 'window = "paek"\nmeasure', r"demand\[0\]\.window: .*'peak'"),
        ('to = "21:00"', 'to = "25:00"', r"window\[0\]\.to: '25:00' is not a time"),
        ('to = "21:00"', 'to = "15:00"', r"window\[0\]: start_minute equals end_minute"),
        ('gst = "ex"', 'gst = "plus"', r"fixed\[0\]\.gst: 'plus' is not one of ex, inc, none"),
        ("gst = 0.10", "gst = 10.0", "gst_fraction is 10"),
        ("up_to = 6.85, ", "", r"energy\[3\]\.price: tiers"),
        ("[export_limit]", "[export_limits]", "document: unknown key 'export_limits'"),
        ('"AU-NSW"', '"AU-NWS"', "holidays: holidays is 'AU-NWS'"),
        ('"Australia/Sydney"', '"Sydney"', "timezone: timezone is 'Sydney'"),
        ("rate = 0.3329", "", r"demand\[0\]: rate is missing"),
    ],
)
def test_a_document_with_one_mistake_is_refused_by_its_place(old, new, said):
    assert old in PLAN
    document = PLAN.replace(old, new, 1)
    with pytest.raises(ValueError, match=said):
        read_tariff(tomllib.loads(document))


def test_a_file_that_is_not_toml_is_named(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("name = ")
    with pytest.raises(ValueError, match=r"broken\.toml: not a TOML document"):
        load_tariff(path)


@pytest.mark.shared_data
def test_the_windows_of_the_reference_vectors_hold():
    path = Path(__file__).parents[3] / "shared" / "oracles" / "tariff_vectors.json"
    if not path.exists():
        pytest.skip("the tariff vectors are kept outside the project")
    vectors = json.loads(path.read_text())["vectors"]
    by_id = {vector["id"]: vector for vector in vectors}
    window = Window(start_minute=21 * 60, end_minute=7 * 60)
    found = inside(window, days("2025-07-01", 1))
    for case in by_id["window-midnight"]["cases"]:
        assert (f"07-01 {case['local']}" in found) == case["in_window"]
    afternoon = Window(start_minute=15 * 60, end_minute=21 * 60)
    for case in by_id["window-dst"]["cases"]:
        index = pd.date_range(case["utc"], periods=2, freq="5min")
        for zone, key in ((SYDNEY, "in_window_LOCAL"), ("Australia/Brisbane", "in_window_AEST")):
            assert Calendar.of(index, zone, ()).mask(afternoon)[0] == case[key]
    expected = by_id["interval-count"]["expected"]
    assert expected["year"] == len(days("2025-01-01", 365, timezone="Australia/Brisbane"))
    assert expected["sydney_2025_10_05"] == len(days("2025-10-05", 1))
    assert expected["sydney_2025_04_06"] == len(days("2025-04-06", 1))


def leaves(value, path=()):
    """Every place of a document."""
    yield path
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    for key, child in inside:
        yield from leaves(child, (*path, key))


def test_whatever_stands_in_a_document_it_is_read_or_refused_with_a_place():
    sound = tomllib.loads(PLAN)
    for path in leaves(sound):
        for strange in (-1, 1e308, "", "x", [], {}, True, [1], {"a": 1}) if path else ():
            document = copy.deepcopy(sound)
            place = document
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = strange
            try:
                read_tariff(document)
            except ValueError as refused:
                assert ":" in str(refused), (path, strange, refused)  # noqa: PT017
