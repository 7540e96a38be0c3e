"""Proposals, and their ranking by the success of their families."""

import math
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Proposal:
    """A whole proof: the text after `:= by`, written at indentation 0, and the template family it comes from."""

    text: str
    family: str


AUTOMATION = "automation"
"""The family of single tactics, each a few milliseconds: it stays first whatever else has succeeded."""


_SPREAD = 0.5  # standard deviation of the logarithm of a rank, for a seed


class Ranking:
    """Ranks families that have succeeded first, behind automation. It is kept in memory, for one run."""

    def __init__(self) -> None:
        self._successes: Counter[str] = Counter()

    def succeeded(self, family: str) -> None:
        self._successes[family] += 1

    def rank(self, proposals: Iterable[Proposal], seed: int = 0) -> list[Proposal]:
        """Proposals of more successful families first; otherwise the order stays, but for chance where a seed is given.

        Each proposal's place is then drawn anew around where it stood (a Gumbel-like perturbation of the logarithm of
        its rank): what stood first comes early, and no two seeds try all the same things in the same order.
        """
        chance = random.Random(seed)
        places = {p: rank * math.exp(_SPREAD * chance.gauss(0, 1)) if seed else rank
                  for rank, p in enumerate(proposals, start=1)}  # fmt: skip
        return sorted(places, key=lambda p: (p.family != AUTOMATION, -self._successes[p.family], places[p]))
