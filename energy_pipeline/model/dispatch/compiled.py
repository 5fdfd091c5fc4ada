"""How this room's loops are compiled: once per machine, kept on disk, plain IEEE arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")


def compiled(function: Function) -> Function:
    """Compile when first called; division by zero gives inf or nan, as in numpy."""
    return cast("Function", njit(cache=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """Compile into each caller."""
    return cast("Function", njit(cache=True, error_model="numpy", inline="always")(function))
