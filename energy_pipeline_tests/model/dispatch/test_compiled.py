"""Compiled code is kept on disk, and never outlives the sources it was made from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from energy_pipeline.model.dispatch import compiled as room
from energy_pipeline.model.dispatch.convex import levels_of
from energy_pipeline.model.dispatch.nonconvex import solve
from energy_pipeline.model.dispatch.plan import roll


@pytest.mark.parametrize("function", [levels_of, solve, roll])
def test_compiled_code_is_keyed_to_every_source_of_the_room(function):
    digest = hashlib.sha256()
    for source in sorted(Path(room.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    (cell,) = function.py_func.__closure__
    assert cell.cell_contents == digest.hexdigest()


def test_division_by_zero_is_that_of_numpy():
    @room.compiled
    def ratio(a: float, b: float) -> float:
        return a / b

    assert ratio(1.0, 0.0) == np.inf
    assert np.isnan(ratio(0.0, 0.0))
