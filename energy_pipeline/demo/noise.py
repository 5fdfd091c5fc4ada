"""Repeatable noise that can be read at any time in any order.

Every number is a hash of (seed, stream, index), so nothing is remembered between calls. Only
integers and the exactly rounded operations (sum, product, quotient, square root) are used: the
same numbers come out on every machine.
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Finaliser of SplitMix64 [1]_: every input bit flips about half of the output bits.

    References
    ----------
    .. [1] G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number
       generators", OOPSLA 2014, doi:10.1145/2660193.2660195.
    """
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _hash(seed: int, stream: int, index: Ints) -> NDArray[np.uint64]:
    key = np.array([seed, stream], dtype=np.int64).astype(np.uint64)
    root = _mix(_mix(key[:1] + _GOLDEN) + key[1:] * _GOLDEN)
    return _mix(root + (index.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def uniform(seed: int, stream: int, index: Ints) -> Floats:
    """Independent draws in [0, 1), one for each index; same shape as `index`."""
    return (_hash(seed, stream, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(seed: int, stream: int, index: Ints) -> Floats:
    """Independent, nearly standard normal draws within +-6; same shape as `index`.

    The sum of twelve uniform 16-bit numbers: no logarithm, whose last digit differs between
    mathematical libraries.
    """
    bits = _hash(seed, stream, index[..., np.newaxis] * 3 + np.arange(3))
    total: Floats = bits.view(np.uint16).sum(axis=-1, dtype=np.int64).astype(np.float64)
    return (total + 6.0) / 65536.0 - 6.0


def smooth_normal(seed: int, stream: int, time: Ints, scale: int) -> Floats:
    """A standard normal that changes over about `scale` units of `time`.

    Draws stand at every multiple of `scale`; between them the two neighbours are blended and the
    blend is scaled back to variance one.
    """
    node = time // scale
    blend = (time - node * scale) / scale
    blend = blend * blend * (3.0 - 2.0 * blend)
    first = int(node.min()) if node.size else 0
    count = int(node.max()) - first + 2 if node.size else 0
    draws = normal(seed, stream, np.arange(first, first + count, dtype=np.int64))
    left, right = draws[node - first], draws[node - first + 1]
    return ((1.0 - blend) * left + blend * right) / np.sqrt((1.0 - blend) ** 2 + blend**2)


def rounded(values: Floats, decimals: int) -> Floats:
    """`values` to so many decimals, and never minus zero."""
    result: Floats = np.round(values, decimals) + 0.0
    return result
