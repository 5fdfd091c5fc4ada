"""The live poller against the demo home's suppliers: a clock of our own, real HTTP and DuckDB."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest

from energy_pipeline.demo.server import DEMO_SITE_ID, DemoServer
from energy_pipeline.model.poll_plan import INTERVAL
from energy_pipeline.poller import LONGEST_SLEEP_SECONDS, LivePoller, PollerThread
from energy_pipeline.resources import HomeResource
from energy_pipeline.warehouse.connect import open_for_writing
from energy_pipeline_tests.homes import Home

T = datetime(2026, 10, 20, 2, 0, tzinfo=UTC)
MakePoller = Callable[..., LivePoller]
CLASSES = "SELECT price_class FROM prices WHERE interval_start = '{}' AND duration_minutes = 5"


@pytest.fixture
def make(home: Home) -> MakePoller:
    """A poller of the home whose clock is the suppliers' too; without a Powerpal unless asked."""

    def make_poller(
        *, powerpal: bool = False, clock: Callable[[], datetime] = home.clock
    ) -> LivePoller:
        opened = HomeResource()
        return LivePoller(
            home.settings(),
            opened.amber(),
            opened.powerpal() if powerpal else None,
            clock=clock,
        )

    home.clock.set(T + timedelta(seconds=1))
    return make_poller


def run(poller: LivePoller, home: Home, until: datetime) -> list[datetime]:
    """Step whenever something is due; the instants at which it was."""
    steps = []
    while home.clock.now < until:
        steps.append(home.clock.now)
        due = poller.step()
        assert due > home.clock.now
        home.clock.set(due)
    return steps


def live(home: Home, sql: str) -> list[tuple]:
    with duckdb.connect(str(home.live_path), read_only=True) as db:
        db.execute("SET TimeZone = 'UTC'")
        return db.execute(sql).fetchall()


def state(home: Home) -> tuple:
    return live(home, "SELECT state, message FROM states WHERE source = 'amber'")[0]


def asked(home: Home, word: str = "/current") -> int:
    return sum(word in request for request in home.suppliers.requests)


def test_an_estimate_is_published_and_then_the_locked_price(home: Home, make: MakePoller) -> None:
    poller = make()
    poller.step()
    assert (poller.report.price_class, poller.report.state) == ("estimate", "ok")
    assert live(home, CLASSES.format(T)) == [("estimate",)]
    home.clock.set(T + timedelta(seconds=40))
    due = poller.step()
    assert poller.report.price_class == "locked"
    assert live(home, CLASSES.format(T)) == [("locked",)]
    assert home.query(
        "SELECT price_class FROM raw.amber_prices WHERE channel_type = 'feedIn' "
        "ORDER BY interval_start DESC LIMIT 1"
    ) == [("locked",)]
    assert due == T + INTERVAL + timedelta(seconds=16)
    assert state(home) == ("ok", None)


def test_every_interval_is_confirmed_with_few_requests_and_the_quota_is_never_used_up(
    home: Home, make: MakePoller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DemoServer(clock=home.clock) as throttled:
        monkeypatch.setenv("AMBER_BASE_URL", throttled.amber_url)
        poller = make()
        left, locked = [], set()
        steps = []
        while home.clock.now < T + 6 * INTERVAL:
            steps.append(home.clock.now)
            home.clock.set(poller.step())
            left.append(poller.report.requests_left)
            assert poller.report.state == "ok"
            if poller.report.price_class == "locked":
                locked.add(poller.report.interval_start)
    assert locked == {T + n * INTERVAL for n in range(6)}
    for number in range(6):
        start = T + number * INTERVAL
        within = [step for step in steps if start <= step < start + INTERVAL]
        assert len(within) <= 12
        assert all(b - a >= timedelta(seconds=2) for a, b in pairwise(within))
    assert min(left) >= 25


def test_an_interval_boundary_that_passes_while_asking_skips_no_interval(
    home: Home, make: MakePoller
) -> None:
    asked_at, answered_at = T + timedelta(seconds=240), T + INTERVAL + timedelta(seconds=2)
    home.clock.set(asked_at)
    instants = iter([asked_at] * 3)  # made twice, asked; then it is answered
    poller = make(clock=lambda: next(instants, answered_at))
    due = poller.step()
    assert poller.report.price_class == "locked"
    assert due == T + INTERVAL + timedelta(seconds=16)


def test_an_hours_outage_is_told_in_a_sentence_and_healed_by_one_answer(
    home: Home, make: MakePoller
) -> None:
    poller = make()
    run(poller, home, T + timedelta(minutes=2))
    home.suppliers.fault("/current", status=500)
    before = asked(home)
    outage = run(poller, home, T + timedelta(minutes=62))
    assert poller.report.state == "down"
    told, message = state(home)
    assert told == "down"
    assert message.startswith("Amber current price: HTTP 500")
    assert asked(home) - before <= 70
    assert max(b - a for a, b in pairwise(outage[1:])) <= timedelta(seconds=61)
    since = live(home, "SELECT since FROM states WHERE source = 'amber'")[0][0]
    assert since < T + timedelta(minutes=10)
    home.suppliers.clear_faults()
    before = asked(home)
    home.clock.set(T + timedelta(minutes=64))
    poller.step()
    assert asked(home) - before == 1
    assert state(home) == ("ok", None)
    covered = live(
        home,
        "SELECT count(*), count(DISTINCT interval_start), min(interval_start) "
        f"FROM prices WHERE price_class <> 'forecast' AND interval_start >= '{T}'",
    )
    assert covered == [(13, 13, T)]


def test_a_supplier_that_cannot_be_reached_is_told_in_a_sentence(
    home: Home, make: MakePoller
) -> None:
    poller = make()
    poller.step()
    home.suppliers.stop()
    home.clock.set(T + timedelta(seconds=30))
    poller.step()
    told, message = state(home)
    assert told == "down"
    assert "check the internet connection" in message
    home.suppliers.start()
    home.clock.set(T + timedelta(seconds=60))
    poller.step()
    assert state(home) == ("ok", None)


def test_a_key_that_is_refused_is_told_with_its_cure_and_not_asked_again_soon(
    home: Home, make: MakePoller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBER_TOKEN", "psk_canary")
    poller = make()
    due = poller.step()
    assert due == T + timedelta(seconds=301)
    assert poller.report.state == "key_rejected"
    told, message = state(home)
    assert told == "key_rejected"
    assert "AMBER_TOKEN" in message
    assert "psk_canary" not in message


def test_a_quota_that_is_used_up_is_waited_out(home: Home, make: MakePoller) -> None:
    poller = make()
    poller.step()
    headers = {"RateLimit-Limit": "50", "RateLimit-Remaining": "0", "RateLimit-Reset": "90"}
    home.suppliers.fault("/current", status=429, headers=headers, times=1)
    home.clock.set(T + timedelta(seconds=20))
    assert poller.step() == T + timedelta(seconds=20 + 92)
    assert state(home)[0] == "throttled"
    home.clock.set(T + timedelta(seconds=112))
    poller.step()
    assert state(home) == ("ok", None)


@pytest.mark.parametrize(
    "body", [b"<html>login</html>", b'{"not": "a list"}', b"[1, 2", b"\xff\xfe"], ids=str
)
def test_an_answer_that_makes_no_sense_leaves_the_good_prices(
    home: Home, make: MakePoller, body: bytes
) -> None:
    poller = make()
    poller.step()
    good = live(home, "SELECT * FROM prices ORDER BY ALL")
    home.suppliers.fault("/current", body=body)
    home.clock.set(T + timedelta(seconds=20))
    poller.step()
    assert state(home)[0] == "down"
    assert live(home, "SELECT * FROM prices ORDER BY ALL") == good


def test_an_answer_without_prices_is_no_price(home: Home, make: MakePoller) -> None:
    home.suppliers.fault("/current", body=[])
    poller = make()
    poller.step()
    assert state(home) == ("stale", "Amber answered without a price for the current interval")
    assert home.query("SELECT count(*) FROM raw.amber_prices") == [(0,)]


@pytest.mark.parametrize(("skew", "words"), [(-120.0, "120 s ahead of"), (90.0, "90 s behind")])
def test_a_clock_that_is_wrong_is_told(
    home: Home, make: MakePoller, skew: float, words: str
) -> None:
    home.suppliers.fault("/current", clock_skew_seconds=skew)
    poller = make()
    poller.step()
    told, message = state(home)
    assert told == "ok"
    assert (
        message == f"the clock of this machine is {words} Amber's: check its time synchronisation"
    )


def test_a_clock_that_is_set_back_is_followed(home: Home, make: MakePoller) -> None:
    poller = make(powerpal=True)
    home.clock.set(T + timedelta(days=3))
    poller.step()
    home.clock.set(T + timedelta(seconds=40))
    poller.step()
    assert poller.report.interval_start == T
    assert live(home, CLASSES.format(T)) == [("locked",)]
    assert LONGEST_SLEEP_SECONDS <= 60  # how soon a thread that sleeps notices


def test_a_warehouse_that_is_busy_delays_the_price_and_loses_nothing(
    home: Home, make: MakePoller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_pipeline.poller.WAREHOUSE_TIMEOUT_SECONDS", 0.05)
    poller = make()
    with open_for_writing(home.settings().warehouse_path):
        steps = run(poller, home, T + timedelta(minutes=5))
        assert poller.report.state == "down"
        assert "in use by another process" in poller.report.message
    assert len(steps) <= 12  # the quota is not used up by what fails at once
    poller.step()
    assert poller.report.state == "ok"
    assert live(home, "SELECT site_id FROM site") == [(DEMO_SITE_ID,)]


def test_a_damaged_warehouse_is_told_and_a_restored_one_is_used(
    home: Home, make: MakePoller
) -> None:
    path = home.settings().warehouse_path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"garbage" * 1000)
    poller = make()
    home.clock.set(poller.step())
    assert "warehouse.duckdb cannot be opened" in poller.report.message
    path.unlink()
    poller.step()
    assert poller.report.state == "ok"


def test_the_power_is_published_each_minute_with_the_price_between(
    home: Home, make: MakePoller
) -> None:
    poller = make(powerpal=True)
    run(poller, home, T + timedelta(minutes=3))
    (reading,) = live(home, "SELECT source, measured_at, window_minutes, import_kw FROM power")
    assert reading[:3] == ("powerpal", T + timedelta(minutes=2), 1.0)
    assert reading[3] >= 0
    assert asked(home, "/device/") == 3
    assert live(home, "SELECT count(*) FROM states WHERE state = 'ok'") == [(2,)]


def test_a_powerpal_that_is_down_leaves_the_price_alone(home: Home, make: MakePoller) -> None:
    home.suppliers.fault("/device", status=500)
    poller = make(powerpal=True)
    poller.step()
    states = live(home, "SELECT source, state FROM states ORDER BY source")
    assert states == [("amber", "ok"), ("powerpal", "down")]


def test_two_threads_of_one_home_never_ask_at_the_same_time(home: Home, make: MakePoller) -> None:
    lock = home.settings().data_dir / "live-poller.lock"
    first, second = (PollerThread(make(), lock) for _ in range(2))
    first.start()
    while first.poller.report.state == "waiting":
        time.sleep(0.01)
    second.start()
    assert second.poller.report.state == "waiting"
    second.stop()
    first.stop()
    assert not first.alive
    assert not second.alive
    assert first.error is second.error is None


def test_the_meter_is_asked_only_while_the_price_can_wait(home: Home, make: MakePoller) -> None:
    poller = make(powerpal=True)
    home.clock.set(T + timedelta(seconds=16))
    while poller.report.price_class != "locked":
        assert asked(home, "/device") == 0
        home.clock.set(poller.step())
    assert asked(home, "/device") == 1
    run(poller, home, T + 2 * INTERVAL)
    assert 8 <= asked(home, "/device") <= 10  # about once a minute
