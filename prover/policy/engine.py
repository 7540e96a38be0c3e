"""What runs a language model: a server, or the model in this process. An Engine knows neither theorems nor proofs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prover.policy.base import Usage
from prover.prompts import Request

if TYPE_CHECKING:
    from torch import Tensor

_ROOM = 4096


@dataclass(frozen=True)
class Decoding:
    """How an answer is drawn: by default as V1.5 does (§4).

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
    """What happened when an answer was drawn (V3.2 §3.1).

    drawn: natural logarithm of the probability that each token was drawn with, after temperature and truncation.
    kept: of each token those that truncation left to draw from, int32; empty if it left all.
    chosen: experts that each token of prompt and answer but the last used, int16 [tokens, mixtures, k]; None: unknown.
    """

    drawn: tuple[float, ...]
    kept: tuple[Tensor, ...] = ()
    chosen: Tensor | None = None


@dataclass(frozen=True)
class Answer:
    """What a model wrote.

    finished: it came to its end (or was stopped because it was complete), and was not cut off at the length limit.
    tokens, log_probs, prompt_tokens: as in Sample; empty where the engine does not tell them.
    failure: why there is no answer, for people.
    replay: only if it was asked for, and the engine can tell.
    """

    text: str = ""
    finished: bool = True
    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    prompt_tokens: tuple[int, ...] = ()
    failure: str = ""
    replay: Replay | None = None


def longest(wanted: int | None, context: int | None) -> int | None:
    """Tokens that an answer may have in a context of so many: 4,096 of them, or half of it, are kept for the prompt."""
    if context is None:
        return wanted
    room = context - min(_ROOM, context // 2)
    return min(wanted or room, room)


class Engine(Protocol):
    """A model that answers requests, many at the same time.

    trouble: what keeps it from answering at present, for people; empty if nothing does.
    """

    model: str
    trouble: str

    def generate(
        self, request: Request, n: int, decoding: Decoding, complete: Callable[[str], bool], usage: Usage
    ) -> AsyncGenerator[Answer]:
        """`n` answers as they come in. One of which `complete` holds so far is ended there.

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
