"""From the supplier's confirmation of a price to the fridge: ``python benchmarks/live_path.py``.

A price is confirmed 17 to 37 s after its five minutes begin, and then nothing happens until the
next. To see a hundred confirmations in minutes, several homes run at once, each with its own
suppliers, warehouse and clock; once a price is published, the clock of its home jumps to 15 s after
the next interval's start, just before the poller's first question. Requests, storing and publishing
take their true time. The page is timed apart, in a Chromium of 800x480, on swaps of the published
file; both parts are independent, so that their sums are taken over all pairs.
"""

import argparse
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import numpy as np

from energy_pipeline.backfill import plan_chunks, run_backfill
from energy_pipeline.demo import server as demo
from energy_pipeline.demo.amber_records import lock_delay_seconds
from energy_pipeline.demo.market import DEFAULT_SEED
from energy_pipeline.demo.nem_time import SLOT_SECONDS, slot_at
from energy_pipeline.partitions import nem_date
from energy_pipeline.poller import LivePoller
from energy_pipeline.resources import WarehouseResource
from energy_pipeline.settings import Settings
from energy_pipeline.sources.amber import amber_api

ROOT = Path(__file__).resolve().parents[1]
HISTORY_DAYS = 60
JUMP_TO_SECONDS = 15.0  # the poller first asks at 16 s
PROMISE_SECONDS = 5.0


class Home:
    """A poller and its suppliers, on one clock that can be put forward."""

    def __init__(self, folder: Path, offset: timedelta) -> None:
        self.server = demo.DemoServer().start()
        self._settings = settings_for(folder, self.server)
        self.live_path = self._settings.serving_dir / "live.duckdb"
        self.put_forward(offset)
        self._poller = LivePoller(
            self._settings,
            amber_api(demo.DEMO_AMBER_TOKEN, self.server.amber_url),
            clock=self.now,
        )
        self.latencies: list[float] = []
        self.cpu_seconds: list[float] = []
        self.requests: list[int] = []

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def put_forward(self, offset: timedelta) -> None:
        self._offset = offset
        self.server.set_clock(offset_seconds=offset.total_seconds())

    def watch(self, count: int) -> None:
        """Live through `count` confirmations after the first."""
        for number in range(count + 1):
            slot = slot_at(self.now()) + 1
            start = datetime.fromtimestamp(slot * SLOT_SECONDS, UTC)
            jump = start + timedelta(seconds=JUMP_TO_SECONDS) - self.now()
            self.put_forward(self._offset + jump)
            locked_at = start + timedelta(seconds=lock_delay_seconds(DEFAULT_SEED, slot))
            cpu, asked = time.thread_time(), len(self.server.requests)
            while self._poller.report.interval_start != start or (
                self._poller.report.price_class != "locked"
            ):
                due = self._poller.step()
                published_at = self.now()
                if (
                    self._poller.report.price_class != "locked"
                    or self._poller.report.interval_start != start
                ):
                    time.sleep(max(0.0, (due - self.now()).total_seconds()))
            if price_class(self.live_path, start) != "locked":
                raise RuntimeError("the published file does not hold the confirmed price")
            if number:  # the first also asks for the site and a day of prices
                self.latencies.append((published_at - locked_at).total_seconds())
                self.cpu_seconds.append(time.thread_time() - cpu)
                self.requests.append(len(self.server.requests) - asked)


def settings_for(folder: Path, suppliers: demo.DemoServer) -> Settings:
    """The demo home in a folder; no file of this checkout is read."""
    return Settings(
        _env_file=None,
        data_dir=folder,
        demo=True,
        amber_token=demo.DEMO_AMBER_TOKEN,
        amber_site_id=demo.DEMO_SITE_ID,
        amber_base_url=suppliers.amber_url,
    )


def price_class(path: Path, start: datetime) -> str:
    """Class of the price of one interval in a published file."""
    with duckdb.connect(path, read_only=True) as db:
        db.execute("SET TimeZone = 'UTC'")
        found = db.execute("SELECT price_class FROM prices WHERE interval_start = ?", [start])
        return str(found.fetchall()[0][0])


def history(folder: Path) -> Path:
    """Fill a warehouse with two months, so that storing and publishing find what they will."""
    with demo.DemoServer(throttle=False) as suppliers:
        settings = settings_for(folder, suppliers)
        os.environ |= {
            "DATA_DIR": str(folder),
            "AMBER_TOKEN": demo.DEMO_AMBER_TOKEN,
            "AMBER_SITE_ID": demo.DEMO_SITE_ID,
            "AMBER_BASE_URL": suppliers.amber_url,
            "POWERPAL_TOKEN": "",
            "DEMO": "1",
        }
        now = datetime.now(UTC)
        chunks = plan_chunks(
            settings=settings,
            warehouse=WarehouseResource(),
            start=nem_date(now) - timedelta(days=HISTORY_DAYS),
            end=nem_date(now),
            chunk_days=28,
            sources=["amber_prices", "amber_usage"],
            resume=True,
            now=now,
        )
        with dg.DagsterInstance.ephemeral() as instance:
            for step in run_backfill(chunks, instance):
                if step.failure:
                    raise RuntimeError(step.failure)
    return settings.warehouse_path


def measure_poller(folder: Path, warehouse: Path, sample_count: int, home_count: int) -> list[Home]:
    """Run the homes side by side until each has seen its share of confirmations."""
    homes = []
    for number in range(home_count):
        own = folder / f"home{number}"
        own.mkdir()
        shutil.copy(warehouse, own / "warehouse.duckdb")
        homes.append(Home(own, timedelta(minutes=5 * number, seconds=37 * number)))
    share = -(-sample_count // home_count)
    threads = [threading.Thread(target=home.watch, args=(share,)) for home in homes]
    for thread in threads:
        thread.start()
        time.sleep(22.0 / home_count)  # out of step with each other
    for thread in threads:
        thread.join()
    for home in homes:
        home.server.stop()
    return homes


def measure_page(folder: Path, warehouse: Path, swap_count: int) -> tuple[list[float], list[float]]:
    """Seconds from a swap of the file to the new number on /api/price and in Chromium."""
    estimate, locked, start = two_files(folder, warehouse)
    serving = folder / "page"
    serving.mkdir()
    live = serving / "live.duckdb"
    shutil.copy(estimate, live)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clock = (start + timedelta(seconds=40)).isoformat()
    pages = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            str(ROOT / "streamlit_app/app.py"),
            "--server.port",
            str(port),
        ],
        cwd=ROOT,
        env=os.environ | {"ENERGY_SERVING_DIR": str(serving), "ENERGY_CLOCK_FROZEN_AT": clock},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    on_api, on_page = [], []
    rng = np.random.default_rng(1)
    try:
        with chromium_page(url) as page:
            for number in range(2 * swap_count):
                new, words = (estimate, "estimate") if number % 2 else (locked, "confirmed")
                fresh = live.with_suffix(".new")
                shutil.copy(new, fresh)
                time.sleep(float(rng.uniform(0.3, 1.5)))  # any moment of the page's rhythm
                swapped = time.perf_counter()
                fresh.replace(live)
                while f'"confirmed":{str(not number % 2).lower()}' not in get(f"{url}/api/price"):
                    pass
                answered = time.perf_counter()
                page.wait_for_function(
                    "words => document.querySelector('.hero')?.innerText.includes(words)",
                    arg=words,
                    polling="raf",
                )
                shown = time.perf_counter()
                if not number % 2:
                    on_api.append(answered - swapped)
                    on_page.append(shown - swapped)
    finally:
        pages.terminate()
        pages.wait()
    return on_api, on_page


def two_files(folder: Path, warehouse: Path) -> tuple[Path, Path, datetime]:
    """Publish one interval's price as an estimate and as confirmed."""
    own = folder / "two"
    own.mkdir()
    shutil.copy(warehouse, own / "warehouse.duckdb")
    slot = slot_at(datetime.now(UTC))
    start = datetime.fromtimestamp(slot * SLOT_SECONDS, UTC)
    files = []
    with demo.DemoServer() as suppliers:
        now = start
        poller = LivePoller(
            settings_for(own, suppliers),
            amber_api(demo.DEMO_AMBER_TOKEN, suppliers.amber_url),
            clock=lambda: now,
        )
        for seconds in (16, 40):
            now = start + timedelta(seconds=seconds)
            suppliers.set_clock(now=now)
            poller.step()
            files.append(own / f"after{seconds}.duckdb")
            shutil.copy(own / "serving" / "live.duckdb", files[-1])
    return files[0], files[1], start


class chromium_page:  # noqa: N801
    """A Chromium of the screen's size with the fridge page open."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self):
        from playwright.sync_api import sync_playwright

        names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
        path = next((found for name in names if name and (found := shutil.which(name))), None)
        if path is None:
            sys.exit("no Chromium: set CHROMIUM to its path, or install chromium")
        deadline = time.monotonic() + 60
        while "no answer" in get(f"{self._url}/_stcore/health") and time.monotonic() < deadline:
            time.sleep(0.1)
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        page = self._browser.new_page(viewport={"width": 800, "height": 480})
        page.goto(f"{self._url}/fridge?embed=true")
        page.wait_for_selector(".fridge .foot")
        return page

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()


def get(url: str) -> str:
    """The body of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.read().decode()
    except OSError as exc:
        return f"no answer: {exc}"


def dagster_run_cpu_seconds(folder: Path, warehouse: Path) -> float:
    """Processor seconds of the same publication as a Dagster run in a process of its own."""
    own = folder / "run"
    own.mkdir()
    shutil.copy(warehouse, own / "warehouse.duckdb")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [
            Path(sys.executable).with_name("dagster"),
            "asset",
            "materialize",
            "--select",
            "out/live",
            "-m",
            "energy_pipeline.definitions",
        ],
        env=os.environ | {"DATA_DIR": str(own), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(name: str, seconds: np.ndarray) -> str:
    """One line of the table."""
    p50, p95 = np.quantile(seconds, (0.5, 0.95))
    return f"{name:48} {len(seconds):6} {p50:8.3f} {p95:8.3f} {seconds.max():8.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--confirmations", type=int, default=120)
    parser.add_argument("--homes", type=int, default=8, help="how many run side by side")
    parser.add_argument("--swaps", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warehouse = history(folder / "history")
        homes = measure_poller(folder, warehouse, given.confirmations, given.homes)
        on_api, on_page = (
            np.array(times) for times in measure_page(folder, warehouse, given.swaps)
        )
        run_cpu = dagster_run_cpu_seconds(folder, warehouse)
    published = np.array([s for home in homes for s in home.latencies])
    cpu = np.array([s for home in homes for s in home.cpu_seconds])
    asked = np.array([n for home in homes for n in home.requests])
    whole = (published[:, None] + on_page[None, :]).ravel()
    print(f"{'seconds':48} {'count':>6} {'p50':>8} {'p95':>8} {'max':>8}")
    print(row("confirmed at the supplier -> published", published))
    print(row("published -> /api/price", on_api))
    print(row("published -> page, in Chromium", on_page))
    print(row("confirmed -> /api/price", (published[:, None] + on_api[None, :]).ravel()))
    print(row("confirmed -> page", whole))
    print(row("poller, CPU of an interval", cpu))
    print(f"requests of an interval: {asked.mean():.1f} of the 50 allowed, at most {asked.max()}")
    print(f"a Dagster run of out/live, CPU: {run_cpu:.2f} s, {run_cpu / cpu.mean():.0f} times")
    kept = np.quantile(whole, 0.95) <= PROMISE_SECONDS
    print(f"promise: p95 <= {PROMISE_SECONDS:.0f} s: {'kept' if kept else 'NOT KEPT'}")


if __name__ == "__main__":
    main()
