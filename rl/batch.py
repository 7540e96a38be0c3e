"""Sequence packing: samples side by side in rows of tensors, each attending only to itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

_WINDOW = 4096  # samples that are packed together: enough to fill rows, few enough to be quick


@dataclass(frozen=True)
class TrainingSample:
    """A sequence to train on: token ids, of which those from `start` (at least 1) on count in the loss.

    sampler_logprobs: natural log-probabilities with which the counting tokens were sampled.
    candidate_token_ids: for each counting token, those that truncation left to sample from, [n].
    expert_ids: the experts that each token but the last used, [tokens - 1, moe_layers, k].
    Each is empty or None where nothing is to be replayed.
    """

    tokens: tuple[int, ...]
    start: int
    sampler_logprobs: tuple[float, ...] = ()
    candidate_token_ids: tuple[Tensor, ...] = ()
    expert_ids: Tensor | None = None

    def __len__(self) -> int:
        """Positions that it takes up in a row: each token but the last predicts the next one."""
        return len(self.tokens) - 1


@dataclass
class Batch:
    """Rows of packed samples as tensors, [rows, width] where no other shape is given.

    tokens, targets, segments, parent_segment_ids: int64, as Transformer.forward takes them (`segment_ids`).
    sample_ids: int64, the index of the sample that a position belongs to; for a shared prompt prefix that of the first
        of its samples; -1 for padding.
    loss_mask: bool, whether the position's target counts in the loss.
    sampler_logprobs: fp32, as in TrainingSample; 0 where nothing counts.
    candidate_token_ids [rows, width, n], expert_ids [rows, width, moe_layers, k]: as Transformer.forward takes them;
        None unless all samples have them.
    old_logprobs, ref_logprobs: fp32, the targets' log-probabilities under the model before the update, and under the
        one that training began with; None where the loss needs none.
    """

    tokens: Tensor
    targets: Tensor
    segments: Tensor
    parent_segment_ids: Tensor
    sample_ids: Tensor
    loss_mask: Tensor
    sampler_logprobs: Tensor
    candidate_token_ids: Tensor | None = None
    expert_ids: Tensor | None = None
    old_logprobs: Tensor | None = None
    ref_logprobs: Tensor | None = None

    @property
    def is_not_padding(self) -> Tensor:
        """Whether a position belongs to a sample: bool [rows, width]."""
        return self.sample_ids >= 0

    def to(self, device: torch.device) -> Batch:
        return replace(self, **{name: value.to(device) for name, value in vars(self).items() if value is not None})


def make_batch(samples: Sequence[TrainingSample], rows: Sequence[Sequence[int]], width: int) -> Batch:
    """Pack samples into one Batch. rows: the indices of each row's samples, at least one row. width: its positions.

    Neighbours in a row that begin with the same prompt share it: all of it but its last token is there once.
    """
    nothing = torch.zeros(len(rows), width, dtype=torch.int64)
    copy = nothing.clone
    batch = Batch(nothing, copy(), copy(), copy(), nothing - 1, nothing.bool(), nothing.float())
    used = [sample for numbers in rows for sample in (samples[n] for n in numbers)]
    if used and all(sample.expert_ids is not None for sample in used):
        assert used[0].expert_ids is not None
        batch.expert_ids = (
            torch.arange(used[0].expert_ids.shape[2]).expand(len(rows), width, *used[0].expert_ids.shape[1:]).clone()
        )
    if used and all(sample.candidate_token_ids for sample in used):
        widest = max(len(tokens) for sample in used for tokens in sample.candidate_token_ids)
        batch.candidate_token_ids = torch.full((len(rows), width, widest), -1)
    for row, numbers in enumerate(rows):
        at = segment = 0
        for prefix, sharing in _sharing(samples, numbers):
            above = segment
            if prefix:
                at = _place(batch, row, at, (segment, above), sharing[0], samples[sharing[0]], 0, prefix)
                segment += 1
            for number in sharing:
                parent = above if prefix else segment
                at = _place(batch, row, at, (segment, parent), number, samples[number], prefix, len(samples[number]))
                segment += 1
        batch.segments[row, at:] = batch.parent_segment_ids[row, at:] = segment
    if batch.candidate_token_ids is not None:
        free = batch.candidate_token_ids[..., 0] < 0
        batch.candidate_token_ids[..., 0] = torch.where(free, batch.targets, batch.candidate_token_ids[..., 0])
    return batch


def _sharing(samples: Sequence[TrainingSample], numbers: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """The samples of a row that begin with the same prompt, and how many positions of it they share (0: none)."""
    for prompt, some in groupby(numbers, key=lambda n: samples[n].tokens[: samples[n].start]):
        sharing = list(some)
        yield (len(prompt) - 1 if len(sharing) > 1 else 0), sharing


def packed_length(samples: Sequence[TrainingSample]) -> int:
    """The number of positions that a row of these samples takes up, with shared prompts counted once."""
    shared = _sharing(samples, range(len(samples)))
    return sum(len(sample) for sample in samples) - sum(prefix * (len(sharing) - 1) for prefix, sharing in shared)


def _place(
    batch: Batch,
    row: int,
    at: int,
    segment: tuple[int, int],
    number: int,
    sample: TrainingSample,
    first: int,
    last: int,
) -> int:
    """Write positions `first` up to `last` of a sample into a row from `at` on; returns the position after them.

    segment: their segment id, and that of the segment that they continue.
    """
    end = at + last - first
    batch.tokens[row, at:end] = torch.tensor(sample.tokens[first:last])
    batch.targets[row, at:end] = torch.tensor(sample.tokens[first + 1 : last + 1])
    batch.segments[row, at:end], batch.parent_segment_ids[row, at:end] = segment
    batch.sample_ids[row, at:end] = number
    if batch.expert_ids is not None and sample.expert_ids is not None:
        batch.expert_ids[row, at:end] = sample.expert_ids[first:last].cpu().long()
    counting = at + sample.start - 1 - first
    if counting >= end:  # a part of the prompt alone
        return end
    batch.loss_mask[row, counting:end] = True
    if sample.sampler_logprobs:
        batch.sampler_logprobs[row, counting:end] = torch.tensor(sample.sampler_logprobs)
    for place, tokens in enumerate(sample.candidate_token_ids if batch.candidate_token_ids is not None else ()):
        assert batch.candidate_token_ids is not None
        batch.candidate_token_ids[row, counting + place, : len(tokens)] = tokens.cpu().long()
    return end


def pack_groups(samples: Sequence[TrainingSample], numbers: Sequence[int], width: int) -> list[list[int]]:
    """Pack samples into rows so that those with the same prompt are neighbours as far as there is room.

    numbers: indices of samples, in which those with the same prompt are neighbours; each must fit a row of `width`
    positions. Returns the indices in each row.
    """
    units: list[list[int]] = []
    for _, some in groupby(numbers, key=lambda n: samples[n].tokens[: samples[n].start]):
        units.append([])
        for number in some:
            if units[-1] and packed_length([samples[n] for n in (*units[-1], number)]) > width:
                units.append([])
            units[-1].append(number)
    sizes = [packed_length([samples[n] for n in unit]) for unit in units]
    return [[number for k in row for number in units[k]] for row in pack_rows(sizes, width)]


def pack_rows(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Pack samples of these lengths into rows of `width` positions; returns the indices of the samples in each row.

    Best-fit decreasing: longest first, each into the fullest row that has room, which fills some 99 % of the rows
    where samples are much shorter than them. Raises ValueError if a sample is longer than a row.
    """
    rows: list[list[int]] = []
    free: dict[int, list[int]] = {}  # rows by the room they have
    for number in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        length = lengths[number]
        if length > width:
            raise ValueError(f"a text of {length} tokens does not fit a row of {width}")
        room = min((r for r, some in free.items() if r >= length and some), default=None)
        if room is None:
            rows.append([])
            row, room = len(rows) - 1, width
        else:
            row = free[room].pop()
            if not free[room]:
                del free[room]
        rows[row].append(number)
        free.setdefault(room - length, []).append(row)
    return rows


class Epochs:
    """The batches of some epochs, each epoch shuffled by the seed and its own number alone.

    So the number of batches done is all that a run needs to go on. lengths: of the samples. width: positions of a row.
    size: rows of a batch; the last batch of an epoch may have fewer.
    """

    def __init__(self, lengths: Sequence[int], width: int, size: int, epochs: int, seed: int = 0) -> None:
        self._lengths = lengths
        self._width, self._size, self._epochs, self._seed = width, size, epochs, seed
        self._orders = [self._order(epoch) for epoch in range(epochs)]

    def __len__(self) -> int:
        """The number of batches in all epochs."""
        return sum(map(len, self._orders))

    def __iter__(self) -> Iterator[list[list[int]]]:
        """The batches in order; each is a list of rows, each row a list of indices of samples."""
        return (batch for order in self._orders for batch in order)

    def _order(self, epoch: int) -> list[list[list[int]]]:
        chance = random.Random(f"{self._seed}:{epoch}")
        order = list(range(len(self._lengths)))
        chance.shuffle(order)
        rows: list[list[int]] = []
        for start in range(0, len(order), _WINDOW):
            some = order[start : start + _WINDOW]
            rows += [[some[k] for k in row] for row in pack_rows([self._lengths[n] for n in some], self._width)]
        chance.shuffle(rows)
        return [rows[start : start + self._size] for start in range(0, len(rows), self._size)]
