"""Texts packed into rows, as tensors. A text sees only itself (see Transformer.forward, `segments`)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

_WINDOW = 4096  # texts that are packed together: enough to fill rows, few enough to be quick


@dataclass(frozen=True)
class Text:
    """A sample to train on: token ids, of which those from `start` (at least 1) on count in the loss.

    sampler_logprobs: natural logarithms of the probabilities that the counting tokens were sampled with.
    candidate_token_ids: of each of them the tokens that it was one of. expert_ids: experts of all tokens but the last,
    [tokens - 1, moe_layers, k]. Empty or None where nothing is to be replayed.
    """

    tokens: tuple[int, ...]
    start: int
    sampler_logprobs: tuple[float, ...] = ()
    candidate_token_ids: tuple[Tensor, ...] = ()
    expert_ids: Tensor | None = None

    def __len__(self) -> int:
        """Places that it takes up: each token but the last predicts one."""
        return len(self.tokens) - 1


@dataclass
class Batch:
    """Rows of packed texts; all tensors are [rows, width] but where it is said.

    tokens, targets, segments, parent_segment_ids: as Transformer takes them. sample_ids: the number of the text that a
    place is of, or of the first one if it is of several; -1: padding. loss_mask: whether the place's target counts.
    sampler_logprobs: as in Text, 0 where nothing counts. candidate_token_ids [rows, width, n], expert_ids [rows, width,
    moe_layers, k]: as Transformer takes them; None if not all texts have them. old_logprobs, ref_logprobs: the targets'
    log-probabilities in the model before an update, and in the one that training began with, where they are needed.
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
        """Whether a text is there, [rows, width]."""
        return self.sample_ids >= 0

    def to(self, device: torch.device) -> Batch:
        return replace(self, **{name: value.to(device) for name, value in vars(self).items() if value is not None})


def rows_of(texts: Sequence[Text], rows: Sequence[Sequence[int]], width: int) -> Batch:
    """Rows, each the numbers of its texts, as tensors of the given width; there must be at least one row.

    Of texts side by side that begin with the same prompt, all but the prompt's last token is there once.
    """
    nothing = torch.zeros(len(rows), width, dtype=torch.int64)
    copy = nothing.clone
    batch = Batch(nothing, copy(), copy(), copy(), nothing - 1, nothing.bool(), nothing.float())
    used = [text for numbers in rows for text in (texts[n] for n in numbers)]
    if used and all(text.expert_ids is not None for text in used):
        assert used[0].expert_ids is not None
        batch.expert_ids = (
            torch.arange(used[0].expert_ids.shape[2]).expand(len(rows), width, *used[0].expert_ids.shape[1:]).clone()
        )
    if used and all(text.candidate_token_ids for text in used):
        widest = max(len(tokens) for text in used for tokens in text.candidate_token_ids)
        batch.candidate_token_ids = torch.full((len(rows), width, widest), -1)
    for row, numbers in enumerate(rows):
        at = segment = 0
        for prefix, sharing in _sharing(texts, numbers):
            above = segment
            if prefix:
                at = _place(batch, row, at, (segment, above), sharing[0], texts[sharing[0]], 0, prefix)
                segment += 1
            for number in sharing:
                parent = above if prefix else segment
                at = _place(batch, row, at, (segment, parent), number, texts[number], prefix, len(texts[number]))
                segment += 1
        batch.segments[row, at:] = batch.parent_segment_ids[row, at:] = segment
    if batch.candidate_token_ids is not None:
        free = batch.candidate_token_ids[..., 0] < 0
        batch.candidate_token_ids[..., 0] = torch.where(free, batch.targets, batch.candidate_token_ids[..., 0])
    return batch


def _sharing(texts: Sequence[Text], numbers: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """The texts of a row that begin with the same prompt, and the places of it that they share (0: none)."""
    for prompt, some in groupby(numbers, key=lambda n: texts[n].tokens[: texts[n].start]):
        sharing = list(some)
        yield (len(prompt) - 1 if len(sharing) > 1 else 0), sharing


def places(texts: Sequence[Text]) -> int:
    """Places of a row that has these texts."""
    shared = _sharing(texts, range(len(texts)))
    return sum(len(text) for text in texts) - sum(prefix * (len(sharing) - 1) for prefix, sharing in shared)


def _place(
    batch: Batch, row: int, at: int, segment: tuple[int, int], number: int, text: Text, first: int, last: int
) -> int:
    """Write places `first` up to `last` of a text into a row from `at` on; returns the place after them.

    segment: the number of theirs, and of the one that they go on from.
    """
    end = at + last - first
    batch.tokens[row, at:end] = torch.tensor(text.tokens[first:last])
    batch.targets[row, at:end] = torch.tensor(text.tokens[first + 1 : last + 1])
    batch.segments[row, at:end], batch.parent_segment_ids[row, at:end] = segment
    batch.sample_ids[row, at:end] = number
    if batch.expert_ids is not None and text.expert_ids is not None:
        batch.expert_ids[row, at:end] = text.expert_ids[first:last].cpu().long()
    counting = at + text.start - 1 - first
    if counting >= end:  # a part of the prompt alone
        return end
    batch.loss_mask[row, counting:end] = True
    if text.sampler_logprobs:
        batch.sampler_logprobs[row, counting:end] = torch.tensor(text.sampler_logprobs)
    for place, tokens in enumerate(text.candidate_token_ids if batch.candidate_token_ids is not None else ()):
        assert batch.candidate_token_ids is not None
        batch.candidate_token_ids[row, counting + place, : len(tokens)] = tokens.cpu().long()
    return end


def together(texts: Sequence[Text], numbers: Sequence[int], width: int) -> list[list[int]]:
    """Rows of some texts, in which those with the same prompt stand side by side as far as there is room.

    numbers: of the texts; those with the same prompt are neighbours. Each must fit a row.
    """
    units: list[list[int]] = []
    for _, some in groupby(numbers, key=lambda n: texts[n].tokens[: texts[n].start]):
        units.append([])
        for number in some:
            if units[-1] and places([texts[n] for n in (*units[-1], number)]) > width:
                units.append([])
            units[-1].append(number)
    sizes = [places([texts[n] for n in unit]) for unit in units]
    return [[number for k in row for number in units[k]] for row in packed(sizes, width)]


def packed(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Numbers of texts put into rows of `width` places, longest first, each into the fullest row that has room.

    Best-fit decreasing: rows are filled to some 99 % where texts are much shorter than rows. Raises ValueError if a
    text is longer than a row.
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
    """Batches of rows over and over, each epoch in an order of its own that follows from seed and epoch alone.

    So the number of a batch says all that is needed to go on from it. lengths: of the texts. width: of a row. size:
    rows of a batch; the last one of an epoch may have fewer.
    """

    def __init__(self, lengths: Sequence[int], width: int, size: int, epochs: int, seed: int = 0) -> None:
        self._lengths = lengths
        self._width, self._size, self._epochs, self._seed = width, size, epochs, seed
        self._orders = [self._order(epoch) for epoch in range(epochs)]

    def __len__(self) -> int:
        """Batches, of all epochs."""
        return sum(map(len, self._orders))

    def __iter__(self) -> Iterator[list[list[int]]]:
        """The batches, each a list of rows of numbers of texts."""
        return (batch for order in self._orders for batch in order)

    def _order(self, epoch: int) -> list[list[list[int]]]:
        chance = random.Random(f"{self._seed}:{epoch}")
        order = list(range(len(self._lengths)))
        chance.shuffle(order)
        rows: list[list[int]] = []
        for start in range(0, len(order), _WINDOW):
            some = order[start : start + _WINDOW]
            rows += [[some[k] for k in row] for row in packed([self._lengths[n] for n in some], self._width)]
        chance.shuffle(rows)
        return [rows[start : start + self._size] for start in range(0, len(rows), self._size)]
