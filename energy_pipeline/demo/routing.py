"""What the server and the suppliers' modules say to each other: request, reply, route."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """One call, as a supplier's handler sees it."""

    path: Mapping[str, str]  # the named parts of the route
    query: Mapping[str, str]
    authorization: str | None
    now: datetime  # by the server's clock, UTC


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A path of a supplier, `{name}` standing for one part, and who answers it (GET only)."""

    path: str
    answer: Callable[[Request], Reply]

    def match(self, path: str) -> dict[str, str] | None:
        """The named parts of `path`, or None where the route does not fit."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict()


@dataclass(frozen=True, slots=True)
class Home:
    """The settings every supplier's module is built with."""

    seed: int
    throttle: bool


class Supplier(Protocol):
    """A module that speaks for one supplier."""

    PREFIX: str  # of its paths on the server

    def routes(self, home: Home) -> tuple[Route, ...]:
        """What it answers, below its prefix."""


def json_reply(value: Any, status: int = 200) -> Reply:
    """`value` as JSON."""
    return Reply(status, json.dumps(value).encode())


def message(status: int, text: str) -> Reply:
    """The suppliers' usual error: an object with one message."""
    return json_reply({"message": text}, status)
