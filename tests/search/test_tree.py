"""The tree of RMaxTS against the formulas written out, and its own rules. No Lean."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.tree import GAMMA, Arm, Node, Route, Tree


class Written:
    """DUCB as V1.5 §3.3 writes it, from the list of all rewards of each arm."""

    def __init__(self) -> None:
        self.rewards: dict[Arm, list[float]] = {}
        self.under_way: dict[Arm, int] = {}

    def begin(self, route: Route) -> None:
        for _, arm in route:
            self.under_way[arm] = self.under_way.get(arm, 0) + 1

    def end(self, route: Route, reward: float) -> None:
        for _, arm in route:
            self.under_way[arm] -= 1
            self.rewards.setdefault(arm, []).append(reward)

    def sums(self, arm: Arm) -> tuple[float, float]:
        """N and W, expansions under way counted as rewards of 0."""
        rewards = self.rewards.get(arm, []) + [0.0] * self.under_way.get(arm, 0)
        n = len(rewards)
        counts = [GAMMA ** (n - t) for t in range(1, n + 1)]
        return sum(counts), sum(c * r for c, r in zip(counts, rewards, strict=True))

    def score(self, arm: Arm, arms: list[Arm]) -> float:
        count, weight = self.sums(arm)
        if count == 0:
            return math.inf
        total = sum(self.sums(a)[0] for a in arms)
        return weight / count + math.sqrt(2 * math.log(total) / count)


def all_arms(tree: Tree) -> dict[Node, list[Arm]]:
    arms: dict[Node, list[Arm]] = {node: [node.expand_arm] for node in tree.nodes}
    for node in tree.nodes:
        if node.parent is not None and node.parent_arm is not None:
            arms[node.parent].append(node.parent_arm)
    return arms


@settings(max_examples=150, deadline=None)
@given(
    moves=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.booleans(), st.integers(0, 7)), max_size=60),
    window=st.integers(1, 5),
)
def test_scores_are_those_of_the_formula(moves: list[tuple[float, int, bool, int]], window: int) -> None:
    """`moves`: the reward of an expansion, the states it adds, whether the oldest ends now, which states it meets."""
    tree, written = Tree("root"), Written()
    under_way: list[Route] = []
    names = iter(range(10**6))
    for reward, added, ends, met in moves:
        route = tree.select()
        assert route is not None
        arms = all_arms(tree)
        for node, arm in route:
            best = max(written.score(a, arms[node]) for a in arms[node])
            assert written.score(arm, arms[node]) == pytest.approx(best, abs=1e-9)
        written.begin(route)
        under_way.append(route)
        if ends or len(under_way) > window:
            route = under_way.pop(0)
            node = route[-1][0]
            for _ in range(added):
                node, _ = tree.add_state(node, (f"state {next(names)}", ()), "text")
            tree.add_state(node, tree.nodes[met % len(tree.nodes)].state, "another text")
            tree.backpropagate(route, reward)
            written.end(route, reward)
        arms = all_arms(tree)
        for node in tree.nodes:
            for arm, score in node.scores():
                assert score == pytest.approx(written.score(arm, arms[node]), abs=1e-9)


def test_equal_states_are_one_node_with_several_texts() -> None:
    tree = Tree("root")
    first, new = tree.add_state(tree.root, ("a", ()), "simp")
    again, still_new = tree.add_state(tree.root, ("a", ()), "norm_num", 2)
    assert (new, still_new) == (True, False)
    assert first is again
    assert first.proofs == [("simp", 0), ("norm_num", 2)]
    inside, new = tree.add_state(tree.root, ("a", ("the rest",)), "constructor\n· simp")
    assert new
    assert inside is not first


def test_what_was_never_tried_comes_first() -> None:
    tree = Tree("root")
    route = tree.select()
    assert route == [(tree.root, tree.root.expand_arm)]
    children = [tree.add_state(tree.root, (name, ()), name)[0] for name in "ab"]
    tree.backpropagate(route, 1.0)
    assert [tree.select()[-1][0] for _ in "ab"] == children


def test_expansions_under_way_drive_others_elsewhere() -> None:
    tree = Tree("root")
    route = tree.select()
    assert route is not None
    tree.add_state(tree.root, ("a", ()), "a")
    tree.add_state(tree.root, ("b", ()), "b")
    tree.backpropagate(route, 1.0)
    starts = [tree.select()[-1][0].goals for _ in range(3)]
    assert sorted(starts) == ["a", "b", "root"]


def test_what_is_closed_is_not_selected_and_can_be_opened_again() -> None:
    tree = Tree("root")
    route = tree.select()
    assert route is not None
    a, _ = tree.add_state(tree.root, ("a", ()), "a")
    b, _ = tree.add_state(a, ("b", ()), "a\nb")
    tree.backpropagate(route, 1.0)
    tree.close(tree.root)
    tree.close(b)
    assert {tree.select()[-1][0].goals for _ in range(3)} == {"a"}
    tree.close(a)
    assert tree.select() is None
    c, _ = tree.add_state(b, ("c", ()), "a\nb\nc")
    assert tree.select()[-1][0] is c
    tree.close(c)
    assert tree.select() is None
    tree.reopen(b)
    assert tree.select()[-1][0] is b


def test_the_same_rewards_give_the_same_tree() -> None:
    def grown() -> list[tuple[int, str]]:
        tree, chance = Tree("root"), random.Random(7)
        for number in range(300):
            route = tree.select()
            assert route is not None
            fresh = False
            for _ in range(chance.randrange(3)):
                fresh |= tree.add_state(route[-1][0], (f"s{chance.randrange(100)}", ()), f"t{number}")[1]
            tree.backpropagate(route, float(fresh))
        return [(node.visits, node.goals) for node in tree.nodes]

    assert grown() == grown()
