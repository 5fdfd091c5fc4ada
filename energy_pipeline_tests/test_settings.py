"""Settings: which file wins, one line per wrong value with its cure, and no secret in any text."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from energy_pipeline import settings as module
from energy_pipeline.settings import ENV_FILES, HOW_TO_GET, Settings, SettingsError, load_settings

CANARY = "psk_canary0123456789"
Files = tuple[Path, Path]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Files]:
    """Writes config/.env and .env.local, by their texts."""

    def write_files(first: str | bytes = "", second: str | bytes = "") -> Files:
        paths = (tmp_path / "config.env", tmp_path / ".env.local")
        for path, text in zip(paths, (first, second), strict=True):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return paths

    return write_files


def refusal(files: Files) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(files)
    assert CANARY not in "".join(traceback.format_exception(raised.value))
    return str(raised.value)


def test_the_later_file_wins_and_the_environment_over_both(
    write: Callable[..., Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write("PORT=8001\nDAGSTER_PORT=3001\nHOST=a", "PORT=8002\nDAGSTER_PORT=3002")
    monkeypatch.setenv("PORT", "8003")
    found = load_settings(files)
    assert (found.port, found.dagster_port, found.host) == (8003, 3002, "a")
    assert [path.name for path in ENV_FILES] == [".env", ".env.local"]


def test_without_files_and_variables_there_is_no_key_and_every_default_holds(
    tmp_path: Path,
) -> None:
    found = load_settings((tmp_path / "absent",))
    assert not found.has_amber
    assert not found.has_powerpal
    assert found.home_timezone == "Australia/Sydney"
    assert found.warehouse_path.name == "warehouse.duckdb"


def test_empty_values_are_no_values(
    write: Callable[..., Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBER_TOKEN", "")
    found = load_settings(write("AMBER_TOKEN=\nPOWERPAL_TOKEN=\nBACKFILL_START="))
    assert (found.amber_token, found.powerpal_token, found.backfill_start) == (None, None, None)


def test_variables_of_others_are_left_alone(write: Callable[..., Files]) -> None:
    assert load_settings(write("SOMETHING_ELSE=1\nexport PORT=8001 # ours")).port == 8001


def test_a_file_from_windows_can_be_read(write: Callable[..., Files]) -> None:
    files = write("\ufeffAMBER_TOKEN=psk_1\r\nBACKFILL_START=2026-01-31\r\n")
    found = load_settings(files)
    assert found.amber_token is not None
    assert found.amber_token.get_secret_value() == "psk_1"
    assert found.backfill_start == date(2026, 1, 31)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMBER_TOKEN", f"'{CANARY} {CANARY}'"),
        ("AMBER_TOKEN", f'"Bearer {CANARY}"'),
        ("AMBER_TOKEN", f"{CANARY}\N{RIGHT SINGLE QUOTATION MARK}"),
        ("AMBER_BASE_URL", "http://api.amber.com.au/v1"),
        ("AMBER_BASE_URL", "http://127.0.0.1.evil.example/v1"),
        ("POWERPAL_BASE_URL", "http://localhost.evil.example"),
        ("POWERPAL_BASE_URL", "https://"),
        ("POWERPAL_SAMPLE", "7"),
        ("POWERPAL_SAMPLE", "five"),
        ("POWERPAL_PULSES_PER_KWH", "0"),
        ("POWERPAL_PULSES_PER_KWH", "-1000"),
        ("HOME_TIMEZONE", "Sydney"),
        ("BACKFILL_START", "31/01/2026"),
        ("PORT", "80"),
        ("PORT", "http"),
        ("DAGSTER_PORT", "70000"),
        ("DEMO", "perhaps"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable_the_place_and_the_cure(
    write: Callable[..., Files], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    files = write(f"{name}={value}")
    text = refusal(files)
    assert len(text.splitlines()) == 1
    assert text.startswith(f"{name} is wrong: ")
    assert f"Correct it in {files[0]}" in text
    assert HOW_TO_GET.get(name, "") in text
    monkeypatch.setenv(name, value)
    assert "Correct it in the environment" in refusal(files)


def test_every_wrong_value_has_its_line(write: Callable[..., Files]) -> None:
    files = write("PORT=80", "HOME_TIMEZONE=Sydney")
    lines = refusal(files).splitlines()
    assert [line.split()[0] for line in lines] == ["HOME_TIMEZONE", "PORT"]
    assert [str(path) in line for path, line in zip(reversed(files), lines, strict=True)] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("given", "needed"),
    [("POWERPAL_TOKEN", "POWERPAL_DEVICE_ID"), ("POWERPAL_DEVICE_ID", "POWERPAL_TOKEN")],
)
def test_half_a_powerpal_says_what_is_missing(
    write: Callable[..., Files], given: str, needed: str
) -> None:
    files = write(f"{given}={CANARY}")
    text = refusal(files)
    assert text.startswith(f"{needed} is not set: put {needed}=... into {files[1]}; ")
    assert HOW_TO_GET[needed] in text


def test_a_file_that_is_not_text_is_named(write: Callable[..., Files]) -> None:
    files = write(b"AMBER_TOKEN=psk_\xff\xfe")
    assert "is not UTF-8 text" in refusal(files)


def test_no_secret_is_printed(write: Callable[..., Files]) -> None:
    lines = (f"{name}={CANARY}" for name in ("AMBER_TOKEN", "POWERPAL_TOKEN", "SUPABASE_DB_URL"))
    found = load_settings(write("\n".join([*lines, "POWERPAL_DEVICE_ID=0000de50"])))
    for text in (repr(found), str(found), found.model_dump_json(), f"{found.model_dump()}"):
        assert CANARY not in text
    assert found.has_amber
    assert found.has_powerpal


def test_every_setting_that_needs_telling_says_how_to_get_it() -> None:
    told = {name.lower() for name in module.HOW_TO_GET}
    assert told <= set(Settings.model_fields)
