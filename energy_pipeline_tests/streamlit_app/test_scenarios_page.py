"""The savings page in a real Chromium."""

from datetime import date, timedelta

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 1100})
    yield page
    page.close()


@pytest.fixture
def history(server, rows_of):
    file = server.home.folder / "history.duckdb"
    days = [rows_of.day_row(date(2026, 8, 1) + timedelta(days=n)) for n in range(92)]
    gap = {"used_count": 0, "import_kwh": None, "cost_aud": None, "reason": "No meter."}
    days[35] |= gap  # 5 September
    rows_of.write_history_file(file, [("01HOME", day) for day in days])
    yield file
    file.unlink()


def test_without_history_a_sentence_says_what_will_come(page, server):
    page.goto(f"{server.url}/scenarios")
    page.get_by_text("No history has been published yet.").wait_for()
    assert "payback" in page.inner_text("body")


def test_the_baseline_is_named_and_every_cost_stands_beside_its_coverage(page, server, history):
    page.goto(f"{server.url}/scenarios")
    page.get_by_text("Wholesale as paid: energy only").wait_for()
    page.wait_for_selector(".js-plotly-plot .bars .point")
    assert page.locator(".js-plotly-plot .bars .point").count() == 3
    rows = [row.split("\t") for row in page.inner_text("table").splitlines()]
    # 31, 29 of 30, 31 days at $4.40 and 15 kWh.
    assert rows[1:] == [
        ["Oct 2026", "$136.40", "100 %", "465.0 kWh", "100 %", "62.0 kWh", "25.0 c/kWh"],
        ["Sep 2026", "$127.60", "97 %", "435.0 kWh", "97 %", "60.0 kWh", "25.0 c/kWh"],
        ["Aug 2026", "$136.40", "100 %", "465.0 kWh", "100 %", "62.0 kWh", "25.0 c/kWh"],
    ]
    text = page.inner_text("body")
    assert "$400.40" in text  # 91 days
    assert "without supply charge" in text
    page.screenshot(path=server.home.folder / "scenarios.png")


def test_a_broken_history_is_a_sentence(page, server):
    file = server.home.folder / "history.duckdb"
    file.write_bytes(b"no database at all")
    page.goto(f"{server.url}/scenarios")
    page.get_by_text("The published history cannot be read.").wait_for()
    file.unlink()
