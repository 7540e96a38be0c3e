"""The latents of the tokens so far, and attention over them (both are the decoder's `attend`).

A running sequence is a shared part and a part of its own. The samples of one prompt share the prompt's latents, which
are read once for all of them in one matrix product; what each has written is in a row of one table, of which rows
0 … running − 1 are in use, so that sequences join at the end and leave by the last one taking their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from prover.model.generate.prefixes import Prefix

_QUERIES = 256  # of a prompt that are worked on at a time


class Reading:
    """Prompts being read side by side, each after what is known of it.

    spans: for each prompt its latents [layers, tokens, latent_dim], to be filled in from place `start` on to `end`; the
    rows of the decoder are these places, one prompt after the other.
    """

    def __init__(self, spans: Sequence[tuple[Tensor, int, int]], rank: int) -> None:
        self._spans, self._rank = spans, rank

    def __call__(self, layer: int, queries: Tensor, latents: Tensor) -> Tensor:
        seen, row = queries.new_empty(*queries.shape[:2], self._rank), 0
        for known, start, end in self._spans:
            known[layer, start:end] = latents[row : row + end - start]
            for first in range(start, end, _QUERIES):
                last = min(first + _QUERIES, end)
                rows = slice(row + first - start, row + last - start)
                seen[rows] = self._block(queries[rows], known[layer, :last], first)
            row += end - start
        return seen

    def _block(self, queries: Tensor, keys: Tensor, first: int) -> Tensor:
        """queries [rows, heads, latent_dim] at the places from `first` on → [rows, heads, rank]."""
        rows, heads = queries.shape[:2]
        scores = (queries.flatten(0, 1) @ keys.mT).view(rows, heads, -1)
        later = torch.ones(rows, rows, dtype=torch.bool, device=keys.device).triu_(1)
        scores[..., first:].masked_fill_(later.unsqueeze(1), -torch.inf)
        weights = scores.float().softmax(-1).type_as(keys)
        return (weights.flatten(0, 1) @ keys[:, : self._rank]).view(rows, heads, -1)


@dataclass
class Group:
    """The running sequences (their rows) that go on from one prefix."""

    prefix: Prefix
    rows: set[int] = field(default_factory=set)


class Running:
    """The sequences that are being written.

    lengths int64 [rows]: tokens of each row's own part. The table of these parts grows by doubling as their number and
    the longest of them do, and is let go of when nobody is left.
    """

    def __init__(self, layers: int, rank: int, like: Tensor) -> None:
        """`like`: a tensor [..., latent_dim] of the type and on the device that the cache is to have."""
        self.count, self._rank = 0, rank
        self._blank = like.new_zeros(layers, 0, 0, like.shape[-1])
        self._own = self._blank
        self.lengths = torch.zeros(0, dtype=torch.int64)
        self._groups: list[Group | None] = []

    def join(self, before: Group | Prefix) -> None:
        """A new sequence, in the next row, after a prefix that it shares, or after one of its own."""
        row, group = self.count, before if isinstance(before, Group) else None
        length = 0 if isinstance(before, Group) else len(before)
        self._reserve(row + 1, length)
        if isinstance(before, Prefix):
            self._own[:, row, :length] = before.latents
        else:
            before.rows.add(row)
        self._groups.append(group)
        self.lengths[row], self.count = length, row + 1

    def leave(self, row: int) -> None:
        """Free a row; the last row's sequence moves to it."""
        last = self.count = self.count - 1
        left, moved = self._groups[row], self._groups[last]
        if left is not None:
            left.rows.discard(row)
        if row != last:
            length = int(self.lengths[last])
            self._own[:, row, :length] = self._own[:, last, :length]
            self.lengths[row], self._groups[row] = length, moved
            if moved is not None:
                moved.rows.remove(last)
                moved.rows.add(row)
        self._groups.pop()
        if not last:
            self._own, self.lengths = self._blank, self.lengths[:0]

    def step(self, width: int) -> Step:
        """Room for `width` more tokens of every sequence, and the `attend` for them. Lengths stay as they are."""
        longest = int(self.lengths[: self.count].max()) + width
        self._reserve(self.count, longest)
        groups = {id(group): group for group in self._groups if group is not None}
        lengths = self.lengths[: self.count].to(self._own.device)
        return Step(self._own[:, : self.count, :longest], lengths, list(groups.values()), width, self._rank)

    def advance(self, counts: Sequence[int]) -> None:
        """So many of each row's new tokens are to stay."""
        self.lengths[: self.count] += torch.tensor(counts)

    def _reserve(self, rows: int, length: int) -> None:
        layers, had, longest, dim = self._own.shape
        if rows <= had and length <= longest:
            return
        rows = had if rows <= had else max(2 * had, rows, 8)
        length = longest if length <= longest else max(2 * longest, length, 32)
        grown = self._own.new_zeros(layers, rows, length, dim)
        grown[:, :had, :longest] = self._own
        self._own, self.lengths = grown, F.pad(self.lengths, (0, rows - len(self.lengths)))


class Step:
    """One decoding step of all running sequences, `width` tokens each: row r · width + i is sequence r's token i."""

    def __init__(self, own: Tensor, lengths: Tensor, groups: Sequence[Group], width: int, rank: int) -> None:
        self._own, self._width, self._rank = own, width, rank
        self._rows = torch.arange(len(lengths), device=own.device).unsqueeze(1)
        self._places = lengths.unsqueeze(1) + torch.arange(width, device=own.device)  # [sequences, width]
        later = torch.arange(own.shape[2], device=own.device) > self._places.unsqueeze(-1)
        self._later = later.unsqueeze(2)  # [sequences, width, 1, places]: what a token may not see
        self._groups = [
            (group.prefix.latents, None if len(group.rows) == len(lengths) else self._members(group))
            for group in groups
        ]

    def _members(self, group: Group) -> Tensor:
        return torch.tensor(sorted(group.rows), device=self._own.device)

    def __call__(self, layer: int, queries: Tensor, latents: Tensor) -> Tensor:
        heads = queries.shape[1]
        count, width, own = len(self._rows), self._width, self._own[layer]
        own[self._rows, self._places] = latents.view(count, width, -1)
        rows = queries.reshape(count, width * heads, -1)
        scores = torch.bmm(rows, own.mT).float()
        scores.view(count, width, heads, -1).masked_fill_(self._later, -torch.inf)
        seen = torch.bmm(scores.softmax(-1).type_as(own), own[..., : self._rank])
        if self._groups:
            mass = scores.logsumexp(-1, keepdim=True)
            for prefix, members in self._groups:
                self._share(prefix[layer], members, rows, seen, mass)
        return seen.view(count * width, heads, -1)

    def _share(self, keys: Tensor, members: Tensor | None, rows: Tensor, seen: Tensor, mass: Tensor) -> None:
        """Mix what members see of the shared part into what they have seen of their own."""
        asked = rows if members is None else rows[members]
        scores = (asked.flatten(0, 1) @ keys.mT).float()
        shared = (scores.softmax(-1).type_as(keys) @ keys[:, : self._rank]).view(*asked.shape[:2], -1)
        own = mass if members is None else mass[members]
        share = torch.sigmoid(scores.logsumexp(-1).view_as(own) - own).type_as(seen)
        if members is None:
            seen.lerp_(shared, share)
        else:
            seen[members] = seen[members].lerp(shared, share)
