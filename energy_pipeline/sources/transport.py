"""One GET to a supplier: bounded in time and size, JSON out, or an error that says what to do.

What HTTP means to every supplier is here. What the JSON means is in each supplier's module.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from energy_pipeline.sources.errors import (
    KeyRejected,
    SourceError,
    SourceRejected,
    SourceThrottled,
    SourceUnavailable,
    WindowTooLarge,
)
from energy_pipeline.sources.rate_limit import RateBudget

GATEWAY_RETRY_SECONDS = (1.0, 2.0)
"""Pauses before a request is repeated that a gateway, not the household's quota, turned away."""
UNTOLD_RETRY_SECONDS = 60.0
"""When to ask again after 429 answers that do not say."""
RESET_MARGIN_SECONDS = 2.0
"""Added to the quota's reset: it is told in whole seconds, and the clocks are two."""
LONGEST_RETRY_SECONDS = 3_600.0
CHUNK_BYTES = 65_536
ERROR_TEXT_BYTES = 16_384
ERROR_TEXT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how large an answer may be."""

    connect_seconds: float = 10.0
    read_seconds: float = 30.0  # between two pieces of the answer
    total_seconds: float = 120.0  # until the last piece
    body_bytes: int = 64 * 1024 * 1024  # decompressed


DEFAULT_LIMITS = Limits()
LIVE_LIMITS = Limits(connect_seconds=3.0, read_seconds=5.0, total_seconds=8.0)
"""For what is asked every few minutes anyway: better late than waited for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, of whom, and what the household can do if the key is refused."""

    what: str  # names supplier and request, such as "Amber prices 2026-09-01 to 2026-09-07"
    url: str
    params: Mapping[str, str | int]
    key_cures: Mapping[int, str]  # by status, 401 and 403


@dataclass(frozen=True, slots=True)
class Reply:
    """A decoded answer, and what its headers tell."""

    payload: Any
    budget: RateBudget | None
    server_time: datetime | None  # UTC


def keyed_session(authorization: str) -> requests.Session:
    """Open a session that sends this Authorization header."""
    http = requests.Session()
    http.headers["Authorization"] = authorization
    http.headers["Accept"] = "application/json"
    http.headers["User-Agent"] = "energy-pipeline"
    return http


def plain_key(key: str, *, variable: str, cure: str) -> str:
    """Check that a key can be sent at all, and take off the blanks around it.

    Raises
    ------
    KeyRejected
        If it is empty or more than one word of plain characters.
    """
    key = key.strip()
    if not key:
        raise KeyRejected(f"{variable} is empty: {cure}")
    if not re.fullmatch(r"[!-~]+", key):
        raise KeyRejected(
            f"{variable} holds a blank or a character that no key has: "
            f"paste the key alone, without quotes or 'Bearer'; {cure}"
        )
    return key


def get_json(
    http: requests.Session,
    request: Request,
    *,
    limits: Limits,
    sleep: Callable[[float], None],
) -> Reply:
    """Ask once and decode the answer; a gateway's 429 is asked again after 1 and 2 seconds.

    Redirects are not followed: the suppliers send none, captive portals do, and the key stays.

    Raises
    ------
    KeyRejected
        On 401 and 403.
    WindowTooLarge
        On 422 that says the range is too large.
    SourceRejected
        On any other 4xx but 408 and 429, and if the request cannot be sent as it is.
    SourceThrottled
        On 429.
    SourceUnavailable
        On 408, 5xx, a redirect, a network failure, and an answer over the limits or not JSON.
    """
    answer = _ask(http, request, limits)
    for pause_seconds in GATEWAY_RETRY_SECONDS:
        if not isinstance(answer, _GatewayBusyError):
            break
        sleep(pause_seconds)
        answer = _ask(http, request, limits)
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, _GatewayBusyError):
        answer = SourceThrottled(str(answer), UNTOLD_RETRY_SECONDS)
    # Raised here, not where it is made: there an exception of the HTTP library would become its
    # context and carry the request along, and the request carries the key.
    raise answer


class _DroppedError(SourceUnavailable):
    """The other side closed a kept connection before it answered: a new one is worth a try now."""


class _GatewayBusyError(SourceUnavailable):
    """A 429 that tells neither quota nor time: no quota of ours, worth a second try now."""


def _ask(http: requests.Session, request: Request, limits: Limits) -> Reply | SourceError:
    answer = _attempt(http, request, limits)
    if isinstance(answer, _DroppedError):
        answer = _attempt(http, request, limits)
    return SourceUnavailable(str(answer)) if isinstance(answer, _DroppedError) else answer


def _attempt(http: requests.Session, request: Request, limits: Limits) -> Reply | SourceError:
    what = request.what
    hidden = _hiding(http)
    deadline = time.monotonic() + limits.total_seconds
    try:
        with http.get(
            request.url,
            params=request.params,
            timeout=(limits.connect_seconds, limits.read_seconds),
            stream=True,
            allow_redirects=False,
            auth=_as_prepared,
        ) as response:
            if response.status_code != requests.codes.ok:
                said = _error_text(_read(response, ERROR_TEXT_BYTES, deadline))
                return _refusal(response, request, hidden(said)[:ERROR_TEXT_CHARACTERS], hidden)
            body = _read(response, limits.body_bytes + 1, deadline)
            headers = response.headers
    except (requests.exceptions.InvalidHeader, UnicodeError):
        return KeyRejected(f"{what}: the key holds a character that cannot be sent; paste it again")
    except (
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidSchema,
        requests.exceptions.InvalidURL,
    ):
        return SourceRejected(
            f"{what}: {_host(request.url)!r} is not an address; check the base URL"
        )
    except _DeadlineError:
        return SourceUnavailable(
            f"{what}: the answer was not complete after {limits.total_seconds:g} s; try again later"
        )
    except requests.ConnectTimeout:
        return SourceUnavailable(
            f"{what}: {_host(request.url)} did not accept the connection within "
            f"{limits.connect_seconds:g} s; check the internet connection"
        )
    except (requests.RequestException, urllib3.exceptions.HTTPError) as exc:
        cause = hidden(_root_cause(exc))
        dropped = isinstance(exc, requests.ConnectionError) and "RemoteDisconnected" in cause
        return (_DroppedError if dropped else SourceUnavailable)(
            f"{what}: {_host(request.url)} gave no complete answer ({cause}); "
            "check the internet connection, or try again later"
        )
    if len(body) > limits.body_bytes:
        return SourceUnavailable(
            f"{what}: the answer is larger than {limits.body_bytes} bytes; try again later"
        )
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        kind = "a web page" if body.lstrip()[:1] == b"<" else f"{len(body)} bytes"
        return SourceUnavailable(
            f"{what}: expected JSON, found {kind}; check that no login page stands in between, "
            "or try again later"
        )
    return Reply(payload, RateBudget.from_headers(headers), _instant(headers.get("Date")))


class _DeadlineError(Exception):
    """The answer keeps coming, but not in time."""


def _read(response: requests.Response, limit: int, deadline: float) -> bytes:
    """Read at most `limit` bytes. A time-out between pieces does not stop a server that drips."""
    pieces: list[bytes] = []
    size = 0
    while size < limit and (piece := response.raw.read1(CHUNK_BYTES, decode_content=True)):
        if time.monotonic() > deadline:
            raise _DeadlineError
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[:limit]


def _refusal(
    response: requests.Response, request: Request, text: str, hidden: Callable[[str], str]
) -> SourceError:
    status = response.status_code
    said = f"{request.what}: HTTP {status}" + (f", {text!r}" if text else "")
    if status in (401, 403):
        return KeyRejected(f"{request.key_cures[status]} ({said})")  # the cure first: it is read
    if status == 429:
        return _throttled(response.headers, said)
    if status == 408 or status >= 500:
        return SourceUnavailable(f"{said}: the supplier is in trouble; try again later")
    if status == 422 and re.search(r"too (large|many|long)|maximum|exceed", text, re.IGNORECASE):
        return WindowTooLarge(f"{said}: ask for fewer days or intervals at once")
    if status == 404:
        return SourceRejected(f"{said}: there is no such site or device; check its id")
    if status >= 400:
        return SourceRejected(f"{said}: the request itself is wrong; a rerun cannot help")
    if status >= 300:
        elsewhere = hidden(_host(response.headers.get("Location", ""))) or "an unknown place"
        return SourceUnavailable(
            f"{said}: sent on to {elsewhere}, not followed; check that no login page stands in "
            "between, or the base URL"
        )
    return SourceUnavailable(f"{said}: expected 200 and JSON; try again later")


def _throttled(headers: Mapping[str, str], said: str) -> SourceUnavailable:
    budget = RateBudget.from_headers(headers)
    waits = [] if budget is None else [budget.reset_seconds + RESET_MARGIN_SECONDS]
    retry_after_seconds = _retry_after_seconds(headers)
    if retry_after_seconds is not None:
        waits.append(retry_after_seconds)
    if not waits:
        return _GatewayBusyError(
            f"{said}: too many requests, and not by this account's quota; try again later"
        )
    wait_seconds = min(max(waits), LONGEST_RETRY_SECONDS)
    return SourceThrottled(
        f"{said}: the account's quota is used up, free again in {wait_seconds:.0f} s; "
        "other programs with the same account draw on it too",
        wait_seconds,
    )


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, seconds or a date; a date is measured against the server's own clock."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    until = _instant(text)
    if until is None:
        return None
    now = _instant(headers.get("Date")) or datetime.now(UTC)
    return max((until - now).total_seconds(), 0.0)


def _instant(http_date: str | None) -> datetime | None:
    if not http_date:
        return None
    try:
        moment = parsedate_to_datetime(http_date)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _error_text(body: bytes) -> str:
    """What the supplier said, in one line; nothing of a web page."""
    text = body.decode("utf-8", errors="replace")
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        decoded = None
    if isinstance(decoded, dict) and isinstance(decoded.get("message"), str):
        text = decoded["message"]
    text = " ".join(text.split())
    return "" if text.startswith("<") else text


def _root_cause(exc: BaseException) -> str:
    """Name the innermost failure: the outer ones repeat it, and embed the whole address."""
    while inner := exc.__cause__ or exc.__context__:
        exc = inner
    return f"{type(exc).__name__}: {exc}" if isinstance(exc, OSError) else type(exc).__name__


def _host(url: str) -> str:
    """Host of an address, for a message: no user, password, path or query."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _hiding(http: requests.Session) -> Callable[[str], str]:
    """Blot the session's key out of a text: an answer that repeats it is not passed on."""
    authorization = http.headers.get("Authorization", "")
    text = authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization
    key = text.rpartition(" ")[2]
    pattern = re.compile(re.escape(key) if key else r"(?!)", re.IGNORECASE)
    return lambda message: pattern.sub("***", message)


def _as_prepared(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep the session's own header: without an `auth`, a ~/.netrc entry would replace it."""
    return prepared
