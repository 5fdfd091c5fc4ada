"""The whole home in one command: suppliers, Dagster and pages, up together and down together."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from energy_pipeline.processes import Child, Supervisor
from energy_pipeline.settings import PROJECT_ROOT, Settings, SettingsError

SECRET_VARIABLES = ("AMBER_TOKEN", "POWERPAL_TOKEN", "SUPABASE_DB_URL")
READY_SECONDS = 60.0


def prepare_dagster_home(settings: Settings) -> Path:
    """Put `dagster.yaml` where Dagster looks for it, with the storage the environment asks for."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    base = (resources.files("energy_pipeline") / "dagster.yaml").read_text("utf-8")
    if os.environ.get("DAGSTER_PG_URL"):
        storage = "storage:\n  postgres:\n    postgres_url: {env: DAGSTER_PG_URL}\n"
    else:
        storage = f"storage:\n  sqlite:\n    base_dir: '{home / 'storage'}'\n"
    new = home / "dagster.yaml.new"
    new.write_text(f"{base}\n{storage}", encoding="utf-8")
    new.replace(home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def run_home(
    settings: Settings,
    *,
    say: Callable[[str], None],
    backfill: bool = True,
) -> int:
    """Start everything and stay until SIGINT or SIGTERM; then stop everything.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    SettingsError
        If a port is taken, or the home is up already.
    """
    _refuse_taken_port("PORT", settings.host, settings.port)
    _refuse_taken_port("DAGSTER_PORT", "127.0.0.1", settings.dagster_port)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with _only_one(settings.data_dir / "home.lock"), _sockets() as sockets, _stop_signals() as stop:
        supervisor = Supervisor(say)
        try:
            _start(supervisor, settings, sockets, say, stop, backfill=backfill)
            while not stop():
                supervisor.watch_once()
                time.sleep(0.2)
        finally:
            say("stopping ...")
            supervisor.stop()
            say("stopped; every process has ended")
    return 0


def _start(
    supervisor: Supervisor,
    settings: Settings,
    sockets: Path,
    say: Callable[[str], None],
    stop: Callable[[], bool],
    *,
    backfill: bool,
) -> None:
    env = _environment(settings)
    logs = settings.data_dir / "logs"
    energy = [sys.executable, "-m", "energy_pipeline.cli"]
    if settings.demo:
        port = settings.amber_base_url.split(":")[2].split("/")[0]
        demo = [sys.executable, "-m", "energy_pipeline.demo.server", "--port", port]
        demo += ["--no-throttle"]  # a year of history in minutes, not in the quota's time
        supervisor.start(Child("demo suppliers", demo, env, logs / "demo.log"))
        _wait_for_port(int(port), stop)
    pages = [sys.executable, "-m", "streamlit", "run", str(PROJECT_ROOT / "streamlit_app/app.py")]
    pages += ["--server.port", str(settings.port), "--server.address", settings.host]
    keyless = {name: value for name, value in env.items() if name not in SECRET_VARIABLES}
    supervisor.start(Child("pages", pages, keyless, logs / "pages.log"))
    # Alone, before any other Dagster process: two that create the storage at once spoil it.
    prepared = Child("prepare", [*energy, "prepare"], env, None, restarts=False)
    supervisor.start(prepared)
    while prepared.exit_code is None and not stop():
        supervisor.watch_once()
        time.sleep(0.1)
    if stop():
        return
    if prepared.exit_code:
        raise SettingsError("the stores could not be prepared; the reason is above")
    code_socket = sockets / "code.sock"
    workspace = settings.dagster_home / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server: {{socket: '{code_socket}', location_name: energy}}\n",
        encoding="utf-8",
    )
    programs = Path(sys.executable).parent
    code = [str(programs / "dagster"), "api", "grpc", "--socket", str(code_socket)]
    code += ["-m", "energy_pipeline.definitions", "--location-name", "energy"]
    code += ["--log-level", "warning"]

    def settle() -> None:
        code_socket.unlink(missing_ok=True)
        supervisor.start(Child("settle", [*energy, "settle"], env, None, restarts=False))

    supervisor.start(Child("Dagster code server", code, env, logs / "code.log", on_restart=settle))
    daemon = [str(programs / "dagster-daemon"), "run", "-w", str(workspace)]
    supervisor.start(Child("Dagster daemon", daemon, keyless, logs / "daemon.log"))
    web = [str(programs / "dagster-webserver"), "-w", str(workspace)]
    web += ["-h", "127.0.0.1", "-p", str(settings.dagster_port), "--log-level", "warning"]
    supervisor.start(Child("Dagster UI", web, keyless, logs / "webserver.log"))
    if backfill:
        fill = [*energy, "backfill"]
        supervisor.start(Child("back-fill", fill, env, None, restarts=False))
    page = f"http://{settings.host}:{settings.port}"
    _wait_for_page(f"{page}/api/health", supervisor, stop)
    say(f"fridge page   {page}/fridge")
    say(f"scenarios     {page}/scenarios")
    say(f"Dagster UI    http://127.0.0.1:{settings.dagster_port}")
    say(f"logs          {logs}")
    say("Ctrl-C stops everything")


def _environment(settings: Settings) -> dict[str, str]:
    """What the children see: our environment, and where this home keeps its data."""
    env = {
        **os.environ,
        "DAGSTER_HOME": str(settings.dagster_home),
        "DATA_DIR": str(settings.data_dir),
        "ENERGY_SERVING_DIR": str(settings.serving_dir),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    if settings.demo:
        from energy_pipeline.demo import server

        env |= {
            "DEMO": "1",
            "AMBER_TOKEN": server.DEMO_AMBER_TOKEN,
            "AMBER_SITE_ID": server.DEMO_SITE_ID,
            "AMBER_BASE_URL": settings.amber_base_url,
            "POWERPAL_DEVICE_ID": server.DEMO_POWERPAL_DEVICE_ID,
            "POWERPAL_TOKEN": server.DEMO_POWERPAL_TOKEN,
            "POWERPAL_BASE_URL": settings.powerpal_base_url,
            "HOME_TIMEZONE": "Australia/Sydney",
        }
    return env


def demo_settings(settings: Settings) -> Settings:
    """The settings of the demo home: its own data folder, suppliers on a free local port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return settings.model_copy(
        update={
            "demo": True,
            "data_dir": settings.data_dir / "demo",
            "amber_base_url": f"http://127.0.0.1:{port}/amber/v1",
            "powerpal_base_url": f"http://127.0.0.1:{port}/powerpal",
            "home_timezone": "Australia/Sydney",
        }
    )


def _refuse_taken_port(name: str, host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise SettingsError(
                f"{name} is {port}, which another program uses ({exc.strerror}): stop it, or put "
                f"{name}=<a free port> into {PROJECT_ROOT / '.env.local'}"
            ) from None


@contextmanager
def _only_one(lock_path: Path) -> Iterator[None]:
    with lock_path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"this home is up already ({lock_path} is locked): stop it first, or set DATA_DIR "
                "to another folder for a second one"
            ) from None
        yield


@contextmanager
def _sockets() -> Iterator[Path]:
    """A short path for the code server's socket: a long data folder would not fit into one."""
    folder = Path(tempfile.mkdtemp(prefix="energy-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda n, _: asked.append(n)) for number in numbers}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_port(port: int, stop: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and not stop():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def _wait_for_page(url: str, supervisor: Supervisor, stop: Callable[[], bool]) -> None:
    """Wait until the pages answer; that the data is still stale is an answer too."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and not stop():
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            supervisor.watch_once()
            time.sleep(0.3)
