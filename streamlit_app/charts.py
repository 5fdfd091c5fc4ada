"""Pictures: the strip of coming prices as inline SVG, and the Plotly charts of the laptop pages.

Plotly is imported inside the functions that need it: the fridge page must not pay for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from energy_pipeline.model.live_cost import DayTotal
from energy_pipeline.model.price_level import PriceLevel
from streamlit_app import words

if TYPE_CHECKING:
    import plotly.graph_objects as go

STRIP_WIDTH = 776
STRIP_HEIGHT = 126
STRIP_HOURS = 12
TICK_HOURS = 3

_TOP = 28  # room for the label of the highest bar
_BASE = 92  # where the tallest bar may end; below it the window's bracket and the clock
_BRACKET = 97
_TICK_TEXT = 122
_SMALLEST_CAP_C_PER_KWH = 40.0
_LABEL_WIDTH = 70


@dataclass(frozen=True, slots=True)
class Bar:
    """One price from start to end, with its level."""

    start: datetime
    end: datetime
    c_per_kwh: float
    level: PriceLevel


def price_strip_svg(
    bars: Sequence[Bar],
    now: datetime,
    to_local: Callable[[datetime], datetime],
    window: tuple[datetime, datetime] | None,
) -> str:
    """Bars of the coming hours to the scale of time, now at the left edge.

    Prices far above the rest are cut off, with a gap in the bar that says so and the highest
    price in figures: one spike must not flatten the day. Negative prices hang below the line.

    Parameters
    ----------
    bars : sequence of Bar
        Ascending; parts before `now` and beyond the strip are left out.
    now : datetime
    to_local : callable
        An instant on the household's clock, for the ticks.
    window : (start, end) or None
        The recommended run, bracketed below the bars.
    """
    end = now + timedelta(hours=STRIP_HOURS)
    seen = [bar for bar in bars if bar.end > now and bar.start < end]
    parts = [
        f'<svg class="strip" viewBox="0 0 {STRIP_WIDTH} {STRIP_HEIGHT}" role="img"'
        f' aria-label="{escape(_strip_in_words(seen, to_local))}">'
    ]
    if seen:
        parts += _bars(seen, now, end)
        if window is not None and window[0] < end:
            left, right = _x(max(window[0], now), now), _x(min(window[1], end), now)
            parts.append(
                f'<rect class="window" x="{left:.1f}" y="{_BRACKET}"'
                f' width="{max(right - left, 2):.1f}" height="5"/>'
            )
    known_until = seen[-1].end if seen else now
    if end - known_until >= timedelta(hours=TICK_HOURS):
        x = max(_x(known_until, now) + 12, 0)
        parts.append(f'<text class="tick" x="{x:.0f}" y="{_BASE - 24}">no forecast yet</text>')
    parts += _ticks(now, end, to_local)
    parts.append("</svg>")
    return "".join(parts)


def _x(instant: datetime, now: datetime) -> float:
    return (instant - now) / timedelta(hours=STRIP_HOURS) * STRIP_WIDTH


def _bars(seen: Sequence[Bar], now: datetime, end: datetime) -> list[str]:
    highest = max(seen, key=lambda bar: bar.c_per_kwh)
    lowest = min(seen, key=lambda bar: bar.c_per_kwh)
    middle = sorted(bar.c_per_kwh for bar in seen)[len(seen) // 2]
    cap = max(min(highest.c_per_kwh, max(3 * middle, _SMALLEST_CAP_C_PER_KWH)), 1.0)
    floor = max(min(lowest.c_per_kwh, 0.0), -cap)
    scale = (_BASE - _TOP) / (cap - floor)
    zero = _BASE + floor * scale
    parts = []
    for bar in seen:
        left, right = _x(max(bar.start, now), now), _x(min(bar.end, end), now)
        height = max(min(bar.c_per_kwh, cap), floor) * scale
        y = zero - height if height >= 0 else zero
        parts.append(
            f'<rect class="{bar.level}" x="{left:.1f}" y="{y:.1f}"'
            f' width="{max(right - left - 1.5, 1):.1f}" height="{max(abs(height), 2):.1f}"/>'
        )
        if bar.c_per_kwh > cap:
            parts.append(
                f'<rect class="cut" x="{left - 1:.1f}" y="{_TOP + 8}"'
                f' width="{right - left + 1:.1f}" height="4"/>'
            )
    if floor < 0:
        parts.append(f'<rect class="zero" x="0" y="{zero:.1f}" width="{STRIP_WIDTH}" height="1"/>')
    label_x: dict[Bar, float] = {}
    for bar in (highest, lowest):
        middle_x = (_x(max(bar.start, now), now) + _x(min(bar.end, end), now)) / 2
        x = min(max(middle_x, _LABEL_WIDTH / 2), STRIP_WIDTH - _LABEL_WIDTH / 2)
        if any(abs(x - other) < _LABEL_WIDTH * 1.4 for other in label_x.values()):
            continue
        label_x[bar] = x
        # A label must clear every bar under its width, not only its own.
        under = [
            other
            for other in seen
            if _x(other.end, now) > x - _LABEL_WIDTH / 2
            and _x(other.start, now) < x + _LABEL_WIDTH / 2
        ]
        top = min(zero - max(min(other.c_per_kwh, cap), 0.0) * scale for other in under)
        parts.append(
            f'<text class="value" x="{x:.0f}" y="{max(top - 5, 23):.0f}" text-anchor="middle">'
            f"{words.whole_cents(bar.c_per_kwh)} c</text>"
        )
    return parts


def _ticks(now: datetime, end: datetime, to_local: Callable[[datetime], datetime]) -> list[str]:
    parts = [f'<text class="tick" x="0" y="{_TICK_TEXT}">now</text>']
    hour = now.replace(minute=0, second=0, microsecond=0)
    quarter = timedelta(minutes=15)  # the smallest step between the world's clocks and UTC
    instant = hour
    while instant < end:
        local = to_local(instant)
        x = _x(instant, now)
        on_the_hour = local.minute == 0 and local.hour % TICK_HOURS == 0
        if on_the_hour and 50 + 36 < x < STRIP_WIDTH - 36:
            parts.append(
                f'<text class="tick" x="{x:.0f}" y="{_TICK_TEXT}" text-anchor="middle">'
                f"{words.clock(local)}</text>"
            )
        instant += quarter
    return parts


def _strip_in_words(seen: Sequence[Bar], to_local: Callable[[datetime], datetime]) -> str:
    if not seen:
        return "No prices are known for the next hours."
    highest = max(seen, key=lambda bar: bar.c_per_kwh)
    lowest = min(seen, key=lambda bar: bar.c_per_kwh)
    return (
        f"Prices until {words.clock(to_local(seen[-1].end))}: lowest"
        f" {words.whole_cents(lowest.c_per_kwh)} cents at {words.clock(to_local(lowest.start))},"
        f" highest {words.whole_cents(highest.c_per_kwh)} cents"
        f" at {words.clock(to_local(highest.start))}."
    )


def monthly_cost_chart(months: Sequence[DayTotal]) -> "go.Figure":
    """Energy cost per month as bars; a month with gaps is hatched and says how much is known."""
    import plotly.graph_objects as go

    figure = go.Figure(
        go.Bar(
            x=[f"{month.first_date:%b %Y}" for month in months],
            y=[month.cost_aud for month in months],
            marker={
                "color": "#4FC3F7",
                "pattern": {
                    "shape": [
                        "/" if month.used_count < month.interval_count else "" for month in months
                    ],
                    "fgcolor": "#000000",
                },
            },
            customdata=[words.percent(month.used_count / month.interval_count) for month in months],
            hovertemplate="%{x}: $%{y:.2f}<br>%{customdata} of intervals metered<extra></extra>",
        )
    )
    figure.update_layout(
        yaxis_title="AUD, energy only",
        margin={"l": 0, "r": 0, "t": 16, "b": 0},
        height=360,
        font={"size": 16},
    )
    return figure
