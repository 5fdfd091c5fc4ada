"""Numbers and times as people read them. Rounding happens here and nowhere before."""

import math
from datetime import datetime, timedelta

MINUS = "\u2212"
EN_DASH = "\u2013"


def whole_cents(c_per_kwh: float) -> str:
    """A price to the nearest cent, thousands apart, halves up, never a negative zero."""
    cents = math.floor(c_per_kwh + 0.5)
    return f"{MINUS if cents < 0 else ''}{abs(cents):,}"


def dollars(aud: float) -> str:
    cents = math.floor(abs(aud) * 100 + 0.5)
    return f"{MINUS if aud < 0 and cents else ''}${cents / 100:,.2f}"


def energy(kwh: float) -> str:
    return f"{kwh:,.1f} kWh"


def percent(fraction: float) -> str:
    """Whole percent; only what is complete is 100 %, only what is nothing is 0 %."""
    if 0 < fraction < 1:
        return f"{min(max(round(fraction * 100), 1), 99)} %"
    return f"{round(fraction * 100)} %"


def clock(local: datetime) -> str:
    return f"{local:%H:%M}"


def clock_and_day(local: datetime, local_now: datetime) -> str:
    """The time, with its day where that is not today."""
    days = (local.date() - local_now.date()).days
    if days == 0:
        return clock(local)
    if days in (1, -1):
        return f"{clock(local)} {'tomorrow' if days == 1 else 'yesterday'}"
    return f"{clock(local)} on {local:%a} {local.day} {local:%b}"


def ago(age: timedelta) -> str:
    minutes = int(max(age, timedelta(0)).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    hours = minutes // 60
    if hours < 48:
        return f"{hours} h ago"
    return f"{hours // 24} days ago"


def source_name(source: str) -> str:
    """A source's name as it is written on its box: amber becomes Amber."""
    return source.replace("_", " ").capitalize()
