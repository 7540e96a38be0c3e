"""Generates theorems of core Lean, of graded difficulty and as many as wanted: a corpus without a download.

A family is a way to make theorems of one kind at five levels. What it makes is put together from random parts (terms,
hypotheses in any order, definitions, values that are computed here), so that other seeds give other theorems, and is
true by how it is made; where a slip makes one false, it is never proved, and nothing else comes of it.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from data.pairs import Pair
from data.problems import Problem
from data.synthesis.accumulators import accumulators
from data.synthesis.arithmetic import arithmetic
from data.synthesis.draft import VOCABULARY, Maker, TheoremDraft
from data.synthesis.equations import equations
from data.synthesis.finite import finite
from data.synthesis.functions import functions
from data.synthesis.lists import lists
from data.synthesis.logic import logic
from data.synthesis.predicates import predicates
from data.synthesis.recursion import recursion
from data.synthesis.trees import trees
from data.synthesis.witnesses import witnesses
from data.theorem import Theorem

LEVELS = (1, 2, 3, 4, 5)

# A draft of a level, or None where chance brought nothing of use.
_FAMILIES: dict[str, Callable[[Maker, int], TheoremDraft | None]] = {
    family.__name__: family
    for family in (
        logic,
        arithmetic,
        equations,
        functions,
        witnesses,
        finite,
        lists,
        recursion,
        accumulators,
        trees,
        predicates,
    )
}
FAMILIES: tuple[str, ...] = tuple(_FAMILIES)

_TRIES = 200  # drafts in a row that state what is there already: a family at a level has nothing more to say
_CHOSEN = frozenset(word for words in VOCABULARY.values() for word in words)
_MADE_UP = 0.15  # of the names, when theorems are renamed
_RESERVED = {"at", "by", "calc", "case", "decide", "do", "else", "fun", "have", "if", "in", "let", "rename", "then"}
_WORD = re.compile(r"[^\W\d][\w'₀-₉]*")


class SynthesisError(Exception):
    """Theorems that cannot be made; str() says why."""


@dataclass(frozen=True)
class GeneratedTheorem:
    """A generated theorem and the proof that its maker knows, the text after `:= by`; empty if it knows none."""

    problem: Problem
    proof: str


def generate(seed: int, count: int, families: Collection[str] = FAMILIES) -> Iterator[Problem]:
    """Generate the first `count` theorems of a seed, each with its family and `level-1` to `level-5` as tags.

    No two of them are the same but for names. Levels are the maker's guess: 1 falls to one tactic, 5 needs a lemma or a
    value that no automation finds. Raises SynthesisError.
    """
    return (made.problem for made in with_proofs(seed, count, families))


def with_proofs(seed: int, count: int, families: Collection[str] = FAMILIES) -> Iterator[GeneratedTheorem]:
    """Generate the same theorems with their makers' proofs: to measure a prover, not to train it."""
    if unknown := sorted(set(families) - set(FAMILIES)):
        raise SynthesisError(f"no family is called {', '.join(unknown)}; there are: {', '.join(FAMILIES)}")
    rng = random.Random(seed)
    seen: set[str] = set()
    open_ = [(family, level) for family in FAMILIES if family in families for level in LEVELS]
    turn: list[tuple[str, int]] = []
    for _ in range(count):
        made = None
        while made is None:
            if not open_:
                raise SynthesisError(f"after {len(seen)} theorems these families have nothing more to say")
            turn = turn or rng.sample(open_, len(open_))
            kind = turn.pop()
            made = _new(rng, *kind, seen)
            if made is None:
                open_.remove(kind)
        yield made


def _new(rng: random.Random, family: str, level: int, seen: set[str]) -> GeneratedTheorem | None:
    for _ in range(_TRIES):
        make = Maker(rng)
        draft = _FAMILIES[family](make, level)
        if draft is None:
            continue
        name = make.name("theorem")
        preamble = (f"{draft.preamble}\n",) if draft.preamble else ()
        theorem = Theorem(name, f"theorem {name} {draft.signature}", preamble=preamble)
        form = anonymised(theorem)
        if form not in seen:
            seen.add(form)
            digest = hashlib.sha256(form.encode()).hexdigest()[:12]
            return GeneratedTheorem(
                Problem(f"{family}-{level}-{digest}", theorem, tags=(family, f"level-{level}")), draft.proof
            )
    return None


def anonymised(theorem: Theorem) -> str:
    """The exact text of a generated theorem with numbers for its maker's names: equal up to these names."""
    numbers: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        word = match.group()
        return numbers.setdefault(word, f"v{len(numbers)}") if word in _CHOSEN else word

    return _WORD.sub(renamed, "".join([*theorem.preamble, theorem.statement]))


def renamed(pair: Pair, seed: int) -> Pair:
    """A generated theorem and a proof of it under other names, which is as true (data augmentation).

    A model that sees theorems under many names learns to take them from the statement. What the maker chose gives way
    to other words of its kind, or to words that are made up, in the proof too; all else stays.
    """
    chance, other = random.Random(seed), dict[str, str]()
    kinds = Counter(word for words in VOCABULARY.values() for word in words)
    for words in VOCABULARY.values():
        some = sorted(word for word in words if kinds[word] == 1)
        other |= dict(zip(some, chance.sample(some, len(some)), strict=True))
    theorem = pair.problem.theorem
    taken = {*kinds, *_WORD.findall("".join([*theorem.preamble, theorem.statement, pair.proof]))}
    for word in sorted(taken & other.keys()):
        if chance.random() < _MADE_UP:
            new = _made_up(chance, word, taken)
            taken.add(new)
            other[word] = new

    def said(text: str) -> str:
        return _WORD.sub(lambda match: other.get(match.group(), match.group()), text)

    new_theorem = replace(
        theorem,
        name=said(theorem.name),
        statement=said(theorem.statement),
        preamble=tuple(map(said, theorem.preamble)),
    )
    return Pair(replace(pair.problem, theorem=new_theorem), said(pair.proof))


def _made_up(chance: random.Random, word: str, taken: Collection[str]) -> str:
    """A made-up name that is not taken, such as `h₁`, `n'`, `x2`, `hpq`, `pelu`; capitalised if the word is."""
    while True:
        new: str
        if chance.random() < 0.5:
            start = word[0] if chance.random() < 0.5 else chance.choice("abcdefghijkmnpqrstuvwxyz")
            new = start + chance.choice(["'", *"0123456789", *"₀₁₂₃₄₅", *"abpqxyhn", "pq", "xy", "ab", "_1", "_n"])
        else:
            syllables = (chance.choice("bcdfghklmnprstvwz") + chance.choice("aeiou") for _ in range(3))
            new = "".join(syllables)[: chance.randint(3, 6)]
        if word[0].isupper():
            new = new[0].upper() + new[1:]
        if new not in taken and new not in _RESERVED:
            return new
