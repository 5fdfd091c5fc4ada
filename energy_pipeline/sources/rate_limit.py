"""The supplier's request quota, as its own headers tell it.

The quota is shared with everything else that uses the account, so only the header of the newest
answer is true: nothing is counted here, and nothing sleeps here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

POLICY = re.compile(r"^\s*(\d{1,9})\s*;\s*w\s*=\s*(\d{1,9})\b")


@dataclass(frozen=True, slots=True)
class RateBudget:
    """What is left of the fixed window that the answer was counted in."""

    limit: int  # requests per window
    remaining: int  # requests still free
    reset_seconds: int  # until the window starts afresh [s]

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> RateBudget | None:
        """Read RateLimit-Limit, -Remaining and -Reset in any case; None where no quota is told.

        A missing limit or reset is taken from RateLimit-Policy (``50;w=300``), which bounds it.
        """
        sent = {name.lower(): value for name, value in headers.items()}
        policy = POLICY.match(sent.get("ratelimit-policy", ""))
        remaining = _count(sent.get("ratelimit-remaining"))
        limit = _count(sent.get("ratelimit-limit"))
        reset_seconds = _count(sent.get("ratelimit-reset"))
        if policy:
            limit = int(policy[1]) if limit is None else limit
            reset_seconds = int(policy[2]) if reset_seconds is None else reset_seconds
        if limit is None or remaining is None or reset_seconds is None:
            return None
        return cls(limit, remaining, reset_seconds)


def seconds_to_wait(budget: RateBudget | None, reserve: int) -> float:
    """Tell bulk work how long to pause before its next request, so the live price keeps `reserve`.

    Parameters
    ----------
    budget : RateBudget or None
        Of the newest answer; None where the supplier told none.
    reserve : int
        Requests of each window to leave for others. At most half of the window's limit is
        honoured: bulk work slows down, it never starves.

    Returns
    -------
    float
        0 while more than the reserve is left, else the time until the window starts afresh. [s]
    """
    if budget is None or budget.remaining > min(reserve, budget.limit // 2):
        return 0.0
    return float(budget.reset_seconds)


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
