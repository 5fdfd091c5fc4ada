"""Five ways to charge: by hand, against a linear program, and what holds for all of them."""

from datetime import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from energy_pipeline.model.ev import Charger, Habits, Usage, Vehicle
from energy_pipeline.model.ev_cost import cost_by_source, split_by_source
from energy_pipeline.model.ev_strategies import (
    charge_cheapest,
    charge_from_surplus,
    charge_immediately,
    charge_in_window,
    charge_smart,
    timer_window,
)

CAR = Vehicle(usable_kwh=50.0, consumption_kwh_per_km=0.2)
BOX = Charger(power_kw=6.0, minimum_kw=1.2, efficiency=0.9)  # 0.5 and 0.1 kWh per interval
HABITS = Habits(floor_fraction=0.1, limit_fraction=0.8, public_aud_per_kwh=0.5)


def usage(*stretches: tuple[int, float]) -> Usage:
    """Stretches of (intervals, kWh driven); 0 kWh is plugged in."""
    plugged = np.concatenate([np.full(n, kwh == 0.0) for n, kwh in stretches])
    drain = np.concatenate([np.full(n, kwh / n) for n, kwh in stretches])
    index = pd.date_range("2025-06-01", periods=len(plugged), freq="5min", tz="UTC")
    return Usage(index=index, plugged=plugged, drain_kwh=drain, km=float(drain.sum()) / 0.2)


NIGHT = usage((6, 0.0), (3, 7.0), (4, 0.0))
PRICES = np.array([30.0, 10.0, 20.0, 10.0, 40.0, 25.0, 0, 0, 0, 5.0, 5.0, 5.0, 5.0])
GIVEN = {"usage": NIGHT, "vehicle": CAR, "charger": BOX, "habits": HABITS}


def test_immediate_charging_fills_from_the_front_up_to_the_limit():
    charged = charge_immediately(**GIVEN, initial_kwh=39.1)
    np.testing.assert_allclose(charged.charge_kwh[:6], [0.5, 0.5, 0, 0, 0, 0])
    assert charged.soc_kwh[5] == pytest.approx(40.0)
    assert charged.soc_kwh[8] == pytest.approx(33.0)
    assert charged.public_aud == 0.0


def test_the_timer_charges_only_where_it_may():
    allowed = np.arange(13) % 2 == 0
    charged = charge_in_window(**GIVEN, initial_kwh=20.0, allowed=allowed)
    np.testing.assert_allclose(charged.charge_kwh[:6], [0.5, 0, 0.5, 0, 0.5, 0])


def test_surplus_below_the_minimum_cannot_run_and_above_the_power_is_left():
    surplus = np.array([0.05, 0.1, 0.3, 0.9, 0.0, 0.2] + [0.0] * 7)
    charged = charge_from_surplus(**GIVEN, initial_kwh=20.0, surplus_kwh=surplus)
    np.testing.assert_allclose(charged.charge_kwh[:6], [0.0, 0.1, 0.3, 0.5, 0.0, 0.2])


def test_the_cheapest_intervals_cover_the_need_and_no_more():
    # 7 kWh of trip above the floor of 5; 11.1 held: 0.9 kWh more, 1.0 at the plug.
    charged = charge_cheapest(**GIVEN, initial_kwh=11.1, import_c_per_kwh=PRICES)
    np.testing.assert_allclose(charged.charge_kwh[:6], [0, 0.5, 0, 0.5, 0, 0], atol=1e-12)
    assert charged.shortfall_kwh.sum() == 0.0
    assert not charged.charge_kwh[9:].any()


def test_energy_cheaper_than_its_worth_is_taken_beyond_the_need():
    worthwhile = charge_cheapest(
        **GIVEN, initial_kwh=11.1, import_c_per_kwh=PRICES, worth_c_per_kwh=25.0
    )  # after the loss worth 22.5 at the plug
    np.testing.assert_allclose(worthwhile.charge_kwh[:6], [0, 0.5, 0.5, 0.5, 0, 0], atol=1e-12)
    negative = charge_cheapest(**GIVEN, initial_kwh=20.0, import_c_per_kwh=PRICES - 15.0)
    np.testing.assert_allclose(negative.charge_kwh[:6], [0, 0.5, 0, 0.5, 0, 0], atol=1e-12)


def test_smart_charging_takes_the_sun_at_its_feed_in_and_the_grid_where_that_is_cheaper():
    surplus = np.array([0.3, 0.05, 0.0, 0.0, 0.2, 0.0] + [0.0] * 7)
    charged = charge_smart(
        **GIVEN,
        initial_kwh=11.1,
        surplus_kwh=surplus,
        import_c_per_kwh=np.full(13, 25.0) - np.arange(13),
        feed_in_c_per_kwh=np.full(13, 4.0),
    )  # 0.3 and 0.2 of sun at 4 c, the remaining 0.5 at 20 c in the last interval
    np.testing.assert_allclose(charged.charge_kwh[:6], [0.3, 0, 0, 0, 0.2, 0.5], atol=1e-12)


def test_a_trip_beyond_the_battery_is_finished_at_public_chargers_and_paid():
    far = usage((6, 0.0), (10, 60.0), (2, 0.0))
    charged = charge_immediately(far, CAR, BOX, HABITS, initial_kwh=40.0)
    at_departure = 40.0 + 6 * 0.45
    assert charged.shortfall_kwh[5] == pytest.approx(50.0 - at_departure)
    assert charged.public_kwh.sum() == pytest.approx(60.0 - (at_departure - 5.0))
    assert charged.public_aud == pytest.approx(0.5 * charged.public_kwh.sum())
    assert charged.soc_kwh[15] == pytest.approx(5.0)


@st.composite
def problems(draw):
    parts = draw(st.lists(st.tuples(st.integers(1, 20), st.floats(0.1, 30.0)), max_size=4))
    stretches = [(draw(st.integers(1, 25)), 0.0)]
    for driving, kwh in parts:
        stretches += [(driving, kwh), (draw(st.integers(1, 25)), 0.0)]
    used = usage(*stretches)
    count = len(used.plugged)
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return (
        used,
        float(draw(st.floats(5.0, 50.0))),
        rng.uniform(0.0, 0.8, count) * (rng.random(count) < 0.6),
        rng.uniform(-20.0, 60.0, count),
        rng.uniform(-20.0, 60.0, count),
        rng.random(count) < 0.5,
        float(draw(st.floats(0.0, 40.0))),
    )


def every_strategy(problem):
    used, initial, surplus, buy, sell, allowed, worth = problem
    given_ = (used, CAR, BOX, HABITS)
    return {
        "immediate": charge_immediately(*given_, initial_kwh=initial),
        "timer": charge_in_window(*given_, initial_kwh=initial, allowed=allowed),
        "surplus": charge_from_surplus(*given_, initial_kwh=initial, surplus_kwh=surplus),
        "cheapest": charge_cheapest(
            *given_, initial_kwh=initial, import_c_per_kwh=buy, worth_c_per_kwh=worth
        ),
        "smart": charge_smart(
            *given_,
            initial_kwh=initial,
            surplus_kwh=surplus,
            import_c_per_kwh=buy,
            feed_in_c_per_kwh=sell,
            worth_c_per_kwh=worth,
        ),
    }


@given(problems())
@settings(max_examples=80, deadline=None)
def test_every_strategy_balances_and_keeps_every_limit(problem):
    used, initial, surplus, *_ = problem
    needed = used.needed_kwh(CAR, HABITS)
    for name, charged in every_strategy(problem).items():
        soc = np.concatenate(([initial], charged.soc_kwh))
        balance = np.diff(soc) - (0.9 * charged.charge_kwh + charged.public_kwh - used.drain_kwh)
        assert np.abs(balance).max() < 1e-9, name
        assert charged.charge_kwh.min() >= 0.0, name
        assert charged.charge_kwh.max() <= 0.5 + 1e-12, name
        assert not charged.charge_kwh[~used.plugged].any(), name
        assert charged.soc_kwh.min() >= 5.0 - 1e-9, name
        assert charged.soc_kwh.max() <= 50.0 + 1e-9, name
        assert not charged.public_kwh[used.plugged].any(), name
        at_departure = np.flatnonzero(needed)
        met = charged.soc_kwh + charged.shortfall_kwh
        assert (met[at_departure] >= needed[at_departure] - 1e-9).all(), name
        if name == "surplus":
            assert (charged.charge_kwh <= surplus + 1e-12).all()


@given(problems())
@settings(max_examples=60, deadline=None)
def test_a_planned_first_stay_falls_short_only_where_full_power_would(problem):
    # Later stays begin with what the earlier ones left over, so only the first is comparable.
    everything = every_strategy(problem)
    first = np.flatnonzero(problem[0].needed_kwh(CAR, HABITS))[:1]
    for name in ("cheapest", "smart"):
        np.testing.assert_allclose(
            everything[name].shortfall_kwh[first],
            everything["immediate"].shortfall_kwh[first],
            atol=1e-9,
        )


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_cheapest_stay_costs_what_a_linear_program_finds(seed):
    rng = np.random.default_rng(seed)
    count = 24
    used = usage((count, 0.0), (3, float(rng.uniform(1.0, 9.0))))
    initial, worth = float(rng.uniform(5.0, 12.0)), float(rng.uniform(0.0, 30.0))
    sun = rng.uniform(0.1, 0.7, count + 3)
    sell = rng.uniform(-5.0, 15.0, count + 3)
    buy = sell + rng.uniform(0.0, 40.0, count + 3)
    charged = charge_smart(
        used,
        CAR,
        BOX,
        HABITS,
        initial_kwh=initial,
        surplus_kwh=sun,
        import_c_per_kwh=buy,
        feed_in_c_per_kwh=sell,
        worth_c_per_kwh=worth,
    )
    split = split_by_source(charged.charge_kwh, sun)
    here = slice(0, count)
    cost = (split["solar"] * sell + split["grid"] * buy)[here].sum()
    cost -= worth * 0.9 * charged.charge_kwh.sum()

    most = np.minimum(sun, 0.5)[here]
    needed = used.needed_kwh(CAR, HABITS)[count - 1]
    ones = np.full(2 * count, 0.9)
    optimum = linprog(
        np.concatenate((sell[here], buy[here])) - 0.9 * worth,
        A_ub=np.stack((ones, -ones)),
        b_ub=[40.0 - initial, initial + charged.shortfall_kwh.sum() - needed],
        bounds=[(0.0, m) for m in (*most, *(0.5 - most))],
    )
    assert optimum.success
    assert cost == pytest.approx(optimum.fun, abs=1e-7)


@given(problems())
@settings(max_examples=40, deadline=None)
def test_more_solar_never_makes_solar_only_charging_buy_more_in_public(problem):
    used, initial, surplus, *_ = problem
    given_ = (used, CAR, BOX, HABITS)
    less = charge_from_surplus(*given_, initial_kwh=initial, surplus_kwh=surplus)
    more = charge_from_surplus(*given_, initial_kwh=initial, surplus_kwh=surplus * 1.5)
    assert more.public_aud <= less.public_aud + 1e-9


def test_a_timer_window_follows_the_local_clock_over_daylight_saving():
    for start, length, intervals in (("2025-10-04 14:00", 276, 24), ("2025-04-05 13:00", 300, 48)):
        day = pd.date_range(start, periods=length, freq="5min", tz="UTC")
        night = timer_window(day, start=time(0), stop=time(3), timezone="Australia/Sydney")
        assert night.sum() == intervals  # 2 hours where one is skipped, 4 where one repeats


def test_a_window_that_ends_before_it_begins_wraps_midnight():
    day = pd.date_range("2025-06-01", periods=288, freq="5min", tz="UTC")
    night = timer_window(day, start=time(22), stop=time(6), timezone="UTC")
    assert night.sum() == 8 * 12
    assert night[0]
    assert night[-1]
    assert not night[72]


def test_each_kwh_is_charged_to_its_source_by_hand():
    charge = np.array([0.5, 0.5, 0.5])
    split = split_by_source(
        charge, np.array([0.5, 0.2, 0.0]), battery_kwh=np.array([0.0, 0.1, 0.0])
    )
    np.testing.assert_allclose(split["grid"], [0.0, 0.2, 0.5])
    table = cost_by_source(
        split,
        feed_in_c_per_kwh=np.array([4.0, 5.0, 6.0]),
        import_c_per_kwh=np.array([30.0, 20.0, 10.0]),
        battery_c_per_kwh=12.0,
        public_kwh=2.0,
        public_aud=1.0,
        km=10.0,
    )
    assert table.loc["solar", "aud"] == pytest.approx(0.03)
    assert table.loc["battery", "aud"] == pytest.approx(0.012)
    assert table.loc["grid", "aud"] == pytest.approx(0.09)
    assert table.loc["grid", "c_per_kwh"] == pytest.approx(9.0 / 0.7)
    assert table.loc["public", "c_per_kwh"] == pytest.approx(50.0)
    assert table.loc["total", "kwh"] == pytest.approx(3.5)
    assert table.loc["total", "aud_per_100_km"] == pytest.approx(11.32)


def test_a_source_that_gave_nothing_has_no_price_rather_than_a_price_of_zero():
    nothing = np.zeros(2)
    table = cost_by_source(
        split_by_source(nothing, nothing),
        feed_in_c_per_kwh=nothing,
        import_c_per_kwh=nothing,
        km=0.0,
    )
    assert table["c_per_kwh"].isna().all()
    assert table["aud_per_100_km"].isna().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: charge_immediately(**GIVEN, initial_kwh=4.0), "initial_kwh is 4"),
        (
            lambda: charge_in_window(**GIVEN, initial_kwh=20.0, allowed=np.ones(5, bool)),
            "allowed has shape",
        ),
        (
            lambda: charge_from_surplus(**GIVEN, initial_kwh=20.0, surplus_kwh=np.full(13, -0.1)),
            r"surplus_kwh is -0\.1",
        ),
        (
            lambda: charge_cheapest(
                **GIVEN, initial_kwh=20.0, import_c_per_kwh=np.full(13, np.nan)
            ),
            "import_c_per_kwh is nan at 2025-06-01",
        ),
        (
            lambda: cost_by_source(
                {"wind": np.zeros(1)},
                feed_in_c_per_kwh=np.zeros(1),
                import_c_per_kwh=np.zeros(1),
                km=1.0,
            ),
            "wind",
        ),
    ],
)
def test_an_impossible_request_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
