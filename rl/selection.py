"""Which theorems are asked next: those from whose answers most can be learnt."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Any

from rl.config import Selection

_PRIOR = 0.25  # below 1: most theorems are proved nearly always, or nearly never


class PromptSampler:
    """Draws theorems by how often they have been proved so far (see Selection).

    count: how many there are; they are called by their numbers. Draw number n follows from the seed, n and what has
    been noted before, so that a run that goes on draws what it would have drawn.
    """

    def __init__(self, count: int, settings: Selection, seed: int = 0) -> None:
        self._settings, self._seed = settings, seed
        self._proved, self._tried = [0.0] * count, [0.0] * count

    def rate(self, theorem: int) -> float:
        """The expected share of proofs among its answers: the mean of Beta(prior + proved, prior + not proved)."""
        return (self._proved[theorem] + _PRIOR) / (self._tried[theorem] + 2 * _PRIOR)

    def sample(self, number: int, without: Collection[int]) -> int:
        """Draw number `number`; none of the theorems `without`, unless there are no others."""
        free: Sequence[int] = [k for k in range(len(self._tried)) if k not in without] or range(len(self._tried))
        rates = [self.rate(k) for k in free]
        chances = [rate * (1 - rate) + self._settings.min_weight for rate in rates]
        return random.Random(f"{self._seed}:{number}").choices(free, chances)[0]

    def update(self, theorem: int, proved: int, answers: int) -> None:
        """It was asked, and so many answers proved it. What was noted before counts half."""
        self._proved[theorem] = self._proved[theorem] / 2 + proved
        self._tried[theorem] = self._tried[theorem] / 2 + answers

    @property
    def state(self) -> dict[str, Any]:
        """All that was noted, as JSON."""
        return {"proved": list(self._proved), "tried": list(self._tried)}

    def restore(self, state: dict[str, Any]) -> None:
        self._proved, self._tried = list(state["proved"]), list(state["tried"])
