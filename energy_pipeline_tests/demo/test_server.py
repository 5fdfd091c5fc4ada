"""The demo server itself: its clock, its faults, its connections, its command."""

import http.client
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
import requests

from energy_pipeline.demo.server import DEMO_AMBER_TOKEN, DemoServer
from energy_pipeline_tests.demo.conftest import NOON

KEY = {"Authorization": f"Bearer {DEMO_AMBER_TOKEN}"}


def test_the_date_header_is_by_the_servers_clock(server: DemoServer, amber):
    assert parsedate_to_datetime(amber("/sites").headers["Date"]) == NOON
    server.set_clock(offset_seconds=-3600)
    assert parsedate_to_datetime(amber("/sites").headers["Date"]) == NOON - timedelta(hours=1)
    server.set_clock(now=datetime(2025, 1, 1, tzinfo=UTC))
    assert amber("/sites").headers["Date"] == "Wed, 01 Jan 2025 00:00:00 GMT"
    server.set_clock(offset_seconds=0)
    assert server.now() == NOON


def test_the_clock_is_set_over_http(server: DemoServer, http, amber):
    url = f"{server.url}/_demo/clock"
    assert http.get(url, timeout=20).json() == {"now": NOON.isoformat()}
    http.post(url, json={"now": "2025-05-05T05:05:00+10:00"}, timeout=20).raise_for_status()
    (current, *_) = amber("/sites/{site}/prices/current").json()
    assert current["nemTime"] == "2025-05-05T05:10:00+10:00"
    http.post(url, json={"offset_seconds": 60}, timeout=20).raise_for_status()
    assert server.now() == NOON + timedelta(seconds=60)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"now": "2025-05-05T05:05:00"},
        {"now": "noon"},
        {"now": 5},
        {"now": "2025-05-05T05:05:00Z", "offset_seconds": 1},
        {"offset_seconds": "x"},
        {"offset_seconds": 1e300},
        {"offset_seconds": 1e12},
        {"now": "9999-12-31T23:59:59Z"},
        {"later": 1},
        [],
    ],
)
def test_a_clock_that_cannot_be_is_refused(server: DemoServer, http, given):
    assert http.post(f"{server.url}/_demo/clock", json=given, timeout=20).status_code == 400
    assert server.now() == NOON


def test_a_fault_of_status_and_body_replaces_the_answer(server: DemoServer, amber):
    server.fault(
        "/prices",
        status=429,
        body={"message": "Too Many Requests"},
        headers={"x-amzn-ErrorType": "TooManyRequestsException"},
        times=1,
    )
    assert amber("/sites").status_code == 200
    gateway = amber("/sites/{site}/prices/current")
    assert gateway.status_code == 429
    assert gateway.headers["x-amzn-errortype"] == "TooManyRequestsException"
    assert "RateLimit-Limit" not in gateway.headers
    after = amber("/sites/{site}/prices/current")
    assert after.status_code == 200
    assert after.headers["RateLimit-Remaining"] == "49"  # the gateway's refusal was not counted


def test_a_fault_lasts_as_often_as_told_or_until_cleared(server: DemoServer, amber):
    server.fault("*/sites", status=503, times=2)
    assert [amber("/sites").status_code for _ in range(3)] == [503, 503, 200]
    server.fault("*/sites", status=500)
    assert [amber("/sites").status_code for _ in range(3)] == [500] * 3
    server.clear_faults()
    assert amber("/sites").status_code == 200


def test_the_oldest_fault_that_fits_comes_first(server: DemoServer, amber):
    server.fault("*/usage", status=500)
    server.fault("*", status=502, times=1)
    server.fault("/sites", status=503, times=1)
    assert [amber("/sites").status_code for _ in range(3)] == [502, 503, 200]


@pytest.mark.parametrize(
    ("body", "kind"), [("<html>maintenance</html>", "text/html"), ("{", "application/json")]
)
def test_a_fault_may_be_garbage_with_status_200(server: DemoServer, amber, body, kind):
    server.fault("/sites", body=body)
    answer = amber("/sites")
    assert (answer.status_code, answer.text) == (200, body)
    assert answer.headers["Content-Type"] == kind


def test_a_fault_may_be_an_empty_list(server: DemoServer, amber):
    server.fault("/sites", body=[])
    assert amber("/sites").json() == []


def test_a_truncated_answer_promises_more_than_it_sends(server: DemoServer, amber):
    whole = amber("/sites")
    server.fault("/sites", truncate=True, times=1)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        amber("/sites")
    assert amber("/sites").content == whole.content


def test_a_late_answer_is_late(server: DemoServer, http):
    server.fault("/sites", delay_seconds=5)
    with pytest.raises(requests.exceptions.ReadTimeout):
        http.get(f"{server.amber_url}/sites", headers=KEY, timeout=0.2)


def test_a_skewed_clock_moves_the_date_header_and_now(server: DemoServer, amber):
    server.fault("/prices", clock_skew_seconds=3600, times=1)
    skewed = amber("/sites/{site}/prices/current")
    assert parsedate_to_datetime(skewed.headers["Date"]) == NOON + timedelta(hours=1)
    assert skewed.json()[0]["nemTime"] == "2026-11-24T13:05:00+10:00"
    true = amber("/sites/{site}/prices/current")
    assert true.json()[0]["nemTime"] == "2026-11-24T12:05:00+10:00"


def test_faults_are_set_and_cleared_over_http(server: DemoServer, http, amber):
    url = f"{server.url}/_demo/faults"
    made = http.post(url, json={"path_pattern": "/sites", "status": 500, "times": 5}, timeout=20)
    assert made.status_code == 201
    assert amber("/sites").status_code == 500
    assert http.delete(url, timeout=20).status_code == 200
    assert amber("/sites").status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"path_pattern": ""},
        {"path_pattern": "*", "status": 99},
        {"path_pattern": "*", "times": 0},
        {"path_pattern": "*", "delay_seconds": -1},
        {"path_pattern": "*", "clock_skew_seconds": "late"},
        {"path_pattern": "*", "colour": "red"},
        [],
    ],
)
def test_a_fault_that_cannot_be_is_refused(server: DemoServer, http, amber, given):
    answer = http.post(f"{server.url}/_demo/faults", json=given, timeout=20)
    assert answer.status_code == 400
    assert amber("/sites").status_code == 200


def test_requests_are_remembered_with_their_queries(server: DemoServer, amber, http):
    amber("/sites")
    amber("/sites/{site}/prices", startDate="2026-11-01", endDate="2026-11-01")
    http.get(f"{server.url}/_demo/clock", timeout=20)
    assert [path.rsplit("/", 1)[1] for path in server.requests] == [
        "sites",
        "prices?startDate=2026-11-01&endDate=2026-11-01",
    ]


def test_a_connection_is_kept_open(server: DemoServer):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/amber/v1/sites", headers=KEY)
        with connection.getresponse() as answer:
            assert (answer.status, answer.version) == (200, 11)
            answer.read()
        assert connection.sock is first
    connection.close()


def test_a_stopped_server_refuses_and_comes_back_at_the_same_address(server: DemoServer, http):
    url = server.url
    http.get(f"{server.amber_url}/sites", headers=KEY, timeout=20)
    server.stop()
    with pytest.raises(requests.ConnectionError):
        http.get(f"{server.amber_url}/sites", headers=KEY, timeout=20)
    server.start()
    assert server.url == url
    assert http.get(f"{server.amber_url}/sites", headers=KEY, timeout=20).status_code == 200


def test_only_get_is_spoken_to_suppliers(server: DemoServer, http):
    assert http.post(f"{server.amber_url}/sites", headers=KEY, timeout=20).status_code == 405


def test_a_server_not_started_has_no_address():
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = DemoServer().url


def test_the_command_runs_until_it_is_told_to_stop():
    command = [sys.executable, "-m", "energy_pipeline.demo.server", "--port", "0", "--no-throttle"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[3]
        answer = requests.get(f"{address}/amber/v1/sites", headers=KEY, timeout=20)
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
