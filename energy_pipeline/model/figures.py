"""Figures that carry their source, and the catalogues they are kept in.

A figure is ``{ value, source, date, verified }`` in a TOML file next to this module; its unit is
the end of its name. ``verified`` means that the named source was read and gives this figure for
this product; everything else says so when it is shown.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

QUOTE: Final = "your quote"
_KEYS: Final = frozenset({"value", "source", "date", "verified"})
_FRACTION_ENDS: Final = ("efficiency", "fraction")
_MAY_BE_ZERO_ENDS: Final = ("_w", "_aud", "aud_per_kwh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number, and how far to trust it. The unit is the end of `name`."""

    name: str
    value: float
    source: str
    date: str
    verified: bool

    @property
    def shown(self) -> str:
        """The number with its provenance, for people."""
        if self.source == QUOTE:
            return f"{self.value:g} ({QUOTE})"
        return f"{self.value:g}" if self.verified else f"{self.value:g} (unverified)"


def read_figure(name: str, cell: Mapping[str, Any]) -> Figure:
    """A figure as a catalogue writes it.

    Raises
    ------
    ValueError
        If a part is missing, the source is empty, or the value cannot be.
    """
    if set(cell) != _KEYS:
        raise ValueError(f"{name} must state {sorted(_KEYS)}, not {sorted(cell)}")
    if not cell["source"]:
        raise ValueError(f"{name} has no source; name one, or leave the figure out")
    value = float(cell["value"])
    zero_allowed = name.endswith(_MAY_BE_ZERO_ENDS)
    if not (value > 0.0 or (zero_allowed and value == 0.0)) or value == float("inf"):
        raise ValueError(f"{name} is {value}; it must be above 0")
    if name.endswith(_FRACTION_ENDS) and value > 1.0:
        raise ValueError(f"{name} is {value}; a fraction, not a percentage")
    return Figure(
        name=name,
        value=value,
        source=cell["source"],
        date=cell["date"],
        verified=cell["verified"],
    )


def quoted_figure(name: str, value: float, *, date: str) -> Figure:
    """A figure the user brings, labelled as such."""
    return read_figure(name, {"value": value, "source": QUOTE, "date": date, "verified": True})


@lru_cache(maxsize=4)
def read_catalogue(file: str) -> dict[str, Any]:
    """A catalogue next to this module, as it is written."""
    text = resources.files("energy_pipeline.model").joinpath(file).read_text("utf-8")
    return tomllib.loads(text)


def refuse_unknown(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name outside a closed list.

    Raises
    ------
    ValueError
        Listing near names, or all where none is near.
    """
    names = tuple(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=4, cutoff=0.3)
        raise ValueError(f"{kind} {name!r} is unknown; near it: {', '.join(near or names)}")
