"""The demo home as the household starts it: `energy demo` in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ENERGY = Path(sys.executable).with_name("energy")
PATIENCE_SECONDS = 120.0
PROGRAMS = {
    "demo suppliers": "energy_pipeline.demo.server",
    "pages": "streamlit run",
    "code server": "dagster api grpc",
    "daemon": "dagster-daemon run",
    "UI": "dagster-webserver",
    "back-fill": "energy_pipeline.cli backfill",
    "guard": "energy_pipeline.processes",
}
SECRETS = ("AMBER_TOKEN", "AMBER_SITE_ID", "POWERPAL_TOKEN", "POWERPAL_DEVICE_ID")


def wait_until(true: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Look until it is true; then return what it was."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"in {seconds:.0f} s there was no {what}"
        time.sleep(0.1)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DemoHome:
    """`energy demo` on a folder and ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.port, self.dagster_port = free_port(), free_port()
        self.output = folder / "output"
        today = (datetime.now(UTC) + timedelta(hours=10)).date()  # the NEM's
        self.env = {name: value for name, value in os.environ.items() if name not in SECRETS} | {
            "DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "DAGSTER_PORT": str(self.dagster_port),
            "BACKFILL_START": str(today - timedelta(days=2)),
        }
        self._cwd = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [str(ENERGY), "demo", *arguments],
                env=self.env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def up(self) -> None:
        """Start it if it is down; wait until it has said that it is up."""
        if self._process is None or self._process.poll() is not None:
            self.start()
        self.wait_for("Ctrl-C stops everything")

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.said(), f"{words!r} in what the home said")

    def signal(self, number: int) -> int:
        """Send a signal to `energy` alone; return its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=PATIENCE_SECONDS)

    def alone(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run another `energy` with the variables of this home."""
        return subprocess.run(
            [str(ENERGY), *arguments],
            env=self.env | env,
            cwd=self._cwd,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def wait_for_process(self, name: str) -> None:
        wait_until(lambda: self.pids(name), f"process of {name}")

    def processes(self) -> dict[int, str]:
        """Every running process of this home by its number: all of them know the data folder."""
        mark = f"DATA_DIR={self.data_dir}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if not entry.name.isdigit() or mark not in (entry / "environ").read_bytes():
                    continue
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue  # it has just ended
            if state != "Z":
                found[int(entry.name)] = command
        return found

    def pids(self, name: str) -> list[int]:
        return [pid for pid, command in self.processes().items() if PROGRAMS[name] in command]

    def wait_until_nothing_runs(self, seconds: float = 20.0) -> None:
        wait_until(lambda: not self.processes(), f"end of {self.processes()}", seconds)

    def get(self, path: str) -> Any:
        """The JSON of a path, None while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
                return json.load(reply)
        except urllib.error.HTTPError:
            return None
        except OSError:
            return None

    def price_after(self, instant: datetime) -> Any:
        """What /api/price says once it knows a price that was fetched after an instant."""

        def newer() -> Any:
            answer = self.get("/api/price")
            if answer is None or answer["import_c_per_kwh"] is None:
                return None
            fetched = datetime.fromisoformat(answer["freshness"]["fetched_at"])
            return answer if fetched > instant else None

        return wait_until(newer, f"price newer than {instant}")

    def dagster(self, query: str, **variables: Any) -> Any:
        """Ask Dagster's GraphQL."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.dagster_port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)["data"]

    def begin_run(self) -> str:
        """Launch a nightly run of two weeks; return its id once its worker is at work."""
        today = datetime.now(UTC).date()
        tags = {
            "dagster/asset_partition_range_start": str(today - timedelta(days=14)),
            "dagster/asset_partition_range_end": str(today - timedelta(days=1)),
        }
        params = {
            "selector": {
                "repositoryLocationName": "energy",
                "repositoryName": "__repository__",
                "jobName": "nightly",
            },
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }

        def launched() -> Any:
            try:
                answer = self.dagster(LAUNCH, params=params)["launchPipelineExecution"]
            except OSError:
                return None  # the UI, or the code server behind it, is not up yet
            return answer.get("run")

        run_id = str(wait_until(launched, "launched run")["runId"])
        self.wait_for_run(run_id, "STARTED")
        return run_id

    def wait_for_run(self, run_id: str, status: str) -> None:
        wait_until(lambda: self.run_status(run_id) == status, f"run that is {status}")

    def run_status(self, run_id: str) -> str | None:
        """The run's status; None while the UI does not answer."""
        try:
            return str(self.dagster(STATUS, id=run_id)["runOrError"]["status"])
        except OSError:
            return None

    def end(self) -> None:
        """End whatever there still is; for the end of a test."""
        if self._process is not None and self._process.poll() is None:
            try:
                self.signal(signal.SIGTERM)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    ... on LaunchRunSuccess { run { runId } }
  }
}"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def _needs_linux() -> None:
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds the processes of the home in /proc")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoHome]:
    """One home for the tests of a module: each calls `up` first."""
    _needs_linux()
    home = DemoHome(tmp_path_factory.mktemp("home"))
    yield home
    home.end()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[DemoHome]:
    """A home of a test's own, not started."""
    _needs_linux()
    home = DemoHome(tmp_path)
    yield home
    home.end()


@pytest.fixture
def chromium() -> Iterator[Any]:
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium: set CHROMIUM to its path, or install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
