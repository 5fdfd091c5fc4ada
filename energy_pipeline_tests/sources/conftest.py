"""Real files, and a server that sends whatever bytes a test wants, for the suppliers' clients."""

from __future__ import annotations

import gzip
import json
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from energy_pipeline.demo.server import DemoServer

SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture
def shared_dir() -> Path:
    """The folder of real data beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED.name} beside the project")
    return SHARED


@pytest.fixture
def sample(shared_dir: Path) -> Callable[[str], bytes]:
    """Bytes of a file in shared/samples or shared/data, unpacked."""

    def read(name: str) -> bytes:
        path = shared_dir / name
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()

    return read


@pytest.fixture
def demo() -> Iterator[DemoServer]:
    with DemoServer() as server:
        yield server


class RawServer(socketserver.ThreadingTCPServer):
    """Sends the given pieces of bytes as they are, one list per request; the last list repeats."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.answers: list[Iterable[bytes]] = []
        self.requests: list[str] = []
        self.let_go = threading.Event()

    def answer(self, *answers: bytes | Iterable[bytes]) -> None:
        self.answers = [[one] if isinstance(one, bytes) else one for one in answers]


class _Handler(socketserver.StreamRequestHandler):
    server: RawServer

    def handle(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            lines.append(line.decode("latin-1"))
        if not lines:
            return
        self.server.requests.append("".join(lines))
        answers = self.server.answers
        try:
            for piece in answers.pop(0) if len(answers) > 1 else answers[0]:
                self.wfile.write(piece)
                self.wfile.flush()
        except OSError:
            return  # the client has hung up, as some tests want it to


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    server = RawServer()
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    yield server
    server.let_go.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def http() -> Callable[..., bytes]:
    """Writes an HTTP/1.1 answer."""

    def write(
        body: bytes | str | list | dict = b"", status: str = "200 OK", **headers: str
    ) -> bytes:
        if isinstance(body, list | dict):
            body = json.dumps(body)
        body = body.encode() if isinstance(body, str) else body
        given: dict[str, Any] = {"Content-Length": len(body), "Connection": "close"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body

    return write
