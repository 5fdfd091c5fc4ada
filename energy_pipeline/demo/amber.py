"""Amber's HTTP: sites, prices, usage, renewables; the key, the quota and the refusals."""

import hmac
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from energy_pipeline.demo import amber_records, market, nem_time, retail
from energy_pipeline.demo.routing import Home, Reply, Request, Route, json_reply, message

PREFIX = "/amber/v1"
DEMO_AMBER_TOKEN = "psk_demo_home"
DEMO_SITE_ID = "01DEMOHOME0000000000000000"
CLOSED_SITE_ID = "01DEMOHOMEC10SED0000000000"
CLOSED_ON = date(2024, 12, 31)
MAX_DAYS_APART = 7
MAX_INTERVALS = 2048
QUOTA, WINDOW_SECONDS = 50, 300

SITES: list[dict[str, Any]] = [
    {
        "id": DEMO_SITE_ID,
        "nmi": "DEMONMI0001",
        "channels": [
            {"identifier": "E1", "type": retail.GENERAL, "tariff": "DH116"},
            {"identifier": "E2", "type": retail.CONTROLLED_LOAD, "tariff": "DH040"},
            {"identifier": "B1", "type": retail.FEED_IN, "tariff": "DH029"},
        ],
        "network": "Demo Harbour Network",
        "status": "active",
        "activeFrom": "2024-01-01",
        "intervalLength": 5,
    },
    {
        "id": CLOSED_SITE_ID,
        "nmi": "DEMONMI0002",
        "channels": [{"identifier": "E1", "type": retail.GENERAL, "tariff": "DH116"}],
        "network": "Demo Harbour Network",
        "status": "closed",
        "activeFrom": "2023-03-01",
        "closedOn": CLOSED_ON.isoformat(),
        "intervalLength": 30,
    },
]

_FORBIDDEN = (
    "User is not authorized to access this resource with an explicit deny in an "
    "identity-based policy"
)
_REGIONS = ("nsw", "qld", "sa", "vic")
_RENEWABLE_WORDS = ((35.0, "worst"), (45.0, "notGreat"), (50.0, "ok"), (60.0, "great"))

Answer = Callable[[int, Request], Reply]


class _RefusedError(Exception):
    """A parameter that the API refuses; carries the reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body.decode())
        self.reply = reply


class Quota:
    """Requests left in a fixed window that opens with its first request."""

    def __init__(self, enforced: bool) -> None:
        self._enforced = enforced
        self._lock = threading.Lock()
        self._opened = -math.inf
        self._used = 0

    def take(self, now: datetime) -> tuple[bool, dict[str, str]]:
        """Count a request: whether it may pass, and the headers that say what is left."""
        at = now.timestamp()
        with self._lock:
            if not 0 <= at - self._opened < WINDOW_SECONDS or not self._enforced:
                self._opened, self._used = at, 0
            self._used += 1
            headers = {
                "RateLimit-Policy": f"{QUOTA};w={WINDOW_SECONDS}",
                "RateLimit-Limit": str(QUOTA),
                "RateLimit-Remaining": str(max(QUOTA - self._used, 0)),
                "RateLimit-Reset": str(math.ceil(self._opened + WINDOW_SECONDS - at)),
            }
            return self._used <= QUOTA, headers


def routes(home: Home) -> tuple[Route, ...]:
    """What Amber answers. Sites and usage share one quota, prices have another."""
    account, prices = Quota(home.throttle), Quota(home.throttle)

    def guarded(quota: Quota, answer: Answer) -> Callable[[Request], Reply]:
        return partial(_guard, quota, partial(answer, home.seed))

    return (
        Route("/sites", guarded(account, _sites)),
        Route("/sites/{site_id}/usage", guarded(account, _usage)),
        Route("/sites/{site_id}/prices", guarded(prices, _prices)),
        Route("/sites/{site_id}/prices/current", guarded(prices, _current_prices)),
        Route("/state/{state}/renewables/current", partial(_renewables, home.seed)),
    )


def _guard(quota: Quota, answer: Callable[[Request], Reply], request: Request) -> Reply:
    """Key first, then the quota, then the answer with the headers of the quota."""
    if request.authorization is None:
        return message(401, "Unauthorized")
    if not hmac.compare_digest(
        request.authorization.encode(), f"Bearer {DEMO_AMBER_TOKEN}".encode()
    ):
        return message(403, _FORBIDDEN)
    passes, headers = quota.take(request.now)
    if not passes:
        return replace(message(429, "Too Many Requests"), headers=headers)
    try:
        reply = answer(request)
    except _RefusedError as exc:
        reply = exc.reply
    return replace(reply, headers=headers)


def _sites(seed: int, request: Request) -> Reply:
    return json_reply(SITES)


def _prices(seed: int, request: Request) -> Reply:
    site = _site(request)
    length = _slots_of_resolution(request, site["intervalLength"])
    first, last = _date_range(request, default=_nem_date(request.now))
    texts: list[str] = []
    for channel in _channels(site):
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            if day >= nem_time.FIRST_DATE and not _closed_before(site, day):
                texts.extend(_day_prices(seed, request.now, day, channel, length))
    return _array(texts)


def _day_prices(seed: int, now: datetime, day: date, channel: str, length: int) -> Iterator[str]:
    nem_day = nem_time.nem_day_of_date(day)
    begin = nem_time.first_slot(nem_day)
    slot = nem_time.slot_at(now)
    past = min(max(slot // length * length - begin, 0), nem_time.SLOTS_PER_DAY) // length
    if past:
        yield from amber_records.actual_texts(seed, nem_day, channel, length)[:past]
    if past * length < nem_time.SLOTS_PER_DAY:
        locked = amber_records.is_locked(seed, now)
        for first, text in amber_records.open_texts(seed, slot, locked, channel, length):
            if begin <= first < begin + nem_time.SLOTS_PER_DAY:
                yield text


def _current_prices(seed: int, request: Request) -> Reply:
    site = _site(request)
    length = _slots_of_resolution(request, site["intervalLength"])
    ahead, behind = _counts(request)
    if site["status"] == "closed":
        return _array([])
    slot = nem_time.slot_at(request.now)
    locked = amber_records.is_locked(seed, request.now)
    current = slot // length * length
    texts: list[str] = []
    for channel in _channels(site):
        for first in range(current - behind * length, current, length):
            nem_day = nem_time.nem_day_of_slot(first)
            if nem_day >= nem_time.FIRST_NEM_DAY:
                day = amber_records.actual_texts(seed, nem_day, channel, length)
                texts.append(day[(first - nem_time.first_slot(nem_day)) // length])
        known = amber_records.open_texts(seed, slot, locked, channel, length)
        texts.extend(text for _, text in known[: 1 + ahead])
    return _array(texts)


def _usage(seed: int, request: Request) -> Reply:
    site = _site(request)
    for name in ("startDate", "endDate"):
        if name not in request.query:
            raise _RefusedError(message(400, f"{name} is required"))
    today = _nem_date(request.now)
    first, last = _date_range(request, default=today)
    if last > today:
        raise _RefusedError(message(502, "Internal server error"))
    if site["status"] == "closed":
        return _array([])  # closed longer ago than usage is kept
    texts: list[str] = []
    for channel in _channels(site):
        for nem_day in amber_records.usage_dates(first, last, today):
            quality = amber_records.usage_quality(seed, nem_day, request.now)
            if quality is not None:
                texts.extend(amber_records.usage_texts(seed, nem_day, channel, quality))
    return _array(texts)


def _renewables(seed: int, request: Request) -> Reply:
    """Renewables of a state, half-hourly unless asked otherwise; needs no key."""
    if request.path["state"] not in _REGIONS:
        return message(404, "State not found")
    try:
        length = _slots_of_resolution(request, 30)
        ahead, behind = _counts(request)
    except _RefusedError as exc:
        return exc.reply
    current = nem_time.slot_at(request.now) // length * length
    ahead = min(ahead, (market.last_forecast_slot(current) - current) // length)
    first = np.arange(current - behind * length, current + (ahead + 1) * length, length)
    region = _REGIONS.index(request.path["state"])
    records = []
    for slot, times, share in zip(
        first.tolist(),
        amber_records.times(first, length),
        amber_records.renewables(seed, first, length, region=region).tolist(),
        strict=True,
    ):
        kind = "Actual" if slot < current else "Forecast" if slot > current else "Current"
        word = next((word for below, word in _RENEWABLE_WORDS if share < below), "best")
        records.append(
            {"type": f"{kind}Renewable", **times, "renewables": share, "descriptor": word}
        )
    return json_reply(records)


def _array(texts: list[str]) -> Reply:
    return Reply(body=f"[{','.join(texts)}]".encode())


def _nem_date(now: datetime) -> date:
    return nem_time.date_of_nem_day(nem_time.nem_day_of_slot(nem_time.slot_at(now)))


def _site(request: Request) -> dict[str, Any]:
    for site in SITES:
        if site["id"] == request.path["site_id"]:
            return site
    raise _RefusedError(message(404, "Site not found"))


def _channels(site: dict[str, Any]) -> list[str]:
    return [channel["type"] for channel in site["channels"]]


def _closed_before(site: dict[str, Any], day: date) -> bool:
    return site["status"] == "closed" and day > CLOSED_ON


def _date_range(request: Request, default: date) -> tuple[date, date]:
    try:
        first, last = (
            date.fromisoformat(request.query.get(name, default.isoformat()))
            for name in ("startDate", "endDate")
        )
    except ValueError:
        raise _RefusedError(message(502, "Internal server error")) from None
    if last < first:
        raise _RefusedError(message(400, "endDate is before startDate"))
    if (last - first).days > MAX_DAYS_APART:
        raise _RefusedError(_too_large("7 days"))
    return first, last


def _too_large(most: str) -> Reply:
    text = f"Range requested is too large. Maximum {most}."
    return Reply(422, text.encode(), "text/plain")


def _slots_of_resolution(request: Request, default_minutes: int) -> int:
    given = request.query.get("resolution", str(default_minutes))
    if given not in ("5", "30"):
        raise _RefusedError(message(400, "resolution must be 5 or 30"))
    return int(given) // 5


def _counts(request: Request) -> tuple[int, int]:
    counts = []
    for name in ("next", "previous"):
        given = request.query.get(name, "0")
        if not (given.isascii() and given.isdigit()):
            raise _RefusedError(message(400, f"{name} must be a whole number of intervals"))
        counts.append(int(given))
    if sum(counts) > MAX_INTERVALS:
        raise _RefusedError(_too_large(f"{MAX_INTERVALS} intervals"))
    return counts[0], counts[1]
