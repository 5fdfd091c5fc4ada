"""The whole home in one command: suppliers, Dagster and pages, up together and down together."""

from __future__ import annotations

import errno
import fcntl
import http.client
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from energy_pipeline.processes import Child, Supervisor
from energy_pipeline.settings import PROJECT_ROOT, Settings, SettingsError

SECRET_VARIABLES = ("AMBER_TOKEN", "POWERPAL_TOKEN", "SUPABASE_DB_URL")
READY_SECONDS = 60.0
_PLAIN_POSTGRES = re.compile(r"^postgres(ql)?://")
BACKFILL_WAITS_SECONDS = (5.0, 3600.0)
"""Before a back-fill that failed or was killed goes on: at first, and at most."""


class StartError(Exception):
    """The home could not come up though its settings are right."""


def postgres_url() -> str | None:
    """Return where Dagster's storage is, if Postgres: also into the environment, for Dagster."""
    url = os.environ.get("DAGSTER_PG_URL")
    if url:
        # dagster-postgres is written for psycopg2; SQLAlchemy would take psycopg 3 unasked.
        os.environ["DAGSTER_PG_URL"] = _PLAIN_POSTGRES.sub("postgresql+psycopg2://", url)
    return url or None


def prepare_dagster_home(settings: Settings) -> Path:
    """Put `dagster.yaml` where Dagster looks for it, with the storage the environment asks for."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    base = (resources.files("energy_pipeline") / "dagster.yaml").read_text("utf-8")
    if postgres_url():
        storage = "storage:\n  postgres:\n    postgres_url: {env: DAGSTER_PG_URL}\n"
    else:
        storage = f"storage:\n  sqlite:\n    base_dir: {json.dumps(str(home / 'storage'))}\n"
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
    """Start everything and stay until SIGINT, SIGTERM or SIGHUP; then stop everything.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    SettingsError
        If a port is taken, the data folder cannot be used, or the home is up already.
    StartError
        If the stores cannot be prepared.
    """
    settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        lock = (settings.data_dir / "home.lock").open("w")
    except OSError as exc:
        raise SettingsError(
            f"DATA_DIR {settings.data_dir} cannot be used ({exc.strerror}): set DATA_DIR to a "
            "folder that can be written"
        ) from None
    with lock, _stop_signals() as stop:
        _refuse_second_home(lock.name, lock.fileno())
        _refuse_taken_ports(settings)
        # A short path for the code server's socket: a long data folder would not fit into one.
        sockets = Path(tempfile.mkdtemp(prefix="energy-"))
        with Supervisor(say, sockets, PROJECT_ROOT) as supervisor:
            _start(supervisor, settings, sockets, say, stop, backfill=backfill)
            while not stop():
                supervisor.watch_once()
                time.sleep(0.2)
            say("stopping ...")
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
        port = urlsplit(settings.amber_base_url).port or 0
        demo = [sys.executable, "-m", "energy_pipeline.demo.server", "--port", str(port)]
        demo += ["--no-throttle"]  # a year of history in minutes, not in the quota's time
        supervisor.start(Child("demo suppliers", demo, env, logs / "demo.log"))
        _wait_until(lambda: _listens(port), supervisor, stop)
    pages = [sys.executable, "-m", "streamlit", "run", str(PROJECT_ROOT / "streamlit_app/app.py")]
    pages += ["--server.port", str(settings.port), "--server.address", settings.host]
    pages += [f"--server.allowedHosts={name}" for name in _page_names(settings.host)]
    keyless = {name: value for name, value in env.items() if name not in SECRET_VARIABLES}
    supervisor.start(Child("pages", pages, keyless, logs / "pages.log"))
    # Alone, before any other Dagster process: two that create the storage at once spoil it.
    prepared = Child("prepare", [*energy, "prepare"], env, None, restart="never")
    supervisor.start(prepared)
    while prepared.exit_code is None and not stop():
        supervisor.watch_once()
        time.sleep(0.1)
    if stop():
        return
    if prepared.exit_code:
        raise StartError("the stores could not be prepared; the reason is above")
    code_socket = sockets / "code.sock"
    workspace = settings.dagster_home / "workspace.yaml"
    workspace.write_text(
        "load_from:\n  - grpc_server: "
        f"{{socket: {json.dumps(str(code_socket))}, location_name: energy}}\n",
        encoding="utf-8",
    )
    programs = Path(sys.executable).parent
    code = [str(programs / "dagster"), "api", "grpc", "--socket", str(code_socket)]
    code += ["-m", "energy_pipeline.definitions", "--location-name", "energy"]
    code += ["--log-level", "warning"]
    # The runs of a code server that was killed are gone with it, but for their record.
    settle = Child("settle", [*energy, "settle"], env, None, restart="never")
    supervisor.start(
        Child("Dagster code server", code, env, logs / "code.log", before_restart=settle)
    )
    daemon = [str(programs / "dagster-daemon"), "run", "-w", str(workspace)]
    daemon += ["--log-level", "warning"]
    supervisor.start(Child("Dagster daemon", daemon, keyless, logs / "daemon.log"))
    web = [str(programs / "dagster-webserver"), "-w", str(workspace)]
    web += ["-h", "127.0.0.1", "-p", str(settings.dagster_port), "--log-level", "warning"]
    supervisor.start(Child("Dagster UI", web, keyless, logs / "webserver.log"))
    if backfill:
        first, longest = BACKFILL_WAITS_SECONDS
        fill = Child("back-fill", [*energy, "backfill"], env, None, restart="until done")
        fill.first_wait_seconds, fill.longest_wait_seconds = first, longest
        supervisor.start(fill)
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    page = f"http://{host}:{settings.port}"
    answering = _wait_until(lambda: _answers(host, settings.port), supervisor, stop)
    if stop():
        return
    if not answering:
        say(f"the pages do not answer yet; their log: {logs / 'pages.log'}")
    say(f"fridge page   {page}/fridge")
    say(f"scenarios     {page}/scenarios")
    _wait_until(lambda: _listens(settings.dagster_port), supervisor, stop)
    if stop():
        return
    say(f"Dagster UI    http://127.0.0.1:{settings.dagster_port}")
    say(f"logs          {logs}")
    say("Ctrl-C stops everything")


def _page_names(host: str) -> list[str]:
    """Names by which a browser may ask for the pages; others are refused (DNS rebinding).

    Empty on this machine alone, where the app's own configuration names them.
    """
    if host in ("127.0.0.1", "localhost", "::1"):
        return []
    machine = socket.gethostname()
    names = {"127.0.0.1", "localhost", machine, f"{machine}.local"}
    if host in ("0.0.0.0", "::"):
        with suppress(socket.gaierror):  # not every machine knows its own name
            names |= {str(found[4][0]) for found in socket.getaddrinfo(machine, None)}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # Sends nothing: only asks which of our addresses faces the network.
            if probe.connect_ex(("192.0.2.1", 9)) == 0:
                names.add(str(probe.getsockname()[0]))
    else:
        names.add(host)
    return sorted(names)


def _environment(settings: Settings) -> dict[str, str]:
    """What the children see: our environment, and where this home keeps its data."""
    postgres_url()
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
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
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


def _refuse_second_home(name: str, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingsError(
            f"this home is up already ({name} is locked): stop it first, or set DATA_DIR "
            "to another folder for a second one"
        ) from None


def _refuse_taken_ports(settings: Settings) -> None:
    where = PROJECT_ROOT / ".env.local"
    if settings.port == settings.dagster_port:
        raise SettingsError(
            f"PORT and DAGSTER_PORT are both {settings.port}: change one in {where}"
        )
    for name, host, port in (
        ("PORT", settings.host, settings.port),
        ("DAGSTER_PORT", "127.0.0.1", settings.dagster_port),
    ):
        try:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise SettingsError(
                    f"HOST is {host!r}, where this machine cannot listen ({exc.strerror}): put "
                    f"HOST=127.0.0.1, or an address of this machine, into {where}"
                ) from None
            raise SettingsError(
                f"{name} is {port}, which another program uses: stop it, or put "
                f"{name}=<a free port> into {where}"
            ) from None


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    asked: list[int] = []
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # else it was started with nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, lambda n, _: asked.append(n)) for number in numbers}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until(
    ready: Callable[[], bool], supervisor: Supervisor, stop: Callable[[], bool]
) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and not stop():
        if ready():
            return True
        supervisor.watch_once()
        time.sleep(0.1)
    return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(host: str, port: int) -> bool:
    """Whether the pages answer; that the data is still stale is an answer too."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/api/health")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
