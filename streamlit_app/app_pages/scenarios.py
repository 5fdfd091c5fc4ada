"""The savings page, for the laptop: what the household paid, and what would have cost less.

This part shows the baseline that every scenario is compared with.
"""

from collections.abc import Callable
from datetime import date
from itertools import groupby

import streamlit as st

from energy_pipeline.model.live_cost import DayTotal, sum_days
from streamlit_app import charts, data, words

BASELINE = "Wholesale as paid: energy only, GST included, without supply charge and fees."
COMING = (
    "Here will stand what solar, a battery, a car charged cleverly, or a car that feeds the house"
    " would have saved over your own year: the bill, the payback, and how sure it is."
)


def show() -> None:
    """Draw the page."""
    st.html(
        '<a href="fridge" target="_self" style="display:inline-flex;align-items:center;'
        'min-height:48px;padding:0 16px;border:2px solid;border-radius:8px;color:inherit">'
        "Fridge</a>"
    )
    st.title("What would have cost less?")
    history = data.history()
    if isinstance(history, data.NoData):
        st.info(f"{history.sentence} {COMING}")
        return
    months = _months(history.days)
    st.header("The baseline")
    st.write(BASELINE)
    _headline(history.days)
    st.plotly_chart(charts.monthly_cost_chart(months), config={"displayModeBar": False})
    st.caption(
        "A hatched month has gaps: its cost covers only the intervals whose import, controlled load"
        " and export are all known."
    )
    st.markdown(_table(months))
    st.info(COMING)


def _months(days: tuple[DayTotal, ...]) -> list[DayTotal]:
    by_month = groupby(days, key=lambda day: (day.first_date.year, day.first_date.month))
    return [total for _, group in by_month if (total := sum_days(group)) is not None]


def _headline(days: tuple[DayTotal, ...]) -> None:
    total = sum_days(days[-365:])
    if total is None:
        return
    st.write(f"{_day(total.first_date)} to {_day(total.last_date)}")
    cost, energy = st.columns(2)
    for column, label, figure, known_count in (
        (cost, "Cost", _or_dash(total.cost_aud, words.dollars), total.costed_count),
        (energy, "Import", _or_dash(total.import_kwh, words.energy), total.used_count),
    ):
        share = f"covers {words.percent(known_count / total.interval_count)} of these days"
        column.metric(label, figure, share, delta_color="off", delta_arrow="off", border=True)


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _or_dash(value: float | None, say: Callable[[float], str]) -> str:
    return words.EN_DASH if value is None else say(value)


def _table(months: list[DayTotal]) -> str:
    lines = [
        "| Month | Cost | of intervals | Import | of intervals | Export | Mean price |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {month.first_date:%b %Y}"
        f" | {_or_dash(month.cost_aud, words.dollars).replace('$', '&#36;')}"
        f" | {words.percent(month.costed_count / month.interval_count)}"
        f" | {_or_dash(month.import_kwh, words.energy)}"
        f" | {words.percent(month.used_count / month.interval_count)}"
        f" | {_or_dash(month.export_kwh, words.energy)}"
        f" | {_or_dash(month.mean_import_c_per_kwh, lambda c: f'{c:.1f} c/kWh')} |"
        for month in reversed(months)
    ]
    return "\n".join(lines)
