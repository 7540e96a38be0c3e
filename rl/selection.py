"""Prompt selection: theorems are sampled by how much can be learnt from their answers."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeFloat

from data.records.config import StrictModel

_PRIOR = 0.25  # below 1: most theorems are proved nearly always, or nearly never


class Selection(StrictModel):
    """The settings of PromptSampler (DeepSeek-Prover-V1.5, arXiv 2408.08152, §2.3: theorems that are proved sometimes).

    answers: files `answers.jsonl` of earlier runs, such as of expert iteration, with which the success rates begin.
    min_weight: added to each theorem's weight p(1 - p), so that none is never sampled; p: its success rate so far.
    drop_zero_variance_groups: a theorem whose answers all earned the same is replaced by another.
    """

    answers: list[Path] = Field(default=[])
    min_weight: NonNegativeFloat = 0.005
    drop_zero_variance_groups: bool = True


class PromptSampler:
    """A sampler of theorems, with chances proportional to p(1 - p) + min_weight, where p is a success rate so far.

    count: the number of theorems, which are called by their indices. Sample number n follows from the seed, n and the
    updates before it, so that a resumed run samples the same. Older answers count half with each update of their
    theorem.
    """

    def __init__(self, count: int, settings: Selection, seed: int = 0) -> None:
        self._settings, self._seed = settings, seed
        self._proved, self._tried = [0.0] * count, [0.0] * count

    def rate(self, theorem: int) -> float:
        """The success rate of a theorem: the mean of Beta(prior + proved, prior + not proved)."""
        return (self._proved[theorem] + _PRIOR) / (self._tried[theorem] + 2 * _PRIOR)

    def sample(self, number: int, without: Collection[int]) -> int:
        """Sample number `number`; none of the theorems `without`, unless there are no others."""
        free: Sequence[int] = [k for k in range(len(self._tried)) if k not in without] or range(len(self._tried))
        rates = [self.rate(k) for k in free]
        chances = [rate * (1 - rate) + self._settings.min_weight for rate in rates]
        return random.Random(f"{self._seed}:{number}").choices(free, chances)[0]

    def update(self, theorem: int, proved: int, answers: int) -> None:
        """Record that `proved` of `answers` new answers were proofs; earlier ones count half from now on."""
        self._proved[theorem] = self._proved[theorem] / 2 + proved
        self._tried[theorem] = self._tried[theorem] / 2 + answers

    @property
    def state(self) -> dict[str, Any]:
        """The recorded counts, as JSON."""
        return {"proved": list(self._proved), "tried": list(self._tried)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the counts of `state`."""
        self._proved, self._tried = list(state["proved"]), list(state["tried"])
