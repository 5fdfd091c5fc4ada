"""Internal rate of return, after counting exactly how many there are.

Solvers return one root of several, and not the same one; this module first counts the rates above
-100 % at which the flows are worth nothing, by Sturm's theorem in exact integers, and gives a rate
only when there is one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

_Polynomial = list[int]  # coefficients of x**0, x**1, ...


@dataclass(frozen=True, slots=True)
class InternalRate:
    """The answer and, when there is not exactly one rate, why not."""

    kind: Literal["unique", "none", "multiple"]
    rate_fraction: float | None  # per period; only when `kind` is "unique"
    rates: tuple[float, ...]  # every rate above -100 %, ascending
    reason: str  # one sentence for a person


def irr(flows_aud: Sequence[float]) -> InternalRate:
    """Rates at which the flows, one per period beginning today, have no net present value.

    Parameters
    ----------
    flows_aud : sequence of float
        flow k falls k periods from now; negative: money out. [AUD]

    Raises
    ------
    ValueError
        If there is no flow or one is not finite.

    References
    ----------
    .. [1] C. Sturm, "Memoire sur la resolution des equations numeriques", 1835.
    """
    if not flows_aud or not all(math.isfinite(flow) for flow in flows_aud):
        raise ValueError("flows_aud must hold at least one flow, all of them finite")
    signs = [flow > 0 for flow in flows_aud if flow != 0]
    if not signs:
        return InternalRate("none", None, (), "Every flow is zero, so no rate stands out.")
    if all(signs) or not any(signs):
        word = "money only comes in" if signs[0] else "money only goes out"
        return InternalRate(
            "none", None, (), f"There is no rate of return because {word}: nothing changes sign."
        )
    rates = tuple(sorted(1.0 / root - 1.0 for root in _positive_roots(flows_aud)))
    if not rates:
        return InternalRate(
            "none", None, (), "No rate makes these flows worth nothing: NPV never reaches zero."
        )
    if len(rates) > 1:
        said = " and ".join(f"{rate:.2%}" for rate in rates)
        return InternalRate(
            "multiple", None, rates,
            f"The flows change sign {_changes(signs)} times and {len(rates)} rates fit ({said}), "
            "so no single rate of return can be stated; look at NPV or MIRR.",
        )  # fmt: skip
    reason = "One rate fits." if not signs[0] else (
        "One rate fits, but money comes in first: it is the cost of borrowing, not a return."
    )  # fmt: skip
    return InternalRate("unique", rates[0], rates, reason)


def _changes(signs: list[bool]) -> int:
    return sum(a != b for a, b in pairwise(signs))


def _positive_roots(flows: Sequence[float]) -> list[float]:
    """Distinct roots x = 1 / (1 + rate) in (0, inf) of sum(flow_k * x**k)."""
    exact = [Fraction(flow) for flow in flows]
    scale = math.lcm(*(flow.denominator for flow in exact))
    polynomial = _primitive([int(flow * scale) for flow in exact])
    while polynomial[0] == 0:
        polynomial = polynomial[1:]
    chain = _sturm_chain(polynomial)
    if len(chain[-1]) > 1:  # repeated roots: divide them out, each then counts once
        polynomial = _quotient(polynomial, chain[-1])
        chain = _sturm_chain(polynomial)
    # Cauchy's bound, and the same of the reversed polynomial for the smallest root.
    size = [abs(c) for c in polynomial]
    high = Fraction(1) + Fraction(max(size[:-1]), size[-1])
    low = 1 / (1 + Fraction(max(size[1:]), size[0]))
    high, low = Fraction(2) ** _exponent(high), Fraction(1, 2) ** _exponent(1 / low)
    return [float(root) for root in _bisect(chain, low / 2, high * 2)]


def _exponent(value: Fraction) -> int:
    return math.ceil(value).bit_length()


def _bisect(chain: list[_Polynomial], low: Fraction, high: Fraction) -> list[Fraction]:
    """Every distinct root in (low, high], to twice the precision of a float."""
    roots: list[Fraction] = []
    open_intervals = [(low, high, _variations(chain, low), _variations(chain, high))]
    while open_intervals:
        a, b, at_a, at_b = open_intervals.pop()
        if at_a == at_b:
            continue
        middle = (a + b) / 2
        if at_a - at_b == 1 and (b - a) * 2**60 < middle:
            roots.append(middle)
            continue
        if (b - a) * 2**200 < middle:
            roots += [middle] * (at_a - at_b)  # nearer to each other than any float can tell
            continue
        at_middle = _variations(chain, middle)
        open_intervals += [(a, middle, at_a, at_middle), (middle, b, at_middle, at_b)]
    return roots


def _variations(chain: list[_Polynomial], x: Fraction) -> int:
    """Sign changes along the chain at x; x is p / 2**q, so integers suffice."""
    p, q = x.numerator, x.denominator
    signs = []
    for polynomial in chain:
        value, power = 0, 1
        for coefficient in reversed(polynomial):
            value = value * p + coefficient * power
            power *= q
        if value:
            signs.append(value > 0)
    return _changes(signs)


def _sturm_chain(polynomial: _Polynomial) -> list[_Polynomial]:
    chain = [polynomial, _primitive([k * c for k, c in enumerate(polynomial)][1:])]
    while len(chain[-1]) > 1:
        remainder = _negated_remainder(chain[-2], chain[-1])
        if not remainder:
            break  # the last one divides them all
        chain.append(remainder)
    return chain


def _negated_remainder(dividend: _Polynomial, divisor: _Polynomial) -> _Polynomial:
    """-(dividend mod divisor) times a positive integer, without fractions."""
    rest = list(dividend)
    lead = divisor[-1]
    factor, sign = abs(lead), 1 if lead > 0 else -1
    while len(rest) >= len(divisor):
        top = rest[-1] * sign
        shift = len(rest) - len(divisor)
        rest = [c * factor for c in rest]
        for k, c in enumerate(divisor):
            rest[shift + k] -= top * c
        while rest and rest[-1] == 0:
            rest.pop()
    return _primitive([-c for c in rest])


def _quotient(dividend: _Polynomial, divisor: _Polynomial) -> _Polynomial:
    """dividend / divisor, when it leaves no remainder."""
    rest, quotient = list(dividend), [0] * (len(dividend) - len(divisor) + 1)
    for shift in reversed(range(len(quotient))):
        quotient[shift] = rest[shift + len(divisor) - 1] // divisor[-1]
        for k, c in enumerate(divisor):
            rest[shift + k] -= quotient[shift] * c
    return quotient


def _primitive(polynomial: _Polynomial) -> _Polynomial:
    """Divided by the greatest common divisor, without leading zeros."""
    while polynomial and polynomial[-1] == 0:
        polynomial = polynomial[:-1]
    content = math.gcd(*polynomial) if polynomial else 1
    return [c // content for c in polynomial]
