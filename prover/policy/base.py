"""The Policy protocol and its samples. A policy proposes proofs and knows neither Lean nor the search."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from prover.engines.base import Usage
from prover.prompts.prompt import Prompt


@dataclass(frozen=True)
class Sample:
    """A proof that a policy proposes, or an answer in which there was none.

    proof: the lines that follow the prompt's prefix; the whole proof, from column 0, where that is empty.
    family: what kind of answer it is, for statistics.
    failure: why no proof could be read from the answer, for people; `proof` is empty then.
    lost: there is no answer, and that is no fault of what was asked, or of the model.
    answer: what a model wrote, as text. tokens: the same as ids, and log_probs: the natural logarithm of each one's
        probability in the model (before temperature and top-p), where they are known. prompt_tokens: ids of what it
        was asked.
    """

    proof: str
    family: str = ""
    failure: str = ""
    answer: str = ""
    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    prompt_tokens: tuple[int, ...] = ()
    lost: bool = False

    @property
    def text(self) -> str:
        """The proof, or the answer in which there was none, for people."""
        return self.answer if self.failure else self.proof

    @property
    def is_error(self) -> bool:
        """Whether there is no answer at all, so that asking again is of no use."""
        return bool(self.failure) and not self.answer


@dataclass(frozen=True)
class SampleRequest:
    """A choice of a prompt's samples, which are numbered.

    start: the number of the first one that is wanted.
    seed: the same seed gives the same samples, where the policy can.
    partial: samples that leave goals open are of use, too.
    """

    start: int = 0
    seed: int = 0
    partial: bool = False


class Policy(Protocol):
    """The protocol of everything that proposes proofs.

    stepwise: its samples are a few tactics each, worth trying even if they leave goals open; a search runs them one by
        one on kept proof states. Otherwise they are proofs to the end.
    window: how many samples of one theorem are best under way at a time (a server works on many at once).
    uses_premises: its prompts are to have the goal's premises.
    last_error: what keeps it from answering at present, for people; empty if nothing does.
    """

    name: str
    stepwise: bool
    window: int
    uses_premises: bool

    @property
    def last_error(self) -> str: ...

    def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        """Up to `n` samples, as they come in; fewer means that there are no more.

        An answer from which no proof can be read is a sample, too. Closing the iterator ends what is under way. What
        is used up is added to `usage` as it happens. Raises PolicyUnavailable.
        """
        ...

    def learn(self, sample: Sample, proved: bool) -> None:
        """Learn whether Lean accepted a sample: a policy may order its later proposals by it."""
        ...

    def fresh(self) -> Policy:
        """A copy that has learnt nothing, for runs where no theorem may profit from another one's proof."""
        ...
