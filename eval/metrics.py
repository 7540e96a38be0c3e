"""The figures of the field: pass@k, intervals, paired tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist, fmean, pvariance, stdev

_PRIOR = 4  # problems' weight that the spread of a share has beside the one that is found


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of `k` attempts succeeds, estimated without bias from `c` successes among `n`.

    1 - C(n-c, k) / C(n, k), Chen et al. 2021 (arXiv 2107.03374), §2.1. Raises ValueError unless 1 <= k <= n and
    0 <= c <= n.
    """
    if not (1 <= k <= n and 0 <= c <= n):
        raise ValueError(f"pass@{k} cannot be told from {c} successes among {n} attempts")
    # As a product: the binomials of 1,024 attempts have 300 digits.
    return 1.0 if n - c < k else 1.0 - math.prod(1.0 - k / m for m in range(n - c + 1, n + 1))


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds of its confidence interval."""

    value: float
    low: float
    high: float


def proportion(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval (1927) for a share. Raises ValueError if there is nothing to have a share of."""
    if not total:
        raise ValueError("a share of nothing")
    return _wilson(successes / total, total, confidence)


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of values between 0 and 1, one for each problem, taken as a sample of all such problems.

    Wilson's interval, too. Values that are no mere 0 and 1 vary less than a share does; they count as as many problems
    as would give a share the same variance (Kish's effective sample size); so that a few problems that happen to be
    alike do not claim too much, the spread is mixed with that of a share. Raises ValueError if there are none.
    """
    if not values:
        raise ValueError("the mean of nothing")
    p, n = fmean(values), len(values)
    most = p * (1 - p)  # the spread of a share
    spread = (n * pvariance(values, p) + _PRIOR * most) / (n + _PRIOR)
    return _wilson(p, n * most / spread if 0 < spread < most else n, confidence)


def difference(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Interval:
    """How much more the values `b` are than `a` on average, problem by problem of the same problems.

    The normal interval for the mean of paired differences, for some thirty problems or more. Raises ValueError if
    there are less than two, or not as many of both.
    """
    gains = [y - x for x, y in zip(a, b, strict=True)]
    if len(gains) < 2:
        raise ValueError("the spread of less than two differences")
    half = NormalDist().inv_cdf((1 + confidence) / 2) * stdev(gains) / math.sqrt(len(gains))
    return Interval(fmean(gains), fmean(gains) - half, fmean(gains) + half)


def _wilson(p: float, n: float, confidence: float) -> Interval:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))


def mcnemar(only_a: int, only_b: int) -> float:
    """The p-value of McNemar's exact test (1947): how likely a split as uneven as this one is, or more so, among the
    problems that only one of two provers solves, if both are equally good."""
    n, least = only_a + only_b, min(only_a, only_b)
    if 2 * least >= n:
        return 1.0
    total = ways = 1
    for i in range(least):
        ways = ways * (n - i) // (i + 1)
        total += ways
    return min(1.0, float(Fraction(2 * total, 2**n)))
