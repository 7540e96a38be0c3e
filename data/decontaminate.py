"""Copies in a corpus: pairs that say the same twice, and pairs that say what a model will be evaluated on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data.pairs import Pair, proof_tokens
from data.syntax.normal_form import conclusion, digest
from data.theorem import Theorem

MOST = 4
"""Proofs that are kept of one statement. Without a limit, easy statements, of which a search finds hundreds of proofs,
would be most of a corpus; with one proof each, a model learns less variety than its samples need."""

LENGTH = 13
"""Words in a row that no two unrelated texts share, by the custom that began with GPT-3 (Brown et al. 2020, App. C)."""


def deduplicated(pairs: Iterable[Pair], most: int = MOST) -> list[Pair]:
    """The pairs in their order, without those whose statement and proof are the same up to names of bound variables in
    the statement, white space and comments; and of each statement only so many proofs, the shortest ones."""
    kept: dict[bytes, dict[tuple[str, ...], tuple[int, Pair]]] = defaultdict(dict)
    for number, pair in enumerate(pairs):
        kept[digest(pair.problem.theorem)].setdefault(tuple(proof_tokens(pair.proof)), (number, pair))
    shortest = (sorted(proofs.items(), key=lambda item: len(item[0]))[:most] for proofs in kept.values())
    return [pair for _, pair in sorted((found for proofs in shortest for _, found in proofs), key=lambda f: f[0])]


@dataclass(frozen=True)
class Met:
    """A pair that an evaluation problem was met in.

    theorem: that problem's. how: `statement`, if it is the same after normalisation, or `conclusion`, if so many words
    in a row of its conclusion are in the pair's.
    """

    pair: Pair
    theorem: Theorem
    how: str


def decontaminate(
    pairs: Iterable[Pair], against: Iterable[Theorem], length: int = LENGTH
) -> tuple[list[Pair], list[Met]]:
    """The pairs in which no evaluation problem is met, and the others.

    Two statements meet if they are the same after normalisation, or if their conclusions share `length` words in a row,
    up to the names of variables. Conclusions shorter than that are only met by the whole statement: `x = 26` says too
    little. What stands before the conclusion is not looked at, since it is the same in many problems.
    """
    problems = Problems(against, length)
    kept: list[Pair] = []
    dropped: list[Met] = []
    for pair in pairs:
        met = problems.met(pair)
        if met:
            dropped.append(met)
        else:
            kept.append(pair)
    return kept, dropped


class Problems:
    """Evaluation problems, ready to be looked for."""

    def __init__(self, theorems: Iterable[Theorem], length: int = LENGTH) -> None:
        self._length = length
        self._statements: dict[bytes, Theorem] = {}
        self._runs: dict[int, Theorem] = {}
        for theorem in theorems:
            self._statements.setdefault(digest(theorem), theorem)
            for run in _runs(theorem, length):
                self._runs.setdefault(hash(run), theorem)

    def met(self, pair: Pair) -> Met | None:
        """The first problem that a pair meets."""
        theorem = pair.problem.theorem
        if same := self._statements.get(digest(theorem)):
            return Met(pair, same, "statement")
        for run in _runs(theorem, self._length):
            if similar := self._runs.get(hash(run)):
                return Met(pair, similar, "conclusion")
        return None


def _runs(theorem: Theorem, length: int) -> Iterator[tuple[str, ...]]:
    """All runs of words in a conclusion; in each, variables are numbered from its beginning."""
    words = conclusion(theorem)
    for start in range(len(words) - length + 1):
        numbers: dict[str, str] = {}
        run = words[start : start + length]
        yield tuple(numbers.setdefault(w, f"#{len(numbers)}") if w.startswith("#") else w for w in run)
