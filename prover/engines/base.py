"""An Engine: a language model that continues texts and answers chats. It knows neither theorems nor proofs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from lean_env.errors import Unavailable
from prover.model.sampling_params import SamplingParams

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
class ChatMessage:
    """One message of a chat; role: system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """Either a text to be continued or the messages of a chat to be answered.

    stop: texts that end the answer where the model writes them.
    """

    text: str = ""
    messages: tuple[ChatMessage, ...] = ()
    stop: tuple[str, ...] = ()


@dataclass
class Usage:
    """The number of tokens that a model has read and written; `cached`: those read that were in a prefix cache."""

    read: int = 0
    cached: int = 0
    written: int = 0

    def add(self, other: Usage) -> None:
        self.read += other.read
        self.cached += other.cached
        self.written += other.written


class AnswerReader(Protocol):
    """A reader that follows one answer while it is generated."""

    def push(self, text: str) -> bool:
        """Add the text by which the answer has grown; returns True if it is complete, and generation can stop."""
        ...


@dataclass(frozen=True)
class Replay:
    """The choices behind a sampled answer, with which training can repeat them (DeepSeek-V3.2, arXiv 2512.02556, §3.1).

    sampler_logprobs: natural log-probability with which each token was sampled, after temperature and truncation.
    candidate_token_ids: for each token, those that truncation left to sample from, int32 [n]; empty if it left all.
    expert_ids: the experts that each token of prompt and answer but the last used, int16 [tokens, moe_layers, k]; None
        if they are not known.
    """

    sampler_logprobs: tuple[float, ...]
    candidate_token_ids: tuple[Tensor, ...] = ()
    expert_ids: Tensor | None = None


@dataclass(frozen=True)
class Answer:
    """A model's answer to a request.

    text: without the stop text that ended it.
    tokens: its token ids. log_probs: each one's natural log-probability under the model (before temperature and top-p).
        prompt_tokens: the prompt's token ids. All three are empty where the engine does not tell them.
    failure: why there is no answer, for people. lost: the server is to blame, not the request; made again later, the
        request may succeed.
    replay: None unless it was asked for, and the engine records it.
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
        """An Answer without text, for a request that failed."""
        return cls(finish_reason="error", failure=failure, lost=lost)

    @property
    def finished(self) -> bool:
        """Whether it came to an end, and was not cut off."""
        return self.finish_reason in FINISHED


def max_answer_tokens(wanted: int | None, context: int | None) -> int | None:
    """The limit of an answer's tokens in a context: 4,096 tokens of it, or half of it, are kept for the prompt.

    None, the lack of a limit, only if `wanted` and `context` are.
    """
    if context is None:
        return wanted
    room = context - min(_PROMPT_TOKENS, context // 2)
    return min(wanted or room, room)


class Engine(Protocol):
    """A model that answers many requests at the same time.

    model: its name. last_error: what keeps it from answering at present, for people; empty if nothing does.
    """

    model: str
    last_error: str

    def generate(
        self, request: Request, n: int, sampling: SamplingParams, reader: Callable[[], AnswerReader], usage: Usage
    ) -> AsyncGenerator[Answer]:
        """Generate `n` answers, as they are finished. Each is followed by a reader of its own, which may end it.

        Closing the iterator ends what is under way. Raises PolicyUnavailable; an error of this request alone is in the
        Answer's `failure`.
        """
        ...

    async def update(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take new weights, named as in checkpoints, while training. No answer is generated with some of both.

        Raises PolicyUnavailable.
        """
        ...

    async def close(self) -> None:
        """Release its resources."""
        ...
