"""`energy status` and `energy doctor`: before anything is stored, in health, and in trouble."""

import re
from datetime import UTC, datetime, timedelta

import pytest

pytest_plugins = ["energy_pipeline_tests.commands"]

KEY, DEVICE_KEY = "psk_canary-4c1f0a", "11111111-2222-4333-8444-canary555555"


def marks(said) -> list[str]:
    """What stands before each line of the doctor: ok, wrong or -."""
    return [line.split()[0] for line in said.out.splitlines()]


def test_status_before_anything_is_stored_says_how_to_start(energy):
    said = energy("status")
    assert said.code == 1
    assert "nothing stored yet; `make run` starts the home" in said.out


def test_status_counts_the_rows_and_names_the_newest_interval(energy, suppliers_now):
    day = (datetime.now(UTC) + timedelta(hours=10)).date() - timedelta(days=9)
    call = ["backfill", "--start", str(day), "--end", str(day)]
    assert energy(*call, **suppliers_now.variables).code == 0
    said = energy("status")
    assert said.code == 0
    first = f"{day - timedelta(days=1)} 14:00 UTC"
    newest = f"{day} 13:55 UTC"
    assert re.search(rf"core\.intervals[ │]+288[ │]+{first}[ │]+{newest}", said.out)


def test_status_shows_the_demo_home_while_there_is_no_other(energy):
    assert energy("prepare", DATA_DIR=str(energy.data_dir / "demo")).code == 0
    said = energy("status")
    assert said.code == 0
    assert said.out.startswith("this is the demo home, made-up data\n")


def test_the_doctor_of_a_fresh_checkout_names_what_to_set_and_finds_nothing_wrong(energy):
    said = energy("doctor")
    assert said.code == 0
    assert "AMBER_TOKEN is not set: put AMBER_TOKEN=..." in said.out
    assert "POWERPAL_TOKEN is not set: put POWERPAL_TOKEN=..." in said.out
    assert marks(said) == ["ok", "-", "-", "ok", "-", "-"]


def test_the_doctor_of_a_healthy_home_finds_all_well(energy, suppliers_now):
    assert energy("prepare", **suppliers_now.variables).code == 0
    said = energy("doctor", **suppliers_now.variables)
    assert said.code == 0
    assert "wrong" not in marks(said)
    for sentence in (
        "Amber accepts the key",
        "Amber answers with prices",
        "Powerpal answers; newest reading 2",
        "the warehouse opens",
        "the live file was published",
    ):
        assert sentence in said.out


def test_the_doctor_tells_a_wrong_key_and_how_to_get_a_right_one(energy, suppliers_now):
    wrong = suppliers_now.variables | {"AMBER_TOKEN": KEY, "POWERPAL_TOKEN": DEVICE_KEY}
    said = energy("doctor", **wrong)
    assert said.code == 1
    assert marks(said).count("wrong") == 2
    assert re.search(r"wrong Amber .*key", said.out)
    assert re.search(r"wrong Powerpal .*key", said.out, re.IGNORECASE)


def test_the_doctor_tells_a_supplier_that_is_down(energy, suppliers_now):
    suppliers_now.server.stop()
    said = energy("doctor", **suppliers_now.variables)
    assert said.code == 1
    assert said.out.count("check the internet connection, or try again later") == 2


def test_the_doctor_tells_that_the_clock_is_wrong(energy, suppliers_now):
    suppliers_now.server.set_clock(offset_seconds=-3600)
    said = energy("doctor", **suppliers_now.variables)
    assert said.code == 1
    assert re.search(r"wrong the clock differs from Amber's by \+36\d\d s", said.out)


def test_the_doctor_names_every_setting_that_is_wrong(energy):
    said = energy("doctor", PORT="80", HOME_TIMEZONE="Sydney")
    assert said.code == 1
    assert marks(said) == ["wrong", "wrong"]
    assert "PORT is wrong" in said.out
    assert "HOME_TIMEZONE is wrong" in said.out


def test_the_doctor_tells_that_amber_never_answered(energy):
    lost = {"AMBER_TOKEN": KEY, "AMBER_BASE_URL": "http://127.0.0.1:9/v1"}
    assert energy("prepare", **lost).code == 0
    said = energy("doctor", **lost)
    assert said.code == 1
    assert "names no site: Amber has not answered since it was made" in said.out


@pytest.mark.parametrize("name", ["warehouse.duckdb", "serving/live.duckdb"])
def test_the_doctor_tells_a_file_that_cannot_be_read(energy, name):
    path = energy.data_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xde\xad" * 9000)
    said = energy("doctor")
    assert said.code == 1
    assert f"wrong {path} cannot be" in said.out
