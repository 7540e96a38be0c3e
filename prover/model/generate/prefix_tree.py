"""A radix tree of prompts whose latents are cached, so that a common prefix of prompts is computed once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import count

from torch import Tensor


@dataclass(frozen=True)
class Prefix:
    """The cache of a prompt's first tokens. `prefix[a:b]` is a view of a part.

    latents [layers, tokens, latent_dim]: of each token in each layer; the MTP module's layer last, where it is used.
    expert_ids int16 [tokens, moe_layers, k]: the experts that each token used.
    """

    latents: Tensor
    expert_ids: Tensor

    def __len__(self) -> int:
        return self.latents.shape[1]

    def __getitem__(self, part: slice) -> Prefix:
        return Prefix(self.latents[:, part], self.expert_ids[part])

    def copy(self) -> Prefix:
        """A copy with memory of its own. A view keeps alive all of what it is a part of; its copy does not."""
        return Prefix(self.latents.clone(), self.expert_ids.clone())


@dataclass
class _PrefixNode:
    """A run of tokens that follows those of the nodes above. last_used: when it was last matched or inserted."""

    tokens: tuple[Hashable, ...] = ()
    prefix: Prefix | None = None
    parent: _PrefixNode | None = None
    children: dict[Hashable, _PrefixNode] = field(default_factory=dict)
    last_used: int = 0


class PrefixTree:
    """A cache of prompts' prefixes with at most `capacity` tokens; the least recently used are evicted first.

    A token is any hashable that, with those before it, determines the latents at its position.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.clear()

    def clear(self) -> None:
        """Drop everything: the weights have changed."""
        self._root, self._clock, self.size = _PrefixNode(), count(1), 0

    @property
    def nbytes(self) -> int:
        """Bytes of the cached latents."""
        nodes = [self._root]
        for node in nodes:
            nodes += node.children.values()
        return sum(node.prefix.latents.nbytes for node in nodes if node.prefix is not None)

    def match(self, tokens: Sequence[Hashable]) -> list[Prefix]:
        """The longest cached prefix of the tokens, as consecutive parts."""
        node, position, parts, now = self._root, 0, [], next(self._clock)
        while position < len(tokens) and (child := node.children.get(tokens[position])):
            common = _common_length(child.tokens, tokens[position:])
            assert child.prefix is not None
            parts.append(child.prefix[:common])
            child.last_used, position = now, position + common
            if common < len(child.tokens):
                break
            node = child
        return parts

    def insert(self, tokens: Sequence[Hashable], prefix: Prefix) -> None:
        """Cache a prompt's prefix (one entry per token); what is cached already is not stored twice."""
        node, position, now = self._root, 0, next(self._clock)
        while position < len(tokens):
            child = node.children.get(tokens[position])
            if child is None:
                rest = prefix[position:].copy() if position else prefix  # a view would keep what it is a part of
                child = _PrefixNode(tuple(tokens[position:]), rest, node)
                node.children[tokens[position]] = child
                self.size += len(child.tokens)
            common = _common_length(child.tokens, tokens[position:])
            if common < len(child.tokens):
                child = self._split(child, common)
            child.last_used, node, position = now, child, position + common
        self._evict()

    def _split(self, node: _PrefixNode, length: int) -> _PrefixNode:
        """Split a node after `length` tokens; returns the upper part."""
        assert node.prefix is not None
        assert node.parent is not None
        first, rest = node.prefix[:length].copy(), node.prefix[length:].copy()
        upper = _PrefixNode(node.tokens[:length], first, node.parent, {node.tokens[length]: node}, node.last_used)
        node.parent.children[node.tokens[0]] = upper
        node.tokens, node.prefix, node.parent = node.tokens[length:], rest, upper
        return upper

    def _evict(self) -> None:
        while self.size > self.capacity:
            leaf = min(self._leaves(), key=lambda node: node.last_used)
            assert leaf.parent is not None
            del leaf.parent.children[leaf.tokens[0]]
            self.size -= len(leaf.tokens)

    def _leaves(self) -> list[_PrefixNode]:
        leaves, stack = [], list(self._root.children.values())
        while stack:
            node = stack.pop()
            stack += node.children.values()
            if not node.children:
                leaves.append(node)
        return leaves


def _common_length(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """The length of the longest common prefix."""
    shorter = min(len(left), len(right))
    return next((i for i in range(shorter) if left[i] != right[i]), shorter)
