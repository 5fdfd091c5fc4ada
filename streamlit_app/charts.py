"""Pictures: the strip of coming prices as boxes of HTML, and the Plotly charts of the laptop pages.

Plotly is imported inside the functions that need it: the fridge page must not pay for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from energy_pipeline.model.live_cost import DayTotal
from energy_pipeline.model.live_price import floor_to_grid
from energy_pipeline.model.price_level import PriceLevel
from streamlit_app import words

if TYPE_CHECKING:
    import plotly.graph_objects as go

STRIP_HOURS = 12
TICK_HOURS = 3

# The strip's own grid, drawn in percent of it so that the page can scale it.
_WIDTH = 776
_HEIGHT = 126
_TOP = 30  # room for the figure over the highest bar
_BASE = 92  # foot of the lowest bar; below it the bracket and the clock
_BRACKET = 97
_CLOCK = 101
_LABEL_HEIGHT = 28
_LETTER_WIDTH = 14
_TALL_C_PER_KWH = 80.0  # up to here, and up to four times the median, no bar is cut


@dataclass(frozen=True, slots=True)
class Bar:
    """One price from start to end, with its level."""

    start: datetime
    end: datetime
    c_per_kwh: float
    level: PriceLevel


def price_strip_html(
    bars: Sequence[Bar],
    now: datetime,
    to_local: Callable[[datetime], datetime],
    window: tuple[datetime, datetime] | None,
) -> str:
    """Bars of the coming hours to the scale of time, the running five minutes at the left edge.

    Prices far above the rest are cut off, with a gap in the bar that says so and the highest
    price in figures: one spike must not flatten the day. Negative prices hang below the line.
    Boxes rather than SVG, which Streamlit's sanitizer takes out.

    Parameters
    ----------
    bars : sequence of Bar
        Ascending; parts before the running five minutes and beyond the strip are left out.
    now : datetime
    to_local : callable
        An instant on the household's clock, for the ticks.
    window : (start, end) or None
        The recommended run, bracketed below the bars.
    """
    now = floor_to_grid(now)
    end = now + timedelta(hours=STRIP_HOURS)
    seen = [
        Bar(max(bar.start, now), min(bar.end, end), bar.c_per_kwh, bar.level)
        for bar in bars
        if bar.end > now and bar.start < end
    ]
    parts = [
        f'<div class="strip" role="img" aria-label="{escape(_strip_in_words(seen, to_local))}">'
    ]
    if seen:
        parts += _bars(seen, now)
    if seen and window is not None and window[0] < end:
        left, right = _x(max(window[0], now), now), _x(min(window[1], end), now)
        parts.append(_box("window", left, _BRACKET, max(right - left, 2), 5))
    known_until = seen[-1].end if seen else now
    if end - known_until >= timedelta(hours=TICK_HOURS):
        parts.append(_text("tick", _x(known_until, now) + 12, 52, "no forecast yet"))
    parts += _ticks(now, end, to_local)
    parts.append("</div>")
    return "".join(parts)


def _x(instant: datetime, now: datetime) -> float:
    return (instant - now) / timedelta(hours=STRIP_HOURS) * _WIDTH


def _box(names: str, left: float, top: float, width: float, height: float) -> str:
    return (
        f'<div class="{names}" style="left:{left / _WIDTH:.2%};top:{top / _HEIGHT:.2%};'
        f'width:{width / _WIDTH:.2%};height:{height / _HEIGHT:.2%}"></div>'
    )


def _text(names: str, left: float, top: float, text: str) -> str:
    return (
        f'<span class="{names}" style="left:{left / _WIDTH:.2%};top:{top / _HEIGHT:.2%}">'
        f"{text}</span>"
    )


def _bars(seen: Sequence[Bar], now: datetime) -> list[str]:
    highest = max(seen, key=lambda bar: bar.c_per_kwh)
    lowest = min(seen, key=lambda bar: bar.c_per_kwh)
    middle = sorted(bar.c_per_kwh for bar in seen)[len(seen) // 2]
    cap = max(highest.c_per_kwh, 1.0)
    if cap > max(4 * middle, _TALL_C_PER_KWH):
        cap = max(3 * middle, 0.75 * _TALL_C_PER_KWH)
    floor = max(min(lowest.c_per_kwh, 0.0), -cap)
    scale = (_BASE - _TOP) / (cap - floor)
    zero = _BASE + floor * scale

    def top(bar: Bar) -> float:
        return zero - max(min(bar.c_per_kwh, cap), 0.0) * scale

    parts = []
    for bar in seen:
        left, right = _x(bar.start, now), _x(bar.end, now)
        depth = -max(min(bar.c_per_kwh, 0.0), floor) * scale
        height = max(zero - top(bar) + depth, 2)
        parts.append(_box(f"bar {bar.level}", left, top(bar), max(right - left - 1.5, 1), height))
        if bar.c_per_kwh > cap:
            parts.append(_box("cut", left - 1, _TOP + 8, right - left + 1, 4))
    if floor < 0:
        parts.append(_box("zero", 0, zero, _WIDTH, 1))

    label_at: list[float] = []
    for bar in (highest, lowest):
        figure = f"{words.whole_cents(bar.c_per_kwh)} c"
        half = len(figure) * _LETTER_WIDTH / 2
        x = min(max((_x(bar.start, now) + _x(bar.end, now)) / 2, half), _WIDTH - half)
        if any(abs(x - other) < 4 * half for other in label_at):
            continue
        label_at.append(x)
        # A figure must clear every bar it stands over, not only its own.
        y = min(
            top(other)
            for other in seen
            if _x(other.end, now) > x - half and _x(other.start, now) < x + half
        )
        parts.append(
            _text(
                "value centred",
                x,
                max(y - _LABEL_HEIGHT, 0),
                figure,
            )
        )
    return parts


def _ticks(now: datetime, end: datetime, to_local: Callable[[datetime], datetime]) -> list[str]:
    parts = [_text("tick", 0, _CLOCK, "now")]
    instant = now.replace(minute=0, second=0, microsecond=0)
    while instant < end:
        local = to_local(instant)
        x = _x(instant, now)
        if local.minute == 0 and local.hour % TICK_HOURS == 0 and 86 < x < _WIDTH - 36:
            parts.append(_text("tick centred", x, _CLOCK, words.clock(local)))
        instant += timedelta(minutes=15)  # the smallest step between the world's clocks and UTC
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
                        "/" if month.costed_count < month.interval_count else "" for month in months
                    ],
                    "fillmode": "overlay",
                    "fgcolor": "#000000",
                },
            },
            customdata=[
                words.percent(month.costed_count / month.interval_count) for month in months
            ],
            hovertemplate="%{x}: $%{y:.2f}<br>%{customdata} of intervals costed<extra></extra>",
        )
    )
    figure.update_layout(
        yaxis_title="AUD, energy only",
        margin={"l": 0, "r": 0, "t": 16, "b": 0},
        height=360,
        font={"size": 16},
    )
    return figure
