"""An Engine: a language model that continues texts and answers chats. It knows neither theorems nor proofs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from lean_env.errors import Unavailable

if TYPE_CHECKING:
    from torch import Tensor

FinishReason = Literal["stop", "eos", "complete", "length", "error"]
"""Why an answer ended.

stop: the model wrote one of the request's stop texts (not part of the answer). eos: it wrote its end-of-text token.
complete: the reader of the answer had all that it needs. length: it was cut off, at the limit or by a filter.
error: there is no answer.
"""
FINISHED = frozenset({"stop", "eos", "complete"})
"""The reasons of answers that came to an end, and were not cut off."""

_PROMPT_TOKENS = 4096  # of a context, kept for the prompt


class PolicyUnavailable(Unavailable):
    """A model that cannot be reached or refuses to work; str() says why, for people."""


@dataclass(frozen=True)
class Message:
    """One message of a chat; role: system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """Either a text to be continued or the messages of a chat to be answered.

    stop: texts that end the answer where the model writes them.
    """

    text: str = ""
    messages: tuple[Message, ...] = ()
    stop: tuple[str, ...] = ()


@dataclass
class Usage:
    """Tokens that a model has read and written. `cached`: those of the read ones that it did not have to work out."""

    read: int = 0
    cached: int = 0
    written: int = 0

    def add(self, other: Usage) -> None:
        self.read += other.read
        self.cached += other.cached
        self.written += other.written


class AnswerReader(Protocol):
    """Follows one answer while it is written."""

    def push(self, text: str) -> bool:
        """Take over the text that the answer has grown by; True if the answer is complete now, and can be ended."""
        ...


@dataclass(frozen=True)
class SamplingParams:
    """How answers are sampled: by default as DeepSeek-Prover-V1.5 does (§4).

    max_tokens: length of an answer at most; None: what the context has room for.
    seed: answer number k of a request is drawn with the seed `seed + k`.
    replay: what training needs to compute the same again is wanted, where the engine can tell it.
    """

    temperature: float = 1.0
    top_p: float = 0.95
    max_tokens: int | None = None
    seed: int = 0
    replay: bool = False


@dataclass(frozen=True)
class Replay:
    """The choices behind a sampled answer, for training to compute the same again (DeepSeek-V3.2 §3.1).

    sampler_logprobs: natural logarithm of the probability that each token was sampled with, after temperature and
        truncation.
    candidate_token_ids: of each token those that truncation left to sample from, int32; empty if it left all.
    expert_ids: experts that each token of prompt and answer but the last used, int16 [tokens, moe_layers, k]; None:
        unknown.
    """

    sampler_logprobs: tuple[float, ...]
    candidate_token_ids: tuple[Tensor, ...] = ()
    expert_ids: Tensor | None = None


@dataclass(frozen=True)
class Answer:
    """A model's answer to a request.

    text: without the stop text that ended it.
    tokens: the same as ids. log_probs: the natural logarithm of each one's probability in the model (before temperature
        and top-p). prompt_tokens: ids of the prompt. All three are empty where the engine does not tell them.
    failure: why there is no answer, for people. lost: the server is to blame, not the request; asked again later it may
        be answered.
    replay: only if it was asked for, and the engine can tell.
    """

    text: str = ""
    finish_reason: FinishReason = "eos"
    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    prompt_tokens: tuple[int, ...] = ()
    failure: str = ""
    lost: bool = False
    replay: Replay | None = None

    @classmethod
    def failed(cls, failure: str, lost: bool = False) -> Answer:
        """There is no answer."""
        return cls(finish_reason="error", failure=failure, lost=lost)

    @property
    def finished(self) -> bool:
        """Whether it came to an end, and was not cut off."""
        return self.finish_reason in FINISHED


def max_answer_tokens(wanted: int | None, context: int | None) -> int | None:
    """Tokens that an answer may have in a context of so many: 4,096 of them, or half of it, are kept for the prompt."""
    if context is None:
        return wanted
    room = context - min(_PROMPT_TOKENS, context // 2)
    return min(wanted or room, room)


class Engine(Protocol):
    """A model that answers requests, many at the same time.

    last_error: what keeps it from answering at present, for people; empty if nothing does.
    """

    model: str
    last_error: str

    def generate(
        self, request: Request, n: int, sampling: SamplingParams, reader: Callable[[], AnswerReader], usage: Usage
    ) -> AsyncGenerator[Answer]:
        """`n` answers as they come in. Each one is shown to a reader of its own, and ended where that says so.

        Closing the iterator ends what is under way. Raises PolicyUnavailable; what ails one request alone is in the
        Answer's `failure`.
        """
        ...

    async def update(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take new weights, named as in checkpoints, while training. No answer is written with some of both.

        Raises PolicyUnavailable.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...
