"""Dagster's own storage stays small."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from energy_pipeline import schedules


@dg.op
def nothing() -> None:
    """Leave events behind, and no more."""


@dg.job
def idle() -> None:
    nothing()


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def run_files(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.rglob("*-*-*-*.db"))


def test_runs_older_than_the_limit_are_forgotten_with_their_files(instance, tmp_path, monkeypatch):
    old = idle.execute_in_process(instance=instance).run_id
    monkeypatch.setattr(schedules, "KEEP_RUNS", timedelta(0))
    tidied = schedules.tidy.execute_in_process(instance=instance)
    assert tidied.output_for_node("forget_old_runs") == 1
    assert not instance.has_run(old)
    assert run_files(tmp_path) == [tidied.run_id]


def test_younger_runs_are_kept(instance):
    young = idle.execute_in_process(instance=instance).run_id
    schedules.tidy.execute_in_process(instance=instance)
    assert instance.has_run(young)
