"""Ageing against the warranty line, and against SAM's own battery."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.model.battery_fade import (
    cycle_depths,
    lfp_fade,
    replacement_year,
    warranty_line,
)

POWERWALL = {"warranty_years": 10.0, "warranty_kwh": 37_800.0}


def test_the_warranty_line_by_hand():
    assert warranty_line(0.0, 0.0, **POWERWALL) == 1.0
    assert warranty_line(5.0, 0.0, **POWERWALL) == pytest.approx(0.85)
    assert warranty_line(5.0, 37_800.0, **POWERWALL) == pytest.approx(0.70)
    assert warranty_line(100.0, 0.0, **POWERWALL) == 0.0


def test_the_battery_is_replaced_when_the_line_reaches_the_limit():
    assert replacement_year(1000.0, **POWERWALL) == pytest.approx(10.0)
    assert replacement_year(7560.0, **POWERWALL) == pytest.approx(5.0)
    assert replacement_year(1000.0, **POWERWALL, replace_at=0.85) == pytest.approx(5.0)
    assert replacement_year(1000.0, **POWERWALL, end_fraction=1.0) == float("inf")


@given(
    years=st.floats(0.0, 30.0),
    more=st.floats(0.0, 10.0),
    kwh=st.floats(0.0, 1e5),
    extra=st.floats(0.0, 1e5),
)
@settings(max_examples=60, deadline=None)
def test_age_and_use_never_give_capacity_back(years, more, kwh, extra):
    now = warranty_line(years, kwh, **POWERWALL)
    assert 0.0 <= warranty_line(years + more, kwh + extra, **POWERWALL) <= now <= 1.0


def test_ten_years_of_daily_cycles_follow_sam_within_half_a_percent_of_capacity():
    oracle = Path(__file__).resolve().parents[3] / "shared" / "oracles" / "pysam_battery.json"
    if not oracle.is_file():
        pytest.skip("the oracles are kept outside the project and are absent here")
    years = json.loads(oracle.read_text())["daily_full_cycle_10y"]["q_relative_pct_at_year_end"]
    # Two hours of charging at night, ten full, two of discharging at noon, ten empty, 5 to 94 %.
    day = np.array([0.5] + [0.94] * 11 + [0.5] + [0.05] * 11)
    ours = [
        100 * lfp_fade(np.tile(day, 3), days=3.0, years=float(year)).capacity
        for year in range(1, 11)
    ]
    np.testing.assert_allclose(ours, years, atol=0.5)


def test_rainflow_counts_the_published_example():
    # ASTM E1049-85, figure 6: ranges 3 (half), 4 (one and a half), 6 (half), 8 (one), 9 (half).
    history = np.array([-2, 1, -3, 5, -1, 3, -4, 4, -2], dtype=float)
    counted: dict[float, float] = {}
    for depth, count in cycle_depths((history + 4) / 10):
        counted[round(depth * 10)] = counted.get(round(depth * 10), 0.0) + count
    assert counted == {3: 0.5, 4: 1.5, 6: 0.5, 8: 1.0, 9: 0.5}


def test_a_still_battery_ages_by_the_calendar_alone_and_faster_when_hot_or_full():
    def left(soc: float, celsius: float) -> float:
        fade = lfp_fade(np.full(10, soc), days=1.0, years=10.0, temperature_c=celsius)
        assert fade.after_cycles == 1.0
        return fade.capacity

    assert left(0.5, 20.0) > left(0.9, 20.0)
    assert left(0.5, 20.0) > left(0.5, 35.0)


@given(soc=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=60))
@settings(max_examples=60, deadline=None)
def test_counted_cycles_hold_half_of_all_movement(soc):
    counted = cycle_depths(np.array(soc))
    moved = float(np.abs(np.diff(soc)).sum())
    assert 2.0 * float((counted[:, 0] * counted[:, 1]).sum()) == pytest.approx(moved, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: warranty_line(-1.0, 0.0, **POWERWALL), r"years is -1\.0"),
        (lambda: warranty_line(1.0, 0.0, warranty_years=0.0, warranty_kwh=1.0), "warranty_years"),
        (lambda: lfp_fade(np.array([0.5, 1.5]), days=1.0, years=1.0), "soc_fraction"),
        (lambda: lfp_fade(np.array([0.5, 0.6]), days=0.0, years=1.0), "days is 0"),
        (lambda: replacement_year(1.0, **POWERWALL, replace_at=1.0), "replace_at is 1"),
    ],
)
def test_impossible_ages_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
