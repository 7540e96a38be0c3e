"""What writes proofs. A Policy knows neither Lean nor the search that asks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data import Theorem


@dataclass(frozen=True)
class Round:
    """An earlier answer of the policy's that failed, and what Lean said of it (shortened)."""

    proof: str
    said: str


@dataclass(frozen=True)
class Prompt:
    """What a policy is asked: to go on with a theorem's proof.

    goal: the tactic state to go on from, as Lean prints it.
    prefix: the tactics that lead there from the statement, first column 0; empty at the start of a proof.
    column: where the tactic block stands that is to be continued (more than 0 inside a block of the prefix).
    rounds: earlier answers that failed, oldest first, to be corrected.
    """

    theorem: Theorem
    goal: str = ""
    prefix: str = ""
    column: int = 0
    rounds: tuple[Round, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One answer: the lines that follow the prompt's prefix; the whole proof, from column 0, where that is empty.

    family: what kind of answer it is, for statistics.
    """

    proof: str
    family: str = ""


@dataclass(frozen=True)
class Params:
    """How to sample.

    start: the samples of a prompt are numbered; those from this number on are wanted.
    seed: the same seed gives the same samples, where the policy can.
    partial: samples that leave goals open are of use, too.
    """

    start: int = 0
    seed: int = 0
    partial: bool = False


class Policy(Protocol):
    """Anything that proposes proofs.

    stepwise: its samples are a few tactics each, worth trying even if they leave goals open; a search runs them one by
    one on kept proof states. Otherwise they are proofs to the end.
    """

    name: str
    stepwise: bool

    async def sample(self, prompts: Sequence[Prompt], n: int, params: Params) -> list[list[Sample]]:
        """Up to `n` samples for each prompt; fewer means that there are no more."""
        ...

    def learn(self, sample: Sample, proved: bool) -> None:
        """What Lean said of a sample. A policy may order its later proposals by it."""
        ...
