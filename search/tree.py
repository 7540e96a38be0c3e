"""The search tree of RMaxTS (DeepSeek-Prover-V1.5, §3): which tactic state to go on from. Knows no Lean, no policy.

Every distinct tactic state is a node. At a node one can go to a child or expand here; these are the arms of a bandit
with discounted statistics (DUCB). After the rewards R_1 … R_n of an arm

    N = Σ γ^(n-t)        W = Σ γ^(n-t) R_t        score = W / N + sqrt(2 ln ΣN / N)

with ΣN over all arms of the node, and the arm of the highest score is taken; one that was never taken comes first. An
expansion under way counts as a reward of 0 for the arms that led to it, after all known rewards (virtual loss).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter

GAMMA = 0.99
_TEXTS = 32  # ways to one state that are kept

State = tuple[str, tuple[str, ...]]
"""What must still be proved: the goals as Lean prints them, and what remains of each block around them."""


class Arm:
    """Something to do at a node: go on at a child, or (`child` None) expand here."""

    __slots__ = ("child", "count", "inverse", "mean", "open", "pending", "size", "weight")

    def __init__(self, child: Node | None) -> None:
        self.child = child
        self.weight = self.count = 0.0  # W and N of the rewards that are known
        self.pending = 0  # expansions under way
        self.open = True  # is there still something to find?
        self.mean = self.inverse = self.size = 0.0  # W / N, 1 / N and N with those under way

    def update(self) -> float:
        """Take `weight`, `count` and `pending` into account; by how much N has grown."""
        faded = GAMMA**self.pending
        size = faded * self.count + (1 - faded) / (1 - GAMMA)
        grown = size - self.size
        self.size = size
        self.inverse = 1 / size if size else 0.0
        self.mean = faded * self.weight * self.inverse
        return grown


@dataclass(slots=True, eq=False)
class Node:
    """A tactic state. `texts`: the proofs up to here that are known, `column`: where each one's open block stands."""

    id: int
    parent: Node | None
    state: State
    texts: list[tuple[str, int]]
    depth: int = 0
    visits: int = 0
    rewards: float = 0.0
    asked: int = 0  # samples that the policy was asked for here
    up: Arm | None = None  # the parent's arm that leads here
    here: Arm = field(default_factory=lambda: Arm(None))
    arms: list[Arm] = field(default_factory=list)  # those that are open and were taken before
    fresh: list[Arm] = field(default_factory=list)  # those that were not
    total: float = 0.0  # ΣN

    def __post_init__(self) -> None:
        self.fresh.append(self.here)

    @property
    def goals(self) -> str:
        return self.state[0]

    def add_text(self, text: str, column: int) -> None:
        if len(self.texts) < _TEXTS and (text, column) not in self.texts:
            self.texts.append((text, column))

    def scores(self) -> Iterator[tuple[Arm, float]]:
        """The arms that may be taken, each with its score."""
        for arm in self.fresh:
            yield arm, math.inf
        bonus = 2 * math.log(self.total) if self.total > 1 else 0.0
        for arm in self.arms:
            yield arm, arm.mean + math.sqrt(bonus * arm.inverse)

    def best(self) -> Arm | None:
        """The arm to take; None if there is none."""
        if self.fresh:
            return self.fresh[0]
        return max(self.scores(), key=itemgetter(1), default=(None, 0.0))[0]


Route = list[tuple[Node, Arm]]
"""From the root: each node with the arm taken there; the last arm expands."""


class Tree:
    """Grows by expansions: select a node, try something there, add what it reached, give the reward back."""

    def __init__(self, goals: str) -> None:
        self.root = Node(0, None, (goals, ()), [("", 0)])
        self.nodes = [self.root]
        self._by_state = {self.root.state: self.root}

    def select(self) -> Route | None:
        """Where to expand next, with its arms marked as under way; None if nothing is left to do."""
        node, route = self.root, []
        while True:
            arm = node.best()
            if arm is None:
                return None  # can only be the root: a child that has nothing left is closed
            route.append((node, arm))
            if arm.child is None:
                break
            node = arm.child
        for node, arm in route:
            arm.pending += 1
            self._changed(node, arm)
        return route

    def reach(self, parent: Node, state: State, text: str, column: int = 0) -> tuple[Node, bool]:
        """The node of a state that the proof `text` led to, by way of `parent`; and whether it is new."""
        node = self._by_state.get(state)
        if node is not None:
            node.add_text(text, column)
            return node, False
        node = Node(len(self.nodes), parent, state, [(text, column)], parent.depth + 1)
        self.nodes.append(node)
        self._by_state[state] = node
        node.up = Arm(node)
        parent.fresh.append(node.up)
        self._reopen(parent)
        return node, True

    def node_of(self, state: State) -> Node:
        """The node of a state that has been reached."""
        return self._by_state[state]

    def reward(self, route: Route, reward: float) -> None:
        """An expansion has come to its end."""
        for node, arm in route:
            arm.pending -= 1
            arm.weight = GAMMA * arm.weight + reward
            arm.count = GAMMA * arm.count + 1
            node.visits += 1
            node.rewards += reward
            self._changed(node, arm)

    def close(self, node: Node) -> None:
        """Nothing is left to try at this node; so those above it are closed, too, that had only this one left."""
        self._shut(node, node.here)
        while not node.arms and not node.fresh and node.parent is not None and node.up is not None:
            self._shut(node.parent, node.up)
            node = node.parent

    def open(self, node: Node) -> None:
        """There is something to try at this node again."""
        if not node.here.open:
            node.here.open = True
            (node.arms if node.here.size else node.fresh).append(node.here)
            self._reopen(node)

    def path_to(self, node: Node) -> list[Node]:
        """From the root to a node."""
        path = [node]
        while path[-1].parent is not None:
            path.append(path[-1].parent)
        return path[::-1]

    def _changed(self, node: Node, arm: Arm) -> None:
        was_fresh = arm.size == 0
        node.total += arm.update()
        if was_fresh and arm.open:
            node.fresh.remove(arm)
            node.arms.append(arm)

    def _shut(self, node: Node, arm: Arm) -> None:
        if arm.open:
            arm.open = False
            (node.arms if arm.size else node.fresh).remove(arm)

    def _reopen(self, node: Node) -> None:
        """A node has something to try: so have those above it."""
        while node.parent is not None and node.up is not None and not node.up.open:
            node.up.open = True
            (node.parent.arms if node.up.size else node.parent.fresh).append(node.up)
            node = node.parent
