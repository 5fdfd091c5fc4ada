"""What Dagster loads: everything, without configuration, network, or the pages."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from energy_pipeline.settings import PROJECT_ROOT, Settings

# Loads the definitions where every attempt to reach the network is an error.
LOAD = """
import socket, sys

def refuse(*given, **named):
    raise AssertionError(f"reached for the network: {given}")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from energy_pipeline.definitions import defs
import dagster as dg
dg.Definitions.validate_loadable(defs)
print(sorted(name for name in sys.modules if name.split(".")[0] in ("streamlit", "streamlit_app")))
"""


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    from energy_pipeline.definitions import defs

    return defs.get_repository_def()


def test_it_loads_without_configuration_and_network_and_without_the_pages(tmp_path) -> None:
    ours = {name.upper() for name in Settings.model_fields}
    import os

    env = {name: value for name, value in os.environ.items() if name not in ours}
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD],
        cwd=PROJECT_ROOT,
        env=env | {"DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (loaded.returncode, loaded.stdout) == (0, "[]\n"), loaded.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_raw_table_has_a_check_of_completeness_and_of_understanding(
    repository: dg.RepositoryDefinition,
) -> None:
    graph = repository.asset_graph
    for key in graph.materializable_asset_keys:
        if key.path[0] == "raw":
            names = {check.name for check in graph.get_check_keys_for_assets([key])}
            assert "every_row_was_understood" in names
            assert len(names) >= 2


def test_every_asset_says_what_it_is_and_who_keeps_it(
    repository: dg.RepositoryDefinition,
) -> None:
    graph = repository.asset_graph
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.description
        assert node.owners == ["team:household"]
        assert node.group_name != "default"
        assert node.pools


def test_each_day_of_data_is_a_nem_day(repository: dg.RepositoryDefinition) -> None:
    for key in repository.asset_graph.materializable_asset_keys:
        partitions = repository.asset_graph.get(key).partitions_def
        if partitions is None:
            assert key.path[0] in ("out", "serving")
        else:
            assert partitions.timezone == "Australia/Brisbane"


def test_whatever_runs_by_itself_is_on_from_the_start(
    repository: dg.RepositoryDefinition,
) -> None:
    assert {s.name for s in repository.schedule_defs} == {
        "intraday",
        "intraday_derive",
        "nightly",
        "nightly_derive",
        "weekly",
    }
    assert {s.name for s in repository.sensor_defs} == {"live_price"}
    for schedule in repository.schedule_defs:
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    for sensor in repository.sensor_defs:
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
