"""Starting the processes of the home, keeping them up, and leaving none behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

STOP_SECONDS = 15.0
TASK_STOP_SECONDS = 2.0
LONGEST_RESTART_SECONDS = 30.0
STABLE_SECONDS = 60.0
LOG_BYTES = 5_000_000
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """One process that is to be up: how it is started, and how that has gone so far."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log_path: Path | None  # None: writes to our terminal
    restarts: bool = True  # False: a task that ends
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    due: float = 0.0
    on_restart: Callable[[], None] | None = None
    exit_code: int | None = field(default=None)


class Supervisor:
    """Runs children, starts them again when they die, stops them all.

    Every child leads a session of its own, so that a Ctrl-C reaches only the supervisor, which
    stops them in order; and every child is told by the kernel when the supervisor is killed.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._children: list[Child] = []
        self._say = say

    def start(self, child: Child) -> None:
        """Start a child and keep it."""
        self._children.append(child)
        self._spawn(child)

    def watch_once(self) -> None:
        """Look after every child: note who ended, start again who is due."""
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._ended(child, now)
            if child.process is None and child.restarts and now >= child.due:
                if child.on_restart is not None:
                    child.on_restart()
                self._spawn(child)

    def stop(self) -> None:
        """Stop all children, last started first, and whatever they have started themselves."""
        for child in reversed(self._children):
            _signal_group(child, signal.SIGTERM)
        begun = time.monotonic()
        for child in reversed(self._children):
            if child.process is None:
                continue
            # A task may be cut short anywhere: what it stores, it stores whole.
            patience = STOP_SECONDS if child.restarts else TASK_STOP_SECONDS
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(timeout=max(0.1, begun + patience - time.monotonic()))
            _kill_group(child)
            child.process.wait()
            child.process = None

    def _spawn(self, child: Child) -> None:
        log = None
        if child.log_path is not None:
            child.log_path.parent.mkdir(parents=True, exist_ok=True)
            if child.log_path.exists() and child.log_path.stat().st_size > LOG_BYTES:
                child.log_path.replace(child.log_path.with_suffix(".old.log"))
            log = child.log_path.open("ab")
        try:
            child.process = subprocess.Popen(
                list(child.argv),
                env=dict(child.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT if log is not None else None,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        finally:
            if log is not None:
                log.close()
        child.started_at = time.monotonic()

    def _ended(self, child: Child, now: float) -> None:
        process = child.process
        if process is None:
            return
        child.exit_code = process.returncode
        _kill_group(child)  # what it started must not outlive it
        child.process = None
        if not child.restarts:
            return
        child.failures = 1 if now - child.started_at > STABLE_SECONDS else child.failures + 1
        wait = min(2.0 ** (child.failures - 1), LONGEST_RESTART_SECONDS)
        child.due = now + wait
        self._say(
            f"{child.name} ended ({_how(child.exit_code)}); starting it again in {wait:.0f} s"
            + (f", its log: {child.log_path}" if child.log_path else "")
        )


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the supervisor is gone, however it went."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:  # it went before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def _signal_group(child: Child, number: signal.Signals) -> None:
    if child.process is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, number)


def _kill_group(child: Child) -> None:
    _signal_group(child, signal.SIGKILL)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"by signal {signal.Signals(-code).name}"
    return f"exit code {code}"
