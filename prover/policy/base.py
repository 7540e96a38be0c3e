"""What writes proofs. A Policy knows neither Lean nor the search that asks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data import Theorem


@dataclass(frozen=True)
class Prompt:
    """What a policy is asked: a theorem, and the tactic state at the start of its proof as Lean prints it."""

    theorem: Theorem
    goal: str = ""


@dataclass(frozen=True)
class Sample:
    """One answer: a proof (the text after `:= by`), and what kind of proof it is, for statistics."""

    proof: str
    family: str = ""


@dataclass(frozen=True)
class Params:
    """How to sample. `start`: the samples of a prompt are numbered; those from this number on are wanted."""

    start: int = 0


class Policy(Protocol):
    """Anything that proposes proofs."""

    name: str

    async def sample(self, prompts: Sequence[Prompt], n: int, params: Params) -> list[list[Sample]]:
        """Up to `n` samples for each prompt; fewer means that there are no more."""
        ...

    def learn(self, sample: Sample, proved: bool) -> None:
        """What Lean said of a sample. A policy may order its later proposals by it."""
        ...
