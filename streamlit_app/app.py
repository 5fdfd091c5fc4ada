"""The server: pages and JSON API in one process.

Start: python -m streamlit run streamlit_app/app.py --server.port 8501
"""

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from streamlit_app import data
from streamlit_app.api import api, problem

_log = logging.getLogger("streamlit_app")

PAGES = {"", "fridge", "scenarios"}
WATCHDOG_SECONDS = 5.0


class KnownPathsOnly:
    """Answers 404 where Streamlit would answer 200 with its page, so that a typo looks like one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        static = Path(st.__file__).with_name("static")
        served = {entry.name for entry in static.iterdir()} if static.is_dir() else set()
        self._known = PAGES | served | {"api", "_stcore", "media", "component"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            first, _, rest = scope["path"].lstrip("/").partition("/")
            # Streamlit's own browser code tries its endpoints below the page's path as well.
            below_page = first in PAGES and rest and not rest.startswith("_stcore/")
            bare_mount = scope["path"] == "/api"  # the mount answers only below its own path
            if first not in self._known or below_page or bare_mount:
                response = problem(404, "Not found", f"There is nothing at {scope['path']}.")
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _notify(message: str) -> None:
    """Tell the service manager, if there is one (sd_notify)."""
    address = data.notify_socket()
    if address is None:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(address)
        manager.send(message.encode())


@asynccontextmanager
async def _lifespan(_app: st.App) -> AsyncGenerator[None, None]:
    """Beat from the event loop itself: a stuck loop stops beating and is restarted."""

    async def beat() -> None:
        while True:
            _notify("WATCHDOG=1")
            await asyncio.sleep(WATCHDOG_SECONDS)

    task = asyncio.create_task(beat())
    # Streamlit collects all garbage after every run. What is loaded by now stays for good: set
    # aside, it need not be searched each time (measured: 9 ms of CPU a refresh in place of 56).
    gc.collect()
    gc.freeze()
    _notify("READY=1")
    try:
        yield
    finally:
        _notify("STOPPING=1")
        task.cancel()


def _say_sorry(error: Exception) -> bool:
    """The outermost net: the log gets the error, the screen a sentence."""
    _log.error("A page failed", exc_info=error)
    st.html(
        '<p style="font-size:40px;line-height:1.3;padding:40px">This page has failed. It tries'
        " again by itself; the log says why.</p>"
    )
    return True


app = st.App(
    Path(__file__).with_name("pages.py").resolve(),
    routes=[Mount("/api", api)],
    middleware=[Middleware(KnownPathsOnly)],
    lifespan=_lifespan,
    on_script_error=_say_sorry,
)
