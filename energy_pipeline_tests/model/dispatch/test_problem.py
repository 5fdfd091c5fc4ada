"""A problem that makes no sense is refused, by the name of what is wrong with it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from energy_pipeline.model.dispatch.problem import EndCondition, StorageProblem

SOUND = StorageProblem(
    load_kwh=[1.0, 2.0, 1.0],
    solar_kwh=[0.0, 3.0, 0.5],
    import_c_per_kwh=[20.0, 30.0, -5.0],
    feed_in_c_per_kwh=[5.0, -2.0, 0.0],
    interval_hours=0.5,
    capacity_kwh=10.0,
    charge_kw=5.0,
    discharge_kw=4.0,
)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("load_kwh", [], "at least one"),
        ("load_kwh", [1.0, math.nan, 1.0], "nan at interval 1"),
        ("load_kwh", [1.0, -0.5, 1.0], "-0.5"),
        ("load_kwh", ["a", "b", "c"], "numbers"),
        ("solar_kwh", [1.0, 2.0], r"\(3,\)"),
        ("solar_kwh", [0.0, 1.0, -1.0], "-1.0"),
        ("import_c_per_kwh", [20.0, math.inf, 20.0], "inf at interval 1"),
        ("import_c_per_kwh", [20.0, 2e6, 20.0], r"\$/MWh"),
        ("feed_in_c_per_kwh", 5.0, "shape"),
        ("feed_in_c_per_kwh", [0.0, 0.0, -1e6], r"\$/MWh"),
        ("interval_hours", 0.0, "> 0"),
        ("interval_hours", math.nan, "finite"),
        ("capacity_kwh", -1.0, ">= 0"),
        ("capacity_kwh", "big", "a number"),
        ("initial_energy_kwh", 11.0, "11.0"),
        ("initial_energy_kwh", -0.1, "-0.1"),
        ("charge_kw", -5.0, "-5.0"),
        ("charge_kw", [1.0, 2.0], r"\(3,\)"),
        ("discharge_kw", math.inf, "inf"),
        ("charge_efficiency", 0.0, r"\(0, 1\]"),
        ("discharge_efficiency", 1.01, "1.01"),
        ("min_energy_kwh", [0.0, -1.0, 0.0], "-1.0"),
        ("min_energy_kwh", 11.0, "max_energy_kwh"),
        ("max_energy_kwh", 10.5, "capacity_kwh"),
        ("leak_fraction", 1.0, "1.0"),
        ("standby_kw", -0.02, "-0.02"),
        ("drain_kwh", [0.0, -1.0, 0.0], "-1.0"),
        ("import_limit_kw", math.nan, "nan"),
        ("export_limit_kw", -1.0, "-1.0"),
        ("curtailment", "yes", "True or False"),
        ("wear_c_per_kwh", -1.0, "-1.0"),
        ("violation_c_per_kwh", 20.0, "exceed every price"),
        ("end", EndCondition.at_least(12.0), r"end\.minimum_kwh"),
        ("end", EndCondition.fixed(12.0), r"end\.m"),
    ],
)
def test_a_wrong_argument_is_refused_by_name_and_value(name, value, says):
    with pytest.raises(ValueError, match=says) as refusal:
        replace(SOUND, **{name: value})
    assert name in str(refusal.value)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: EndCondition.at_least(-1.0), "minimum_kwh"),
        (lambda: EndCondition.at_least(math.nan), "minimum_kwh"),
        (lambda: EndCondition(minimum_kwh=2.0, maximum_kwh=1.0), "maximum_kwh"),
        (lambda: EndCondition.valued(math.nan), "value_steps"),
        (lambda: EndCondition.valued([(5.0, 10.0), (5.0, 8.0)]), "value_steps"),
        (lambda: EndCondition.valued([(0.0, 10.0)]), "value_steps"),
    ],
)
def test_an_end_that_makes_no_sense_is_refused(build, says):
    with pytest.raises(ValueError, match=says):
        build()


def test_a_problem_cannot_be_changed_from_outside():
    load_kwh = np.array([1.0, 2.0, 1.0])
    problem = replace(SOUND, load_kwh=load_kwh)
    load_kwh[0] = 99.0
    assert problem.load_kwh[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        problem.load_kwh[0] = 99.0


def test_one_number_holds_in_every_interval():
    scalar = replace(SOUND, charge_kw=5.0, min_energy_kwh=1.0)
    series = replace(SOUND, charge_kw=np.full(3, 5.0), min_energy_kwh=np.ones(3))
    assert np.broadcast_to(scalar.charge_kw, (3,)).tolist() == series.charge_kw.tolist()
    assert scalar.intervals == 3
