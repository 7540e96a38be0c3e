"""Removes duplicates from a corpus, and pairs that overlap with evaluation problems."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data.pairs import Pair, proof_tokens
from data.syntax.normal_form import conclusion, normal_form_hash
from data.theorem import Theorem

MAX_PROOFS_PER_STATEMENT = 4
"""Proofs that are kept of one statement, by default.

Without a limit, easy statements, of which a search finds hundreds of proofs, would be most of a corpus; with one proof
each, a model learns less variety than its samples need.
"""

NGRAM = 13
"""Words in a run that no two unrelated texts share, by the custom that began with GPT-3 (Brown et al. 2020, App. C)."""


def deduplicated(pairs: Iterable[Pair], most: int = MAX_PROOFS_PER_STATEMENT) -> list[Pair]:
    """The pairs in their order, without those whose statement and proof are the same up to names of bound variables in
    the statement, white space and comments; and of each statement only so many proofs, the shortest ones."""
    kept: dict[bytes, dict[tuple[str, ...], tuple[int, Pair]]] = defaultdict(dict)
    for number, pair in enumerate(pairs):
        kept[normal_form_hash(pair.problem.theorem)].setdefault(tuple(proof_tokens(pair.proof)), (number, pair))
    shortest = (sorted(proofs.items(), key=lambda item: len(item[0]))[:most] for proofs in kept.values())
    return [pair for _, pair in sorted((found for proofs in shortest for _, found in proofs), key=lambda f: f[0])]


@dataclass(frozen=True)
class Contamination:
    """A pair that overlaps with an evaluation problem.

    theorem: the problem's. how: `statement`, if both have the same normal form, or `conclusion`, if their conclusions
    share a run of words.
    """

    pair: Pair
    theorem: Theorem
    how: str


def decontaminate(
    pairs: Iterable[Pair], against: Iterable[Theorem], length: int = NGRAM
) -> tuple[list[Pair], list[Contamination]]:
    """Divide pairs into those that overlap with no evaluation problem, and the others.

    Two statements overlap if they have the same normal form, or if their conclusions share `length` words in a row,
    up to the names of variables. For shorter conclusions only the whole statement counts: `x = 26` says too little.
    What stands before the conclusion is ignored, since it is the same in many problems.
    """
    problems = ContaminationIndex(against, length)
    kept: list[Pair] = []
    dropped: list[Contamination] = []
    for pair in pairs:
        met = problems.find_overlap(pair)
        if met:
            dropped.append(met)
        else:
            kept.append(pair)
    return kept, dropped


class ContaminationIndex:
    """An index of evaluation problems, by normal form and by runs of words."""

    def __init__(self, theorems: Iterable[Theorem], length: int = NGRAM) -> None:
        self._length = length
        self._statements: dict[bytes, Theorem] = {}
        self._runs: dict[int, Theorem] = {}
        for theorem in theorems:
            self._statements.setdefault(normal_form_hash(theorem), theorem)
            for run in _runs(theorem, length):
                self._runs.setdefault(hash(run), theorem)

    def find_overlap(self, pair: Pair) -> Contamination | None:
        """The first problem that a pair overlaps with; None if there is none."""
        theorem = pair.problem.theorem
        if same := self._statements.get(normal_form_hash(theorem)):
            return Contamination(pair, same, "statement")
        for run in _runs(theorem, self._length):
            if similar := self._runs.get(hash(run)):
                return Contamination(pair, similar, "conclusion")
        return None


def _runs(theorem: Theorem, length: int) -> Iterator[tuple[str, ...]]:
    """All runs of `length` words in a conclusion; in each, variables are numbered from its beginning."""
    words = conclusion(theorem)
    for start in range(len(words) - length + 1):
        numbers: dict[str, str] = {}
        run = words[start : start + length]
        yield tuple(numbers.setdefault(w, f"#{len(numbers)}") if w.startswith("#") else w for w in run)
