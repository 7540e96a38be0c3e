"""A language model as a Policy: a prompt format makes requests and reads answers, an engine generates them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from prover.engines.base import Answer, Engine, Usage
from prover.model.sampling_params import SamplingParams, request_seed
from prover.policy.base import Sample, SampleRequest
from prover.prompts import AnswerParseError, Prompt, PromptFormat, ProofReader

_TOP_P = 0.95  # with temperature 1, as DeepSeek-Prover-V1.5 samples (arXiv 2408.08152, §4)


class ModelPolicy:
    """A policy that samples whole proofs, or the rest of a proof, from a language model.

    max_tokens: length of an answer at most; by default the family's.
    """

    stepwise = False
    uses_premises = False
    window = 32  # expansions under way at a time, V1.5 §3.3

    def __init__(self, engine: Engine, format_: PromptFormat, max_tokens: int | None = None) -> None:
        self.name = f"{engine.model} ({format_.name})"
        self._engine, self._format = engine, format_
        self._max_tokens = max_tokens or format_.max_tokens

    @property
    def last_error(self) -> str:
        return self._engine.last_error

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        """Sample proofs; none for a prompt with rounds if the prompt format has no corrections."""
        if prompt.rounds and not self._format.corrects:
            return
        seed = request_seed(params.seed, params.start)
        sampling = SamplingParams(top_p=_TOP_P, max_tokens=self._max_tokens, seed=seed)
        answers = self._engine.generate(
            self._format.request(prompt),
            n,
            sampling,
            lambda: ProofReader(self._format, prompt),
            Usage() if usage is None else usage,
        )
        async with aclosing(answers):
            async for answer in answers:
                yield self._read(prompt, answer)

    def learn(self, sample: Sample, proved: bool) -> None:
        """Do nothing: a model learns by training only."""

    def fresh(self) -> ModelPolicy:
        return self

    def _read(self, prompt: Prompt, answer: Answer) -> Sample:
        proof, failure = "", answer.failure
        if not failure:
            try:
                proof = ProofReader(self._format, prompt).proof(answer.text, answer.finished)
            except AnswerParseError as reason:
                failure = str(reason)
        return Sample(
            proof,
            self._format.name,
            failure,
            answer.text,
            answer.tokens,
            answer.log_probs,
            answer.prompt_tokens,
            answer.lost,
        )
