"""The supervisor and its guard, with small real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from energy_pipeline import processes
from energy_pipeline.processes import Child, Supervisor

PATIENCE_SECONDS = 30.0
SLEEPER = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PARENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(600)\n"
)
SUPERVISOR = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from energy_pipeline.processes import Child, Supervisor\n"
    "folder = Path(sys.argv[1])\n"
    "supervisor = Supervisor(print, folder, folder.parent)\n"
    "argv = [sys.executable, '-c', *sys.argv[2:]]\n"
    "child = Child('parent', argv, {}, folder.parent / 'child.log')\n"
    "supervisor.start(child)\n"
    "while True:\n"
    "    supervisor.watch_once()\n"
    "    time.sleep(0.05)\n"
)


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def python(name: str, code: str, *arguments: str, log: Path | None = None, **more) -> Child:
    return Child(name, [sys.executable, "-c", code, *arguments], dict(os.environ), log, **more)


class Spoken(list):
    def __call__(self, sentence: str) -> None:
        self.append(sentence)


@pytest.fixture
def said() -> Spoken:
    return Spoken()


@pytest.fixture
def supervisor(said: Spoken, tmp_path: Path) -> Iterator[Supervisor]:
    folder = tmp_path / "sockets"
    folder.mkdir()
    with Supervisor(said, folder, tmp_path) as running:
        yield running


def watch_until(supervisor: Supervisor, true: Callable[[], object]) -> None:
    def look() -> object:
        supervisor.watch_once()
        return true()

    wait_until(look)


def test_a_service_that_is_killed_is_started_again_and_the_household_is_told(supervisor, said):
    child = python("sleeper", SLEEPER, first_wait_seconds=0.01)
    supervisor.start(child)
    before = child.process.pid
    os.kill(before, signal.SIGKILL)
    watch_until(supervisor, lambda: child.process and child.process.pid != before)
    assert said == ["sleeper ended (by signal 9, Killed); starting it again in 0 s"]


def test_a_service_that_ends_well_is_started_again_too(supervisor, said):
    child = python("short", "", first_wait_seconds=0.01)
    supervisor.start(child)
    watch_until(supervisor, lambda: child.failures >= 2)
    assert "exit code 0" in said[0]


def test_each_wait_before_a_restart_is_twice_the_last_up_to_the_longest(supervisor, said):
    child = python("broken", "raise SystemExit(3)", first_wait_seconds=0.01)
    child.longest_wait_seconds = 0.03
    supervisor.start(child)
    waits = []

    def noted() -> bool:
        if child.failures > len(waits):
            waits.append(child.due - time.monotonic())
        return len(waits) == 4

    watch_until(supervisor, noted)
    assert all(
        wait <= longest for wait, longest in zip(waits, [0.01, 0.02, 0.03, 0.03], strict=True)
    )
    assert said[0] == "broken ended (exit code 3); starting it again in 0 s"


@pytest.mark.parametrize(
    ("restart", "code", "again"),
    [
        ("never", 0, False),
        ("never", 1, False),
        ("until done", 0, False),
        ("until done", 1, True),
    ],
)
def test_a_task_is_started_again_only_when_it_is_wanted_and_failed(
    supervisor, restart, code, again
):
    child = python("task", f"raise SystemExit({code})", restart=restart, first_wait_seconds=0.01)
    supervisor.start(child)
    first = child.started_at
    watch_until(supervisor, lambda: child.exit_code is not None)
    assert (child.due > 0) is again
    assert child.exit_code == code
    if again:
        watch_until(supervisor, lambda: child.started_at > first)


def test_what_must_end_first_has_ended_before_the_service_starts_again(supervisor, tmp_path):
    order = tmp_path / "order"
    note = f"open({str(order)!r}, 'a').write(sys.argv[1])"
    task = python("task", f"import sys, time; time.sleep(0.3); {note}", "t", restart="never")
    child = python("service", f"import sys; {note}; import time; time.sleep(600)", "s")
    child.first_wait_seconds, child.before_restart = 0.01, task
    supervisor.start(child)
    for expected in ("s", "sts", "ststs"):
        watch_until(supervisor, lambda: order.exists() and order.read_text() == expected)  # noqa: B023
        os.kill(child.process.pid, signal.SIGKILL)


def test_what_a_dead_service_had_started_does_not_outlive_it(supervisor, tmp_path):
    log = tmp_path / "parent.log"
    child = python("parent", PARENT, DEAF, log=log, first_wait_seconds=600.0)
    supervisor.start(child)
    wait_until(lambda: log.exists() and log.read_text().strip())
    grandchild = int(log.read_text())
    os.kill(child.process.pid, signal.SIGKILL)
    watch_until(supervisor, lambda: child.process is None)
    wait_until(lambda: not is_running(grandchild))


def test_stopping_ends_a_service_that_does_not_listen_and_what_it_started(
    supervisor, tmp_path, monkeypatch
):
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    log = tmp_path / "parent.log"
    child = python("parent", f"import signal; signal.signal(15, signal.SIG_IGN)\n{PARENT}", DEAF)
    child.log_path = log
    supervisor.start(child)
    wait_until(lambda: log.exists() and log.read_text().strip())
    pids = [child.process.pid, int(log.read_text())]
    supervisor.stop()
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def test_a_program_that_is_not_there_is_an_error_at_the_start(supervisor):
    with pytest.raises(FileNotFoundError):
        supervisor.start(Child("nothing", ["/nowhere/program"], {}, None))


def test_a_program_that_has_gone_is_tried_again_and_the_others_go_on(supervisor, said, tmp_path):
    program = tmp_path / "program"
    program.symlink_to(sys.executable)
    child = Child("moved", [str(program), "-c", ""], dict(os.environ), None)
    child.first_wait_seconds = child.longest_wait_seconds = 0.01
    supervisor.start(child)
    program.unlink()
    watch_until(supervisor, lambda: any("cannot be started" in sentence for sentence in said))
    program.symlink_to(sys.executable)
    failures = child.failures
    watch_until(supervisor, lambda: child.failures > failures)


def test_a_long_log_is_kept_once_and_then_begun_anew(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "LOG_BYTES", 10)
    monkeypatch.setattr(processes, "LOG_CHECK_SECONDS", 0.0)
    log, old = tmp_path / "chatty.log", tmp_path / "chatty.old.log"
    code = "import time\nprint('first ' * 5, flush=True)\ntime.sleep(0.5)\nprint('x', flush=True)"
    supervisor.start(python("chatty", f"{code}\ntime.sleep(600)", log=log))
    watch_until(supervisor, lambda: old.exists() and log.read_text() == "x\n")
    assert old.read_text().startswith("first")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("child", [SLEEPER, DEAF])
def test_a_killed_supervisor_leaves_nothing_behind(tmp_path, monkeypatch, child):
    folder = tmp_path / "sockets"
    folder.mkdir()
    running = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(folder), PARENT, child], cwd=tmp_path
    )
    log = tmp_path / "child.log"
    wait_until(lambda: log.exists() and log.read_text().strip())
    grandchild = int(log.read_text())
    family = [grandchild, parent_of(grandchild)]
    running.kill()
    running.wait()
    wait_until(lambda: not any(is_running(pid) for pid in family))
    wait_until(lambda: not folder.exists())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_guard_that_was_killed_is_replaced_and_knows_the_children(tmp_path):
    folder = tmp_path / "sockets"
    folder.mkdir()
    running = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(folder), PARENT, SLEEPER], cwd=tmp_path
    )
    log = tmp_path / "child.log"
    wait_until(lambda: log.exists() and log.read_text().strip())
    grandchild = int(log.read_text())
    (guard,) = guards_of(running.pid)
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: guards_of(running.pid) not in ([], [guard]))
    running.kill()
    running.wait()
    wait_until(lambda: not is_running(grandchild))
    wait_until(lambda: not folder.exists())


def test_a_guard_ends_only_what_it_was_not_told_to_forget(tmp_path):
    both = [
        subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True) for _ in range(2)
    ]
    kept, ended = both
    orders = f"+{kept.pid}\n+{ended.pid}\n-{kept.pid}\n"
    folder = tmp_path / "sockets"
    folder.mkdir()
    guard = [sys.executable, "-m", "energy_pipeline.processes", str(folder)]
    try:
        subprocess.run(guard, input=orders.encode(), check=True, timeout=PATIENCE_SECONDS)
        assert ended.wait(timeout=PATIENCE_SECONDS) == -signal.SIGTERM
        assert kept.poll() is None
        assert not folder.exists()
    finally:
        for process in both:
            process.kill()
            process.wait()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def guards_of(supervisor: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and parent_of(int(entry.name)) == supervisor:
                command = (entry / "cmdline").read_bytes()
                if b"energy_pipeline.processes" in command and is_running(int(entry.name)):
                    found.append(int(entry.name))
        except OSError:
            continue
    return found
