"""How often the fridge page looks again."""

from datetime import timedelta

import pytest

from streamlit_app import data
from streamlit_app.app_pages.fridge import refresh_seconds
from streamlit_app.live import live


@pytest.mark.parametrize(
    ("state", "seconds_into_interval", "every"),
    [
        ("normal", 100, 5.0),
        ("estimate", 9, 5.0),
        ("estimate", 10, 1.0),
        ("estimate", 149, 1.0),
        ("estimate", 150, 5.0),
        ("forecast", 30, 1.0),
        ("stale", 100, 1.0),
    ],
)
def test_a_price_about_to_be_confirmed_is_awaited_closely(
    monkeypatch, tmp_path, rows_of, state, seconds_into_interval, every
):
    monkeypatch.setenv("ENERGY_SERVING_DIR", str(tmp_path))
    rows_of.Home(tmp_path).publish(rows_of.states()[state])
    now = rows_of.NOW + timedelta(seconds=seconds_into_interval - 100)
    assert refresh_seconds(live(data.snapshot(), now), now) == every


def test_without_data_the_first_price_is_awaited_in_the_same_rhythm(rows_of):
    nothing = data.NoData(data.NoDataKind.MISSING, "No data yet.")
    assert refresh_seconds(nothing, rows_of.NOW) == 1.0
    assert refresh_seconds(nothing, rows_of.NOW + timedelta(seconds=60)) == 5.0
