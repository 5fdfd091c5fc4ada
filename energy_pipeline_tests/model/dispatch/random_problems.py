"""Random storage problems: every sign of price, every limit, every end."""

from __future__ import annotations

import math

import numpy as np

from energy_pipeline.model.dispatch.problem import EndCondition, StorageProblem


def _prices(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    kind = rng.integers(7)
    buy = rng.uniform(5.0, 50.0, n)
    if kind == 0:  # ordinary
        return buy, buy * rng.uniform(0.0, 0.9, n)
    if kind == 1:  # feed-in may cost
        return buy, buy * rng.uniform(0.0, 1.0, n) - 10.0
    if kind == 2:  # paid to import, now and then
        buy = rng.uniform(-20.0, 30.0, n)
        return buy, buy - rng.uniform(0.0, 10.0, n)
    if kind == 3:  # any sign, any order
        return rng.uniform(-30.0, 40.0, n), rng.uniform(-30.0, 40.0, n)
    if kind == 4:  # feed-in above import
        return buy, buy + rng.uniform(0.0, 20.0, n)
    if kind == 5:  # few levels, so many ties
        return rng.choice([-5.0, 0.0, 20.0], n), rng.choice([-5.0, 0.0, 8.0, 20.0], n)
    spike = np.where(rng.random(n) < 0.15, rng.uniform(200.0, 1500.0, n), buy)
    return spike, np.where(rng.random(n) < 0.2, -100.0, 0.8 * spike)


def _end(rng: np.random.Generator, capacity: float) -> EndCondition:
    kind = rng.integers(6)
    if kind == 0:
        return EndCondition.free()
    if kind == 1:
        return EndCondition.at_least(float(rng.uniform(0.0, capacity)))
    if kind == 2:
        return EndCondition.fixed(float(rng.uniform(0.0, capacity)))
    if kind == 3:
        return EndCondition.cyclic()
    if kind == 4:
        return EndCondition.valued(float(rng.uniform(-10.0, 40.0)))
    upto = np.sort(rng.uniform(0.1, 1.2, 3)) * max(capacity, 0.1)
    return EndCondition.valued(
        [(float(kwh), float(c)) for kwh, c in zip(upto, rng.uniform(-10, 40, 3), strict=True)]
    )


def random_problem(seed: int, *, most_intervals: int = 24) -> StorageProblem:
    """One problem, the same for the same seed; about half have some limit that cannot be met."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, most_intervals + 1))
    hours = float(rng.choice([1 / 12, 0.25, 0.5, 1.0]))
    buy, sell = _prices(rng, n)

    def maybe(p: float, value, otherwise):
        return value() if rng.random() < p else otherwise

    def scalar_or_series(low: float, high: float):
        return maybe(0.3, lambda: rng.uniform(low, high, n), float(rng.uniform(low, high)))

    capacity = maybe(0.95, lambda: float(rng.uniform(0.5, 15.0)), 0.0)
    high = maybe(0.2, lambda: capacity * rng.uniform(0.6, 1.0, n), capacity)
    plugged = maybe(0.3, lambda: (rng.random(n) < 0.7).astype(float), 1.0)
    return StorageProblem(
        load_kwh=rng.uniform(0.0, 4.0, n) * hours,
        solar_kwh=np.where(rng.random(n) < 0.4, 0.0, rng.uniform(0.0, 7.0, n)) * hours,
        import_c_per_kwh=buy,
        feed_in_c_per_kwh=sell,
        interval_hours=hours,
        capacity_kwh=capacity,
        initial_energy_kwh=float(rng.uniform(0.0, capacity)),
        charge_kw=scalar_or_series(0.0, 8.0) * plugged,
        discharge_kw=maybe(0.9, lambda: scalar_or_series(0.0, 8.0) * plugged, 0.0),
        charge_efficiency=maybe(0.8, lambda: float(rng.uniform(0.7, 1.0)), 1.0),
        discharge_efficiency=maybe(0.8, lambda: float(rng.uniform(0.7, 1.0)), 1.0),
        min_energy_kwh=maybe(
            0.4, lambda: np.minimum(capacity * rng.uniform(0.0, 0.5, n), high), 0.0
        ),
        max_energy_kwh=high,
        leak_fraction=maybe(0.3, lambda: float(rng.uniform(0.0, 0.05)), 0.0),
        standby_kw=maybe(0.3, lambda: scalar_or_series(0.0, 0.1), 0.0),
        drain_kwh=maybe(
            0.3, lambda: np.where(rng.random(n) < 0.15, rng.uniform(0, capacity / 2, n), 0.0), 0.0
        ),
        import_limit_kw=maybe(0.5, lambda: scalar_or_series(1.0, 12.0), math.inf),
        export_limit_kw=maybe(
            0.6, lambda: maybe(0.2, lambda: 0.0, scalar_or_series(0.0, 8.0)), math.inf
        ),
        curtailment=bool(rng.random() < 0.7),
        grid_charge=bool(rng.random() < 0.8),
        grid_export=bool(rng.random() < 0.8),
        wear_c_per_kwh=maybe(0.3, lambda: float(rng.uniform(0.0, 8.0)), 0.0),
        end=_end(rng, capacity),
        violation_c_per_kwh=5000.0,
    )
