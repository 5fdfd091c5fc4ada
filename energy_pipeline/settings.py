"""Every setting of the house, in one class: `config/.env`, then `.env.local`, then the environment.

Nothing else of ours reads the environment, but for the app's `streamlit_app/data.py`.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent
ENV_FILES = (PROJECT_ROOT / "config" / ".env", PROJECT_ROOT / ".env.local")
"""Read in this order: a later file wins over an earlier one, the environment over both."""

HOW_TO_GET = {
    "AMBER_TOKEN": "make one at app.amber.com.au under Settings > Developers (it starts with psk_)",
    "AMBER_SITE_ID": "`energy doctor` lists the sites of your account",
    "POWERPAL_DEVICE_ID": "Powerpal app > Settings > Device: the serial number, 8 hex digits",
    "POWERPAL_TOKEN": "the API key of the device (a UUID), shown in the Powerpal app's data export",
    "POWERPAL_SAMPLE": "minutes per reading to store: 1, 5, 15 or 30",
    "POWERPAL_PULSES_PER_KWH": "printed on the meter, for example 1000 or 3200 imp/kWh",
    "HOME_TIMEZONE": "an IANA name such as Australia/Sydney",
    "BACKFILL_START": "the first day of history wanted, as YYYY-MM-DD",
    "SUPABASE_DB_URL": "Supabase > Connect > Session pooler, with the password percent-encoded",
    "PORT": "a free TCP port from 1024 to 65535 for the pages",
    "DAGSTER_PORT": "a free TCP port from 1024 to 65535 for the Dagster UI",
}


class SettingsError(Exception):
    """A setting is missing or wrong. The text names the variable, the file and the cure."""


class Settings(BaseSettings):
    """What the household configures. Secrets are `SecretStr`: printing them shows asterisks."""

    model_config = SettingsConfigDict(
        # -sig: Windows' Notepad begins a file with a mark that would hide the first variable.
        env_file_encoding="utf-8-sig",
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    amber_token: SecretStr | None = None
    amber_site_id: str | None = None
    amber_base_url: str = "https://api.amber.com.au/v1"
    powerpal_device_id: str | None = None
    powerpal_token: SecretStr | None = None
    powerpal_base_url: str = "https://readings.powerpal.net"
    powerpal_sample: int = 5
    powerpal_pulses_per_kwh: float | None = Field(default=None, gt=0)
    home_timezone: str = "Australia/Sydney"
    backfill_start: date | None = None
    supabase_db_url: SecretStr | None = None
    data_dir: Path = PROJECT_ROOT / "data"
    host: str = "127.0.0.1"
    port: int = Field(default=8501, ge=1024, le=65535)
    dagster_port: int = Field(default=3000, ge=1024, le=65535)
    demo: bool = False

    @field_validator("amber_token", "powerpal_token")
    @classmethod
    def _token_is_one_word(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value().strip()
        if not text.isascii() or len(text.split()) != 1:
            raise ValueError("must be one word of plain characters, without quotes or spaces")
        return SecretStr(text)

    @field_validator("powerpal_sample")
    @classmethod
    def _sample_divides_the_grid(cls, value: int) -> int:
        if value not in (1, 5, 15, 30):
            raise ValueError("must be 1, 5, 15 or 30 minutes")
        return value

    @field_validator("home_timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone")
        return value

    @field_validator("amber_base_url", "powerpal_base_url")
    @classmethod
    def _is_an_http_address(cls, value: str) -> str:
        parts = urlsplit(value)
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or parts.scheme not in (("https", "http") if local else ("https",)):
            raise ValueError("must start with https:// (a key must not travel in the clear)")
        return value.rstrip("/")

    @property
    def has_amber(self) -> bool:
        """Whether a key for Amber is configured."""
        return self.amber_token is not None

    @property
    def has_powerpal(self) -> bool:
        """Whether a Powerpal device and its key are configured."""
        return self.powerpal_token is not None and self.powerpal_device_id is not None

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB warehouse: only Dagster opens it."""
        return self.data_dir / "warehouse.duckdb"

    @property
    def serving_dir(self) -> Path:
        """Where the published files are: what pages, API and notebooks read."""
        return self.data_dir / "serving"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage."""
        return self.data_dir / "dagster"


def load_settings(env_files: tuple[Path, ...] = ENV_FILES) -> Settings:
    """Read the settings.

    Parameters
    ----------
    env_files
        Files in rising precedence; absent ones are skipped. The environment wins over all.

    Raises
    ------
    SettingsError
        One line per wrong value: the variable, what is wrong, where to put it, how to get it.
        The value itself is never repeated: it may be a secret.
    """
    try:
        settings = Settings(_env_file=tuple(str(path) for path in env_files))  # type: ignore[call-arg]
    except ValidationError as exc:
        raise SettingsError("\n".join(_lines(exc, env_files))) from None
    except UnicodeDecodeError as exc:
        raise SettingsError(
            f"a settings file ({' or '.join(str(p) for p in env_files)}) is not UTF-8 text: "
            f"{exc.reason} at byte {exc.start}; save it again as UTF-8"
        ) from None
    half = (settings.powerpal_token is None) != (settings.powerpal_device_id is None)
    if half:
        name = "POWERPAL_TOKEN" if settings.powerpal_token is None else "POWERPAL_DEVICE_ID"
        raise SettingsError(missing(name, env_files))
    return settings


def missing(name: str, env_files: tuple[Path, ...] = ENV_FILES) -> str:
    """Say in one line that a setting is needed, where it goes and how to get it."""
    return f"{name} is not set: put {name}=... into {env_files[-1]}; {HOW_TO_GET[name]}"


def _lines(exc: ValidationError, env_files: tuple[Path, ...]) -> list[str]:
    lines = []
    for error in exc.errors(include_input=False, include_url=False):
        name = str(error["loc"][0]).upper() if error["loc"] else "settings"
        what = error["msg"].removeprefix("Value error, ")
        how = HOW_TO_GET.get(name)
        cure = f"; {how}" if how else ""
        lines.append(f"{name} is wrong: {what}. Correct it in {_place(name, env_files)}{cure}")
    return lines


def _place(name: str, env_files: tuple[Path, ...]) -> Path | str:
    """Where the value that counts comes from."""
    if any(key.upper() == name and value for key, value in os.environ.items()):
        return "the environment"
    for path in reversed(env_files):
        if name in (key.upper() for key in dotenv_values(path, encoding="utf-8-sig")):
            return path
    return env_files[-1]
