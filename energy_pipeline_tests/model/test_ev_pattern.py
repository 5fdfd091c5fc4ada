"""Use of a car from its history, from a stated week, and from fitted sessions."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.ev import Vehicle
from energy_pipeline.model.ev_history import (
    Charge,
    Drive,
    Place,
    Plugging,
    home_charging_efficiency,
    parked_kwh_per_day,
    usage_from_history,
)
from energy_pipeline.model.ev_pattern import (
    Session,
    Trip,
    WeeklyPattern,
    absences,
    fit_pattern,
    usage_from_pattern,
    usage_from_sessions,
)

HOME = Place(latitude=-33.8688, longitude=151.2093)
AWAY = (-33.815, 151.001)
AT_HOME = (HOME.latitude, HOME.longitude)
CAR = Vehicle(usable_kwh=75.0, consumption_kwh_per_km=0.165)
MIDNIGHT = datetime(2025, 6, 1, tzinfo=UTC)
DAY = pd.date_range(MIDNIGHT, periods=288, freq="5min")


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def drive(start: float, end: float, origin, target, energy_kwh=5.0) -> Drive:
    return Drive(
        start=at(start),
        end=at(end),
        start_latitude=origin[0],
        start_longitude=origin[1],
        end_latitude=target[0],
        end_longitude=target[1],
        energy_kwh=energy_kwh,
        km=energy_kwh / 0.165,
    )


def charge(start: float, end: float, place=AT_HOME, added=10.0, used=11.0) -> Charge:
    return Charge(
        start=at(start),
        end=at(end),
        latitude=place[0],
        longitude=place[1],
        added_kwh=added,
        used_kwh=used,
    )


# Out at 8, home at 10:02; out at 18, home at 20.
DRIVES = [
    drive(8.0, 8.5, AT_HOME, AWAY, 4.0),
    drive(9.5, 10 + 2 / 60, AWAY, AT_HOME, 4.0),
    drive(18.0, 18.25, AT_HOME, AWAY, 3.0),
    drive(19.5, 20.0, AWAY, AT_HOME, 3.0),
]


def plugged_hours(usage) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], usage.plugged, [0])))) / 12
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def test_a_stay_that_was_charged_is_plugged_for_the_whole_intervals_it_holds():
    usage = usage_from_history(DRIVES, [charge(12.0, 13.0)], home=HOME, index=DAY)
    assert plugged_hours(usage) == [(10 + 5 / 60, 18.0)]
    assert usage.drain_kwh.sum() == pytest.approx(14.0)
    assert usage.drain_kwh[96] == pytest.approx(4.0 / 6)  # half an hour's drive, evenly
    assert usage.km == pytest.approx(14.0 / 0.165)


def test_a_charge_elsewhere_does_not_plug_the_car_at_home():
    usage = usage_from_history(DRIVES, [charge(9.0, 9.3, AWAY)], home=HOME, index=DAY)
    assert plugged_hours(usage) == []


def test_whenever_home_counts_every_stay_between_drives_and_nothing_beyond_them():
    usage = usage_from_history(DRIVES, [], home=HOME, index=DAY, plugging=Plugging.WHEN_HOME)
    assert plugged_hours(usage) == [(10 + 5 / 60, 18.0)]


def test_home_is_told_by_its_radius():
    near = Place(latitude=HOME.latitude + 0.0008, longitude=HOME.longitude, radius_m=80.0)
    assert not near.holds(*AT_HOME)  # 89 m away
    assert Place(latitude=near.latitude, longitude=near.longitude, radius_m=95.0).holds(*AT_HOME)


def test_a_drive_recorded_without_duration_still_counts():
    usage = usage_from_history(
        [*DRIVES, drive(14.0, 14.0, AT_HOME, AT_HOME, 0.5)],
        [],
        home=HOME,
        index=DAY,
        plugging=Plugging.WHEN_HOME,
    )
    assert usage.drain_kwh.sum() == pytest.approx(14.5)
    assert plugged_hours(usage) == [(10 + 5 / 60, 14.0), (14 + 5 / 60, 18.0)]


def test_drives_outside_the_range_are_cut_with_their_energy_and_distance():
    half = usage_from_history([drive(-0.25, 0.25, AT_HOME, AWAY, 6.0)], [], home=HOME, index=DAY)
    assert half.drain_kwh.sum() == pytest.approx(3.0)
    assert half.km == pytest.approx(3.0 / 0.165)


def test_what_the_car_used_standing_is_booked_when_it_leaves_the_plug():
    usage = usage_from_history(
        DRIVES, [charge(12.0, 13.0)], home=HOME, index=DAY, parked_kwh_per_day=2.4
    )
    plain = usage_from_history(DRIVES, [charge(12.0, 13.0)], home=HOME, index=DAY)
    extra = usage.drain_kwh - plain.drain_kwh
    assert np.flatnonzero(extra > 1e-12).tolist() == [0, 216]
    # From midnight to 18 h, less an hour and two minutes' driving touching 13 intervals.
    assert extra.sum() == pytest.approx(0.1 * (217 - 13 - 1) / 12, abs=0.02)


def test_efficiency_and_parked_use_are_read_from_the_charges():
    charges = [charge(12.0, 13.0, added=9.0, used=10.0), charge(9.0, 9.3, AWAY, 50.0, 50.0)]
    assert home_charging_efficiency(charges, home=HOME) == pytest.approx(0.9)
    assert home_charging_efficiency([charges[1]], home=HOME) is None
    month = [drive(0.0, 1.0, AT_HOME, AWAY, 10.0), drive(24 * 40, 24 * 40 + 1, AWAY, AT_HOME)]
    assert parked_kwh_per_day(month, [charge(24 * 20, 24 * 20 + 1, added=35.0)]) == pytest.approx(
        20.0 / (40 + 1 / 24)
    )
    with pytest.raises(ValueError, match="30 or more"):
        parked_kwh_per_day(DRIVES, charges)


def session(plug_in: float, plug_out: float, energy_kwh: float) -> Session:
    return Session(plug_in=at(plug_in), plug_out=at(plug_out), energy_kwh=energy_kwh)


def test_what_a_session_charged_was_driven_since_the_last_one():
    sessions = [session(1.0, 6.0, 9.0), session(16.0, 20.0, 5.0), session(20.0, 24.0, 2.0)]
    usage = usage_from_sessions(sessions[::-1], CAR, index=DAY)
    assert plugged_hours(usage) == [(1.0, 6.0), (16.0, 20.0), (20 + 1 / 12, 24.0)]
    np.testing.assert_allclose(usage.drain_kwh[72:192], 5.0 / 120)
    assert usage.drain_kwh.sum() == pytest.approx(7.0)
    assert usage.km == pytest.approx(7.0 / 0.165)


WORKDAY = (Trip(depart_hour=8.0, away_hours=10.0, energy_kwh=6.0),)
WEEK = WeeklyPattern(
    timezone="Australia/Sydney", days=((WORKDAY,),) * 5 + (((),),) * 2, plug_in_probability=1.0
)


def test_a_stated_week_leaves_and_returns_by_the_local_clock_over_daylight_saving():
    index = pd.date_range("2025-09-28 14:00", "2025-10-12 13:00", freq="5min", tz="UTC")
    usage = usage_from_pattern(WEEK, CAR, index=index[:-1])
    away = index[:-1][~usage.plugged].tz_convert("Australia/Sydney")
    assert set(away.dayofweek) == {0, 1, 2, 3, 4}
    assert set(away.hour) == set(range(8, 18))
    assert usage.drain_kwh.sum() == pytest.approx(10 * 6.0)
    assert usage.km == pytest.approx(60.0 / 0.165)


def test_a_leap_day_is_a_day_like_any_other():
    index = pd.date_range("2024-02-28 13:00", periods=288, freq="5min", tz="UTC")
    usage = usage_from_pattern(WEEK, CAR, index=index)  # Thursday 29 February in Sydney
    assert usage.drain_kwh.sum() == pytest.approx(6.0)


def varied(**changes) -> WeeklyPattern:
    spread = {
        "depart_spread_hours": 0.7,
        "away_spread_hours": 1.5,
        "energy_spread_fraction": 0.3,
        "plug_in_probability": 0.6,
    }
    return WeeklyPattern(timezone="Australia/Sydney", days=WEEK.days, **(spread | changes))


def test_the_same_seed_draws_the_same_use_and_another_seed_another():
    index = pd.date_range("2025-01-01", periods=60 * 288, freq="5min", tz="UTC")
    first, again, other = (
        usage_from_pattern(varied(), CAR, index=index, seed=s) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.plugged, again.plugged)
    np.testing.assert_array_equal(first.drain_kwh, again.drain_kwh)
    assert not np.array_equal(first.drain_kwh, other.drain_kwh)


def test_variation_keeps_the_mean_and_skipped_plugging_keeps_the_driving():
    index = pd.date_range("2025-01-01", periods=365 * 288, freq="5min", tz="UTC")
    usage = usage_from_pattern(varied(), CAR, index=index, seed=3)
    assert usage.drain_kwh.sum() == pytest.approx(261 * 6.0, rel=0.05)
    always = usage_from_pattern(varied(plug_in_probability=1.0), CAR, index=index, seed=3)
    np.testing.assert_array_equal(usage.drain_kwh, always.drain_kwh)
    assert 0.5 < usage.plugged.sum() / always.plugged.sum() < 0.7


def test_trips_that_overlap_follow_one_another():
    plan = (
        Trip(depart_hour=8.0, away_hours=4.0, energy_kwh=5.0),
        Trip(depart_hour=10.0, away_hours=1.0, energy_kwh=2.0),
    )
    pattern = WeeklyPattern(timezone="UTC", days=((plan,),) * 7)
    start = pd.Timestamp("2025-06-02", tz="UTC")
    day = list(absences(pattern, start=start, end=start + pd.Timedelta(days=1)))
    assert [a.start.hour for a in day] == [8, 12]
    assert [a.end.hour for a in day] == [12, 13]


def sessions_of_a_worker(weeks: int) -> list[Session]:
    zone = ZoneInfo("Australia/Sydney")
    evening = datetime(2025, 8, 3, 18, tzinfo=zone)  # a Sunday, before daylight saving
    nights = [evening + timedelta(days=d) for d in range(weeks * 7)]
    nights = [n for n in nights if n.weekday() not in (4, 5)]  # away over the weekend
    return [
        Session(plug_in=n, plug_out=n + timedelta(hours=14), energy_kwh=5.0 + n.weekday())
        for n in nights
    ]


def test_a_regular_life_is_fitted_and_drawn_exactly():
    sessions = sessions_of_a_worker(12)
    pattern = fit_pattern(sessions, timezone="Australia/Sydney")
    start = pd.Timestamp("2026-02-02", tz="Australia/Sydney").tz_convert("UTC")  # a Monday
    drawn = list(absences(pattern, start=start, end=start + pd.Timedelta(days=14)))
    assert len(drawn) == 10
    local = [a.start.tz_convert("Australia/Sydney") for a in drawn]
    assert {t.hour for t in local} == {8}
    weekend = [a for a in drawn if a.start.tz_convert("Australia/Sydney").dayofweek == 4]
    for absence in weekend:
        assert absence.end - absence.start == pd.Timedelta(hours=58)
        assert absence.energy_kwh == 11.0  # Sunday's session, though one weekend lost an hour


@pytest.mark.shared_data
def test_fitted_weeks_reproduce_the_sessions_of_norwegian_households():
    file = (
        Path(__file__).resolve().parents[3]
        / "shared"
        / "data"
        / "ev-sessions-norway-residential"
        / "norway12_charging_reports.parquet"
    )
    if not file.is_file():
        pytest.skip("the Norwegian sessions are kept outside the project and are absent here")
    zone = "Europe/Oslo"
    rows = pd.read_parquet(file).dropna(subset=["plugout_time"]).sort_values("plugin_time")
    users = [u for u, rows_of in rows.groupby("user_id") if len(rows_of) >= 200][:24]
    assert len(users) == 24
    errors = pd.DataFrame([_fit_errors(rows[rows["user_id"] == u], zone) for u in users])
    # All together within 3 %, each one within what two drawn years scatter.
    assert errors[["per_week", "energy", "connected"]].mean().abs().max() < 0.03
    assert errors["per_week"].abs().max() < 0.25
    assert errors["energy"].abs().max() < 0.12
    assert errors["connected"].abs().max() < 0.15
    assert errors[["plug_in_hour", "plug_out_hour"]].abs().max().max() < 1.2
    assert errors[["plug_in_hour", "plug_out_hour"]].mean().abs().max() < 0.2


def _fit_errors(rows: pd.DataFrame, zone: str) -> dict[str, float]:
    sessions: list[Session] = []
    local = [
        rows[c].dt.tz_localize(
            zone, ambiguous=np.full(len(rows), late), nonexistent="shift_forward"
        )
        for c, late in (("plugin_time", True), ("plugout_time", False))
    ]
    for plug_in, plug_out, energy in zip(*local, rows["energy_session"], strict=True):
        if plug_out > plug_in and (not sessions or plug_in >= sessions[-1].plug_out):
            sessions.append(Session(plug_in=plug_in, plug_out=plug_out, energy_kwh=energy))
    pattern = fit_pattern(sessions, timezone=zone)
    start, days = pd.Timestamp("2021-01-01", tz="UTC"), 730
    drawn = list(absences(pattern, start=start, end=start + pd.Timedelta(days=days), seed=1))
    hour = pd.Timedelta(hours=1)
    seen_days = (sessions[-1].plug_out - sessions[0].plug_out) / pd.Timedelta(days=1)
    seen = {
        "per_week": (len(sessions) - 1) / seen_days * 7,
        "energy": np.mean([s.energy_kwh for s in sessions[1:]]),
        "connected": np.mean([(s.plug_out - s.plug_in) / hour for s in sessions]),
    }
    got = {
        "per_week": len(drawn) / days * 7,
        "energy": np.mean([a.energy_kwh for a in drawn]),
        "connected": np.mean([(b.start - a.end) / hour for a, b in pairwise(drawn)]),
    }
    errors = {name: got[name] / seen[name] - 1.0 for name in seen}
    for name, before, after in (
        ("plug_in_hour", [s.plug_in for s in sessions], [a.end for a in drawn]),
        ("plug_out_hour", [s.plug_out for s in sessions], [a.start for a in drawn]),
    ):
        gap = _mean_hour(after, zone) - _mean_hour(before, zone)
        errors[name] = (gap + 12.0) % 24.0 - 12.0
    return errors


def _mean_hour(moments: list, zone: str) -> float:
    hours = np.array([m.tz_convert(zone).hour + m.minute / 60 for m in moments])
    return float(np.angle(np.exp(1j * hours / 12 * np.pi).mean()) / np.pi * 12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: drive(2.0, 1.0, AT_HOME, AWAY), "ends before it starts"),
        (lambda: drive(1.0, 2.0, AT_HOME, AWAY, -3.0), "energy_kwh of the drive"),
        (
            lambda: Session(
                plug_in=datetime(2025, 1, 1),  # noqa: DTZ001 - the naive time is the point
                plug_out=at(1.0),
                energy_kwh=1.0,
            ),
            "has no time zone",
        ),
        (
            lambda: usage_from_history(
                [DRIVES[0], drive(8.2, 9.0, AWAY, AT_HOME)], [], home=HOME, index=DAY
            ),
            "overlap",
        ),
        (
            lambda: usage_from_sessions(
                [session(1.0, 6.0, 9.0), session(5.0, 8.0, 1.0)], CAR, index=DAY
            ),
            "the sessions at .* overlap",
        ),
        (lambda: usage_from_pattern(WEEK, CAR, index=DAY[:0]), "index has no intervals"),
        (lambda: usage_from_sessions([], CAR, index=DAY.tz_localize(None)), "UTC"),
        (lambda: usage_from_history([], [], home=HOME, index=DAY[::2]), "must step by"),
        (lambda: fit_pattern([], timezone="UTC"), "0 sessions span less than two weeks"),
        (lambda: fit_pattern(sessions_of_a_worker(1), timezone="UTC"), "less than two weeks"),
        (lambda: WeeklyPattern(timezone="UTC", days=((WORKDAY,),) * 6), "seven pools"),
        (lambda: varied(plug_in_probability=1.2), "plug_in_probability is 1.2"),
        (lambda: Trip(depart_hour=-1.0, away_hours=1.0, energy_kwh=1.0), "depart_hour is -1"),
        (
            lambda: usage_from_history([], [], home=HOME, index=DAY, parked_kwh_per_day=-1.0),
            "parked_kwh_per_day is -1",
        ),
    ],
)
def test_records_that_cannot_be_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
