"""The JSON API of the real server, in every state of the home."""

import socket
from datetime import datetime, timedelta

import httpx
import pytest

ENDPOINTS = ["price", "cost", "totals", "forecast"]
TZ = "+11:00"


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture
def show(server, rows_of):
    """Put the home into one of its states."""

    def publish(state):
        server.home.publish(rows_of.states()[state] if isinstance(state, str) else state)

    return publish


def test_the_price_now_comes_with_its_interval_class_and_freshness(http, show):
    show("normal")
    answer = http.get("/api/price")
    price = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert price["site"] == "01HOME"
    assert price["import_c_per_kwh"] == 24.2
    assert price["import_c_per_kwh_reason"] is None
    assert price["feed_in_c_per_kwh"] == pytest.approx(24.2 * 0.6 - 9)
    assert price["interval"] == {
        "start": f"2026-11-24T14:05:00{TZ}",
        "end": f"2026-11-24T14:10:00{TZ}",
        "duration_minutes": 5,
    }
    assert (price["price_class"], price["confirmed"], price["level"]) == ("locked", True, "normal")
    assert price["freshness"] == {
        "fetched_at": f"2026-11-24T14:06:24{TZ}",
        "age_seconds": 16.0,
        "stale": False,
        "stale_reason": None,
    }


def test_an_estimate_says_so_and_names_the_last_confirmed_price(http, show):
    show("estimate")
    price = http.get("/api/price").json()
    assert (price["price_class"], price["confirmed"]) == ("estimate", False)
    assert price["last_confirmed"]["interval"]["start"] == f"2026-11-24T14:00:00{TZ}"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("stale", "No new price since 13:50."),
        ("supplier_down", "No new price since 13:50."),
        ("empty", "Waiting for the first price."),
        (
            "clock_wrong",
            "The clock is wrong: it says 14:06, but the newest price was fetched at 17:06.",
        ),
    ],
)
def test_without_a_current_price_there_is_a_reason_in_its_place(http, show, state, reason):
    show(state)
    price = http.get("/api/price").json()
    assert price["import_c_per_kwh"] is None
    assert price["import_c_per_kwh_reason"] == reason
    assert price["freshness"]["stale"] is True
    cost = http.get("/api/cost").json()
    assert (cost["cost_aud_per_hour"], cost["cost_aud_per_hour_reason"]) == (None, reason)
    forecast = http.get("/api/forecast").json()
    assert (forecast["intervals"], forecast["intervals_reason"]) == ([], reason)
    assert forecast["best_start"]["start_reason"] == reason


def test_a_site_without_feed_in_says_so(http, show):
    show("typical_load")
    price = http.get("/api/price").json()
    assert price["feed_in_c_per_kwh"] is None
    assert price["feed_in_c_per_kwh_reason"] == "The site has no feed-in."


def test_the_cost_of_an_hour_is_the_live_load_times_the_price(http, show):
    show("normal")
    cost = http.get("/api/cost").json()
    assert cost["cost_aud_per_hour"] == pytest.approx(1.74 * 24.2 / 100)
    assert (cost["import_kw"], cost["import_kw_source"]) == (1.74, "powerpal")
    assert cost["measured_age_seconds"] == 130.0


def test_without_a_live_meter_the_cost_is_of_a_typical_load(http, show):
    show("typical_load")
    cost = http.get("/api/cost").json()
    assert (cost["import_kw"], cost["import_kw_source"], cost["measured_at"]) == (
        0.8,
        "typical",
        None,
    )


def test_without_any_usage_the_cost_is_unknown_with_a_reason(http, show):
    show("no_usage")
    cost = http.get("/api/cost").json()
    assert cost["cost_aud_per_hour"] is None
    assert (
        cost["cost_aud_per_hour_reason"]
        == cost["import_kw_reason"]
        == ("No live meter, and no usage yet to say what is typical.")
    )


def test_totals_count_what_is_known(http, show):
    show("normal")
    totals = http.get("/api/totals").json()
    today, month = totals["today"], totals["month_to_date"]
    assert (today["first_date"], today["import_kwh"], today["cost_aud"]) == (
        "2026-11-24",
        8.43,
        2.31,
    )
    assert (today["elapsed_count"], today["used_count"]) == (169, 163)  # 14 h and 5 min are over
    assert today["coverage_fraction"] == pytest.approx(163 / 169)
    assert (month["first_date"], month["last_date"]) == ("2026-11-01", "2026-11-24")
    assert month["elapsed_count"] == 23 * 288 + 169
    assert month["cost_aud"] == pytest.approx(23 * 4.4 + 2.31)


def test_unknown_usage_of_today_is_null_with_a_reason(http, show):
    show("no_usage")
    today = http.get("/api/totals").json()["today"]
    assert (today["import_kwh"], today["cost_aud"]) == (None, None)
    assert today["coverage_fraction"] == 0.0
    assert today["reason"] == "Usage comes tomorrow."


def test_days_that_are_not_there_are_null_with_a_reason(http, show):
    show("empty")
    totals = http.get("/api/totals").json()
    assert (totals["today"], totals["month_to_date"]) == (None, None)
    assert totals["today_reason"]
    assert totals["month_to_date_reason"]


def test_the_forecast_ascends_from_now_in_mixed_durations(http, show, rows_of):
    show("normal")
    forecast = http.get("/api/forecast").json()
    intervals = forecast["intervals"]
    bounds = [(i["interval"]["start"], i["interval"]["end"]) for i in intervals]
    assert bounds[0][0] == f"2026-11-24T14:05:00{TZ}"
    assert [a[1] for a in bounds[:-1]] == [b[0] for b in bounds[1:]]
    assert {i["interval"]["duration_minutes"] for i in intervals} == {5, 30}
    for each in intervals:
        start, end = (datetime.fromisoformat(each["interval"][edge]) for edge in ("start", "end"))
        assert end - start == timedelta(minutes=each["interval"]["duration_minutes"])
    assert {i["price_class"] for i in intervals[1:]} == {"forecast"}


def test_the_best_start_is_the_cheapest_two_hours(http, show):
    show("cheap")
    best = http.get("/api/forecast").json()["best_start"]
    assert best["start"] == f"2026-11-24T23:30:00{TZ}"
    assert best["mean_c_per_kwh"] == -4.0
    expected = (best["mean_from_now_c_per_kwh"] + 4.0) * 1.2 / 100
    assert best["saving_aud"] == pytest.approx(expected)


def test_too_short_a_forecast_gives_a_reason_instead_of_a_start(http, show):
    show("short_horizon")
    best = http.get("/api/forecast").json()["best_start"]
    assert (best["start"], best["saving_aud"]) == (None, None)
    assert "no unbroken 2 hours" in best["start_reason"]


@pytest.mark.parametrize("state", ["first_start", "half_written", "newer_schema", "no_site"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_without_data_an_endpoint_answers_503_with_a_problem(http, show, state, endpoint):
    show(state)
    answer = http.get(f"/api/{endpoint}")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "No data"
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize(
    ("state", "code", "status"),
    [
        ("normal", 200, "ok"),
        ("estimate", 200, "ok"),
        ("down_but_current", 200, "ok"),
        ("stale", 503, "stale"),
        ("clock_wrong", 503, "stale"),
        ("empty", 503, "stale"),
        ("first_start", 503, "no_data"),
        ("half_written", 503, "no_data"),
    ],
)
def test_health_is_200_only_while_there_is_a_current_price(http, show, state, code, status):
    show(state)
    answer = http.get("/api/health")
    health = answer.json()
    assert (answer.status_code, health["status"]) == (code, status)
    assert (health["reason"] is None) == (code == 200)
    assert len(health["boot"]) == 32
    assert health["page_age_s"] >= 0
    assert answer.headers["access-control-allow-origin"] == "null"
    assert answer.headers["cache-control"] == "no-store"


def test_health_tells_the_age_of_the_data(http, show):
    show("stale")
    assert http.get("/api/health").json()["data_age_s"] == 976.0  # 16 min and 16 s


def test_only_health_may_be_read_by_pages_of_other_origins(http, show):
    show("normal")
    for endpoint in [*ENDPOINTS, "openapi.json", "docs", "nothing"]:
        answer = http.get(f"/api/{endpoint}", headers={"Origin": "null"})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_unchanged_answer_is_a_304_and_a_changed_one_is_not(http, show, rows_of, endpoint):
    show("normal")
    first = http.get(f"/api/{endpoint}")
    assert first.headers["cache-control"] == "no-cache"
    tag = {"If-None-Match": first.headers["etag"]}
    again = http.get(f"/api/{endpoint}", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    changed = rows_of.home(prices=rows_of.price_rows(current=33.3))
    changed["days"] = changed["days"][:-1]
    show(changed)
    assert http.get(f"/api/{endpoint}", headers=tag).status_code == 200


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/pricee", "/api/price/x", "/apii/price"])
def test_an_unknown_address_is_a_404_with_a_problem(http, path):
    answer = http.get(path, follow_redirects=True)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404


@pytest.mark.parametrize("path", ["/healthz", "/price", "/fridgee", "/scenarios/x", "/x.json"])
def test_an_address_without_a_page_is_a_404(http, path):
    assert http.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/fridge", "/scenarios", "/_stcore/health"])
def test_pages_and_streamlits_own_endpoints_answer(http, path):
    assert http.get(path).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_api_is_read_only(http, method):
    answer = http.request(method, "/api/price")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_has_exactly_the_fields_that_openapi_documents(http, show):
    schema = http.get("/api/openapi.json").json()
    assert schema["servers"] == [{"url": "/api"}]
    for state in ("normal", "estimate", "stale", "no_usage", "empty", "paid"):
        show(state)
        for endpoint in [*ENDPOINTS, "health"]:
            answer = schema["paths"][f"/{endpoint}"]["get"]["responses"]["200"]
            model = answer["content"]["application/json"]["schema"]
            check(http.get(f"/api/{endpoint}").json(), model, schema["components"]["schemas"])


def check(value, schema, models):
    """Enough of JSON Schema for our own documents."""
    if "$ref" in schema:
        schema = models[schema["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in schema:
        schema = next(s for s in schema["anyOf"] if (s.get("type") == "null") == (value is None))
        return check(value, schema, models)
    kind = schema.get("type")
    if kind == "object":
        assert set(value) == set(schema["properties"]) == set(schema["required"])
        for name, each in value.items():
            check(each, schema["properties"][name], models)
    elif kind == "array":
        for each in value:
            check(each, schema["items"], models)
    else:
        types = {"null": type(None), "string": str, "integer": int, "boolean": bool,
                 "number": (int, float)}  # fmt: skip
        assert isinstance(value, types[kind])
        assert value in schema.get("enum", [value])
        if schema.get("format") == "date-time":
            assert datetime.fromisoformat(value).tzinfo is not None
    return None


def test_the_documentation_page_needs_nothing_from_elsewhere(http):
    answer = http.get("/api/docs")
    assert answer.status_code == 200
    assert "import_c_per_kwh" in answer.text
    for path in ("price", "cost", "totals", "forecast", "health"):
        assert f"/api/{path}" in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "<script" not in answer.text


def test_the_service_manager_hears_that_the_server_is_ready_and_alive(
    own_server, tmp_path, monkeypatch
):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        own_server.start()
        heard = {manager.recv(64), manager.recv(64)}
    assert heard == {b"READY=1", b"WATCHDOG=1"}
