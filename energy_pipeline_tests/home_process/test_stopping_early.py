"""Stopping `energy demo` before it is up."""

import signal

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("home")]


@pytest.mark.parametrize(
    ("name", "number"),
    [("demo suppliers", signal.SIGHUP), ("pages", signal.SIGTERM)],
)
def test_a_home_that_is_stopped_while_it_starts_leaves_nothing(own, name, number):
    own.start()
    own.wait_for_process(name)
    assert own.signal(number) == 0
    assert own.processes() == {}
    assert "Traceback" not in own.said()
