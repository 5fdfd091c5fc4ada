"""Real data beside the checkout, and a home of each test's own (see `homes`).

Imports of Dagster and of the demo home stand in the fixtures: most tests need neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from energy_pipeline.demo.server import DemoServer
    from energy_pipeline_tests.homes import Home


@pytest.fixture
def shared_dir() -> Path:
    """Real data and samples beside the checkout; the test skips where they are absent."""
    found = Path(__file__).resolve().parents[2] / "shared"
    if not found.is_dir():
        pytest.skip(f"no folder {found.name} beside the project")
    return found


@pytest.fixture
def suppliers() -> Iterator[DemoServer]:
    """Amber and Powerpal of the demo home, their clock stopped at NOON, without quotas."""
    from energy_pipeline.demo.server import DemoServer
    from energy_pipeline_tests.homes import NOON

    with DemoServer(throttle=False) as server:
        server.set_clock(now=NOON)
        yield server


@pytest.fixture
def set_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the household's variables; the files of the checkout are not read."""
    from energy_pipeline import resources

    monkeypatch.setattr(resources, "ENV_FILES", (tmp_path / ".env.local",))

    def set_variables(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.fixture
def home(
    suppliers: DemoServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    set_env: Callable[..., None],
) -> Iterator[Home]:
    import dagster as dg

    from energy_pipeline.assets import ingest
    from energy_pipeline.demo import server
    from energy_pipeline_tests.homes import Clock, Home

    set_env(
        AMBER_TOKEN=server.DEMO_AMBER_TOKEN,
        AMBER_SITE_ID=server.DEMO_SITE_ID,
        AMBER_BASE_URL=suppliers.amber_url,
        POWERPAL_DEVICE_ID=server.DEMO_POWERPAL_DEVICE_ID,
        POWERPAL_TOKEN=server.DEMO_POWERPAL_TOKEN,
        POWERPAL_BASE_URL=suppliers.powerpal_url,
        POWERPAL_SAMPLE="5",
        HOME_TIMEZONE="Australia/Sydney",
        DATA_DIR=str(tmp_path / "data"),
        DEMO="1",
    )
    clock = Clock(suppliers)
    monkeypatch.setattr(ingest, "now_utc", clock)
    monkeypatch.setattr(ingest, "FIRST_RETRY_SECONDS", 0.01)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Home(suppliers, clock, instance, tmp_path / ".env.local", tmp_path / "data")
