"""The one door to the data."""

import subprocess
import sys
import threading
from datetime import timedelta

import duckdb
import pytest

from energy_pipeline.model.price_level import PriceLevel
from streamlit_app import data


@pytest.fixture
def home(tmp_path, monkeypatch, rows_of):
    monkeypatch.setenv("ENERGY_SERVING_DIR", str(tmp_path))
    monkeypatch.setenv("ENERGY_CLOCK_FROZEN_AT", rows_of.NOW.isoformat())
    return rows_of.Home(tmp_path)


def small(rows_of, generation):
    """Few rows, all of which say which generation they are of."""
    tables = rows_of.home(usage=[], power=[], typical=[])
    tables["prices"] = [
        row | {"import_c_per_kwh": float(generation)} for row in tables["prices"][-40:]
    ]
    tables["days"] = [tables["days"][-1] | {"used_count": generation}]
    tables["site"] = [tables["site"][0] | {"network": str(generation)}]
    return tables


def test_a_snapshot_holds_what_the_file_says(home, rows_of):
    home.publish(rows_of.home())
    seen = data.snapshot()
    assert (seen.site.network, seen.site.timezone) == ("Ausgrid", "Australia/Sydney")
    assert len(seen.days) == 62
    assert (len(seen.power), len(seen.typical), len(seen.states)) == (1, 96, 2)
    assert len(seen.levels) == len(seen.spans)
    assert PriceLevel.EXPENSIVE in seen.levels
    now = next(span for span in seen.spans if span.start <= rows_of.NOW < span.end)
    assert now.price.import_c_per_kwh == 24.2
    assert now.price.fetched_at.utcoffset() == timedelta(0)


def test_an_unchanged_file_is_not_read_twice(home, rows_of):
    home.publish(rows_of.home())
    assert data.snapshot() is data.snapshot()


def test_a_swapped_file_is_read_at_once(home, rows_of):
    for generation in range(5):
        home.publish(small(rows_of, generation))
        assert data.snapshot().site.network == str(generation)


def test_a_missing_file_is_a_sentence_and_its_arrival_is_noticed(home, rows_of):
    assert data.snapshot().kind is data.NoDataKind.MISSING
    home.publish(rows_of.home())
    assert isinstance(data.snapshot(), data.Snapshot)
    home.publish(None)
    assert data.snapshot().kind is data.NoDataKind.MISSING


@pytest.mark.parametrize("content", [b"", b"DUCK" * 3000, b"\xff" * 70000])
def test_a_file_that_is_no_database_is_a_sentence(home, content):
    home.publish(content)
    assert data.snapshot().kind is data.NoDataKind.UNREADABLE


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_a_file_cut_off_anywhere_is_a_sentence_or_complete(home, rows_of, share):
    home.publish(rows_of.home())
    whole = home.file.read_bytes()
    home.publish(whole[: int(len(whole) * share)])
    seen = data.snapshot()
    assert isinstance(seen, data.Snapshot) or seen.kind is data.NoDataKind.UNREADABLE


@pytest.mark.parametrize(("version", "kind"), [(0, "older"), (2, "newer")])
def test_another_schema_version_is_a_sentence(home, rows_of, version, kind):
    site = rows_of.home()["site"][0] | {"schema_version": version}
    home.publish(rows_of.home(site=[site]))
    assert data.snapshot().kind == kind


@pytest.mark.parametrize("table", ["site", "prices", "days", "states"])
def test_a_file_without_one_of_the_tables_counts_as_older(home, rows_of, table):
    home.publish(rows_of.home())
    with duckdb.connect(home.file) as db:
        db.execute(f"DROP TABLE {table}")
    assert data.snapshot().kind is data.NoDataKind.OLDER


def test_an_unknown_time_zone_is_a_sentence(home, rows_of):
    site = rows_of.home()["site"][0] | {"timezone": "Atlantis/Capital"}
    home.publish(rows_of.home(site=[site]))
    assert data.snapshot().kind is data.NoDataKind.UNREADABLE


def test_a_price_that_is_no_number_is_unknown(home, rows_of):
    home.publish(rows_of.home(prices=rows_of.price_rows(current=float("nan"))))
    now = next(s for s in data.snapshot().spans if s.start <= rows_of.NOW < s.end)
    assert now.price.import_c_per_kwh is None


def test_less_than_a_day_of_prices_is_not_yet_a_distribution(home, rows_of):
    bands = rows_of.home()["price_bands"][0]
    home.publish(
        rows_of.home(price_bands=[bands | {"from_start": rows_of.NOW - timedelta(hours=23)}])
    )
    seen = data.snapshot().bands
    assert (seen.cheap_below_c_per_kwh, seen.expensive_above_c_per_kwh) == (None, None)
    assert seen.spike_above_c_per_kwh == 100.0


def test_before_the_site_is_known_the_gravest_state_speaks(home, rows_of):
    states = [
        rows_of.state_row("amber", "key_rejected", message="Amber rejected the key."),
        rows_of.state_row("aemo", "down", message="AEMO does not answer."),
    ]
    home.publish(rows_of.home(site=[], states=states))
    assert data.snapshot() == data.NoData(data.NoDataKind.MISSING, "Amber rejected the key.")


SWAPPER = """
import shutil, sys, time
from pathlib import Path
target, stock, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
for generation in range(1, rounds):
    fresh = target.with_suffix(".fresh")
    shutil.copyfile(stock / f"{generation}.duckdb", fresh)
    fresh.replace(target)
    (stock / "swapped").write_text(str(generation))
"""


def test_swaps_during_reading_never_fail_never_mix_and_never_go_back(home, rows_of, tmp_path):
    rounds = 40
    stock = tmp_path / "stock"
    stock.mkdir()
    for generation in range(rounds):
        home.publish(small(rows_of, generation))
        home.file.rename(stock / f"{generation}.duckdb")
    (stock / "0.duckdb").rename(home.file)
    (stock / "swapped").write_text("0")
    faults: list[str] = []
    reads = [0]
    writer = subprocess.Popen(
        [sys.executable, "-c", SWAPPER, str(home.file), str(stock), str(rounds)]
    )

    def read() -> None:
        newest = 0
        while True:
            over = writer.poll() is not None
            swapped = int((stock / "swapped").read_text() or 0)
            seen = data.snapshot()
            reads[0] += 1
            if isinstance(seen, data.NoData):
                faults.append(seen.sentence)
                return
            generation = int(seen.site.network)
            if {span.price.import_c_per_kwh for span in seen.spans} != {float(generation)}:
                faults.append("prices of another generation")
            if [day.used_count for day in seen.days] != [generation]:
                faults.append("days of another generation")
            if generation < max(newest, swapped):
                faults.append(f"{generation} after {max(newest, swapped)}")
            newest = generation
            if over:
                if generation != rounds - 1:
                    faults.append(f"{generation} at the end")
                return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert writer.returncode == 0
    assert faults == []
    assert reads[0] >= 6


def test_the_clock_can_be_moved_and_stopped(home, rows_of, monkeypatch):
    assert data.now() == rows_of.NOW
    monkeypatch.delenv("ENERGY_CLOCK_FROZEN_AT")
    monkeypatch.setenv("ENERGY_CLOCK_OFFSET_SECONDS", "86400")
    moved = data.now()
    monkeypatch.delenv("ENERGY_CLOCK_OFFSET_SECONDS")
    assert timedelta(hours=23) < moved - data.now() <= timedelta(days=1)


def test_the_page_grows_old_until_it_runs(monkeypatch):
    monkeypatch.setattr(data, "_last_page_run", 0.0)
    old = data.page_age_seconds()
    data.page_ran()
    assert data.page_age_seconds() < old


def test_history_holds_the_days_of_the_newest_site(home, rows_of):
    today = rows_of.NOW.date()
    old = [("OLD", rows_of.day_row(today - timedelta(days=n))) for n in range(300, 310)]
    new = [("NEW", rows_of.day_row(today - timedelta(days=n))) for n in range(1, 5)]
    rows_of.write_history_file(home.folder / "history.duckdb", old + new)
    days = data.history().days
    assert [day.first_date for day in days] == [today - timedelta(days=n) for n in (4, 3, 2, 1)]


def test_absent_empty_or_broken_history_is_a_sentence(home, rows_of):
    assert data.history().kind is data.NoDataKind.MISSING
    rows_of.write_history_file(home.folder / "history.duckdb", [])
    assert data.history().kind is data.NoDataKind.MISSING
    (home.folder / "history.duckdb").unlink()
    duckdb.connect(home.folder / "history.duckdb").close()
    assert data.history().kind is data.NoDataKind.OLDER
    (home.folder / "history.duckdb").write_bytes(b"no database")
    assert data.history().kind is data.NoDataKind.UNREADABLE


def test_the_app_adds_neither_dagster_nor_pandas_nor_a_chart_library_to_its_process():
    script = (
        "import sys, streamlit\n"
        "streamlits_own = set(sys.modules)\n"
        "import streamlit_app.app\n"
        "from streamlit_app.app_pages import fridge, scenarios\n"
        "heavy = {'dagster', 'pandas', 'altair', 'plotly', 'numba', 'scipy'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy - streamlits_own)) or 0)"
    )
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.stderr, run.returncode) == ("", 0)
