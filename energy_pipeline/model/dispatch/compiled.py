"""How this room's loops are compiled: once per machine, kept on disk, plain IEEE arithmetic."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")


def _digest_of_the_room() -> str:
    """A digest of every source in this room."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


SOURCES = _digest_of_the_room()


def compiled(function: Function) -> Function:
    """Compile when first called; division by zero gives inf or nan, as in numpy.

    Numba keeps compiled code per file and does not see that a function called from another file
    has changed; after an update it would run parts of the old version. It does look at the
    variables that a function closes over, so each is made to close over the digest of the room.
    """
    plain = cast("FunctionType", function)
    keyed = FunctionType(
        plain.__code__.replace(co_freevars=("SOURCES",)),
        plain.__globals__,
        plain.__name__,
        plain.__defaults__,
        (CellType(SOURCES),),
    )
    keyed.__module__, keyed.__doc__ = plain.__module__, plain.__doc__
    keyed.__annotations__ = plain.__annotations__
    return cast("Function", njit(cache=True, error_model="numpy")(keyed))


def inlined(function: Function) -> Function:
    """Compile into each caller."""
    return cast("Function", njit(error_model="numpy", inline="always")(function))
