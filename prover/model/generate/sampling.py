"""Drawing tokens: temperature, top-k, top-p, from numbers that each sequence draws for itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

_LIKELY = 256  # tokens that are sorted at first; nearly always the top-p set is among them


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn.

    temperature: 0 takes the most likely token. top_p: only from the likeliest tokens that together have this
        probability (1: all). top_k: only from so many (0: all).
    max_tokens: length at most. stop_tokens: one of these ends it, and is its last token.
    seed: answer number k draws its numbers from a generator of its own with the seed `seed + k`, so that what it is
        does not depend on what else is being written (but for rounding).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 2048
    stop_tokens: AbstractSet[int] = frozenset()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0 or self.max_tokens < 1:
            raise ValueError(f"temperature ≥ 0, 0 < top_p ≤ 1, top_k ≥ 0 and max_tokens ≥ 1 are wanted, not {self}")

    @property
    def truncates(self) -> bool:
        """Are there tokens that it can never draw?"""
        return self.top_p < 1 or self.top_k > 0 or self.temperature == 0


class Drawn(NamedTuple):
    """Tokens that were drawn.

    tokens: int64 [rows]. log_probs: natural logarithm of the probability that each was drawn with, after temperature
    and truncation, [rows]. kept: of each row the tokens that truncation left, int64; None if that was not asked for.
    """

    tokens: Tensor
    log_probs: Tensor
    kept: list[Tensor] | None


class Rules:
    """The settings of several sequences, row by row. Rows of one kind are worked on together."""

    def __init__(self, rows: list[Sampling], device: torch.device) -> None:
        kinds: dict[type[_Kind], list[int]] = {}
        for row, sampling in enumerate(rows):
            greedy, whole = sampling.temperature == 0, not sampling.truncates
            kinds.setdefault(_Greedy if greedy else _Whole if whole else _Truncated, []).append(row)
        self._kinds = [
            (
                slice(None) if len(kinds) == 1 else torch.tensor(members, device=device),
                kind([rows[row] for row in members], device),
            )
            for kind, members in kinds.items()
        ]

    def probabilities(self, logits: Tensor) -> Tensor:
        """What is drawn from: fp32 [rows, vocabulary], each row summing to 1, 0 where a token is excluded."""
        found = torch.zeros_like(logits)
        for rows, kind in self._kinds:
            chances, tokens = kind.choices(logits[rows])
            found[rows] = chances if tokens is None else torch.zeros_like(logits[rows]).scatter_(1, tokens, chances)
        return found

    def draw(self, logits: Tensor, numbers: Tensor, kept: bool = False) -> Drawn:
        """A token for each row from a number in [0, 1) each."""
        found, logs = torch.empty_like(numbers, dtype=torch.int64), torch.empty_like(logits[:, 0])
        left: list[Tensor] = [found] * len(found)
        for rows, kind in self._kinds:
            chances, tokens = kind.choices(logits[rows])
            drawn = draw(chances, numbers[rows]).unsqueeze(1)
            logs[rows] = chances.gather(1, drawn).squeeze(1).log()
            found[rows] = (drawn if tokens is None else tokens.gather(1, drawn)).squeeze(1)
            for row, some in zip(_numbers(rows, len(found)), _kept(chances, tokens), strict=True) if kept else ():
                left[row] = some
        return Drawn(found, logs, left if kept else None)


def _numbers(rows: slice | Tensor, count: int) -> list[int]:
    return list(range(count)) if isinstance(rows, slice) else rows.tolist()


def _kept(chances: Tensor, tokens: Tensor | None = None) -> list[Tensor]:
    """The tokens of each row that can be drawn."""
    row, place = (chances > 0).nonzero(as_tuple=True)
    found = place if tokens is None else tokens[row, place]
    return list(found.split(row.bincount(minlength=len(chances)).tolist()))


class _Kind(ABC):
    """Rows whose tokens are chosen in the same way."""

    def __init__(self, rows: list[Sampling], device: torch.device) -> None:
        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device).unsqueeze(1)

        self._temperature = column([s.temperature for s in rows])
        self._top_p, self._top_k = column([s.top_p for s in rows]), column([s.top_k or torch.inf for s in rows])

    @abstractmethod
    def choices(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        """[rows, vocabulary] → probabilities [rows, choices] and the tokens that they are of; None: those in order."""


class _Greedy(_Kind):
    def choices(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        tokens = logits.argmax(1, keepdim=True)
        return torch.ones_like(tokens, dtype=logits.dtype), tokens


class _Whole(_Kind):
    def choices(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        return (logits / self._temperature).softmax(-1), None


class _Truncated(_Kind):
    """Top-k, then nucleus sampling (Holtzman et al. 2020): the token that reaches top_p is the last one kept."""

    def choices(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        chances, width = (logits / self._temperature).softmax(-1), min(_LIKELY, logits.shape[1])
        values, tokens = chances.topk(width)
        enough = (values.sum(1, keepdim=True) >= self._top_p) | (self._top_k <= width)
        if width < logits.shape[1] and not bool(enough.all()):
            values, tokens = chances.sort(descending=True)
        values = values.masked_fill(torch.arange(values.shape[1], device=values.device) >= self._top_k, 0.0)
        total = torch.where(self._top_k < torch.inf, values.sum(1, keepdim=True), 1.0)
        values = values.masked_fill(values.cumsum(1) - values >= self._top_p * total, 0.0)
        return values / values.sum(1, keepdim=True), tokens


def draw(probabilities: Tensor, numbers: Tensor) -> Tensor:
    """One token for each row [rows, vocabulary] from a number in [0, 1) each: int64 [rows].

    The token at which the running sum of the probabilities passes the number (times their sum, which may not be 1).
    """
    sums = probabilities.cumsum(1, dtype=torch.float64)
    found = torch.searchsorted(sums, numbers.unsqueeze(1) * sums[:, -1:], right=True).squeeze(1)
    return found.clamp(max=probabilities.shape[1] - 1)  # for a number that is 1 after rounding


def drawn(probabilities: Tensor, tokens: Tensor, kept: bool = False) -> Drawn:
    """What there is to tell of tokens [rows] that were drawn from these probabilities [rows, vocabulary]."""
    logs = probabilities.gather(1, tokens.unsqueeze(1)).squeeze(1).log()
    return Drawn(tokens, logs, _kept(probabilities) if kept else None)


def verify(
    wanted: Tensor, drawn_from: Tensor, drafts: Tensor, chances: Tensor, numbers: Tensor
) -> tuple[Tensor, Tensor]:
    """Speculative sampling (Leviathan et al. 2023, Chen et al. 2023): tokens as if drawn from `wanted`.

    wanted, drawn_from [rows, vocabulary]: what a token should be drawn from, and what its draft [rows] was drawn from
    (all 0: there is none). chances, numbers [rows]: two numbers in [0, 1) each. Returns which drafts were taken, bool
    [rows], and the tokens, which are the draft or drawn from what the drafts leave of `wanted`.
    """
    place = drafts.unsqueeze(1)
    asked, offered = wanted.gather(1, place).squeeze(1), drawn_from.gather(1, place).squeeze(1)
    accepted = chances * offered < asked
    accepted &= offered > 0
    left = (wanted - drawn_from).clamp(min=0)
    left = torch.where(left.sum(1, keepdim=True) > 0, left, wanted)  # if both are the same, nothing is refused
    return accepted, torch.where(accepted, drafts, draw(left, numbers))
