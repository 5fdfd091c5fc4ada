"""`energy`: what each command stores, says and returns, and what it refuses in a sentence."""

import gzip
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest_plugins = ["energy_pipeline_tests.commands"]

CANARY = "psk_canary-4c1f0a"
HEADER = "datetime_utc,datetime_local,watt_hours,cost_dollars,is_peak"
ENERGY = Path(sys.executable).with_name("energy")
PATIENCE_SECONDS = 120.0


def nem_day(days_ago: int) -> str:
    """A NEM day before today, YYYY-MM-DD."""
    return str((datetime.now(UTC) + timedelta(hours=10) - timedelta(days=days_ago)).date())


def export(path: Path, days_ago: int, day_count: int) -> Path:
    """Write an export of the app: whole NEM days of 7 Wh a minute."""
    start = datetime.fromisoformat(f"{nem_day(days_ago)}T00:00:00") - timedelta(hours=10)
    minutes = (start + timedelta(minutes=n) for n in range(day_count * 1440))
    lines = [f"{at:%Y-%m-%d %H:%M:%S},{at},7.0000000000,0.0021000000,false" for at in minutes]
    path.write_text("\n".join([HEADER, *lines, ""]))
    return path


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ([], "COMMAND"),
        (["bogus"], "invalid choice: 'bogus'"),
        (["backfill", "--start", "2026-13-01"], "'2026-13-01' is no date of the form YYYY-MM-DD"),
        (["backfill", "--end", "yesterday"], "'yesterday' is no date of the form YYYY-MM-DD"),
        (
            ["backfill", "--start", "2026-11-05", "--end", "2026-11-01"],
            "the first day 2026-11-05 is after the last day 2026-11-01",
        ),
        (["backfill", "--source", "solar"], "--source 'solar' is unknown; known: amber_prices"),
        (["backfill", "--chunk-days", "0"], "--chunk-days must be at least 1, not 0"),
        (["backfill", "--chunk-days", "many"], "invalid int value: 'many'"),
        (["import"], "KIND"),
        (["import", "powerpal-csv"], "FILE"),
        (["status", "extra"], "unrecognized arguments: extra"),
    ],
)
def test_a_wrong_call_is_refused_with_a_sentence(energy, call, sentence):
    said = energy(*call)
    assert said.code == 2
    assert sentence in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("call", "variable"),
    [
        (["backfill"], "AMBER_TOKEN"),
        (["backfill", "--source", "amber_usage"], "AMBER_TOKEN"),
        (["backfill", "--source", "powerpal_usage"], "POWERPAL_TOKEN"),
    ],
)
def test_a_back_fill_without_a_key_names_the_variable_and_its_file(energy, call, variable):
    said = energy(*call)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"{variable} is not set: put {variable}=... into" in said.err


def test_help_lists_every_command(energy):
    said = energy("--help")
    assert said.code == 0
    for command in ("up", "demo", "backfill", "import", "status", "doctor"):
        assert re.search(rf"^ +{command} ", said.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "80", "PORT is wrong"),
        ("DAGSTER_PORT", "three", "DAGSTER_PORT is wrong"),
        ("HOME_TIMEZONE", "Sydney", "HOME_TIMEZONE is wrong"),
        ("BACKFILL_START", "soon", "BACKFILL_START is wrong"),
        ("AMBER_TOKEN", f"{CANARY} with blanks", "AMBER_TOKEN is wrong"),
        ("HOST", "203.0.113.7", "HOST is '203.0.113.7', where this machine cannot listen"),
        ("DATA_DIR", "/dev/null/energy", "DATA_DIR /dev/null/energy"),
    ],
)
def test_a_wrong_setting_ends_up_with_one_line(tmp_path, name, value, sentence):
    environment = os.environ | {"DATA_DIR": str(tmp_path), name: value}
    ended = subprocess.run(
        [ENERGY, "up"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert CANARY not in ended.stderr + ended.stdout


def test_ports_that_are_the_same_are_refused(energy):
    said = energy("up", PORT="8611", DAGSTER_PORT="8611")
    assert said.code == 2
    assert "PORT and DAGSTER_PORT are both 8611" in said.err


def test_a_back_fill_stores_the_days_and_the_next_has_nothing_to_fetch(energy, suppliers_now):
    call = ["backfill", "--start", nem_day(10), "--end", nem_day(8), "--chunk-days", "2"]
    said = energy(*call, **suppliers_now.variables)
    assert (said.code, said.err) == (0, "")
    assert "history: complete, 3 days" in said.out
    assert "3 of 3 days" in said.out
    assert energy.rows("core.intervals") == 3 * 288
    again = energy(*call, **suppliers_now.variables)
    assert (again.code, again.out) == (0, "history: complete, nothing to fetch\n")


def test_a_back_fill_of_one_source_asks_no_other(energy, suppliers_now):
    call = ["backfill", "--start", nem_day(9), "--end", nem_day(8), "--source", "amber_prices"]
    assert energy(*call, **suppliers_now.variables).code == 0
    assert energy.rows("raw.amber_prices") > 0
    assert energy.rows("raw.amber_usage") == energy.rows("raw.powerpal_usage") == 0


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_back_fill_that_is_refused_says_so_and_returns_1(energy, suppliers_now, status):
    suppliers_now.server.fault("/amber/v1/*", status=status, body=f"no {CANARY}")
    call = ["backfill", "--start", nem_day(9), "--end", nem_day(8), "--source", "amber_prices"]
    said = energy(*call, **suppliers_now.variables | {"AMBER_TOKEN": CANARY})
    assert said.code == 1
    assert "failed: " in said.out
    assert "`energy backfill` asks again for what is missing" in said.out


def test_an_export_before_any_price_is_stored_and_told_what_is_lacking(energy, tmp_path):
    path = export(tmp_path / "export.csv", days_ago=5, day_count=1)
    said = energy("import", "powerpal-csv", str(path))
    assert said.code == 0
    assert f"{path}: 1440 readings, 1440 new or changed, 0 rows not understood" in said.out
    assert "priced once AMBER_TOKEN is set" in said.out
    assert energy.rows("raw.powerpal_usage") == 1440


def test_an_export_is_aligned_and_priced_and_changes_nothing_the_second_time(
    energy, suppliers_now, tmp_path
):
    amber_alone = suppliers_now.variables | {"POWERPAL_TOKEN": "", "POWERPAL_DEVICE_ID": ""}
    prices = ["--start", nem_day(11), "--end", nem_day(9), "--source", "amber_prices"]
    assert energy("backfill", *prices, **amber_alone).code == 0
    path = export(tmp_path / "export.csv", days_ago=11, day_count=3)
    said = energy("import", "powerpal-csv", str(path), **amber_alone)
    assert (said.code, said.err) == (0, "")
    stored = energy.query(
        "SELECT count(*), count(import_c_per_kwh), sum(import_kwh) FROM core.intervals"
        " WHERE import_kwh IS NOT NULL"
    )
    assert stored == [(3 * 288, 3 * 288, pytest.approx(3 * 1440 * 0.007))]
    again = energy("import", "powerpal-csv", str(path), **amber_alone)
    assert "4320 readings, 0 new or changed" in again.out


def test_the_sample_export_is_stored_once(energy, shared_dir):
    path = shared_dir / "samples" / "powerpal_export.csv"
    for changed in (5, 0):
        said = energy("import", "powerpal-csv", str(path))
        assert said.code == 0
        assert f"5 readings, {changed} new or changed, 0 rows not understood" in said.out


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("export.csv", HEADER)


WRONG_FILES = {
    "another program's table": (b"date,kwh\n2026-01-01,3\n", "datetime_utc"),
    "nothing in it": (b"", "the file is empty"),
    "a gzip archive": (gzip.compress(HEADER.encode()), "a gzip archive; unpack it first"),
    "a web page": (b"<!DOCTYPE html><title>Expired</title>", "found a web page"),
    "UTF-16": (HEADER.encode("utf-16"), "UTF-16 text; save it as 'CSV UTF-8'"),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_a_file_of_another_kind_is_refused_and_named(energy, tmp_path, kind):
    content, sentence = WRONG_FILES[kind]
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    said = energy("import", "powerpal-csv", str(path))
    assert (said.code, said.err.count("\n"), said.err.count(str(path))) == (1, 1, 1)
    assert sentence in said.err


def test_an_archive_a_folder_and_a_missing_file_do_not_keep_a_good_file_out(energy, tmp_path):
    zipped(tmp_path / "export.zip")
    good = export(tmp_path / "good.csv", days_ago=5, day_count=1)
    paths = [tmp_path / "export.zip", tmp_path, tmp_path / "missing.csv", good]
    said = energy("import", "powerpal-csv", *map(str, paths))
    assert (said.code, said.err.count("\n")) == (1, 3)
    assert "a zip archive; unpack it first" in said.err
    assert "Is a directory" in said.err
    assert "No such file or directory" in said.err
    assert energy.rows("raw.powerpal_usage") == 1440


def test_an_export_without_readings_is_no_error(energy, tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text(f"{HEADER}\n")
    said = energy("import", "powerpal-csv", str(path))
    assert (said.code, said.out) == (
        0,
        f"{path}: 0 readings, 0 new or changed, 0 rows not understood\n",
    )


def test_broken_rows_are_named_by_their_line_and_the_others_stored(energy, tmp_path):
    path = export(tmp_path / "broken.csv", days_ago=5, day_count=1)
    lines = path.read_text().splitlines()
    lines[3] = "yesterday,,7,0.1,false"
    lines[4] = lines[4].replace("7.0000000000", "-1")
    lines[5] = "one field"
    path.write_text("\n".join(lines))
    said = energy("import", "powerpal-csv", str(path))
    assert said.code == 0
    assert "1437 readings, 1437 new or changed, 3 rows not understood" in said.out
    for line, name in ((4, "datetime_utc"), (5, "watt_hours"), (6, "fields")):
        assert re.search(rf"line {line}\b.*{name}", said.out)


def test_preparing_twice_says_the_same_and_keeps_what_is_stored(energy, tmp_path):
    energy("import", "powerpal-csv", str(export(tmp_path / "export.csv", 5, 1)))
    assert [energy("prepare").code for _ in range(2)] == [0, 0]
    assert energy.rows("raw.powerpal_usage") == 1440


@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db"])
def test_a_damaged_record_of_runs_is_replaced_and_kept_aside(energy, name):
    assert energy("prepare").code == 0
    storage = energy.data_dir / "dagster" / "storage"
    (storage / name).write_bytes(b"\xde\xad" * 9000)
    said = energy("prepare")
    assert said.code == 0
    assert "Dagster's record of its runs was damaged" in said.out
    assert (energy.data_dir / "dagster" / "storage.damaged" / name).exists()
    assert energy("prepare").out == ""


def test_a_warehouse_that_is_no_database_is_named_with_the_cure(energy):
    energy.data_dir.mkdir()
    (energy.data_dir / "warehouse.duckdb").write_bytes(b"\xde\xad" * 9000)
    for command in ("prepare", "status"):
        said = energy(command)
        assert (said.code, said.err.count("\n")) == (1, 1)
        assert "restore a back-up" in said.err


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_back_fill_that_is_cut_short_goes_on_from_what_is_stored(energy, suppliers_now, number):
    call = ["backfill", "--start", nem_day(11), "--end", nem_day(8), "--chunk-days", "1"]
    output = energy.data_dir.with_name("output")
    with output.open("wb") as log:
        filling = subprocess.Popen(
            [ENERGY, *call],
            env=energy.environment(suppliers_now.variables),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "history: 1 of 4 days" not in output.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    filling.send_signal(number)
    code = filling.wait(timeout=PATIENCE_SECONDS)
    said = output.read_text()
    assert "history: 4 of 4 days" not in said
    assert "Traceback" not in said
    if number == signal.SIGINT:
        assert code == 130
        assert said.endswith("what was stored stays, and the next run goes on from there\n")
    stored = energy.rows("raw.amber_prices")
    assert stored > 0
    rest = energy(*call, **suppliers_now.variables)
    assert rest.code == 0
    assert "history: complete, 4 days" in rest.out
    days = energy.query(
        "SELECT CAST(interval_start + INTERVAL 10 HOUR AS DATE), count(*)"
        " FROM core.intervals GROUP BY 1"
    )
    assert sorted(count for _, count in days) == [288] * 4
