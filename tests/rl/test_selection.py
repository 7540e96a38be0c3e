"""Which theorems are asked: as often as the configuration says, and the same again from the same state."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.selection import PromptSampler, Selection

NOTES = [(0, 0, 8), (1, 4, 8), (2, 8, 8), (3, 1, 8), (1, 8, 8), (3, 0, 8)]  # theorem, proved, answers
DRAWS = 20_000


def noted(count: int = 6, floor: float = 0.02, seed: int = 0) -> PromptSampler:
    chooser = PromptSampler(count, Selection(min_weight=floor), seed)
    for note in NOTES:
        chooser.update(*note)
    return chooser


def test_rates_are_those_of_what_was_noted_last_most_of_all() -> None:
    rates = [noted().rate(theorem) for theorem in range(6)]
    prior = 0.25
    wanted = [prior / 8.5, (2 + 8 + prior) / 12.5, (8 + prior) / 8.5, (0.5 + prior) / 12.5, 1 / 2, 1 / 2]
    assert rates == pytest.approx(wanted)


@pytest.mark.parametrize("floor", [0.0, 0.02, 10.0])
def test_draws_are_as_frequent_as_said(floor: float) -> None:
    chooser = noted(floor=floor)
    chances = [rate * (1 - rate) + floor for rate in (chooser.rate(k) for k in range(6))]
    drawn = Counter(chooser.sample(number, ()) for number in range(DRAWS))
    for theorem, chance in enumerate(chances):
        share = chance / sum(chances)
        assert abs(drawn[theorem] / DRAWS - share) < 5 * math.sqrt(share * (1 - share) / DRAWS)


def test_a_draw_follows_from_seed_number_and_what_was_noted() -> None:
    first = [noted().sample(number, ()) for number in range(50)]
    forwards = noted()
    assert [forwards.sample(number, ()) for number in reversed(range(50))] == first[::-1]
    assert [noted(seed=1).sample(number, ()) for number in range(50)] != first
    forwards.update(4, 0, 1000)
    assert [forwards.sample(number, ()) for number in range(50)] != first


def test_what_was_noted_survives_as_json() -> None:
    chooser, other = noted(), PromptSampler(6, Selection(min_weight=0.02))
    other.restore(json.loads(json.dumps(chooser.state)))
    chooser.update(5, 1, 2)  # the state is no longer looked at
    assert other.state == noted().state
    other.update(5, 1, 2)
    assert [other.sample(number, {3}) for number in range(30)] == [chooser.sample(number, {3}) for number in range(30)]


def test_a_state_that_was_told_does_not_change() -> None:
    chooser = noted()
    told = chooser.state
    before = json.dumps(told)
    chooser.update(0, 8, 8)
    assert json.dumps(told) == before


@given(st.integers(1, 6), st.sets(st.integers(0, 8)), st.integers(0, 999), st.sampled_from([0.0, 0.02]))
def test_none_that_is_under_way_is_drawn_unless_all_are(
    count: int, without: set[int], number: int, floor: float
) -> None:
    drawn = PromptSampler(count, Selection(min_weight=floor)).sample(number, without)
    assert 0 <= drawn < count
    assert drawn not in without or without >= set(range(count))


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), max_size=60))
def test_every_theorem_can_always_be_drawn(notes: list[tuple[int, int]]) -> None:
    """Also without a floor, after anything: a rate never is 0 or 1."""
    chooser = PromptSampler(1, Selection(min_weight=0))
    for proved, refused in notes:
        chooser.update(0, proved, proved + refused)
    assert 0 < chooser.rate(0) < 1
    assert chooser.sample(0, ()) == 0
