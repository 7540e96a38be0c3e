"""Evaluation metrics: pass@k, confidence intervals, paired tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist, fmean, pvariance, stdev

_PRIOR_PROBLEMS = 4  # weight, in problems, of a proportion's variance beside the measured one


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return pass@k: the chance that at least one of `k` attempts succeeds, from `c` successes among `n`.

    The unbiased estimate 1 - C(n-c, k) / C(n, k) of "Evaluating Large Language Models Trained on Code" (arXiv
    2107.03374), §2.1. Raises ValueError unless 1 <= k <= n and 0 <= c <= n.
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


def proportion_interval(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval (1927) for a proportion. Raises ValueError if `total` is 0."""
    if not total:
        raise ValueError("a share of nothing")
    return _wilson_interval(successes / total, total, confidence)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean of values between 0 and 1, one per problem, with an interval for all such problems.

    Wilson's interval with an effective sample size: values other than 0 and 1 vary less than a proportion does, and
    count as as many problems as would give a proportion the same variance (Kish's effective sample size). The variance
    is mixed with that of a proportion, so that a few problems that happen to be alike do not claim too much. Raises
    ValueError without values.
    """
    if not values:
        raise ValueError("the mean of nothing")
    p, n = fmean(values), len(values)
    bernoulli_variance = p * (1 - p)  # of a proportion
    variance = (n * pvariance(values, p) + _PRIOR_PROBLEMS * bernoulli_variance) / (n + _PRIOR_PROBLEMS)
    return _wilson_interval(
        p, n * bernoulli_variance / variance if 0 < variance < bernoulli_variance else n, confidence
    )


def paired_difference(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean of `b - a` over the same problems, with its interval.

    The normal interval for the mean of paired differences, for about thirty problems or more. Raises ValueError for
    fewer than two values, or different numbers of them.
    """
    gains = [y - x for x, y in zip(a, b, strict=True)]
    if len(gains) < 2:
        raise ValueError("the spread of less than two differences")
    half_width = NormalDist().inv_cdf((1 + confidence) / 2) * stdev(gains) / math.sqrt(len(gains))
    return Interval(fmean(gains), fmean(gains) - half_width, fmean(gains) + half_width)


def _wilson_interval(p: float, n: float, confidence: float) -> Interval:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half_width = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(0.0, min(p, centre - half_width)), min(1.0, max(p, centre + half_width)))


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the p-value of McNemar's exact test (1947).

    It is the probability of a split at least as uneven as this one among the problems that only one of two provers
    solves, if both are equally good.
    """
    n, smaller = only_a + only_b, min(only_a, only_b)
    if 2 * smaller >= n:
        return 1.0
    total = combinations = 1
    for i in range(smaller):
        combinations = combinations * (n - i) // (i + 1)
        total += combinations
    return min(1.0, float(Fraction(2 * total, 2**n)))
