"""Tools of the theorem families: random choices, fresh names, and the draft of a theorem."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

# What each kind of thing is called. No word stands for something in Lean's core, so that renaming is safe.
VOCABULARY = {
    kind: words.split()
    for kind, words in {
        "theorem": "claim goal fact main result aux thm check note",
        "number": "n m k a b c i j x y z u v w d e",
        "list": "xs ys zs as bs us vs ws",
        "proposition": "p q r s t",
        "predicate": "P Q R S T U",
        "function": "f g h φ ψ",
        "proof": "h h1 h2 h3 h4 h5 h6 h7 h8 h9 hp hq hx hy",
        "type": "Tree Term Expr Item Code Color Mode Shape Card Sign",
        "value": "red green blue one two three up down on off left right",
        "definition": "walk total mix tally grow pack twist score rank shift turn sumUp loop run "
        "build keep merge count scan weigh go spin move stack roll lift pair join",
        "leaf": "leaf tip lit num atom",
        "node": "node add fork bin cat",
        "rule": "base step jump dbl next more",
        "law": "Inj Mono Fix Keeps Meets Onto",
        "local": "acc fst snd top low key val α",
    }.items()
}


@dataclass(frozen=True)
class TheoremDraft:
    """A generated theorem without its name.

    preamble: its definitions. signature: what follows the name, up to `:=`. proof: one that its maker knows, as the
    text after `:= by`, or empty.
    """

    signature: str
    preamble: str = ""
    proof: str = ""


class Maker:
    """A random generator with the methods of `random.Random`, and a source of names, none given out twice."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._taken: set[str] = set()

    def name(self, kind: str) -> str:
        """A name of VOCABULARY that has not been given out, likelier from the front of its kind."""
        free = [word for word in VOCABULARY[kind] if word not in self._taken]
        word = free[min(self.randrange(len(free)), self.randrange(len(free)))]
        self._taken.add(word)
        return word

    def names(self, kind: str, count: int) -> list[str]:
        return [self.name(kind) for _ in range(count)]

    def randrange(self, bound: int) -> int:
        return self.rng.randrange(bound)

    def randint(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return self.rng.randint(low, high)

    def choice(self, choices: Sequence[T]) -> T:
        return self.rng.choice(choices)

    def sample(self, choices: Sequence[T], count: int) -> list[T]:
        return self.rng.sample(choices, count)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.rng.sample(items, len(items))

    def chance(self, share: float = 0.5) -> bool:
        return self.rng.random() < share


def binders(names: Sequence[str], kind: str) -> str:
    """`(a b : Nat) ` with the space after it; nothing for no names."""
    return f"({' '.join(names)} : {kind}) " if names else ""


def both(first: tuple[str, str], second: tuple[str, str]) -> tuple[str, str]:
    """Two goals with their proofs, each of one line, as one."""
    return f"{first[0]} ∧ {second[0]}", f"constructor\n· {first[1]}\n· {second[1]}"


def assumed(make: Maker, facts: Sequence[str]) -> tuple[str, list[str]]:
    """Hypotheses in any order as binders, and the name of each fact in the order in which they came."""
    order = make.shuffled(range(len(facts)))
    names = [f"h{k}" for k in range(1, len(facts) + 1)] if len(facts) > 1 else [make.name("proof")]
    called = {place: names[at] for at, place in enumerate(order)}
    return "".join(f"({called[k]} : {facts[k]}) " for k in order), [called[k] for k in range(len(facts))]
