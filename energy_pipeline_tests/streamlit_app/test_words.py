"""Numbers and times as people read them."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from streamlit_app import words


@pytest.mark.parametrize(
    ("price", "said"),
    [
        (27.4, "27"),
        (26.5, "27"),
        (-10.2, "\u221210"),
        (-0.3, "0"),
        (0.49, "0"),
        (1540.4, "1,540"),
        (-1000.0, "\u22121,000"),
    ],
)
def test_a_price_is_said_in_whole_cents(price, said):
    assert words.whole_cents(price) == said


@pytest.mark.parametrize(
    ("aud", "said"),
    [(0.42108, "$0.42"), (-1.27, "\u2212$1.27"), (-0.001, "$0.00"), (1234.5, "$1,234.50")],
)
def test_money_is_said_in_dollars_and_cents(aud, said):
    assert words.dollars(aud) == said


@pytest.mark.parametrize(
    ("fraction", "said"),
    [(0.0, "0 %"), (0.0001, "1 %"), (0.5, "50 %"), (0.9999, "99 %"), (1.0, "100 %")],
)
def test_only_what_is_complete_is_a_hundred_percent(fraction, said):
    assert words.percent(fraction) == said


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=130), "2 min ago"),
        (timedelta(minutes=61), "1 h ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_an_age_is_said_in_one_unit(age, said):
    assert words.ago(age) == said


def test_a_time_of_another_day_names_the_day():
    now = datetime(2026, 11, 24, 23, 50, tzinfo=ZoneInfo("Australia/Sydney"))
    assert words.clock_and_day(now, now) == "23:50"
    assert words.clock_and_day(now + timedelta(hours=2), now) == "01:50 tomorrow"
    assert words.clock_and_day(now - timedelta(days=1), now) == "23:50 yesterday"
    assert words.clock_and_day(now - timedelta(days=3), now) == "23:50 on Sat 21 Nov"
