"""The cache of MLA's latents, and attention over it: implementations of the decoder's `LatentAttention`.

A running sequence's cache is a shared part and a part of its own. The samples of one prompt share the prompt's latents,
which are read once for all of them in one matrix product; a sequence's own latents are in its row of one table. Rows
0 … num_seqs − 1 of the table are in use: sequences join at the end and leave by the last one taking their row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from prover.model.generate.prefix_tree import Prefix

_QUERY_BLOCK = 256  # positions of a prompt that attend at a time


class PrefillCache:
    """The cache and the attention for prefilling several prompts, each after what is cached of it already.

    spans: for each prompt (latents [layers, tokens, latent_dim], start, end): the positions to compute, whose latents
    are filled in. The decoder's rows are these positions, one prompt after the other.
    """

    def __init__(self, spans: Sequence[tuple[Tensor, int, int]], kv_lora_rank: int) -> None:
        self._spans, self._kv_lora_rank = spans, kv_lora_rank

    def __call__(self, layer: int, queries: Tensor, latents: Tensor) -> Tensor:
        """Store the rows' latents and attend causally, each row within its prompt. See LatentAttention."""
        out, row = queries.new_empty(*queries.shape[:2], self._kv_lora_rank), 0
        for cached, start, end in self._spans:
            cached[layer, start:end] = latents[row : row + end - start]
            for first in range(start, end, _QUERY_BLOCK):
                last = min(first + _QUERY_BLOCK, end)
                rows = slice(row + first - start, row + last - start)
                out[rows] = self._attend(queries[rows], cached[layer, :last], first)
            row += end - start
        return out

    def _attend(self, queries: Tensor, keys: Tensor, first: int) -> Tensor:
        """queries [rows, heads, latent_dim] at the positions from `first` on → [rows, heads, kv_lora_rank]."""
        rows, heads = queries.shape[:2]
        scores = (queries.flatten(0, 1) @ keys.mT).view(rows, heads, -1)
        is_later = torch.ones(rows, rows, dtype=torch.bool, device=keys.device).triu_(1)
        scores[..., first:].masked_fill_(is_later.unsqueeze(1), -torch.inf)
        weights = scores.float().softmax(-1).type_as(keys)
        return (weights.flatten(0, 1) @ keys[:, : self._kv_lora_rank]).view(rows, heads, -1)


@dataclass
class SharedPrefix:
    """A prompt's cached prefix that several running sequences share. rows: theirs in the DecodeCache."""

    prefix: Prefix
    rows: set[int] = field(default_factory=set)


class DecodeCache:
    """The latents of all running sequences.

    layers, kv_lora_rank: of the model. like [..., latent_dim]: a tensor with the dtype and device of the cache.
    lengths int64 [rows]: tokens of each row's own part. The table of these parts doubles when their number or the
    longest of them outgrows it, and is freed when no sequence is left.
    """

    def __init__(self, layers: int, kv_lora_rank: int, like: Tensor) -> None:
        self.num_seqs, self._kv_lora_rank = 0, kv_lora_rank
        self._empty = like.new_zeros(layers, 0, 0, like.shape[-1])
        self._latents = self._empty  # [layers, rows, tokens, latent_dim]
        self.lengths = torch.zeros(0, dtype=torch.int64)
        self._shared: list[SharedPrefix | None] = []

    def join(self, prefix: SharedPrefix | Prefix) -> None:
        """Add a sequence, in the next row, after a prefix that it shares or (copied) after one of its own."""
        row, shared = self.num_seqs, prefix if isinstance(prefix, SharedPrefix) else None
        length = 0 if isinstance(prefix, SharedPrefix) else len(prefix)
        self._reserve(row + 1, length)
        if isinstance(prefix, Prefix):
            self._latents[:, row, :length] = prefix.latents
        else:
            prefix.rows.add(row)
        self._shared.append(shared)
        self.lengths[row], self.num_seqs = length, row + 1

    def leave(self, row: int) -> None:
        """Free a row; the sequence of the last row moves into it."""
        last = self.num_seqs = self.num_seqs - 1
        left, moved = self._shared[row], self._shared[last]
        if left is not None:
            left.rows.discard(row)
        if row != last:
            length = int(self.lengths[last])
            self._latents[:, row, :length] = self._latents[:, last, :length]
            self.lengths[row], self._shared[row] = length, moved
            if moved is not None:
                moved.rows.remove(last)
                moved.rows.add(row)
        self._shared.pop()
        if not last:
            self._latents, self.lengths = self._empty, self.lengths[:0]

    def step(self, width: int) -> DecodeStep:
        """The attention of a decoding step with `width` new tokens per sequence, with space for their latents.

        Lengths stay as they are until `advance`.
        """
        longest = int(self.lengths[: self.num_seqs].max()) + width
        self._reserve(self.num_seqs, longest)
        shared = {id(prefix): prefix for prefix in self._shared if prefix is not None}
        lengths = self.lengths[: self.num_seqs].to(self._latents.device)
        latents = self._latents[:, : self.num_seqs, :longest]
        return DecodeStep(latents, lengths, list(shared.values()), width, self._kv_lora_rank)

    def advance(self, counts: Sequence[int]) -> None:
        """Keep the first counts[row] of each row's new tokens."""
        self.lengths[: self.num_seqs] += torch.tensor(counts)

    def _reserve(self, rows: int, length: int) -> None:
        layers, old_rows, old_length, dim = self._latents.shape
        if rows <= old_rows and length <= old_length:
            return
        rows = old_rows if rows <= old_rows else max(2 * old_rows, rows, 8)
        length = old_length if length <= old_length else max(2 * old_length, length, 32)
        grown = self._latents.new_zeros(layers, rows, length, dim)
        grown[:, :old_rows, :old_length] = self._latents
        self._latents, self.lengths = grown, F.pad(self.lengths, (0, rows - len(self.lengths)))


class DecodeStep:
    """The cache and the attention of one decoding step of all running sequences, `width` new tokens each.

    The decoder's row r · width + i is sequence r's new token i.
    latents [layers, sequences, tokens, latent_dim]: the sequences' own parts; lengths int64 [sequences]: without the
    new tokens.
    """

    def __init__(
        self, latents: Tensor, lengths: Tensor, shared: Sequence[SharedPrefix], width: int, kv_lora_rank: int
    ) -> None:
        self._latents, self._width, self._kv_lora_rank = latents, width, kv_lora_rank
        self._rows = torch.arange(len(lengths), device=latents.device).unsqueeze(1)
        self._indices = lengths.unsqueeze(1) + torch.arange(width, device=latents.device)  # [sequences, width]
        masked = torch.arange(latents.shape[2], device=latents.device) > self._indices.unsqueeze(-1)
        self._masked = masked.unsqueeze(2)  # [sequences, width, 1, tokens]: what a token may not attend to
        self._shared = [
            (
                shared_prefix.prefix.latents,
                None if len(shared_prefix.rows) == len(lengths) else self._rows_of(shared_prefix),
            )
            for shared_prefix in shared
        ]

    def _rows_of(self, shared: SharedPrefix) -> Tensor:
        return torch.tensor(sorted(shared.rows), device=self._latents.device)

    def __call__(self, layer: int, queries: Tensor, latents: Tensor) -> Tensor:
        """Store the rows' latents and attend, each row to its sequence's prefix and own tokens. See LatentAttention."""
        heads = queries.shape[1]
        count, width, own = len(self._rows), self._width, self._latents[layer]
        own[self._rows, self._indices] = latents.view(count, width, -1)
        by_sequence = queries.reshape(count, width * heads, -1)
        scores = torch.bmm(by_sequence, own.mT).float()
        scores.view(count, width, heads, -1).masked_fill_(self._masked, -torch.inf)
        out = torch.bmm(scores.softmax(-1).type_as(own), own[..., : self._kv_lora_rank])
        if self._shared:
            logsumexp = scores.logsumexp(-1, keepdim=True)
            for prefix, rows in self._shared:
                self._merge_prefix(prefix[layer], rows, by_sequence, out, logsumexp)
        return out.view(count * width, heads, -1)

    def _merge_prefix(self, keys: Tensor, rows: Tensor | None, queries: Tensor, out: Tensor, logsumexp: Tensor) -> None:
        """Merge, in place, attention over a shared prefix into the attention over the sequences' own tokens.

        keys [tokens, latent_dim]: the prefix; rows: the sequences that share it (None: all). queries, out
        [sequences, width · heads, …]; logsumexp [sequences, width · heads, 1]: of the scores of the own tokens.
        """
        sharing = queries if rows is None else queries[rows]
        scores = (sharing.flatten(0, 1) @ keys.mT).float()
        prefix_out = (scores.softmax(-1).type_as(keys) @ keys[:, : self._kv_lora_rank]).view(*sharing.shape[:2], -1)
        own = logsumexp if rows is None else logsumexp[rows]
        weight = torch.sigmoid(scores.logsumexp(-1).view_as(own) - own).type_as(out)
        if rows is None:
            out.lerp_(prefix_out, weight)
        else:
            out[rows] = out[rows].lerp(prefix_out, weight)
