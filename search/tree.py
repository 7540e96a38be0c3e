"""The search tree of RMaxTS (DeepSeek-Prover-V1.5, arXiv 2408.08152, §3): selects the tactic state to expand next.

Knows neither Lean nor a policy. Every distinct tactic state is a node. At a node the search goes to a child or expands
the node itself; these are the arms of a bandit with discounted statistics (DUCB). After the rewards R_1 … R_n of an arm

    N = Σ γ^(n-t)        W = Σ γ^(n-t) R_t        score = W / N + sqrt(2 ln ΣN / N)

with ΣN over all arms of the node. The arm with the highest score is taken; an arm that was never taken comes first. A
pending expansion counts as a reward of 0 for the arms on its route, after all known rewards (virtual loss).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter

GAMMA = 0.99
_MAX_PROOFS = 32  # proofs kept for one state

State = tuple[str, tuple[str, ...]]
"""What must still be proved: the goals as Lean prints them, and `Segment.outer`, one key for each open block."""


class Arm:
    """A choice at a node: go to `child`, or (`child` None) expand the node itself."""

    __slots__ = ("child", "count", "effective_count", "inverse_count", "mean", "open", "pending", "reward_sum")

    def __init__(self, child: Node | None) -> None:
        self.child = child
        self.reward_sum = self.count = 0.0  # W and N of the known rewards
        self.pending = 0  # running expansions
        self.open = True  # may be taken
        self.mean = self.inverse_count = self.effective_count = 0.0  # W / N, 1 / N and N with pending expansions

    def update(self) -> float:
        """Recompute the statistics from `reward_sum`, `count` and `pending`; return the growth of N."""
        decay = GAMMA**self.pending
        effective_count = decay * self.count + (1 - decay) / (1 - GAMMA)
        growth = effective_count - self.effective_count
        self.effective_count = effective_count
        self.inverse_count = 1 / effective_count if effective_count else 0.0
        self.mean = decay * self.reward_sum * self.inverse_count
        return growth


@dataclass(slots=True, eq=False)
class Node:
    """A tactic state in the tree.

    proofs: known proofs that lead here, each with the column of its innermost open block.
    """

    id: int
    parent: Node | None
    state: State
    proofs: list[tuple[str, int]]
    depth: int = 0
    visits: int = 0  # finished expansions on routes through this node
    rewards: float = 0.0  # the sum of their rewards
    samples_requested: int = 0  # from the policy, at this node
    parent_arm: Arm | None = None  # the parent's arm that leads here
    expand_arm: Arm = field(default_factory=lambda: Arm(None))
    tried_arms: list[Arm] = field(default_factory=list)  # open arms that were taken before
    untried_arms: list[Arm] = field(default_factory=list)  # open arms that were never taken
    arm_total: float = 0.0  # ΣN

    def __post_init__(self) -> None:
        """Add the arm that expands this node."""
        self.untried_arms.append(self.expand_arm)

    @property
    def goals(self) -> str:
        """The goals as Lean prints them."""
        return self.state[0]

    def add_proof(self, proof: str, column: int) -> None:
        """Remember another proof that leads here, up to a fixed number of them."""
        if len(self.proofs) < _MAX_PROOFS and (proof, column) not in self.proofs:
            self.proofs.append((proof, column))

    def scores(self) -> Iterator[tuple[Arm, float]]:
        """Yield each open arm with its score."""
        for arm in self.untried_arms:
            yield arm, math.inf
        bonus = 2 * math.log(self.arm_total) if self.arm_total > 1 else 0.0
        for arm in self.tried_arms:
            yield arm, arm.mean + math.sqrt(bonus * arm.inverse_count)

    def best_arm(self) -> Arm | None:
        """Return the arm to take; None if no arm is open."""
        if self.untried_arms:
            return self.untried_arms[0]
        return max(self.scores(), key=itemgetter(1), default=(None, 0.0))[0]


Route = list[tuple[Node, Arm]]
"""From the root: each node with the arm taken there. The last arm expands its node."""


class Tree:
    """A tree that grows by expansions: select a node, try a sample there, add the states it reached, backpropagate."""

    def __init__(self, goals: str) -> None:
        self.root = Node(0, None, (goals, ()), [("", 0)])
        self.nodes = [self.root]
        self._by_state = {self.root.state: self.root}

    def select(self) -> Route | None:
        """Return the route to the next expansion, with its arms marked as pending; None if no arm is open."""
        node, route = self.root, []
        while True:
            arm = node.best_arm()
            if arm is None:
                return None  # only at the root: a child without open arms is closed
            route.append((node, arm))
            if arm.child is None:
                break
            node = arm.child
        for node, arm in route:
            arm.pending += 1
            self._update_arm(node, arm)
        return route

    def add_state(self, parent: Node, state: State, proof: str, column: int = 0) -> tuple[Node, bool]:
        """Return the node of a state that `proof` reached from `parent`, and whether the node is new."""
        node = self._by_state.get(state)
        if node is not None:
            node.add_proof(proof, column)
            return node, False
        node = Node(len(self.nodes), parent, state, [(proof, column)], parent.depth + 1)
        self.nodes.append(node)
        self._by_state[state] = node
        node.parent_arm = Arm(node)
        parent.untried_arms.append(node.parent_arm)
        self._reopen_ancestors(parent)
        return node, True

    def node_of(self, state: State) -> Node:
        """Return the node of a known state. Raises KeyError."""
        return self._by_state[state]

    def backpropagate(self, route: Route, reward: float) -> None:
        """Add the reward of a finished expansion to the arms on its route."""
        for node, arm in route:
            arm.pending -= 1
            arm.reward_sum = GAMMA * arm.reward_sum + reward
            arm.count = GAMMA * arm.count + 1
            node.visits += 1
            node.rewards += reward
            self._update_arm(node, arm)

    def close(self, node: Node) -> None:
        """Close a node where nothing is left to try, and its ancestors that have no other open arm."""
        self._close_arm(node, node.expand_arm)
        while not node.tried_arms and not node.untried_arms and node.parent is not None and node.parent_arm is not None:
            self._close_arm(node.parent, node.parent_arm)
            node = node.parent

    def reopen(self, node: Node) -> None:
        """Reopen a node where there is something to try again."""
        if not node.expand_arm.open:
            node.expand_arm.open = True
            (node.tried_arms if node.expand_arm.effective_count else node.untried_arms).append(node.expand_arm)
            self._reopen_ancestors(node)

    def path_to(self, node: Node) -> list[Node]:
        """Return the nodes from the root to a node."""
        path = [node]
        while path[-1].parent is not None:
            path.append(path[-1].parent)
        return path[::-1]

    def _update_arm(self, node: Node, arm: Arm) -> None:
        was_fresh = arm.effective_count == 0
        node.arm_total += arm.update()
        if was_fresh and arm.open:
            node.untried_arms.remove(arm)
            node.tried_arms.append(arm)

    def _close_arm(self, node: Node, arm: Arm) -> None:
        if arm.open:
            arm.open = False
            (node.tried_arms if arm.effective_count else node.untried_arms).remove(arm)

    def _reopen_ancestors(self, node: Node) -> None:
        """Open the arms that lead to a node which has something to try."""
        while node.parent is not None and node.parent_arm is not None and not node.parent_arm.open:
            node.parent_arm.open = True
            (node.parent.tried_arms if node.parent_arm.effective_count else node.parent.untried_arms).append(
                node.parent_arm
            )
            node = node.parent
