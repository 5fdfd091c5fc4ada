"""Which price counts now, and when it is too old."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_pipeline.model.live_price import (
    GRID,
    PriceInterval,
    PriceStatus,
    live_price,
    price_spans,
)

T0 = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def minutes(n):
    return timedelta(minutes=n)


def row(start, duration=5, price_class="locked", price=20.0, fetched=None):
    return PriceInterval(
        interval_start=T0 + minutes(start),
        duration_minutes=duration,
        price_class=price_class,
        import_c_per_kwh=price,
        feed_in_c_per_kwh=None,
        fetched_at=T0 + (minutes(start) + timedelta(seconds=25) if fetched is None else fetched),
    )


def status_at(rows, now, **more):
    return live_price(price_spans(rows), T0 + now, **more).status


def test_a_higher_class_covers_its_part_of_a_longer_forecast():
    spans = price_spans([row(0, 30, "forecast", 1.0), row(5, 5, "locked", 2.0)])
    seen = [(s.start - T0, s.end - T0, s.price.import_c_per_kwh) for s in spans]
    assert seen == [
        (minutes(0), minutes(5), 1.0),
        (minutes(5), minutes(10), 2.0),
        (minutes(10), minutes(30), 1.0),
    ]


def test_of_one_class_the_shorter_duration_counts():
    spans = price_spans([row(0, 5, "actual", 2.0), row(0, 30, "actual", 1.0)])
    assert spans[0].price.duration_minutes == 5
    assert (spans[0].end - T0, spans[1].end - T0) == (minutes(5), minutes(30))


def test_a_row_without_a_price_does_not_hide_one_with():
    spans = price_spans([row(0, 5, "actual", None), row(0, 30, "forecast", 9.0)])
    assert [s.price.import_c_per_kwh for s in spans] == [9.0]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 12),
            st.sampled_from([5, 15, 30]),
            st.sampled_from(["actual", "locked", "estimate", "forecast"]),
        ),
        max_size=12,
    )
)
def test_spans_ascend_without_overlap_and_cover_exactly_what_rows_cover(starts):
    rows = [row(5 * start, duration, word) for start, duration, word in starts]
    spans = price_spans(rows)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    covered = {
        T0 + n * GRID
        for r in rows
        for n in range(100)
        if r.interval_start <= T0 + n * GRID < r.interval_end
    }
    assert covered == {s.start + n * GRID for s in spans for n in range((s.end - s.start) // GRID)}


@pytest.mark.parametrize(
    ("price_class", "status"),
    [("locked", "confirmed"), ("actual", "confirmed"), ("estimate", "estimate")],
)
def test_the_class_of_the_running_interval_is_its_status(price_class, status):
    assert status_at([row(0, price_class=price_class)], minutes(4.9)) == status


def test_the_next_interval_begins_at_its_first_instant():
    rows = [row(0, price=1.0), row(5, price=2.0, fetched=minutes(1))]
    assert live_price(price_spans(rows), T0 + minutes(5)).span.price.import_c_per_kwh == 2.0


def test_an_earlier_forecast_bridges_one_missed_interval_and_then_the_price_is_stale():
    fetched = minutes(0.5)
    rows = [row(0)] + [row(n, 5, "forecast", 30.0, fetched) for n in range(5, 60, 5)]
    assert status_at(rows, minutes(5)) is PriceStatus.FORECAST
    assert status_at(rows, minutes(14.9)) is PriceStatus.FORECAST
    stale = live_price(price_spans(rows), T0 + minutes(15))
    assert (stale.status, stale.span, stale.missed_intervals) == (PriceStatus.STALE, None, 2)
    assert stale.no_price_since == T0 + fetched


def test_a_half_hour_price_that_is_no_longer_fetched_goes_stale_before_it_ends():
    rows = [row(0, 30, "estimate", fetched=minutes(0.5))]
    assert status_at(rows, minutes(14.9)) is PriceStatus.ESTIMATE
    assert status_at(rows, minutes(15)) is PriceStatus.STALE


def test_an_answer_that_repeats_an_unchanged_half_hour_price_keeps_it_current():
    rows = [row(0, 30, "estimate", fetched=minutes(0.5))]
    assert status_at(rows, minutes(16), last_answer=T0 + minutes(15.5)) is PriceStatus.ESTIMATE


def test_fetches_without_an_observed_price_do_not_keep_it_current():
    rows = [row(0)] + [row(n, 5, "forecast", fetched=minutes(14)) for n in range(5, 60, 5)]
    stale = live_price(price_spans(rows), T0 + minutes(15))
    assert stale.status is PriceStatus.STALE
    assert stale.no_price_since == T0 + minutes(5)


def test_a_time_without_any_row_is_stale_at_once():
    assert status_at([row(0)], minutes(5)) is PriceStatus.STALE


def test_a_fetch_more_than_two_minutes_ahead_means_a_wrong_clock():
    rows = [row(0, fetched=minutes(4))]
    assert status_at(rows, minutes(2)) is PriceStatus.CONFIRMED
    assert status_at(rows, minutes(1.9)) is PriceStatus.CLOCK_WRONG
    assert live_price(price_spans(rows), T0 + minutes(1.9)).span is None


def test_no_rows_is_no_price():
    assert live_price((), T0).status is PriceStatus.NONE


def test_the_last_confirmed_price_is_of_an_earlier_interval():
    rows = [row(0, price=1.0), row(5, price=2.0), row(10, 5, "estimate", 3.0)]
    assert live_price(price_spans(rows), T0 + minutes(11)).last_confirmed.import_c_per_kwh == 2.0
    assert live_price(price_spans(rows), T0 + minutes(6)).last_confirmed.import_c_per_kwh == 1.0
