"""Clocks of the demo home: numbered slots, NEM days and the wall clock in Sydney.

A slot is a five-minute interval, numbered from the Unix epoch and named by its start. A NEM day
has 288 of them, always; `nem_day` counts days of UTC+10 from the epoch.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np

from energy_pipeline.demo.noise import Floats, Ints

SLOT_SECONDS = 300
SLOTS_PER_DAY = 288
NEM_OFFSET_SECONDS = 36_000
HOME_TIMEZONE = ZoneInfo("Australia/Sydney")
FIRST_DATE = date(2024, 1, 1)  # NEM day on which the demo home's records begin

IntOrInts = TypeVar("IntOrInts", int, Ints)

_EPOCH_DATE = date(1970, 1, 1)


def nem_day_of_date(day: date) -> int:
    """Number of the NEM day that carries this date."""
    return (day - _EPOCH_DATE).days


def date_of_nem_day(nem_day: int) -> date:
    """Date that a NEM day carries."""
    return _EPOCH_DATE + timedelta(days=nem_day)


def nem_day_of_slot(slot: IntOrInts) -> IntOrInts:
    """NEM day in which a slot lies; the slot that ends at 00:00 belongs to the day before."""
    return (slot * SLOT_SECONDS + NEM_OFFSET_SECONDS) // 86_400


def first_slot(nem_day: int) -> int:
    """First slot of a NEM day."""
    return (nem_day * 86_400 - NEM_OFFSET_SECONDS) // SLOT_SECONDS


def slots_of_day(nem_day: int) -> Ints:
    """The 288 slots of a NEM day."""
    start = first_slot(nem_day)
    return np.arange(start, start + SLOTS_PER_DAY, dtype=np.int64)


def slot_at(now: datetime) -> int:
    """Slot that contains an instant (half-open)."""
    return int(now.timestamp() // SLOT_SECONDS)


FIRST_NEM_DAY = nem_day_of_date(FIRST_DATE)


@lru_cache(maxsize=65_536)
def _offset_seconds(hour: int) -> int:
    offset = datetime.fromtimestamp(hour * 3600, UTC).astimezone(HOME_TIMEZONE).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def local_seconds(epoch_seconds: Ints) -> Ints:
    """Sydney wall-clock time as seconds since 1970-01-01 00:00 on that same clock."""
    hours, place = np.unique(epoch_seconds // 3600, return_inverse=True)
    offsets = np.array([_offset_seconds(int(hour)) for hour in hours], dtype=np.int64)
    return epoch_seconds + offsets[place]


def local_hour(epoch_seconds: Ints) -> Floats:
    """Hour of the day on the Sydney clock, 0 to 24."""
    return (local_seconds(epoch_seconds) % 86_400) / 3600.0


def local_month(epoch_seconds: Ints) -> Ints:
    """Month on the Sydney clock, 1 to 12."""
    months = local_seconds(epoch_seconds).astype("datetime64[s]").astype("datetime64[M]")
    return months.astype(np.int64) % 12 + 1
