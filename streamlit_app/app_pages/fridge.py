"""The fridge page: what power costs now, at a glance and from across the kitchen.

One HTML sheet of 800x480, redrawn by a fragment. All text that comes from data is escaped here.
No pandas and no chart library: a refresh must be cheap on a small box.
"""

import html
from datetime import datetime, timedelta
from pathlib import Path

import streamlit as st

from energy_pipeline.model.best_start import BestStart
from energy_pipeline.model.live_cost import DayTotal, LoadNow
from energy_pipeline.model.live_price import PriceSpan, PriceStatus
from energy_pipeline.model.price_level import PriceLevel
from streamlit_app import data, words
from streamlit_app.charts import Bar, price_strip_html
from streamlit_app.live import Live, live

REFRESH_SECONDS = 5.0
# While the price of a young interval is still open, its confirmation is awaited closely.
EAGER_REFRESH_SECONDS = 1.0
EAGER_FROM = timedelta(seconds=10)
EAGER_UNTIL = timedelta(seconds=150)

PIPELINE_SILENT_AFTER = timedelta(minutes=10)

_CSS = Path(__file__).with_name("fridge.css")
_KIOSK_CSS = Path(__file__).with_name("kiosk.css")

# Shapes survive blur and colour blindness: ring, down, square, up. A spike is an inverse block.
_SHAPES = {PriceLevel.FREE, PriceLevel.CHEAP, PriceLevel.NORMAL, PriceLevel.EXPENSIVE}
_WIDTH_OF_SHEET = 776
_DIGIT_EM = 0.51
_LETTER_EM = 0.57


def show() -> None:
    """Draw the page, and keep it drawn."""
    kiosk = st.query_params.get("kiosk") == "1"
    st.html(_CSS)
    if kiosk:
        st.html(_KIOSK_CSS)
    every = st.session_state.get("refresh_seconds", REFRESH_SECONDS)

    @st.fragment(run_every=every)
    def sheet() -> None:
        data.page_ran()
        now = data.now()
        snapshot = data.snapshot()
        seen = snapshot if isinstance(snapshot, data.NoData) else live(snapshot, now)
        beat = st.session_state.get("beat", 0)
        st.session_state["beat"] = 1 - beat
        st.html(sheet_html(seen, now, beat=beat, kiosk=kiosk))
        wanted = refresh_seconds(seen, now)
        if wanted != every:  # a new rhythm needs a run of the whole page
            st.session_state["refresh_seconds"] = wanted
            st.rerun()

    sheet()


def refresh_seconds(seen: Live | data.NoData, now: datetime) -> float:
    """How soon to look again: closely while this interval's price is about to be confirmed. [s]"""
    into_interval = timedelta(seconds=now.timestamp() % 300)
    confirmed = isinstance(seen, Live) and seen.price.status is PriceStatus.CONFIRMED
    if not confirmed and EAGER_FROM <= into_interval < EAGER_UNTIL:
        return EAGER_REFRESH_SECONDS
    return REFRESH_SECONDS


def sheet_html(seen: Live | data.NoData, now: datetime, *, beat: int, kiosk: bool) -> str:
    """The whole sheet.

    Parameters
    ----------
    seen : Live or NoData
    now : datetime
    beat : int
        0 and 1 in turn: tells the browser that this is a new refresh.
    kiosk : bool
        Leaves out the way to the other page.
    """
    if isinstance(seen, data.NoData):
        head = (
            "Waiting for the first price"
            if seen.kind is data.NoDataKind.MISSING
            else "The data cannot be shown"
        )
        body = _blank(head, seen.sentence)
        foot = _foot(f"<p>{now:%H:%M} UTC</p>", kiosk)
        last = f"{now:%H:%M} UTC"
    else:
        body = _price(seen) if seen.price.span is not None else _no_price(seen)
        body += _today(seen)
        foot = _foot(_status(seen), kiosk)
        last = words.clock(seen.local_now)
    return (
        f'<div class="fridge"><div class="sheet">{body}{foot}'
        f'<div class="lost beat-{beat}">'
        f'<div class="blank"><div class="number" style="--size:195">{words.EN_DASH}</div>'
        f'<div class="say"><p class="head">No contact since {last}</p>'
        '<p class="body">This screen has lost its server. It goes on by itself as soon as the'
        " server answers.</p></div></div></div></div></div>"
    )


# --- with a current price -----------------------------------------------------------------------


def _price(seen: Live) -> str:
    span = seen.price.span
    if span is None or span.price.import_c_per_kwh is None:
        raise ValueError("the sheet with a price needs a current price")
    level = seen.level or PriceLevel.UNRATED
    cents = words.whole_cents(span.price.import_c_per_kwh)
    return (
        _hero(seen, span, cents, level)
        + _cost(seen)
        + price_strip_html(_bars(seen), seen.now, seen.snapshot.local, _window(seen))
        + _plan(seen)
    )


def _hero(seen: Live, span: PriceSpan, cents: str, level: PriceLevel) -> str:
    """The number, the word with its shape, and two lines for those who stand near."""
    size = 205 if len(cents) <= 2 else 198 if len(cents) <= 3 else 160
    number_width = size * _DIGIT_EM * (len(cents) - 0.5 * cents.count(","))
    room = _WIDTH_OF_SHEET - number_width - 16
    word = "NOT RATED" if level is PriceLevel.UNRATED else level.upper()
    taken = 60 if level in _SHAPES else 32 if level is PriceLevel.SPIKE else 0
    word_size = min(104, (room - taken) / (_LETTER_EM * len(word)))
    icon = f'<i class="shape {level}" aria-hidden="true"></i>' if level in _SHAPES else ""
    inverse = " inverse" if level is PriceLevel.SPIKE else ""
    spoken = cents.replace(words.MINUS, "minus ")
    return (
        f'<div class="hero" style="--ink:var(--{level})">'
        f'<div class="number" style="--size:{size}" role="img"'
        f' aria-label="{spoken} cents per kilowatt hour">{cents}</div>'
        f'<div class="beside"><div class="word{inverse}" style="--word-size:{word_size:.0f}">'
        f"{icon}<span>{word}</span></div>"
        f'<p class="note">c/kWh, {seen.price.status}</p>'
        f'<p class="note quiet">{_second_note(seen, span, short=room < 400)}</p></div></div>'
    )


def _second_note(seen: Live, span: PriceSpan, *, short: bool) -> str:
    """How long this lasts; or, while it may still change, what was last certain."""
    last = seen.price.last_confirmed
    if not span.price.is_confirmed and last is not None and last.import_c_per_kwh is not None:
        at = words.clock(seen.snapshot.local(last.interval_start))
        cents = words.whole_cents(last.import_c_per_kwh)
        return f"{at}: {cents} c" if short else f"last confirmed: {cents} c at {at}"
    if seen.level_until is None:
        return ""
    if seen.level is PriceLevel.UNRATED:
        return "no prices to compare" if short else "no earlier prices to compare with"
    until = words.clock(seen.snapshot.local(seen.level_until))
    if seen.next_level is None:
        return f"until {until} or later"
    return f"until {until}" if short else f"until {until}, then {seen.next_level}"


def _cost(seen: Live) -> str:
    if not isinstance(seen.load, LoadNow) or seen.cost_aud_per_hour is None:
        return '<div class="cost"><p class="quiet">Cost per hour: no usage yet to tell it</p></div>'
    cost = seen.cost_aud_per_hour
    amount = words.dollars(abs(cost))
    what = f"{amount} an hour" if cost >= 0 else f"Earning {amount} an hour"
    reading = seen.load.reading
    if reading is None:
        source = "typical for this time"
        if len(what) <= len("$99.99 an hour"):
            source += ", no live meter"
    else:
        name = words.source_name(reading.source)
        source = f"{name}, {words.ago(seen.now - reading.measured_at)}"
    return f'<div class="cost"><p><b>{what}</b></p><p class="quiet">{html.escape(source)}</p></div>'


def _bars(seen: Live) -> list[Bar]:
    return [
        Bar(span.start, span.end, span.price.import_c_per_kwh, level or PriceLevel.UNRATED)
        for span, level in seen.coming
        if span.price.import_c_per_kwh is not None
    ]


def _saving_aud(seen: Live) -> float | None:
    if not isinstance(seen.best, BestStart):
        return None
    return seen.best.saving_aud(seen.appliance.energy_kwh)


def _is_worth_waiting(seen: Live) -> bool:
    saving = _saving_aud(seen)
    return saving is None or saving >= 0.01


def _window(seen: Live) -> tuple[datetime, datetime] | None:
    if not isinstance(seen.best, BestStart) or not _is_worth_waiting(seen):
        return None
    return seen.best.start, seen.best.end


def _plan(seen: Live) -> str:
    name = seen.appliance.name
    if not isinstance(seen.best, BestStart):
        hours = f"{seen.appliance.duration_hours:g} hours"
        return (
            f'<div class="plan"><p class="quiet">{name}: prices of {hours} not known yet</p></div>'
        )
    saving = _saving_aud(seen)
    if not _is_worth_waiting(seen):
        return f'<div class="plan"><p>{name}: start now, waiting saves nothing</p></div>'
    at = words.clock_and_day(seen.snapshot.local(seen.best.start), seen.local_now)
    gain = "" if saving is None else f", saves {words.dollars(saving)}"
    if gain and len(at) == len("00:00"):
        gain += " against now"
    return f'<div class="plan"><p><i></i>{name}: start {at}{gain}</p></div>'


# --- without a current price --------------------------------------------------------------------


def _no_price(seen: Live) -> str:
    """The dash, since when, and the likeliest cause with what was last known."""
    head = (seen.no_price_reason or "No price.").removesuffix(".")
    if seen.price.status is PriceStatus.CLOCK_WRONG:
        head, _, body = head.partition(": ")
        cure = "Check the clock and the internet connection of this box."
        return _blank(head, f"{body[0].upper()}{body[1:]}. {cure}")
    body = _cause(seen)
    last = seen.price.last_confirmed
    if last is not None and last.import_c_per_kwh is not None:
        local = seen.snapshot.local(last.interval_start)
        at = words.clock_and_day(local, seen.local_now)
        body += f" The last price was {words.whole_cents(last.import_c_per_kwh)} c at {at}."
    return _blank(head, body)


def _cause(seen: Live) -> str:
    if seen.troubles:
        return seen.troubles[0].message or ""
    silent = seen.now - seen.snapshot.site.published_at
    if silent > PIPELINE_SILENT_AFTER:
        local = seen.snapshot.local(seen.snapshot.site.published_at)
        at = words.clock_and_day(local, seen.local_now)
        return f"Nothing has been published since {at}: the pipeline has stopped."
    amber = seen.snapshot.state_of("amber")
    if amber is not None and amber.message:
        return amber.message
    if seen.price.status is PriceStatus.NONE:
        return "It comes a few minutes after the first start."
    return "The supplier has sent nothing for this time."


def _blank(head: str, body: str) -> str:
    return (
        f'<div class="blank"><div class="number" style="--size:195" role="img"'
        f' aria-label="no current price">{words.EN_DASH}</div>'
        f'<div class="say"><p class="head">{html.escape(head)}</p>'
        f'<p class="body">{html.escape(body)}</p></div></div>'
    )


# --- today, and how things are ------------------------------------------------------------------


def _today(seen: Live) -> str:
    return (
        f'<div class="today"><p>{_today_so_far(seen.today, seen.today_elapsed_count)}</p>'
        f'<p class="quiet">{_feed_in(seen)}</p></div>'
    )


def _today_so_far(today: DayTotal | None, elapsed_count: int) -> str:
    if today is None or (today.import_kwh is None and today.cost_aud is None):
        mean = today.mean_import_c_per_kwh if today else None
        price = f", mean price {words.whole_cents(mean)} c" if mean is not None else ""
        return f"Today: no usage yet{price}"
    if today.cost_aud is not None:
        cost = words.dollars(today.cost_aud)
    elif today.import_cost_aud is not None:
        # Exports and controlled load are told a day late: what is known is not the whole bill.
        cost = f"{words.dollars(today.import_cost_aud)} for import"
    else:
        cost = "cost unknown"
    used = "" if today.import_kwh is None else f", {words.energy(today.import_kwh)}"
    known = min(today.used_count / elapsed_count, 1.0) if elapsed_count else 1.0
    share = "" if known == 1.0 else f' <span class="quiet">({words.percent(known)} metered)</span>'
    return f"Today {cost}{used}{share}"


def _feed_in(seen: Live) -> str:
    span = seen.price.span
    if not seen.snapshot.site.has_feed_in or span is None:
        return ""
    if span.price.feed_in_c_per_kwh is None:
        return "Feed-in unknown"
    return f"Feed-in {words.whole_cents(span.price.feed_in_c_per_kwh)} c"


def _status(seen: Live) -> str:
    """When the price was last heard of; before that, whatever is wrong."""
    demo = '<span class="demo">Demo</span> ' if seen.snapshot.site.is_demo else ""
    fetched = seen.price.newest_fetch
    updated = "Never updated"
    if fetched is not None:
        local = seen.snapshot.local(fetched)
        day = words.clock_and_day(local, seen.local_now)[len(words.clock(local)) :]
        updated = f"Updated {local:%H:%M:%S}{day}"
    shown = seen.troubles if seen.price.span is not None else seen.troubles[1:]
    alarm = "".join(
        f' <span class="alarm">{html.escape(state.message or "")}</span>' for state in shown[:1]
    )
    dot = "." if alarm else ""
    return f'<p class="quiet">{demo}{updated}{dot}{alarm}</p>'


def _foot(status: str, kiosk: bool) -> str:
    link = "" if kiosk else '<a class="switch" href="scenarios" target="_self">Savings</a>'
    return f'<div class="foot">{status}{link}</div>'
