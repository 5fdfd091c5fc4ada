"""A local server that speaks the suppliers' HTTP, with a clock and faults that can be set.

It knows connections, the clock and the faults; what a supplier answers stands in that supplier's
module. ``python -m energy_pipeline.demo.server --port 8899`` runs it until it is told to stop.
"""

import argparse
import json
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from energy_pipeline.demo import amber, powerpal
from energy_pipeline.demo.amber import DEMO_AMBER_TOKEN, DEMO_SITE_ID
from energy_pipeline.demo.faults import Fault, FaultBook
from energy_pipeline.demo.market import DEFAULT_SEED
from energy_pipeline.demo.powerpal import DEMO_POWERPAL_DEVICE_ID, DEMO_POWERPAL_TOKEN
from energy_pipeline.demo.routing import Home, Reply, Request, Supplier, json_reply, message

__all__ = [
    "DEMO_AMBER_TOKEN",
    "DEMO_POWERPAL_DEVICE_ID",
    "DEMO_POWERPAL_TOKEN",
    "DEMO_SITE_ID",
    "DemoServer",
]

SUPPLIERS: tuple[Supplier, ...] = (amber, powerpal)
_CONTROL_PREFIX = "/_demo/"
_MAX_REQUESTS_KEPT = 1000
_END_OF_TIME = 9000  # leaves room for forecasts


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DemoServer:
    """The demo home's suppliers on a local port; use it in ``with``, or `start` and `stop` it.

    Parameters
    ----------
    clock : callable
        The server's idea of now (aware). Shifted or stopped by `set_clock`.
    host, port
        Where to listen; port 0 takes a free one.
    throttle : bool
        Whether the suppliers' quotas are enforced.
    seed : int
        Which home: the same seed gives the same numbers.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = _utc_now,
        host: str = "127.0.0.1",
        port: int = 0,
        throttle: bool = True,
        seed: int = DEFAULT_SEED,
    ) -> None:
        self.requests: deque[str] = deque(maxlen=_MAX_REQUESTS_KEPT)  # paths with their queries
        self._clock = clock
        self._offset = timedelta(0)
        self._stopped_at: datetime | None = None
        self._host, self._port = host, port
        self._faults = FaultBook()
        home = Home(seed, throttle)
        self._routes = [
            (supplier.PREFIX, route) for supplier in SUPPLIERS for route in supplier.routes(home)
        ]
        self._http: _Listener | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Listen and answer in the background; a stopped server comes back on the same port."""
        if self._http is not None:
            raise RuntimeError(f"the demo server is already running at {self.url}")
        self._http = _Listener((self._host, self._port), self)
        self._port = self._http.server_port
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and close every connection, as if the supplier were down."""
        if self._http is None or self._thread is None:
            return
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._http.close_connections()
        self._http = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Root of the server."""
        if self._port == 0:
            raise RuntimeError("the demo server has no address before it is started")
        return f"http://{self._host}:{self._port}"

    @property
    def amber_url(self) -> str:
        """Base URL to give to an Amber client."""
        return self.url + amber.PREFIX

    @property
    def powerpal_url(self) -> str:
        """Base URL to give to a Powerpal client."""
        return self.url + powerpal.PREFIX

    def now(self) -> datetime:
        """The server's now, UTC."""
        return self._stopped_at or self._clock().astimezone(UTC) + self._offset

    def set_clock(
        self, *, now: datetime | None = None, offset_seconds: float | None = None
    ) -> None:
        """Stop the clock at `now`, or let it run `offset_seconds` away from the true time.

        Raises
        ------
        ValueError
            If not exactly one is given, `now` has no time zone, or the year is out of reach.
        """
        if (now is None) == (offset_seconds is None):
            raise ValueError("give either now or offset_seconds")
        if now is not None and now.tzinfo is None:
            raise ValueError(f"now must have a time zone, such as 2026-11-24T00:00:00Z: {now}")
        offset = timedelta(seconds=offset_seconds or 0.0)
        stopped_at = None if now is None else now.astimezone(UTC)
        if (stopped_at or self._clock() + offset).year >= _END_OF_TIME:
            raise ValueError(f"the clock must stay before the year {_END_OF_TIME}")
        self._stopped_at, self._offset = stopped_at, offset

    def fault(
        self,
        path_pattern: str,
        *,
        status: int | None = None,
        delay_seconds: float = 0.0,
        body: Any = None,
        truncate: bool = False,
        headers: Mapping[str, str] | None = None,
        clock_skew_seconds: float = 0.0,
        times: int | None = None,
    ) -> int:
        """Let matching requests go wrong; see `Fault`.

        Bytes and text as `body` are sent as they are, anything else as JSON.
        """
        if body is not None and not isinstance(body, bytes | str):
            body = json.dumps(body)
        return self._faults.add(
            Fault(
                path_pattern=path_pattern,
                status=status,
                body=body.encode() if isinstance(body, str) else body,
                headers=dict(headers or {}),
                delay_seconds=float(delay_seconds),
                truncate=truncate,
                clock_skew_seconds=float(clock_skew_seconds),
                times=times,
            )
        )

    def clear_faults(self) -> None:
        """End every fault."""
        self._faults.clear()

    def take_fault(self, path: str) -> Fault | None:
        """The fault that meets a request to `path`, counted once."""
        return self._faults.take(path)

    def answer(self, target: str, authorization: str | None, now: datetime) -> Reply:
        """The supplier's true answer to a GET of `target` (path and query)."""
        parts = urlsplit(target)
        for prefix, route in self._routes:
            if not parts.path.startswith(prefix + "/"):
                continue
            path = route.match(parts.path.removeprefix(prefix))
            if path is not None:
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                return route.answer(Request(path, query, authorization, now))
        return message(404, "Not Found")

    def control(self, method: str, path: str, body: bytes) -> Reply:
        """Set the clock or the faults over HTTP."""
        name = path.removeprefix(_CONTROL_PREFIX)
        try:
            if (method, name) == ("DELETE", "faults"):
                self.clear_faults()
                return json_reply({"cleared": True})
            if (method, name) == ("GET", "clock"):
                return json_reply({"now": self.now().isoformat()})
            if method != "POST" or name not in ("faults", "clock"):
                return message(404, "POST or DELETE /_demo/faults, GET or POST /_demo/clock")
            given = json.loads(body)
            if name == "faults":
                return json_reply({"id": self.fault(**given)}, 201)
            if "now" in given:
                given["now"] = datetime.fromisoformat(given["now"])
            self.set_clock(**given)
            return json_reply({"now": self.now().isoformat()})
        except (TypeError, ValueError, OverflowError) as exc:
            return message(400, f"{name}: {exc}")


class _Listener(ThreadingHTTPServer):
    """Listens, and remembers its connections so that they can all be closed."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], demo: DemoServer) -> None:
        self.demo = demo
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the network for this machine's name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side has gone first

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is its own business; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    server: _Listener

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith(_CONTROL_PREFIX):
            self._control()
            return
        demo = self.server.demo
        demo.requests.append(self.path)
        fault = demo.take_fault(path) or Fault(path_pattern="*")
        if fault.delay_seconds:
            time.sleep(fault.delay_seconds)
        now = demo.now() + timedelta(seconds=fault.clock_skew_seconds)
        if fault.status is None and fault.body is None:
            reply = demo.answer(self.path, self.headers.get("Authorization"), now)
        else:
            body = fault.body if fault.body is not None else b'{"message": "demo fault"}'
            kind = "text/html" if body.lstrip().startswith(b"<") else "application/json"
            reply = Reply(fault.status or 200, body, kind)
        self._send(reply, now, extra=fault.headers, truncate=fault.truncate)

    def do_POST(self) -> None:
        self._control()

    def do_DELETE(self) -> None:
        self._control()

    def _control(self) -> None:
        demo = self.server.demo
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path.startswith(_CONTROL_PREFIX):
            reply = demo.control(self.command, path, body)
        else:
            reply = message(405, "Method Not Allowed")
        self._send(reply, demo.now())

    def _send(
        self,
        reply: Reply,
        now: datetime,
        *,
        extra: Mapping[str, str] | None = None,
        truncate: bool = False,
    ) -> None:
        headers = {
            "Date": format_datetime(now.replace(microsecond=0), usegmt=True),
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            **reply.headers,
            **(extra or {}),
        }
        self.send_response_only(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if truncate else reply.body)
        if truncate:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the tests and the terminal are for other news."""


def main() -> None:
    """Run the server until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="The demo home's suppliers on a local port.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8899)
    parser.add_argument("--no-throttle", action="store_true", help="do not enforce the quotas")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="which home")
    given = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with DemoServer(
        host=given.host, port=given.port, throttle=not given.no_throttle, seed=given.seed
    ) as server:
        print(f"demo home at {server.url} (site {DEMO_SITE_ID})", flush=True)  # noqa: T201
        done.wait()


if __name__ == "__main__":
    main()
