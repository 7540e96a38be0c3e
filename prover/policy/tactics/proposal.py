"""What the policy proposes, and how proposals learn from success."""

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


class Ranking:
    """Moves families that have succeeded to the front, behind automation. It lives in memory, for one run."""

    def __init__(self) -> None:
        self._successes: Counter[str] = Counter()

    def succeeded(self, family: str) -> None:
        self._successes[family] += 1

    def rank(self, proposals: Iterable[Proposal]) -> list[Proposal]:
        """Proposals of more successful families first; otherwise the order stays."""
        return sorted(proposals, key=lambda p: (p.family != AUTOMATION, -self._successes[p.family]))
