"""Reading a nested document so that every complaint names the place and the nearest right word.

Knows nothing of tariffs: a `Node` is a value and its path, such as ``energy[2].price.rate``.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any, TypeVar

Made = TypeVar("Made")

_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?([eE][+-]?\d+)?")


def near(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'a' or 'b'?``, or what is known when nothing is near."""
    known = sorted(set(known))
    lower = {name.lower(): name for name in known}
    close = [lower[hit] for hit in difflib.get_close_matches(word.lower(), lower, n=3, cutoff=0.6)]
    if close:
        return f"; did you mean {' or '.join(repr(name) for name in close)}?"
    return f"; known: {', '.join(known)}" if known else ""


class Node:
    """A value of a document and the path that leads to it."""

    def __init__(self, value: Any, path: str) -> None:
        self.value = value
        self.path = path

    def wrong(self, problem: str) -> ValueError:
        """A ValueError that begins with the path."""
        return ValueError(f"{self.path or 'document'}: {problem}")

    def make(self, build: Callable[..., Made], **fields: Any) -> Made:
        """Call `build`, putting the path in front of what it complains of."""
        try:
            return build(**fields)
        except ValueError as exc:
            raise self.wrong(str(exc)) from exc

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and self.value.get(key) is not None

    def at(self, key: str) -> "Node":
        """The value under `key`, which must be there."""
        child = self.get(key)
        if child is None:
            raise self.wrong(f"{key} is missing{_near_only(key, self.table())}")
        return child

    def get(self, key: str) -> "Node | None":
        """The value under `key`; None when it is absent or null."""
        value = self.table().get(key)
        return None if value is None else Node(value, f"{self.path}.{key}" if self.path else key)

    def table(self) -> dict[str, Any]:
        """The value as a table."""
        if not isinstance(self.value, dict):
            raise self.wrong(f"must be a table, not {_shown(self.value)}")
        return self.value

    def items(self) -> "Iterator[Node]":
        """The nodes of a list."""
        if not isinstance(self.value, list):
            raise self.wrong(f"must be a list, not {_shown(self.value)}")
        for i, value in enumerate(self.value):
            yield Node(value, f"{self.path}[{i}]")

    def each(self, key: str) -> "list[Node]":
        """The nodes of the list under `key`; none when it is absent."""
        child = self.get(key)
        return [] if child is None else list(child.items())

    def only(self, keys: Iterable[str]) -> None:
        """Refuse keys that nothing reads: a misspelt rate must not be silently dropped."""
        known = set(keys)
        for key in self.table():
            if key not in known:
                raise self.wrong(f"unknown key {key!r}{near(key, known)}")

    def text(self) -> str:
        """The value as a non-empty string."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.wrong(f"must be text, not {_shown(self.value)}")
        return self.value.strip()

    def number(self) -> float:
        """The value as a finite number; a string may hold one, with thousands commas."""
        value = self.value
        if isinstance(value, str):
            stripped = value.strip()
            if not stripped or not _NUMBER.fullmatch(stripped):
                raise self.wrong(f"must be a number, not {value!r}")
            value = float(stripped.replace(",", "")) if any(map(str.isdigit, stripped)) else None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise self.wrong(f"must be a finite number, not {_shown(self.value)}")
        return float(value)

    def whole(self) -> int:
        """The value as a whole number."""
        value = self.number()
        if value != int(value):
            raise self.wrong(f"must be a whole number, not {_shown(self.value)}")
        return int(value)

    def flag(self) -> bool:
        """The value as true or false."""
        if not isinstance(self.value, bool):
            raise self.wrong(f"must be true or false, not {_shown(self.value)}")
        return self.value

    def day(self) -> date:
        """The value as a date."""
        if isinstance(self.value, date):
            return self.value
        try:
            return date.fromisoformat(self.text()[:10])
        except ValueError as exc:
            raise self.wrong(f"must be a date such as 2025-07-01, not {self.value!r}") from exc

    def choice(self, known: Iterable[str]) -> str:
        """The value as one of the words `known`."""
        word = self.text()
        words = list(known)
        if word not in words:
            raise self.wrong(f"{word!r} is not one of {', '.join(words)}{_near_only(word, words)}")
        return word


def _near_only(word: str, known: Iterable[str]) -> str:
    hint = near(word, known)
    return hint if hint.startswith("; did") else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
