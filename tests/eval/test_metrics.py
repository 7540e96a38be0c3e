"""The figures against brute force and simulation."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics import mcnemar, mean_interval, paired_difference, pass_at_k


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_success(attempts: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(attempts)))
    subsets = list(combinations(attempts, k))
    brute = Fraction(sum(any(subset) for subset in subsets), len(subsets))
    assert pass_at_k(len(attempts), sum(attempts), k) == pytest.approx(float(brute), abs=1e-12)


@given(st.integers(1, 6), st.fractions(0, 1))
def test_pass_at_k_has_no_bias(n: int, p: Fraction) -> None:
    """Its expectation over all outcomes of n attempts is 1 - (1-p)^k, exactly."""
    for k in range(1, n + 1):
        mean = 0.0
        for outcome in product((0, 1), repeat=n):
            c = sum(outcome)
            mean += float(p**c * (1 - p) ** (n - c)) * pass_at_k(n, c, k)
        assert mean == pytest.approx(float(1 - (1 - p) ** k), abs=1e-9)


def test_pass_at_k_stays_a_number_for_many_attempts() -> None:
    assert pass_at_k(100_000, 1, 1024) == pytest.approx(0.01024)
    assert pass_at_k(8192, 0, 8192) == 0.0
    assert pass_at_k(8192, 1, 8192) == 1.0


@pytest.mark.parametrize(("n", "c", "k"), [(4, 1, 5), (4, 5, 1), (4, -1, 1), (4, 1, 0), (0, 0, 1)])
def test_what_cannot_be_told_is_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="cannot be told"):
        pass_at_k(n, c, k)


def test_wilsons_interval_is_the_published_one() -> None:
    """Brown, Cai and DasGupta 2001 solve |p - x/n| = z sqrt(p(1-p)/n) for the bounds: so must ours."""
    for x, n in [(0, 20), (1, 20), (10, 20), (20, 20), (50, 54)]:
        found = mean_interval([1.0] * x + [0.0] * (n - x))
        for bound in (found.low, found.high):
            if bound not in (0.0, 1.0):
                assert abs(bound - x / n) == pytest.approx(1.959964 * (bound * (1 - bound) / n) ** 0.5, rel=1e-4)
    assert mean_interval([0.0] * 20).low == 0.0
    assert 0.1 < mean_interval([0.0] * 20).high < 0.2


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Problems of unequal difficulty, 8 attempts each, pass@4: the truth lies inside in about 95 of 100 experiments."""
    for problems in (3, 10, 60):
        assert 0.92 <= covered(problems) <= 0.99


def covered(problems: int, experiments: int = 600) -> float:
    rng, inside = random.Random(1), 0
    truth = sum(1 - (1 - p / 1000) ** 4 for p in range(1000)) / 1000
    for _ in range(experiments):
        values = []
        for _ in range(problems):
            p = rng.randrange(1000) / 1000
            values.append(pass_at_k(8, sum(rng.random() < p for _ in range(8)), 4))
        found = mean_interval(values)
        inside += found.low <= truth <= found.high
    return inside / experiments


def test_values_between_0_and_1_give_a_narrower_interval_than_a_proportion_of_the_same_mean() -> None:
    halves, coins = mean_interval([0.25, 0.75] * 50), mean_interval([0.0, 1.0] * 50)
    assert halves.value == coins.value == 0.5
    assert halves.high - halves.low < 0.6 * (coins.high - coins.low)


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_is_a_count_of_coins(a: int, b: int) -> None:
    tosses = list(product((0, 1), repeat=min(a + b, 12)))
    if a + b <= 12:
        extreme = sum(abs(2 * sum(t) - (a + b)) >= abs(a - b) for t in tosses)
        assert mcnemar(a, b) == pytest.approx(extreme / len(tosses))
    assert mcnemar(a, b) == mcnemar(b, a)


def test_the_interval_of_a_gain_covers_the_truth_as_often_as_it_says() -> None:
    """Two provers of the same problems, the second better by 0.1 everywhere; 8 attempts each."""
    rng, inside = random.Random(2), 0
    for _ in range(600):
        chances = [rng.random() * 0.9 for _ in range(60)]
        a, b = ([sum(rng.random() < p + more for _ in range(8)) / 8 for p in chances] for more in (0.0, 0.1))
        found = paired_difference(a, b)
        inside += found.low <= 0.1 <= found.high
    assert 0.92 <= inside / 600 <= 0.98


def test_a_gain_is_that_of_the_second() -> None:
    found = paired_difference([0.0, 0.5, 0.0], [1.0, 0.5, 0.0])
    assert found.value == pytest.approx(1 / 3)
    assert found.low < 0 < found.value < found.high
    assert paired_difference([0.0, 0.5], [0.5, 1.0]).low == pytest.approx(0.5)
    with pytest.raises(ValueError, match="less than two"):
        paired_difference([0.0], [1.0])
