"""A language model as a Policy: prompts and answers by its family, text by its engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from prover.policy.base import Params, Prompt, Sample, Usage
from prover.policy.engine import Answer, Decoding, Engine
from prover.prompts import Family, Unreadable

_SEEDS = 1_000_003  # a seed's samples are numbered from here on to the next seed's
_LARGEST = 2**31  # seeds that every server takes are below


class ModelPolicy:
    """Writes whole proofs, or the rest of one that has been begun.

    max_tokens: length of an answer at most; by default the family's.
    """

    stepwise = False
    uses_premises = False
    window = 32  # expansions under way at a time, V1.5 §3.3

    def __init__(self, engine: Engine, family: Family, max_tokens: int | None = None) -> None:
        self.name = f"{engine.model} ({family.name})"
        self._engine, self._family = engine, family
        self._max_tokens = max_tokens or family.max_tokens

    @property
    def trouble(self) -> str:
        return self._engine.trouble

    async def sample(
        self, prompt: Prompt, n: int, params: Params, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        """Nothing for a prompt with rounds, if the family has no prompt for corrections."""
        if prompt.rounds and not self._family.corrects:
            return
        seed = (params.seed * _SEEDS + params.start) % _LARGEST
        decoding = Decoding(max_tokens=self._max_tokens, seed=seed)
        answers = self._engine.generate(
            self._family.request(prompt),
            n,
            decoding,
            lambda text: self._family.complete(prompt, text),
            Usage() if usage is None else usage,
        )
        async with aclosing(answers):
            async for answer in answers:
                yield self._read(prompt, answer)

    def learn(self, sample: Sample, proved: bool) -> None:
        """A served model learns by training only."""

    def fresh(self) -> ModelPolicy:
        return self

    def _read(self, prompt: Prompt, answer: Answer) -> Sample:
        proof, failure = "", answer.failure
        if not failure:
            try:
                proof = self._family.proof(prompt, answer.text, answer.finished)
            except Unreadable as reason:
                failure = str(reason)
        return Sample(
            proof, self._family.name, failure, answer.text, answer.tokens, answer.log_probs, answer.prompt_tokens
        )
