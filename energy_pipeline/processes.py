"""Starting the processes of the home, keeping them up, and leaving none behind.

Run as a program it is the guard: see `Guard`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

STOP_SECONDS = 15.0
TASK_STOP_SECONDS = 2.0
GUARD_PATIENCE_SECONDS = 5.0
STABLE_SECONDS = 60.0
LOG_BYTES = 5_000_000
LOG_CHECK_SECONDS = 60.0


@dataclass(slots=True)
class Child:
    """One process of the home: how it is started, and how that has gone so far."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log_path: Path | None  # None: writes to our terminal
    restart: Literal["always", "until done", "never"] = "always"  # done: exit code 0
    first_wait_seconds: float = 1.0  # before the first restart; doubled each time
    longest_wait_seconds: float = 30.0
    before_restart: Child | None = None  # a task that has to end first
    process: subprocess.Popen[bytes] | None = None
    exit_code: int | None = None
    started_at: float = 0.0
    failures: int = 0
    due: float = 0.0


class Supervisor:
    """Runs children, starts them again when they die, stops them all.

    Every child leads a session of its own, so that a Ctrl-C reaches only the supervisor, which
    stops them; should the supervisor itself be killed, its guard does. Use it in ``with``.

    Parameters
    ----------
    say : callable
        Takes a sentence for the household.
    folder : Path
        Removed when everything has ended, however it ended.
    cwd : Path
        Where the children run.
    """

    def __init__(self, say: Callable[[str], None], folder: Path, cwd: Path) -> None:
        self._children: list[Child] = []
        self._say = say
        self._folder = folder
        self._cwd = cwd
        self._guard = Guard(folder)
        self._logs_checked = time.monotonic()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, child: Child) -> None:
        """Start a child and keep it."""
        self._children.append(child)
        self._spawn(child)

    def watch_once(self) -> None:
        """Look after every child: note who ended, start again who is due."""
        self._guard.keep_up()
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._ended(child, now)
            if child.process is None and child.due and now >= child.due:
                self._restart(child, now)
        if now - self._logs_checked > LOG_CHECK_SECONDS:
            self._logs_checked = now
            for child in self._children:
                _limit_log(child)

    def stop(self) -> None:
        """Stop all children, last started first, and whatever they have started themselves."""
        running = [c for c in reversed(self._everyone()) if c.process is not None]
        for child in running:
            if child.process is not None:
                _signal_group(child.process.pid, signal.SIGTERM)
        begun = time.monotonic()
        for child in running:
            # A task may be cut short anywhere: what it stores, it stores whole.
            patience = STOP_SECONDS if child.restart == "always" else TASK_STOP_SECONDS
            with suppress(subprocess.TimeoutExpired):
                if child.process is not None:
                    child.process.wait(timeout=max(0.1, begun + patience - time.monotonic()))
            self._clear(child)
        self._guard.release()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _everyone(self) -> list[Child]:
        tasks = [c.before_restart for c in self._children if c.before_restart is not None]
        return [*self._children, *tasks]

    def _spawn(self, child: Child) -> None:
        log = None
        if child.log_path is not None:
            child.log_path.parent.mkdir(parents=True, exist_ok=True)
            log = child.log_path.open("ab")
        try:
            child.process = subprocess.Popen(
                list(child.argv),
                env=dict(child.env),
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT if log is not None else None,
                start_new_session=True,
                # In the child, before it runs anything: there is no moment without the guard.
                preexec_fn=self._guard.announce_myself,
            )
        finally:
            if log is not None:
                log.close()
        self._guard.add(child.process.pid)
        child.started_at = time.monotonic()
        child.exit_code = None
        child.due = 0.0

    def _restart(self, child: Child, now: float) -> None:
        first = child.before_restart
        try:
            if first is not None and first.started_at < child.due:
                self._spawn(first)
            elif first is not None and first.process is not None:
                if first.process.poll() is not None:
                    self._ended(first, now)
            else:
                self._spawn(child)
        except OSError as exc:  # no memory or no disk space now; perhaps later
            child.due = now + child.longest_wait_seconds
            self._say(f"{child.name} cannot be started: {exc}; it will be tried again")

    def _ended(self, child: Child, now: float) -> None:
        code = self._clear(child)
        if child.restart == "never" or (child.restart == "until done" and code == 0):
            return
        child.failures = 1 if now - child.started_at > STABLE_SECONDS else child.failures + 1
        doubled = child.first_wait_seconds * 2.0 ** min(child.failures - 1, 20)
        wait = min(doubled, child.longest_wait_seconds)
        child.due = now + wait
        self._say(
            f"{child.name} ended ({_how(code)}); starting it again in {wait:.0f} s"
            + (f", its log: {child.log_path}" if child.log_path else "")
        )

    def _clear(self, child: Child) -> int | None:
        """End what a child has left running of its group, and forget its process."""
        process, child.process = child.process, None
        if process is None:
            return child.exit_code
        _signal_group(process.pid, signal.SIGKILL)
        child.exit_code = process.wait()
        self._guard.remove(process.pid)
        return child.exit_code


class Guard:
    """A process that ends the children when the supervisor was killed and cannot.

    It reads their process groups from a pipe that closes with the supervisor, however that ends;
    then it asks what is left to stop, kills what stays, and removes `folder`. The kernel's own
    notice to orphans (PR_SET_PDEATHSIG) is not enough: Dagster's code server ignores SIGTERM while
    a run is under way, and the kernel does not tell grandchildren.
    """

    def __init__(self, folder: Path) -> None:
        self._argv = [sys.executable, "-m", __name__, str(folder)]
        self._groups: set[int] = set()
        self._process = self._spawn()

    def announce_myself(self) -> None:
        """Tell the guard of the process that calls: for a child between fork and exec."""
        self._write(f"+{os.getpid()}\n")

    def add(self, group: int) -> None:
        """Remember a group, for a guard that has to be started anew."""
        self._groups.add(group)

    def remove(self, group: int) -> None:
        """Forget a group that has ended: the number may come to mean another's."""
        self._groups.discard(group)
        self._write(f"-{group}\n")

    def keep_up(self) -> None:
        """Start the guard again if it was killed."""
        if self._process.poll() is not None:
            self._process = self._spawn()
            for group in self._groups:
                self._write(f"+{group}\n")

    def release(self) -> None:
        """Close the pipe and wait: whatever was not removed is ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def _write(self, order: str) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):  # it was killed: `keep_up` starts another
                self._process.stdin.write(order.encode())


def stand_guard(orders: Iterable[str], folder: Path) -> None:
    """Keep the groups of `orders` ("+4711", "-4711") in mind; end them when the orders end."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for order in orders:
        group = int(order[1:])
        groups = groups | {group} if order[0] == "+" else groups - {group}
    deadline = time.monotonic() + GUARD_PATIENCE_SECONDS
    left = {group for group in groups if _signal_group(group, signal.SIGTERM)}
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = {group for group in left if _signal_group(group, 0)}
    for group in left:
        _signal_group(group, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group (0: none); return whether any of it is there."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _limit_log(child: Child) -> None:
    """Keep a log and one before it; the child goes on writing into the same, emptied file."""
    path = child.log_path
    if path is None or not path.exists() or path.stat().st_size <= LOG_BYTES:
        return
    with suppress(OSError):  # a full disk: the home goes on, and the next look tries again
        shutil.copyfile(path, path.with_suffix(".old.log"))
        os.truncate(path, 0)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"by signal {-code}, {signal.strsignal(-code)}"
    return f"exit code {code}"


if __name__ == "__main__":
    stand_guard(sys.stdin, Path(sys.argv[1]))
