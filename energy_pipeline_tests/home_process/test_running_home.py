"""`energy demo` from its start to its end, with its real processes and no key."""

import os
import re
import signal
import urllib.request
from datetime import UTC, datetime

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("home")]

SERVICES = ("demo suppliers", "pages", "code server", "daemon", "UI")
PARTS = "demo suppliers|pages|Dagster code server|Dagster daemon|Dagster UI"


def test_its_three_addresses_answer_and_the_price_is_there_within_a_minute(running):
    started = datetime.now(UTC)
    running.up()
    assert running.price_after(datetime.min.replace(tzinfo=UTC))["confirmed"] is not None
    assert (datetime.now(UTC) - started).total_seconds() < 60
    addresses = re.findall(r"http://127\.0\.0\.1:\d+\S*", running.said())
    assert len(addresses) == 3
    for address in addresses:
        with urllib.request.urlopen(address, timeout=30) as reply:
            assert reply.status == 200


def test_the_history_is_filled_and_its_progress_told(running):
    running.up()
    running.wait_for("history: complete, 3 days")
    assert re.search(r"history: 3 of 3 days, back to \d{4}-\d\d-\d\d, [\d,]+ rows", running.said())
    stored = running.alone("status", DATA_DIR=str(running.data_dir)).stdout
    assert re.search(r"core\.intervals[ │]+([6-9]\d\d|1,\d\d\d)", stored), stored


def test_a_second_home_on_the_same_folder_or_port_is_refused_in_one_sentence(running, tmp_path):
    running.up()
    same = running.alone("demo")
    assert (same.returncode, same.stderr.count("\n")) == (2, 1)
    assert "this home is up already" in same.stderr
    other = running.alone("demo", DATA_DIR=str(tmp_path))
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)
    assert f"PORT is {running.port}, which another program uses" in other.stderr


def test_every_process_that_is_killed_comes_back_and_with_it_a_newer_price(running):
    running.up()
    before = {name: running.pids(name) for name in (*SERVICES, "guard")}
    killed_at = datetime.now(UTC)
    for pids in before.values():
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    answer = running.price_after(killed_at)
    assert datetime.fromisoformat(answer["interval"]["end"]) > killed_at
    for name, pids in before.items():
        assert running.pids(name), name
        assert not set(running.pids(name)) & set(pids), name
    told = re.findall(rf"({PARTS}) ended \(by signal 9, Killed\)", running.said())
    assert sorted(told) == sorted(PARTS.split("|"))


def test_a_killed_supervisor_leaves_nothing_behind_though_a_run_is_under_way(running):
    running.up()
    running.begin_run()
    running.signal(signal.SIGKILL)
    running.wait_until_nothing_runs(seconds=20)


def test_after_a_power_cut_the_home_comes_up_and_ends_the_run_that_was_cut_short(running):
    running.up()
    run = running.begin_run()
    for pid in running.processes():
        os.kill(pid, signal.SIGKILL)
    cut_at = datetime.now(UTC)
    running.wait_until_nothing_runs()
    running.up()
    assert "1 interrupted runs were marked as failed" in running.said()
    running.wait_for_run(run, "FAILURE")
    running.price_after(cut_at)


def test_ctrl_c_ends_the_home_well_and_all_of_it(running):
    running.up()
    assert running.signal(signal.SIGINT) == 0
    assert running.processes() == {}
    assert running.said().endswith("stopping ...\nstopped; every process has ended\n")
