"""What the demo's Amber refuses: keys, ranges, parameters, and more than its quota."""

from datetime import timedelta

import pytest

from energy_pipeline.demo.server import DEMO_SITE_ID, DemoServer
from energy_pipeline_tests.demo.conftest import NOON


def test_a_wrong_key_is_forbidden_without_rate_limit_headers(server: DemoServer, http):
    answer = http.get(
        f"{server.amber_url}/sites", headers={"Authorization": "Bearer psk_wrong"}, timeout=20
    )
    assert answer.status_code == 403
    assert answer.json() == {
        "message": "User is not authorized to access this resource with an explicit deny in an "
        "identity-based policy"
    }
    assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]


def test_no_key_is_unauthorized(server: DemoServer, http):
    assert http.get(f"{server.amber_url}/sites", timeout=20).status_code == 401


@pytest.mark.parametrize("path", ["/prices", "/prices/current", "/usage"])
def test_an_unknown_site_is_not_found(amber, path):
    assert amber("/sites/01NOSUCHSITE" + path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/site", "/sites/{site}", "/sites/{site}/prices/"])
def test_an_unknown_path_is_not_found(amber, path):
    assert amber(path).status_code == 404


@pytest.mark.parametrize("path", ["/sites/{site}/prices", "/sites/{site}/usage"])
def test_dates_more_than_seven_days_apart_are_refused_in_plain_text(amber, path):
    answer = amber(path, startDate="2026-11-01", endDate="2026-11-09")
    assert answer.status_code == 422
    assert answer.text == "Range requested is too large. Maximum 7 days."
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert amber(path, startDate="2026-11-01", endDate="2026-11-08").status_code == 200


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", "", "01/11/2026"])
def test_a_date_that_is_none_is_the_suppliers_internal_error(amber, given):
    answer = amber("/sites/{site}/prices", startDate=given, endDate="2026-11-01")
    assert (answer.status_code, answer.json()) == (502, {"message": "Internal server error"})


def test_an_end_before_the_start_is_refused(amber):
    answer = amber("/sites/{site}/prices", startDate="2026-11-02", endDate="2026-11-01")
    assert answer.status_code == 400


@pytest.mark.parametrize("given", [{"resolution": 15}, {"next": -1}, {"previous": "many"}])
def test_parameters_outside_the_contract_are_refused(amber, given):
    assert amber("/sites/{site}/prices/current", **given).status_code == 400


def test_more_than_2048_intervals_are_refused(amber):
    path = "/sites/{site}/prices/current"
    assert amber(path, next=1048, previous=1001).status_code == 422
    assert amber(path, next=1048, previous=1000).status_code == 200


def test_every_authorised_answer_says_what_is_left(amber):
    first, second = amber("/sites"), amber("/sites")
    assert first.headers["RateLimit-Policy"] == "50;w=300"
    assert first.headers["RateLimit-Limit"] == "50"
    assert first.headers["RateLimit-Remaining"] == "49"
    assert first.headers["RateLimit-Reset"] == "300"
    assert second.headers["RateLimit-Remaining"] == "48"


def test_prices_have_a_counter_of_their_own(amber):
    amber("/sites")
    usage = amber("/sites/{site}/usage", startDate="2026-11-10", endDate="2026-11-10")
    prices = amber("/sites/{site}/prices")
    current = amber("/sites/{site}/prices/current")
    assert [a.headers["RateLimit-Remaining"] for a in (usage, prices, current)] == [
        "48", "49", "48",
    ]  # fmt: skip


def test_the_fifty_first_request_waits_for_the_next_window(server: DemoServer, amber):
    assert {amber("/sites").status_code for _ in range(50)} == {200}
    server.set_clock(now=NOON + timedelta(seconds=120))
    refused = amber("/sites")
    assert refused.status_code == 429
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert refused.headers["RateLimit-Reset"] == "180"
    assert "Retry-After" not in refused.headers
    assert amber("/sites/{site}/prices/current").status_code == 200
    server.set_clock(now=NOON + timedelta(seconds=300))
    again = amber("/sites")
    assert again.status_code == 200
    assert again.headers["RateLimit-Remaining"] == "49"


def test_without_throttle_the_quota_never_falls(http):
    with DemoServer(clock=lambda: NOON, throttle=False) as server:
        for _ in range(60):
            answer = http.get(
                f"{server.amber_url}/sites/{DEMO_SITE_ID}/prices/current",
                headers={"Authorization": "Bearer psk_demo_home"},
                timeout=20,
            )
            assert answer.status_code == 200
            assert answer.headers["RateLimit-Remaining"] == "49"
