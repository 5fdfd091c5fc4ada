"""A year of one site, from suppliers to published files: ``python benchmarks/backfill_year.py``.

`energy backfill` fills an empty home from the demo suppliers, their quota off, while the JSON API
of the pages is read 20 times a second. Promises: 90 s; no failed read, 99 % within 100 ms.
"""

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from energy_pipeline.demo import server as demo

ROOT = Path(__file__).resolve().parents[1]
PROMISED_SECONDS = 90.0
PROMISED_READ_SECONDS = 0.1
DAYS = 365
READ_EVERY_SECONDS = 0.05


def main() -> None:
    """Fill, read, print."""
    with tempfile.TemporaryDirectory() as name, demo.DemoServer(throttle=False) as suppliers:
        folder = Path(name)
        env = home_environment(folder, suppliers)
        energy = [sys.executable, "-m", "energy_pipeline.cli"]
        subprocess.run([*energy, "prepare"], env=env, check=True, stdout=subprocess.DEVNULL)
        port = free_port()
        pages = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", str(ROOT / "streamlit_app/app.py")),
                *("--server.port", str(port)),
            ],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}/api/price"
            wait_for(url)
            first = datetime.now(UTC).date() - timedelta(days=DAYS)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            began = time.monotonic()
            fill = subprocess.Popen(
                [*energy, "backfill", "--start", str(first)], env=env, stdout=subprocess.DEVNULL
            )
            reads = read_until_done(url, fill)
            wall = time.monotonic() - began
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
        finally:
            pages.terminate()
            pages.wait()
        if fill.returncode:
            raise SystemExit(f"the back-fill failed with exit code {fill.returncode}")
        report(folder, wall, used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime)
        print(f"peak memory of the back-fill       {used.ru_maxrss / 1024:8.0f} MiB")
        report_reads(reads)


def home_environment(folder: Path, suppliers: demo.DemoServer) -> dict[str, str]:
    """The environment of an empty home that asks the demo suppliers."""
    return {
        **os.environ,
        "DATA_DIR": str(folder),
        "ENERGY_SERVING_DIR": str(folder / "serving"),
        "DAGSTER_HOME": str(folder / "dagster"),
        "AMBER_TOKEN": demo.DEMO_AMBER_TOKEN,
        "AMBER_SITE_ID": demo.DEMO_SITE_ID,
        "AMBER_BASE_URL": suppliers.amber_url,
        "POWERPAL_TOKEN": demo.DEMO_POWERPAL_TOKEN,
        "POWERPAL_DEVICE_ID": demo.DEMO_POWERPAL_DEVICE_ID,
        "POWERPAL_BASE_URL": suppliers.powerpal_url,
        "PYTHONWARNINGS": "ignore",
    }


def read_until_done(url: str, process: subprocess.Popen[bytes]) -> list[float | None]:
    """Read the API until the process ends: seconds of each read, None for a failed one."""
    reads: list[float | None] = []
    while process.poll() is None:
        began = time.monotonic()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
            reads.append(time.monotonic() - began)
        except urllib.error.HTTPError as stale:
            # Nobody polls the live price here, so that it grows stale: an answer, not a failure.
            reads.append(time.monotonic() - began if stale.code == 503 else None)
        except OSError:
            reads.append(None)
        time.sleep(READ_EVERY_SECONDS)
    return reads


def report(folder: Path, wall: float, cpu: float) -> None:
    """Print how long it took, and check what came."""
    with duckdb.connect(str(folder / "serving" / "history.duckdb"), read_only=True) as db:
        days, intervals, fewest, most = db.execute(
            "SELECT count(*), sum(n), min(n), max(n) FROM "
            "(SELECT count(*) AS n FROM core.intervals GROUP BY nem_date)"
        ).fetchall()[0]
    print(f"a year, suppliers unthrottled      {wall:8.1f} s   promised {PROMISED_SECONDS:.0f} s")
    print(f"processor time of the back-fill    {cpu:8.1f} s")
    print(f"NEM days {days}, intervals {intervals}, per day {fewest} to {most}")


def report_reads(reads: list[float | None]) -> None:
    """Print how the readers fared."""
    good = sorted(seconds for seconds in reads if seconds is not None)
    p50, p99 = good[len(good) // 2], good[int(len(good) * 0.99)]
    print(f"reads meanwhile {len(reads)}, failed {len(reads) - len(good)}   promised 0")
    print(f"read p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms", end="   ")
    print(f"promised {PROMISED_READ_SECONDS * 1e3:.0f} ms, slowest {good[-1] * 1e3:.0f} ms")


def wait_for(url: str) -> None:
    """Wait until the pages answer at all."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")


def free_port() -> int:
    """A TCP port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
