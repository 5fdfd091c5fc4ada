"""The warehouse file: one writer at a time, whatever ends it, and errors that name the cure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pytest

from energy_pipeline.warehouse.connect import BLOCK_SIZE, open_for_reading, open_for_writing
from energy_pipeline.warehouse.errors import WarehouseBusy, WarehouseDamaged
from energy_pipeline.warehouse.write import set_state, transaction

Opener = Callable[..., AbstractContextManager[duckdb.DuckDBPyConnection]]
both = pytest.mark.parametrize("opened", [open_for_writing, open_for_reading])

# Opens the warehouse, says so, and holds it until its input ends.
HOLDER = """
import sys
from pathlib import Path
from energy_pipeline.warehouse import connect
with getattr(connect, sys.argv[1])(Path(sys.argv[2]), timeout_seconds=30) as db:
    exec(sys.argv[3])
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    # The word in the folder's name once was taken for DuckDB's own complaint about a lock.
    return tmp_path / "lock o'clock" / "warehouse.duckdb"


@pytest.fixture
def hold(path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start another process that has the warehouse open."""
    started: list[subprocess.Popen] = []

    def start(opener: str, does: str = "") -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, opener, str(path), does],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "holding\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def states(path: Path) -> list[str]:
    with open_for_reading(path, timeout_seconds=5) as db:
        return [row[0] for row in db.execute("SELECT source FROM out.states ORDER BY 1").fetchall()]


INSERT = "db.execute(\"INSERT INTO out.states (source, state) VALUES ('{}', 'ok')\")"


@both
def test_a_missing_file_and_its_folders_are_made(path: Path, opened: Opener) -> None:
    with opened(path) as db:
        assert db.execute("SELECT count(*) FROM core.intervals").fetchall() == [(0,)]
    assert path.exists()


def test_the_file_has_small_blocks(path: Path) -> None:
    with open_for_writing(path) as db:
        assert db.execute("SELECT block_size FROM pragma_database_size()").fetchall() == [
            (BLOCK_SIZE,)
        ]
    assert BLOCK_SIZE == 16384


@both
def test_instants_are_read_in_utc(path: Path, opened: Opener) -> None:
    with opened(path) as db:
        assert db.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


@both
@pytest.mark.parametrize("holder", ["open_for_writing", "open_for_reading"])
def test_who_comes_second_gives_up_with_a_sentence_unless_both_read(
    path: Path, opened: Opener, holder: str, hold: Callable[..., subprocess.Popen]
) -> None:
    with open_for_writing(path):
        pass
    hold(holder)
    if holder == "open_for_reading" and opened is open_for_reading:
        with opened(path, timeout_seconds=5):
            return
    says = r"warehouse\.duckdb has been in use by another"
    with pytest.raises(WarehouseBusy, match=says), opened(path, timeout_seconds=0.1):
        pass


@both
def test_who_waits_long_enough_gets_in_and_sees_what_was_committed(
    path: Path, opened: Opener, hold: Callable[..., subprocess.Popen]
) -> None:
    holder = hold("open_for_writing", INSERT.format("amber"))
    timer = threading.Timer(0.3, holder.stdin.close)
    timer.start()
    with opened(path, timeout_seconds=30) as db:
        assert db.execute("SELECT source FROM out.states").fetchall() == [("amber",)]
    timer.join()


def test_another_program_that_ignores_our_lock_file_is_named(path: Path, tmp_path: Path) -> None:
    with open_for_writing(path):
        pass
    code = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    shell = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        shell.stdout.readline()
        says = "open in another program"
        with pytest.raises(WarehouseBusy, match=says), open_for_writing(path, timeout_seconds=0.1):
            pass
    finally:
        shell.communicate("\n")
    with open_for_writing(path, timeout_seconds=1):
        pass


@both
def test_an_exception_in_the_block_closes_the_file_and_gives_the_lock_back(
    path: Path, opened: Opener
) -> None:
    with pytest.raises(KeyboardInterrupt), opened(path) as db:
        raise KeyboardInterrupt
    with pytest.raises(duckdb.ConnectionException):
        db.execute("SELECT 1")
    with open_for_writing(path, timeout_seconds=0.1):
        pass


def test_a_transaction_commits_whole_or_not_at_all(path: Path) -> None:
    def put(db: duckdb.DuckDBPyConnection, *sources: str, then: str = "") -> None:
        with transaction(db):
            for source in sources:
                db.execute("INSERT INTO out.states (source, state) VALUES (?, 'ok')", [source])
            if then:
                raise KeyboardInterrupt

    with open_for_writing(path) as db:
        put(db, "kept")
        with pytest.raises(duckdb.ConstraintException):
            put(db, "lost", "kept")
        with pytest.raises(KeyboardInterrupt):
            put(db, "lost", then="interrupted")
    assert states(path) == ["kept"]


def test_a_killed_writer_leaves_the_last_committed_state_and_no_lock(
    path: Path, hold: Callable[..., subprocess.Popen]
) -> None:
    does = "; ".join([INSERT.format("kept"), "db.execute('BEGIN')", INSERT.format("lost")])
    writer = hold("open_for_writing", does)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert path.with_name("warehouse.duckdb.wal").exists()  # what makes the next reader's start
    assert states(path) == ["kept"]
    assert states(path) == ["kept"]
    with open_for_writing(path, timeout_seconds=0.1):
        pass


@both
@pytest.mark.parametrize("content", [b"not a database at all" * 999, b""], ids=["garbage", "empty"])
def test_a_file_that_is_no_database_is_named_with_the_cure_and_left_alone(
    path: Path, opened: Opener, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    says = r"warehouse\.duckdb cannot be opened: .*`energy backfill`"
    with pytest.raises(WarehouseDamaged, match=says), opened(path, timeout_seconds=0.5):
        pass
    assert path.read_bytes() == content


def test_a_damaged_header_is_named(path: Path) -> None:
    with open_for_writing(path):
        pass
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192  # both database headers
    path.write_bytes(content)
    with pytest.raises(WarehouseDamaged, match=r"warehouse\.duckdb"), open_for_reading(path):
        pass


def test_since_tells_when_a_state_began_and_a_success_is_remembered(
    path: Path, instants: list
) -> None:
    first, second, third, fourth = instants
    with open_for_writing(path) as db:
        set_state(db, "amber", "ok", first, None)
        set_state(db, "amber", "down", second, "no answer")
        set_state(db, "amber", "down", third, "still none")
        row = db.execute("SELECT state, since, last_success_at, message FROM out.states")
        assert row.fetchall() == [("down", second, first, "still none")]
        set_state(db, "amber", "ok", fourth, None)
        row = db.execute("SELECT state, since, last_success_at, message FROM out.states")
        assert row.fetchall() == [("ok", fourth, fourth, None)]
