"""The people and the things of the demo home: what the meters measure, minute by minute.

A family of four in Sydney with 6 kW of solar, reverse-cycle air conditioning and a hot water tank
on controlled load. A NEM day is worked out whole and on its own, so days can be read in any order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import numpy as np

from energy_pipeline.demo import nem_time
from energy_pipeline.demo.noise import Floats, Ints, normal, rounded, uniform
from energy_pipeline.demo.weather import Weather, weather_at

PULSES_PER_KWH = 3200
MINUTES_PER_DAY = 1440
ARRAY_KW = 6.0  # of panels; the inverter gives 5 kW at most
INVERTER_KW = 5.0

_LATITUDE, _LONGITUDE, _TILT = np.radians(-33.87), 151.21, np.radians(20.0)  # facing north
_EVENT_STREAM, _BASE_STREAM, _COMPRESSOR_STREAM = 300, 301, 302

Profile = tuple[tuple[int, int], ...]  # (minutes, watts) one after the other
_KETTLE: Profile = ((4, 2200),)
_TOAST: Profile = ((4, 900),)
_MICROWAVE: Profile = ((5, 1200),)
_OVEN: Profile = ((12, 2400), (5, 400), (5, 2000), (5, 300), (5, 2000), (6, 300))
_HOB: Profile = ((9, 1800), (18, 1000))
_DISHWASHER: Profile = ((8, 60), (16, 2000), (38, 90), (14, 2000), (24, 50))
_WASHER: Profile = ((4, 60), (14, 2100), (38, 180), (10, 450))
_DRYER: Profile = ((50, 2100), (8, 200))


@dataclass(frozen=True, slots=True)
class MeteredDay:
    """What the three meters count in a NEM day."""

    pulses: Ints  # general meter E1, per minute, PULSES_PER_KWH; shape (1440,)
    import_kwh: Floats  # E1; this and the next two: shape (288,), three decimals
    controlled_load_kwh: Floats  # E2
    export_kwh: Floats  # B1


@lru_cache(maxsize=512)
def metered_day(seed: int, nem_day: int) -> MeteredDay:
    """Meter readings of a NEM day."""
    epoch = nem_time.first_slot(nem_day) * nem_time.SLOT_SECONDS + 60 * np.arange(MINUTES_PER_DAY)
    weather = weather_at(seed, epoch)
    solar = solar_watts(epoch, weather)
    net_kwh = (load_watts(seed, epoch, weather, solar) - solar) / 60_000.0
    pulses = _counted(np.clip(net_kwh, 0.0, None))
    exported = _counted(np.clip(-net_kwh, 0.0, None))
    heated = _counted(hot_water_watts(seed, epoch) / 60_000.0)
    day = MeteredDay(pulses, _slot_kwh(pulses), _slot_kwh(heated), _slot_kwh(exported))
    for array in (day.pulses, day.import_kwh, day.controlled_load_kwh, day.export_kwh):
        array.flags.writeable = False
    return day


def _counted(kwh: Floats) -> Ints:
    """Whole pulses of each minute; what is left over waits for the next."""
    # The last digits of a sine differ between machines: they must not tip a count.
    total = np.floor(np.round(np.cumsum(kwh) * PULSES_PER_KWH, 6)).astype(np.int64)
    return np.diff(total, prepend=0)


def _slot_kwh(pulses: Ints) -> Floats:
    return rounded(pulses.reshape(-1, 5).sum(axis=1) / PULSES_PER_KWH, 3)


def load_watts(seed: int, epoch_seconds: Ints, weather: Weather, solar: Floats) -> Floats:
    """Power used in the house, without the hot water, at consecutive minutes. [W] Shape (n,).

    `solar` [W] tells when it is too dark to do without lights.
    """
    hour = nem_time.local_hour(epoch_seconds)
    weekend = (nem_time.local_seconds(epoch_seconds) // 86_400 + 3) % 7 >= 5
    minute = epoch_seconds // 60
    outside_c = weather.temperature_c
    awake = (hour >= 6.25) & (hour < 22.75)
    at_home = awake & (weekend | (hour < 8.5) | (hour >= 15.5))

    watts = 185.0 + 15.0 * normal(seed, _BASE_STREAM, minute // 3)
    watts += np.where((minute + seed) % 47 < 15 + 0.4 * (outside_c - 15.0), 115.0, 4.0)  # fridge
    dark = solar < 250.0
    watts += np.where(at_home, 110.0, 0.0)  # music, chargers, people
    watts += np.where(at_home & dark, 150.0, 0.0)  # lights
    watts += np.where((hour >= 18.5) & (hour < 22.5), 170.0, 0.0)  # screens
    watts += np.where(~weekend & (hour >= 9) & (hour < 15.5), 110.0, 0.0)  # a desk at home
    watts += _conditioning_watts(seed, minute, outside_c, awake, at_home)
    _add_events(watts, seed, epoch_seconds)
    return np.clip(watts, 40.0, None)


def _conditioning_watts(
    seed: int, minute: Ints, outside_c: Floats, awake: np.ndarray, at_home: np.ndarray
) -> Floats:
    """Heating below 18 degrees, cooling above 24; the compressor rides up and down."""
    heating = np.where(at_home, 150.0 * np.clip(18.0 - outside_c, 0.0, None), 0.0)
    cooling = np.where(awake, 230.0 * np.clip(outside_c - 24.0, 0.0, None), 0.0)
    wanted = heating + np.where(at_home, cooling, 0.5 * cooling)
    ride = 1.0 + 0.18 * normal(seed, _COMPRESSOR_STREAM, minute // 6)
    return np.where(wanted > 120.0, np.clip(wanted * ride, 250.0, 2800.0), 0.0)


def _add_events(watts: Floats, seed: int, epoch_seconds: Ints) -> None:
    """Add what is switched on at a time of its own; an event may cross into the next NEM day."""
    begin, end = int(epoch_seconds[0]), int(epoch_seconds[-1]) + 60
    first = nem_time.date_of_nem_day((begin + nem_time.NEM_OFFSET_SECONDS) // 86_400)
    last = nem_time.date_of_nem_day((end + nem_time.NEM_OFFSET_SECONDS) // 86_400)
    for step in range(-1, (last - first).days + 2):
        day = first + timedelta(days=step)
        for hour, profile in _events(seed, day):
            at = (local_epoch(day, hour) - begin) // 60
            for minutes, power in profile:
                watts[max(at, 0) : max(at + minutes, 0)] += power
                at += minutes


def local_epoch(day: date, hour: float) -> int:
    """Epoch second of a whole minute on the Sydney clock; `hour` may run past 24."""
    minutes = round(hour * 60)
    at = datetime.combine(day, time(), nem_time.HOME_TIMEZONE) + timedelta(minutes=minutes)
    return int(at.timestamp())


@lru_cache(maxsize=16)
def _events(seed: int, day: date) -> tuple[tuple[float, Profile], ...]:
    return tuple(_choose_events(seed, day))


def _choose_events(seed: int, day: date) -> Iterator[tuple[float, Profile]]:
    """What this local day switches on: (hour on the clock, profile)."""
    draw = uniform(seed, _EVENT_STREAM, day.toordinal() * 32 + np.arange(32))
    weekend, cold = day.weekday() >= 5, day.month in (5, 6, 7, 8, 9)
    breakfast = (7.5 if weekend else 6.4) + 0.9 * draw[0]
    yield breakfast, _KETTLE
    yield breakfast + 0.1, _TOAST
    yield breakfast + 0.5 + 0.6 * draw[1], _KETTLE
    if weekend or draw[2] < 0.35:
        yield 12.2 + 1.2 * draw[3], _HOB if weekend else _MICROWAVE
        yield 12.4 + 1.2 * draw[4], _KETTLE
    yield 15.6 + 1.2 * draw[5], _KETTLE
    if draw[6] < 0.9:
        dinner = 17.4 + 1.3 * draw[7]
        yield dinner, _OVEN if draw[8] < (0.6 if cold else 0.4) else _HOB
        yield dinner + 0.2, _HOB
    yield 19.9 + draw[9], _KETTLE
    if draw[10] < 0.8:
        yield 19.3 + 2.0 * draw[11], _DISHWASHER
    if draw[12] < (0.75 if weekend else 0.35):
        washing = (9.0 if weekend else 18.2) + 2.0 * draw[13]
        yield washing, _WASHER
        if draw[14] < (0.5 if cold else 0.15):
            yield washing + 1.2, _DRYER


def hot_water_watts(seed: int, epoch_seconds: Ints) -> Floats:
    """Power of the tank on controlled load, at consecutive minutes. [W] Shape (n,).

    Switched by the network in the late evening, at a minute of its own each night; the colder the
    season, the longer.
    """
    watts = np.zeros(epoch_seconds.shape)
    begin = int(epoch_seconds[0])
    first = nem_time.date_of_nem_day((begin + nem_time.NEM_OFFSET_SECONDS) // 86_400)
    for step in range(-1, len(epoch_seconds) // MINUTES_PER_DAY + 2):
        day = first + timedelta(days=step)
        draw = uniform(seed, _EVENT_STREAM, day.toordinal() * 32 + np.array([30, 31]))
        season = np.cos(2 * np.pi * (day.timetuple().tm_yday - 200) / 365.0)
        hours = 1.75 + 0.5 * season + 0.7 * draw[1]
        at = (local_epoch(day, 22.5 + 1.5 * draw[0]) - begin) // 60
        watts[max(at, 0) : max(at + round(hours * 60), 0)] += 3600.0
    return watts


def solar_watts(epoch_seconds: Ints, weather: Weather) -> Floats:
    """AC power of the roof. [W] Shape (n,).

    Clear-sky light after Haurwitz [1]_ on a plane facing north, dimmed by cloud and by heat.

    References
    ----------
    .. [1] B. Haurwitz, "Insolation in relation to cloudiness and cloud density",
       J. Meteorology, vol. 2, pp. 154-166, 1945.
    """
    days = epoch_seconds / 86_400.0
    year_angle = 2 * np.pi * (days - 80.0) / 365.2425  # from the March equinox
    declination = np.radians(23.44) * np.sin(year_angle)
    hour_angle = np.radians((days % 1.0) * 360.0 + _LONGITUDE - 180.0)

    along, across = np.sin(declination), np.cos(declination) * np.cos(hour_angle)

    def sine_of_height(latitude: float) -> Floats:
        sine: Floats = np.sin(latitude) * along + np.cos(latitude) * across
        return sine

    height = sine_of_height(_LATITUDE)
    up = np.clip(height, 0.01, None)
    horizontal = np.where(height > 0.0, 1098.0 * up * np.exp(-0.057 / up), 0.0)
    # Tilted to the north, a plane in the south sees the sun as level ground nearer the equator.
    facing = np.clip(sine_of_height(_LATITUDE + _TILT), 0.0, None)
    clear = weather.clear_fraction
    beam_share = 0.85 * clear
    light = (
        horizontal
        * clear
        * (beam_share * np.clip(facing / np.clip(up, 0.06, None), 0, 3) + (1.0 - beam_share))
    )
    cell_c = weather.temperature_c + light / 40.0
    warmth = 1.0 - 0.004 * np.clip(cell_c - 25.0, 0.0, None)
    return np.clip(light * ARRAY_KW * 0.8 * warmth, 0.0, INVERTER_KW * 1000.0)
