"""What has been read before: a tree of prompts, so that what two of them begin with is worked out once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import count

from torch import Tensor


@dataclass(frozen=True)
class Prefix:
    """The tokens that come before what is written.

    latents [layers, tokens, latent_dim]: of each token in each layer, the MTP module's last where it is used.
    chosen int16 [tokens, mixtures, k]: the experts that each token used.
    """

    latents: Tensor
    chosen: Tensor

    def __len__(self) -> int:
        return self.latents.shape[1]

    def __getitem__(self, part: slice) -> Prefix:
        return Prefix(self.latents[:, part], self.chosen[part])

    def copy(self) -> Prefix:
        """Of a part, this is what the rest can be forgotten by."""
        return Prefix(self.latents.clone(), self.chosen.clone())


@dataclass
class _Node:
    """Some tokens that follow those of the nodes above. `used`: when they were last asked for."""

    tokens: tuple[Hashable, ...] = ()
    prefix: Prefix | None = None
    above: _Node | None = None
    below: dict[Hashable, _Node] = field(default_factory=dict)
    used: int = 0


class PrefixTree:
    """At most `capacity` tokens are kept; those go first that were not asked for the longest.

    A token is whatever the latents of its place depend on, with those before it.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.clear()

    def clear(self) -> None:
        """Forget everything: the weights have changed."""
        self._root, self._time, self.size = _Node(), count(1), 0

    @property
    def nbytes(self) -> int:
        """Of the latents that are kept."""
        nodes = [self._root]
        for node in nodes:
            nodes += node.below.values()
        return sum(node.prefix.latents.nbytes for node in nodes if node.prefix is not None)

    def match(self, tokens: Sequence[Hashable]) -> list[Prefix]:
        """Parts that together are the longest known beginning of the tokens."""
        node, place, found, now = self._root, 0, [], next(self._time)
        while place < len(tokens) and (child := node.below.get(tokens[place])):
            same = _common(child.tokens, tokens[place:])
            assert child.prefix is not None
            found.append(child.prefix[:same])
            child.used, place = now, place + same
            if same < len(child.tokens):
                break
            node = child
        return found

    def insert(self, tokens: Sequence[Hashable], prefix: Prefix) -> None:
        """Remember a prompt's prefix, of which what is known already is not kept twice."""
        node, place, now = self._root, 0, next(self._time)
        while place < len(tokens):
            child = node.below.get(tokens[place])
            if child is None:
                rest = prefix[place:].copy() if place else prefix  # a view would keep what it is a part of
                child = _Node(tuple(tokens[place:]), rest, node)
                node.below[tokens[place]] = child
                self.size += len(child.tokens)
            same = _common(child.tokens, tokens[place:])
            if same < len(child.tokens):
                child = self._split(child, same)
            child.used, node, place = now, child, place + same
        self._evict()

    def _split(self, node: _Node, place: int) -> _Node:
        """Cut a node in two; the upper one is returned."""
        assert node.prefix is not None
        assert node.above is not None
        first, rest = node.prefix[:place].copy(), node.prefix[place:].copy()
        upper = _Node(node.tokens[:place], first, node.above, {node.tokens[place]: node}, node.used)
        node.above.below[node.tokens[0]] = upper
        node.tokens, node.prefix, node.above = node.tokens[place:], rest, upper
        return upper

    def _evict(self) -> None:
        while self.size > self.capacity:
            leaf = min(self._leaves(), key=lambda node: node.used)
            assert leaf.above is not None
            del leaf.above.below[leaf.tokens[0]]
            self.size -= len(leaf.tokens)

    def _leaves(self) -> list[_Node]:
        found, stack = [], list(self._root.below.values())
        while stack:
            node = stack.pop()
            stack += node.below.values()
            if not node.below:
                found.append(node)
        return found


def _common(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """How many tokens are the same at the beginning of both."""
    shorter = min(len(left), len(right))
    return next((i for i in range(shorter) if left[i] != right[i]), shorter)
