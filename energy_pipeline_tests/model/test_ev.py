"""The car, its use and what dispatch is told of it."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.dispatch.exact import dispatch_perfect_foresight
from energy_pipeline.model.dispatch.problem import StorageProblem
from energy_pipeline.model.ev import (
    Bidirectional,
    Charger,
    Habits,
    Usage,
    Vehicle,
    car_storage,
)
from energy_pipeline.model.ev_catalogue import (
    bidirectional_figures,
    charger,
    default_bidirectional,
    default_habits,
    listed_chargers,
    listed_vehicles,
    public_price,
    vehicle,
)
from energy_pipeline.model.ev_pattern import Trip, WeeklyPattern, usage_from_pattern
from energy_pipeline.model.ev_strategies import charge_smart

CAR = Vehicle(usable_kwh=50.0, consumption_kwh_per_km=0.2, v2x_status="hypothetical")
HABITS = Habits(floor_fraction=0.1, limit_fraction=0.8)


def usage(*stretches: tuple[int, float]) -> Usage:
    """Stretches of (intervals, kWh driven); 0 kWh is plugged in."""
    plugged = np.concatenate([np.full(n, kwh == 0.0) for n, kwh in stretches])
    drain = np.concatenate([np.full(n, kwh / n) for n, kwh in stretches])
    index = pd.date_range("2025-06-01", periods=len(plugged), freq="5min", tz="UTC")
    return Usage(index=index, plugged=plugged, drain_kwh=drain, km=float(drain.sum()) / 0.2)


def test_stays_and_their_trips_are_read_from_the_arrays():
    stays = list(usage((3, 1.0), (5, 0.0), (4, 12.0), (6, 0.0)).stays())
    assert [(s.start, s.stop, s.next_start, s.departs) for s in stays] == [
        (3, 8, 12, True),
        (12, 18, 18, False),
    ]
    assert [s.trip_kwh for s in stays] == pytest.approx([12.0, 0.0])


def test_a_departure_needs_its_trip_above_the_floor_or_the_target_if_that_is_more():
    used = usage((5, 0.0), (4, 12.0), (5, 0.0), (4, 70.0), (2, 0.0))
    needed = used.needed_kwh(CAR, HABITS)
    assert needed[4] == pytest.approx(5.0 + 12.0)
    assert needed[13] == pytest.approx(50.0)  # the trip takes more than the battery holds
    assert np.count_nonzero(needed) == 2
    target = Habits(floor_fraction=0.1, limit_fraction=0.8, target_fraction=0.6)
    assert used.needed_kwh(CAR, target)[4] == pytest.approx(30.0)


def test_a_charger_makes_the_car_a_store_that_only_fills_above_the_floor():
    used = usage((5, 0.0), (4, 12.0), (5, 0.0))
    store = car_storage(used, CAR, Charger(power_kw=7.0, efficiency=0.9), HABITS)
    assert store.capacity_kwh == pytest.approx(45.0)
    assert store.v2x_status is None
    np.testing.assert_allclose(store.charge_kw, np.where(used.plugged, 7.0, 0.0))
    assert not store.discharge_kw.any()
    assert store.min_energy_kwh[4] == pytest.approx(12.0)
    assert np.count_nonzero(store.min_energy_kwh) == 1
    assert store.max_energy_kwh[0] == pytest.approx(35.0)
    assert store.max_energy_kwh[6] == pytest.approx(45.0)
    np.testing.assert_array_equal(store.drain_kwh, used.drain_kwh)


def test_feeding_the_house_keeps_a_minimum_and_says_that_it_is_hypothetical():
    used = usage((5, 0.0), (4, 12.0), (5, 0.0))
    device = Bidirectional(minimum_soc_fraction=0.3, wear_aud_per_kwh=0.05, export=True)
    store = car_storage(used, CAR, device, HABITS)
    assert store.v2x_status == "hypothetical"
    assert store.min_energy_kwh[0] == pytest.approx(10.0)  # 30 % less the floor's 10 %
    assert store.min_energy_kwh[4] == pytest.approx(12.0)
    assert store.wear_c_per_kwh == pytest.approx(5.0)
    assert store.grid_export
    np.testing.assert_allclose(store.discharge_kw, np.where(used.plugged, 7.4, 0.0))


def test_a_storage_problem_takes_every_field_as_it_is_named():
    used = usage((5, 0.0), (4, 12.0), (5, 0.0))
    store = car_storage(used, CAR, Bidirectional(), HABITS)
    assert set(store.fields) <= {field.name for field in fields(StorageProblem)}
    flat = np.zeros(len(used.plugged))
    problem = StorageProblem(
        load_kwh=flat,
        solar_kwh=flat,
        import_c_per_kwh=flat + 30.0,
        feed_in_c_per_kwh=flat + 5.0,
        interval_hours=5 / 60,
        initial_energy_kwh=20.0,
        **store.fields,
    )
    assert problem.capacity_kwh == store.capacity_kwh


@pytest.fixture(scope="module")
def fortnight() -> dict:
    """A commuter's two weeks with sun, a daily price wave, and no feed-in above import."""
    index = pd.date_range("2025-01-06", periods=14 * 288, freq="5min", tz="UTC")
    plan = (Trip(depart_hour=22.0, away_hours=9.0, energy_kwh=8.0),)
    week = WeeklyPattern(timezone="UTC", days=((plan,),) * 7, depart_spread_hours=0.5)
    hour = np.arange(len(index)) / 12 % 24
    buy = 25.0 + 15.0 * np.sin(hour / 12 * np.pi)
    return {
        "usage": usage_from_pattern(week, CAR, index=index, seed=1),
        "load_kwh": np.full(len(index), 0.05),
        "solar_kwh": np.where((hour > 0) & (hour < 7), 0.3, 0.0),
        "import_c_per_kwh": buy,
        "feed_in_c_per_kwh": 0.3 * buy,
    }


def exact_bill(fortnight: dict, device: Charger | Bidirectional) -> float:
    series = {name: values for name, values in fortnight.items() if name != "usage"}
    store = car_storage(fortnight["usage"], CAR, device, HABITS)
    result = dispatch_perfect_foresight(
        StorageProblem(**series, interval_hours=5 / 60, initial_energy_kwh=20.0, **store.fields)
    )
    assert result.violations.energy_short_kwh == 0.0
    assert result.violations.unserved_kwh == 0.0
    return float(result.bill_aud)


def test_exact_dispatch_of_the_car_costs_no_more_than_smart_charging(fortnight):
    surplus = (fortnight["solar_kwh"] - fortnight["load_kwh"]).clip(min=0.0)
    prices = {k: fortnight[k] for k in ("import_c_per_kwh", "feed_in_c_per_kwh")}
    charged = charge_smart(
        fortnight["usage"],
        CAR,
        Charger(),
        HABITS,
        initial_kwh=25.0,
        surplus_kwh=surplus,
        **prices,
    )
    assert charged.shortfall_kwh.sum() == 0.0
    net = fortnight["load_kwh"] - fortnight["solar_kwh"] + charged.charge_kwh
    cost = np.where(net > 0.0, prices["import_c_per_kwh"], prices["feed_in_c_per_kwh"]) * net
    assert exact_bill(fortnight, Charger()) <= cost.sum() / 100.0 + 1e-6


def test_feeding_the_house_and_then_the_grid_too_never_costs_more(fortnight):
    charge_only = exact_bill(fortnight, Charger(efficiency=0.92))
    house = exact_bill(fortnight, Bidirectional(minimum_soc_fraction=0.0))
    grid = exact_bill(fortnight, Bidirectional(minimum_soc_fraction=0.0, export=True))
    assert grid < house < charge_only


def test_a_car_that_cannot_feed_a_house_is_refused_even_in_thought():
    with pytest.raises(ValueError, match="'unsupported'"):
        car_storage(
            usage((5, 0.0)),
            Vehicle(usable_kwh=50.0, consumption_kwh_per_km=0.2),
            Bidirectional(),
            HABITS,
        )


def test_the_model_y_is_listed_with_its_sources_and_its_v2x_is_hypothetical():
    assert vehicle("tesla-model-y-long-range").usable_kwh == 75.0
    assert vehicle("tesla-model-y-rear-wheel-drive").usable_kwh == 60.0
    for listed in listed_vehicles().values():
        assert "warranty is unknown" in str(listed.note)
        assert vehicle(listed.name).v2x_status == "hypothetical"
        assert any(f.name == "consumption_kwh_per_km" for f in listed.unverified)
    with pytest.raises(ValueError, match="near it: tesla-model-y"):
        vehicle("model y")


def test_every_listed_charger_and_default_is_usable_and_names_its_source():
    assert charger("single-phase-7") == Charger()
    assert default_bidirectional(export=True) == Bidirectional(export=True)
    assert default_habits() == Habits()
    for listed in listed_chargers().values():
        charger(listed.name)
        assert all(figure.source for figure in listed.figures.values())
    assert default_habits().public_aud_per_kwh == public_price().value == 0.52
    assert default_bidirectional(export=False).charger_aud == 10_000.0
    assert not any(figure.verified for figure in bidirectional_figures().values())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Vehicle(usable_kwh=0.0, consumption_kwh_per_km=0.2), "usable_kwh is 0"),
        (lambda: Charger(power_kw=7.0, minimum_kw=8.0), "minimum_kw is 8"),
        (lambda: Charger(efficiency=90.0), "efficiency is 90"),
        (lambda: Habits(floor_fraction=0.9, limit_fraction=0.8), "floor < limit"),
        (lambda: Habits(target_fraction=0.9), "target_fraction is 0.9"),
        (lambda: Habits(public_aud_per_kwh=float("nan")), "public_aud_per_kwh is nan"),
        (lambda: Bidirectional(minimum_soc_fraction=1.0), "minimum_soc_fraction is 1"),
        (lambda: Bidirectional(discharge_kw=0.0), "discharge_kw is 0"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_use_that_contradicts_itself_is_refused_by_name():
    index = pd.date_range("2025-06-01", periods=2, freq="5min", tz="UTC")
    plugged = np.array([True, False])
    with pytest.raises(ValueError, match="0 while plugged"):
        Usage(index=index, plugged=plugged, drain_kwh=np.array([1.0, 0.0]), km=5.0)
    with pytest.raises(ValueError, match="drain_kwh is nan"):
        Usage(index=index, plugged=plugged, drain_kwh=np.array([0.0, np.nan]), km=5.0)
    with pytest.raises(ValueError, match="drain_kwh has 3 values for 2"):
        Usage(index=index, plugged=plugged, drain_kwh=np.zeros(3), km=5.0)
    with pytest.raises(ValueError, match="UTC"):
        Usage(index=index.tz_localize(None), plugged=plugged, drain_kwh=np.zeros(2), km=5.0)
