"""What HTTP answers mean, how far a bad one gets, and that the key never gets out."""

import gzip
import itertools
import logging
import socket
import time
import traceback
from datetime import UTC, date, datetime

import pytest
import requests

from energy_pipeline.sources.amber import AmberApi, amber_api
from energy_pipeline.sources.errors import (
    KeyRejected,
    SourceError,
    SourceRejected,
    SourceThrottled,
    SourceUnavailable,
    WindowTooLarge,
)
from energy_pipeline.sources.powerpal import powerpal_api
from energy_pipeline.sources.transport import Limits, keyed_session

CANARY = "psk_c4nary0000feedface"
DAY = date(2026, 9, 24)


def api_at(url, *, sleeps=None, **limits) -> AmberApi:
    """An Amber client with the canary for a key; its pauses are noted, not slept."""
    notes = [] if sleeps is None else sleeps
    session = keyed_session(f"Bearer {CANARY}")
    return AmberApi(url, session, limits=Limits(**limits), sleep=notes.append)


def asked(api):
    return api.prices("SITE", DAY, DAY)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("400 Bad Request", SourceRejected),
        ("401 Unauthorized", KeyRejected),
        ("403 Forbidden", KeyRejected),
        ("404 Not Found", SourceRejected),
        ("405 Method Not Allowed", SourceRejected),
        ("408 Request Timeout", SourceUnavailable),
        ("410 Gone", SourceRejected),
        ("422 Unprocessable", SourceRejected),
        ("429 Too Many Requests", SourceThrottled),
        ("500 Internal Server Error", SourceUnavailable),
        ("502 Bad Gateway", SourceUnavailable),
        ("503 Service Unavailable", SourceUnavailable),
        ("504 Gateway Timeout", SourceUnavailable),
        ("204 No Content", SourceUnavailable),
        ("302 Found", SourceUnavailable),
    ],
)
def test_the_error_says_whether_trying_again_can_help(raw_server, http, status, error):
    raw_server.answer(http('{"message": "because"}' if "204" not in status else "", status))
    with pytest.raises(SourceError) as caught:
        asked(api_at(raw_server.url))
    assert type(caught.value) is error
    assert issubclass(error, SourceUnavailable) != issubclass(error, SourceRejected)
    assert "Amber prices 2026-09-24 to 2026-09-24" in str(caught.value)
    assert status.split()[0] in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "<!doctype html><title>Log in to the hotel</title>",
        "[{",
        "",
        "\x00\x01",
        '["\\ud800"',
        "[" * 100_000,
        "[" + "9" * 5_000 + "]",
        '{"message": "an object"}',
        "null",
        '"text"',
    ],
    ids=lambda body: repr(body[:12]),
)
def test_anything_but_a_json_list_with_status_200_is_worth_another_attempt(raw_server, http, body):
    raw_server.answer(http(body))
    for call in (asked, AmberApi.sites):
        with pytest.raises(SourceUnavailable):
            call(api_at(raw_server.url))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n[]",
    ],
    ids=["closed", "not-http", "short", "cut-chunk", "no-chunk", "not-gzip", "many-headers"],
)
def test_a_broken_connection_or_body_is_worth_another_attempt(raw_server, answer):
    raw_server.answer(answer)
    with pytest.raises(SourceUnavailable):
        asked(api_at(raw_server.url))


def test_a_chunked_and_compressed_answer_is_read(raw_server):
    body = gzip.compress(b"[]")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:9], body[9:], b""))
    raw_server.answer([head, *chunks])
    assert asked(api_at(raw_server.url)).parsed.rows.empty


@pytest.fixture
def nobody():
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_nobody_listening_is_worth_another_attempt_and_says_so(nobody):
    with pytest.raises(SourceUnavailable, match="Connection refused"):
        asked(api_at(nobody))


def test_an_answer_that_does_not_come_ends_at_the_read_limit(raw_server):
    def silence():
        raw_server.let_go.wait(30)
        yield b""

    raw_server.answer(silence())
    with pytest.raises(SourceUnavailable, match="no complete answer"):
        asked(api_at(raw_server.url, read_seconds=0.1))


def test_an_answer_that_drips_for_ever_ends_at_the_total_limit(raw_server):
    def drip():
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        for _ in itertools.takewhile(lambda _: not raw_server.let_go.is_set(), itertools.count()):
            yield b" "
            time.sleep(0.02)

    raw_server.answer(drip())
    with pytest.raises(SourceUnavailable, match=r"not complete after 0\.3 s"):
        asked(api_at(raw_server.url, total_seconds=0.3))


def test_an_answer_over_the_size_limit_is_not_read_to_its_end(raw_server, http):
    raw_server.answer(http("[" + " " * 2_000 + "]"))
    with pytest.raises(SourceUnavailable, match="larger than 1000 bytes"):
        asked(api_at(raw_server.url, body_bytes=1_000))


def test_the_size_limit_holds_for_what_a_small_body_unpacks_to(raw_server, http):
    raw_server.answer(http(gzip.compress(b" " * 10_000_000), Content_Encoding="gzip"))
    with pytest.raises(SourceUnavailable, match="larger than"):
        asked(api_at(raw_server.url, body_bytes=1_000_000))


def test_a_limit_as_large_as_the_answer_lets_it_through(raw_server, http):
    raw_server.answer(http("[" + " " * 998 + "]"))
    assert asked(api_at(raw_server.url, body_bytes=1_000)).parsed.rows.empty


def test_an_address_that_is_none_is_refused_for_good():
    for url in ("api.amber.com.au/v1", "gopher://x", "http://"):
        with pytest.raises(SourceRejected, match="base URL"):
            asked(api_at(url))


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_named_but_not_followed(raw_server, http, status):
    raw_server.answer(http("", status, Location=f"{raw_server.url}/login?token=a"))
    with pytest.raises(SourceUnavailable, match=r"sent on to 127\.0\.0\.1, not followed"):
        asked(api_at(raw_server.url))
    assert len(raw_server.requests) == 1


def test_a_range_too_large_is_told_apart_and_carries_the_suppliers_words(raw_server, http):
    text = "Range requested is too large. Maximum 7 days."
    raw_server.answer(http(text, "422 Unprocessable"))
    with pytest.raises(WindowTooLarge, match=text):
        asked(api_at(raw_server.url))
    raw_server.answer(http("resolution must be 5 or 30", "422 Unprocessable"))
    with pytest.raises(SourceRejected, match="resolution must be 5 or 30") as caught:
        asked(api_at(raw_server.url))
    assert not isinstance(caught.value, WindowTooLarge)


def test_a_quota_used_up_tells_when_it_is_free_again(raw_server, http):
    sleeps = []
    quota = {"RateLimit_Limit": "50", "RateLimit_Remaining": "0", "ratelimit_reset": "187"}
    raw_server.answer(http("", "429 Too Many Requests", **quota))
    with pytest.raises(SourceThrottled) as caught:
        asked(api_at(raw_server.url, sleeps=sleeps))
    assert caught.value.retry_after_seconds == 189.0
    assert sleeps == []
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("Fri, 25 Sep 2026 00:46:20 GMT", 60.0),
        ("Fri, 25 Sep 2026 00:00:00 GMT", 0.0),
        ("999999999", 3600.0),
    ],
)
def test_retry_after_is_honoured_in_seconds_and_as_a_date(raw_server, http, value, seconds):
    headers = {"Retry_After": value, "Date": "Fri, 25 Sep 2026 00:45:20 GMT"}
    raw_server.answer(http("", "429 Too Many Requests", **headers))
    with pytest.raises(SourceThrottled) as caught:
        asked(api_at(raw_server.url))
    assert caught.value.retry_after_seconds == seconds


def test_a_gateways_429_is_asked_again_after_1_and_2_seconds(raw_server, http):
    busy = http({"message": "Too Many Requests"}, "429 Too Many Requests")
    sleeps = []
    raw_server.answer(busy, busy, http("[]"))
    assert asked(api_at(raw_server.url, sleeps=sleeps)).parsed.rows.empty
    assert sleeps == [1.0, 2.0]

    sleeps.clear()
    raw_server.answer(busy)
    with pytest.raises(SourceThrottled) as caught:
        asked(api_at(raw_server.url, sleeps=sleeps))
    assert sleeps == [1.0, 2.0]
    assert caught.value.retry_after_seconds == 60.0


def test_an_answer_carries_the_budget_and_the_suppliers_clock(raw_server, http):
    headers = {
        "Date": "Fri, 25 Sep 2026 00:45:20 GMT",
        "ratelimit_limit": "50",
        "ratelimit_remaining": "43",
        "ratelimit_reset": "187",
    }
    raw_server.answer(http("[]", **headers))
    api = api_at(raw_server.url)
    answer = asked(api)
    assert answer.server_time == datetime(2026, 9, 25, 0, 45, 20, tzinfo=UTC)
    assert answer.budget.remaining == 43
    assert api.seconds_to_wait(answer) == 0.0


@pytest.mark.parametrize("value", ["yesterday", "Fri, 99999999999 Sep 2026 00:00:00 GMT", "1"])
def test_a_date_header_that_is_none_is_an_unknown_time(raw_server, http, value):
    raw_server.answer(http("[]", Date=value))
    assert asked(api_at(raw_server.url)).server_time is None


def test_the_session_sends_its_own_key_even_where_netrc_knows_the_host(
    raw_server, http, tmp_path, monkeypatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password person\n")
    monkeypatch.setenv("NETRC", str(netrc))
    raw_server.answer(http("[]"))
    asked(api_at(raw_server.url))
    assert f"Authorization: Bearer {CANARY}" in raw_server.requests[0]


ECHO = f"You sent Authorization: Bearer {CANARY}"
SECRET_CASES = {
    "refused": (KeyRejected, ECHO, "403 Forbidden", {}),
    "cut-within": (SourceRejected, "x" * 190 + CANARY, "400 Bad Request", {}),
    "refused-json": (KeyRejected, {"message": ECHO}, "401 Unauthorized", {}),
    "rejected": (SourceRejected, ECHO, "400 Bad Request", {}),
    "too-large": (WindowTooLarge, "too large " + ECHO, "422 No", {}),
    "throttled": (SourceThrottled, ECHO, "429 Too Many Requests", {"Retry_After": "1"}),
    "gateway": (SourceThrottled, ECHO, "429 Too Many Requests", {}),
    "failed": (SourceUnavailable, ECHO, "500 Oops", {}),
    "web-page": (SourceUnavailable, f"<p>{ECHO}", "200 OK", {}),
    "not-json": (SourceUnavailable, ECHO, "200 OK", {}),
    "cut-short": (SourceUnavailable, ECHO, "200 OK", {"Content_Length": "999"}),
    "moved": (SourceUnavailable, "", "302 Found", {"Location": f"http://x.invalid/?key={CANARY}"}),
    "moved-to-key": (SourceUnavailable, "", "302 Found", {"Location": f"http://{CANARY}/"}),
}


def assert_no_key(error, caplog, *, secret=CANARY):
    written = [str(error), repr(error), caplog.text, *traceback.format_exception(error)]
    assert not any(part in text.lower() for part in (secret, secret[:9]) for text in written)
    # A logger that walks the chain would find the request, and in it the key.
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("case", SECRET_CASES.values(), ids=SECRET_CASES)
def test_no_failure_tells_the_key(raw_server, http, caplog, case):
    error, body, status, headers = case
    raw_server.answer(http(body, status, **headers))
    caplog.set_level(logging.DEBUG)
    with pytest.raises(error) as caught:
        asked(api_at(raw_server.url))
    assert_no_key(caught.value, caplog)


@pytest.mark.parametrize("key", [f"{CANARY}\n", f"{CANARY}\u2026", f" {CANARY}"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_told(caplog, key):
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {key}" if key.strip() == key else key
    with pytest.raises(KeyRejected) as caught:
        AmberApi("http://127.0.0.1:9", session).sites()
    assert_no_key(caught.value, caplog)


def test_nobody_listening_and_a_closed_connection_do_not_tell_the_key(raw_server, nobody, caplog):
    caplog.set_level(logging.DEBUG)
    raw_server.answer(b"")
    with pytest.raises(SourceUnavailable) as caught:
        asked(api_at(raw_server.url))
    assert_no_key(caught.value, caplog)
    with pytest.raises(SourceUnavailable) as caught:
        asked(api_at(nobody))
    assert_no_key(caught.value, caplog)


def test_no_client_shows_its_key():
    for api in (
        amber_api(CANARY),
        powerpal_api(CANARY, "0000abcd"),
        api_at("http://x"),
    ):
        assert CANARY not in repr(api)
        assert CANARY not in str(api)


@pytest.mark.parametrize(
    "token", ["", "  ", f"Bearer {CANARY}", f"{CANARY}\n{CANARY}", "psk_\u00e9"]
)
def test_a_token_that_can_be_no_key_is_refused_at_once_by_its_variable(token, caplog):
    with pytest.raises(KeyRejected, match="AMBER_TOKEN") as caught:
        amber_api(token)
    assert_no_key(caught.value, caplog)
    with pytest.raises(KeyRejected, match="POWERPAL_TOKEN") as caught:
        powerpal_api(token, "0000abcd")
    assert_no_key(caught.value, caplog)
