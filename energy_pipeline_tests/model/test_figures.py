"""Figures say where they come from, or are refused."""

import pytest

from energy_pipeline.model.figures import (
    QUOTE,
    quoted_figure,
    read_figure,
    refuse_unknown,
)

CELL = {"value": 5.0, "source": "data sheet", "date": "2026", "verified": True}


def test_a_verified_figure_is_shown_bare_an_unverified_one_says_so_and_a_quote_too():
    assert read_figure("charge_kw", CELL).shown == "5"
    assert read_figure("charge_kw", CELL | {"verified": False}).shown == "5 (unverified)"
    assert quoted_figure("charge_kw", 4.6, date="2026-11-01").shown == f"4.6 ({QUOTE})"


@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("charge_kw", {"value": 5.0}, "charge_kw must state"),
        ("charge_kw", CELL | {"source": ""}, "charge_kw has no source"),
        ("charge_kw", CELL | {"value": 0.0}, r"charge_kw is 0\.0"),
        ("charge_kw", CELL | {"value": float("inf")}, "charge_kw is inf"),
        ("price_fixed_aud", CELL | {"value": -1.0}, r"price_fixed_aud is -1\.0"),
        ("efficiency", CELL | {"value": 90.0}, "not a percentage"),
    ],
)
def test_a_figure_that_cannot_stand_is_refused_by_name(name, cell, message):
    with pytest.raises(ValueError, match=message):
        read_figure(name, cell)


def test_free_is_a_price():
    assert read_figure("price_aud_per_kwh", CELL | {"value": 0.0}).value == 0.0


def test_an_unknown_name_lists_near_ones_or_all():
    refuse_unknown("colour", "red", ("red", "green"))
    with pytest.raises(ValueError, match="colour 'gren' is unknown; near it: green"):
        refuse_unknown("colour", "gren", ("red", "green"))
    with pytest.raises(ValueError, match="near it: red, green"):
        refuse_unknown("colour", "xyz", ("red", "green"))
