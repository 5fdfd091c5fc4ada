"""A demo server of each test's own, its clock stopped, and a session with the right keys."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from energy_pipeline.demo import amber_records, nem_time
from energy_pipeline.demo.market import DEFAULT_SEED
from energy_pipeline.demo.server import (
    DEMO_AMBER_TOKEN,
    DEMO_POWERPAL_DEVICE_ID,
    DEMO_POWERPAL_TOKEN,
    DEMO_SITE_ID,
    DemoServer,
)

NOON = datetime(2026, 11, 24, 2, 0, 50, tzinfo=UTC)  # 12:00:50 NEM time, price locked

Get = Callable[..., requests.Response]


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(clock=lambda: NOON) as running:
        yield running


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def amber(server: DemoServer, http: requests.Session) -> Get:
    """``amber("/sites", startDate=...)``: a GET with the key; ``{site}`` is the demo site."""

    def get(path: str, **query: Any) -> requests.Response:
        url = server.amber_url + path.replace("{site}", DEMO_SITE_ID)
        headers = {"Authorization": f"Bearer {DEMO_AMBER_TOKEN}"}
        return http.get(url, params=query, headers=headers, timeout=20)

    return get


@pytest.fixture
def powerpal(server: DemoServer, http: requests.Session) -> Get:
    """``powerpal("/meter_reading", start=...)``: a GET with the key, of the demo device."""

    def get(path: str, **query: Any) -> requests.Response:
        url = f"{server.powerpal_url}/api/v1{path}/{DEMO_POWERPAL_DEVICE_ID}"
        headers = {"Authorization": DEMO_POWERPAL_TOKEN}
        return http.get(url, params=query, headers=headers, timeout=20)

    return get


@pytest.fixture
def shared_dir() -> Path:
    """Real data and samples beside the checkout; the test skips where they are absent."""
    found = Path(__file__).resolve().parents[3] / "shared"
    if not found.is_dir():
        pytest.skip(f"no shared data at {found}")
    return found


def lock_time(moment: datetime) -> datetime:
    """When the price of the interval that contains `moment` is locked in."""
    slot = nem_time.slot_at(moment)
    start = datetime.fromtimestamp(slot * nem_time.SLOT_SECONDS, UTC)
    delay = amber_records.lock_delay_seconds(DEFAULT_SEED, slot)
    return start + timedelta(seconds=delay)


def by_channel(records: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Records by `channelType`, in the order in which the channels come."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        found.setdefault(record["channelType"], []).append(record)
    return found
