"""Amber Electric's public API: sites, prices and usage of one account.

Requests and sites are here; what an interval means is in `amber_intervals`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

import requests

from energy_pipeline.sources.amber_intervals import (
    PRICE_COLUMNS,
    USAGE_COLUMNS,
    parse_prices,
    parse_usage,
)
from energy_pipeline.sources.errors import SourceRejected, SourceUnavailable
from energy_pipeline.sources.parsed import Parsed, shown
from energy_pipeline.sources.rate_limit import RateBudget, seconds_to_wait
from energy_pipeline.sources.transport import (
    DEFAULT_LIMITS,
    Limits,
    Reply,
    Request,
    get_json,
    keyed_session,
    plain_key,
)

__all__ = [
    "BASE_URL",
    "MAX_DAYS_PER_REQUEST",
    "PRICE_COLUMNS",
    "USAGE_COLUMNS",
    "AmberApi",
    "Answer",
    "Channel",
    "Site",
    "amber_api",
    "choose_site",
    "parse_prices",
    "parse_sites",
    "parse_usage",
]

BASE_URL = "https://api.amber.com.au/v1"
MAX_DAYS_PER_REQUEST = 7
"""Days in one request for prices or usage, first and last included: safe under either reading of
the supplier's rule ("must not exceed 7 days")."""
NEW_KEY = "make a new one at https://app.amber.com.au/developers/ and put it into AMBER_TOKEN"
KEY_CURES = {
    401: f"Amber refused the key; {NEW_KEY}",
    403: f"Amber refused the key, or the site is not of this account; {NEW_KEY}",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One register of the meter."""

    identifier: str  # such as E1; the key of usage
    type: str  # general, controlledLoad, feedIn, or what the supplier sent
    tariff: str | None


@dataclass(frozen=True, slots=True)
class Site:
    """One connection point of the account. Its national number is personal and not kept."""

    id: str
    network: str | None
    status: str  # pending, active, closed, or what the supplier sent
    active_from: date | None
    closed_on: date | None
    interval_length: int | None  # billing interval [min], 5 or 30
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and what the answer's headers tell about the quota and the supplier's clock."""

    parsed: Parsed
    budget: RateBudget | None
    server_time: datetime | None  # UTC


@dataclass(frozen=True, slots=True)
class AmberApi:
    """Where Amber is, and a session that carries the key. Errors: see `transport.get_json`."""

    base_url: str
    http: requests.Session
    reserve: int = 15  # requests of each quota window that bulk work leaves to the live price
    limits: Limits = DEFAULT_LIMITS
    sleep: Callable[[float], None] = time.sleep

    def sites(self) -> list[Site]:
        """List every site of the account, closed ones too."""
        return parse_sites(self._get("/sites", {}, "Amber sites").payload)

    def prices(self, site_id: str, first: date, last: date) -> Answer:
        """Prices of the NEM days first..last, both included, at most MAX_DAYS_PER_REQUEST."""
        return self._days("prices", site_id, first, last, parse_prices)

    def usage(self, site_id: str, first: date, last: date) -> Answer:
        """Metered usage of the NEM days first..last, both included; none is known of today.

        No rows means unknown (not published yet, or older than about 90 days), never zero.
        """
        return self._days("usage", site_id, first, last, parse_usage)

    def current(self, site_id: str, *, next_intervals: int, previous_intervals: int) -> Answer:
        """The price now, and so many intervals after and before it, on every channel.

        Counts are intervals, not minutes: forecasts change from 5 to 30 minutes on the way.
        """
        reply = self._get(
            f"/sites/{quote(site_id, safe='')}/prices/current",
            {"next": next_intervals, "previous": previous_intervals},
            "Amber current price",
        )
        return Answer(parse_prices(reply.payload), reply.budget, reply.server_time)

    def seconds_to_wait(self, answer: Answer) -> float:
        """How long bulk work pauses after this answer to keep `reserve` for the live price. [s]"""
        return seconds_to_wait(answer.budget, self.reserve)

    def _days(
        self, kind: str, site_id: str, first: date, last: date, parse: Callable[[Any], Parsed]
    ) -> Answer:
        if last < first:
            raise ValueError(f"first day {first} must not be after last day {last}")
        query = {"startDate": f"{first:%Y-%m-%d}", "endDate": f"{last:%Y-%m-%d}"}
        what = f"Amber {kind} {query['startDate']} to {query['endDate']}"
        reply = self._get(f"/sites/{quote(site_id, safe='')}/{kind}", query, what)
        return Answer(parse(reply.payload), reply.budget, reply.server_time)

    def _get(self, path: str, params: Mapping[str, str | int], what: str) -> Reply:
        request = Request(what, self.base_url.rstrip("/") + path, params, KEY_CURES)
        return get_json(self.http, request, limits=self.limits, sleep=self.sleep)


def amber_api(
    token: str, base_url: str = BASE_URL, *, reserve: int = 15, limits: Limits = DEFAULT_LIMITS
) -> AmberApi:
    """Open a session with the household's key.

    Raises
    ------
    KeyRejected
        If the token is empty or cannot be a key.
    """
    key = plain_key(token, variable="AMBER_TOKEN", cure=NEW_KEY)
    return AmberApi(base_url, keyed_session(f"Bearer {key}"), reserve, limits)


def parse_sites(payload: Any) -> list[Site]:
    """Read the answer of ``/sites``. An element without id or status is no use and is left out.

    Raises
    ------
    SourceUnavailable
        If the payload is not a list.
    """
    if not isinstance(payload, list):
        raise SourceUnavailable(
            f"Amber sites: expected a JSON list, found a {type(payload).__name__}; try again later"
        )
    return [
        Site(
            id=site["id"],
            network=_text(site.get("network")),
            status=site["status"],
            active_from=_day(site.get("activeFrom")),
            closed_on=_day(site.get("closedOn")),
            interval_length=_minutes(site.get("intervalLength")),
            channels=_channels(site.get("channels")),
        )
        for site in payload
        if isinstance(site, dict) and _text(site.get("id")) and _text(site.get("status"))
    ]


def choose_site(sites: list[Site], wanted: str | None) -> Site:
    """Take the wanted site, or the only active one.

    Parameters
    ----------
    sites : list[Site]
        Of the account.
    wanted : str or None
        AMBER_SITE_ID; None or blank where the household left it out.

    Raises
    ------
    SourceRejected
        If the wanted site is not there, or if none is wanted and not exactly one is active.
    """
    wanted = (wanted or "").strip()
    listed = ", ".join(f"{site.id} ({site.status})" for site in sites) or "none"
    if wanted:
        for site in sites:
            if site.id == wanted:
                return site
        raise SourceRejected(
            f"AMBER_SITE_ID is {shown(wanted)}, which is no site of this Amber account; "
            f"its sites are: {listed}"
        )
    active = [site for site in sites if site.status == "active"]
    if len(active) != 1:
        raise SourceRejected(
            f"this Amber account has {len(active)} active sites, so AMBER_SITE_ID must name one; "
            f"its sites are: {listed}"
        )
    return active[0]


def _channels(value: Any) -> tuple[Channel, ...]:
    return tuple(
        Channel(channel["identifier"], channel["type"], _text(channel.get("tariff")))
        for channel in (value if isinstance(value, list) else [])
        if isinstance(channel, dict)
        and _text(channel.get("identifier"))
        and _text(channel.get("type"))
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _minutes(value: Any) -> int | None:
    return value if type(value) is int and value in (5, 15, 30) else None
