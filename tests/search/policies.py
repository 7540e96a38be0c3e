"""Policies for tests: what they write is fixed, so that what is tested is the search."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from prover.policy import Prompt, Sample, SampleRequest, Usage

HARD = "∀ n a b c : Nat, 2 < n → 0 < a → 0 < b → a ^ n + b ^ n ≠ c ^ n"
"""A statement that nobody proves or refutes within a test."""


class Scripted:
    """Writes what a function of the prompt says, in that order; remembers what it was asked and told."""

    name = "scripted"
    uses_premises = False
    window = 4
    last_error = ""

    def __init__(self, script: Callable[[Prompt], Sequence[str]], *, stepwise: bool = True) -> None:
        self.script, self.stepwise = script, stepwise
        self.asked: list[tuple[Prompt, int, SampleRequest]] = []
        self.told: list[tuple[str, bool]] = []

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        self.asked.append((prompt, n, params))
        for text in self.script(prompt)[params.start : params.start + n]:
            yield Sample(text, "scripted")

    def learn(self, sample: Sample, proved: bool) -> None:
        self.told.append((sample.proof, proved))


def by_goal(answers: dict[str, Sequence[str]]) -> Callable[[Prompt], Sequence[str]]:
    """What to write where the goal contains a text."""
    return lambda prompt: next((texts for part, texts in answers.items() if part in prompt.goal), ())


def orders(prompt: Prompt, facts: int = 4) -> list[str]:
    """Every order in which a few facts can be stated: a tree of known size that never proves anything."""
    return [f"have h{i} : {i} = {i} := rfl" for i in range(facts) if f"h{i} " not in prompt.goal]
