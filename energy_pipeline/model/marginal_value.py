"""Whose saving is it? What each asset is worth alone, added last, and by Shapley's fair share."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

MOST_ASSETS = 12  # 4096 subsets to price


@dataclass(frozen=True, slots=True)
class MarginalValue:
    """Savings of one asset, in the unit of the cost function. Positive: it saves."""

    asset: str
    alone: float  # cost of nothing - cost of the asset alone
    last_in: float  # cost of everything but it - cost of everything
    shapley: float  # mean over all orders of arrival; these add up to the saving of everything


def marginal_values(
    assets: Sequence[str], cost: Callable[[frozenset[str]], float]
) -> list[MarginalValue]:
    """Value each asset from a cost for every subset.

    Parameters
    ----------
    assets : sequence of str
        Distinct names, at most 12.
    cost : callable
        Cost of a household that owns exactly this subset, such as its yearly bill. Called once
        per subset.

    Raises
    ------
    ValueError
        If a name occurs twice, there are too many, or a cost is not finite.

    References
    ----------
    .. [1] L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games II,
       Princeton University Press, 1953, pp. 307-317.
    """
    if len(set(assets)) != len(assets) or not 1 <= len(assets) <= MOST_ASSETS:
        raise ValueError(f"assets is {list(assets)}; give 1 to {MOST_ASSETS} names, each once")
    costs: dict[frozenset[str], float] = {}
    for size in range(len(assets) + 1):
        for chosen in combinations(assets, size):
            subset = frozenset(chosen)
            costs[subset] = cost(subset)
            if not math.isfinite(costs[subset]):
                raise ValueError(f"cost of {sorted(subset)} is {costs[subset]}")
    everything = frozenset(assets)
    return [
        MarginalValue(
            asset=asset,
            alone=costs[frozenset()] - costs[frozenset({asset})],
            last_in=costs[everything - {asset}] - costs[everything],
            shapley=_shapley(asset, len(assets), costs),
        )
        for asset in assets
    ]


def _shapley(asset: str, n: int, costs: dict[frozenset[str], float]) -> float:
    return math.fsum(
        (without - costs[subset | {asset}])
        * math.factorial(len(subset))
        * math.factorial(n - len(subset) - 1)
        / math.factorial(n)
        for subset, without in costs.items()
        if asset not in subset
    )
