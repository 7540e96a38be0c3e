"""Streamed replies of OpenAI-compatible servers: events, put together to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prover.engines.base import Answer, AnswerReader, FinishReason, Request, Usage

Event = Mapping[str, Any]
_LONG, _PER_TOKEN = 16, 4  # characters of a text that is more than one token, and of a token in it, roughly
_CUT_OFF = frozenset({"length", "content_filter"})
_GIVEN_UP = frozenset({"abort", "error"})  # ends of answers, by vLLM and SGLang, that the model did not come to


def _tokens(text: str) -> int:
    """A guess at the number of tokens of a text whose ids the server does not send, until it sends their number."""
    return bool(text) if len(text) <= _LONG else len(text) // _PER_TOKEN


class StreamError(Exception):
    """A reply that is malformed, or ended too early."""


@dataclass
class _PartialAnswer:
    """An answer of which a part has arrived."""

    reader: AnswerReader

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    end: str | None = None  # why the server ended it
    matched: Any = None  # the stop text that ended it, or the id of a token, as far as the server tells
    tells_match: bool = False

    def add(self, choice: Event) -> str:
        """Add an event; returns the text in it."""
        delta = choice.get("delta") or choice.get("message")
        new = (choice.get("text") if delta is None else delta.get("content")) or ""
        self.text += new
        self.tokens += choice.get("token_ids") or ()
        told = choice.get("logprobs") or {}
        self.log_probs += told.get("token_logprobs") or [token["logprob"] for token in told.get("content") or ()]
        self.end = choice.get("finish_reason") or None  # some send an empty one until then
        for name in ("stop_reason", "matched_stop"):  # vLLM's name, SGLang's
            if name in choice:
                self.matched, self.tells_match = choice[name], True
        return new

    def finish_reason(self, request: Request) -> FinishReason:
        """The reason why the server ended it. "stop" without further information counts as a stop text."""
        if self.end in _CUT_OFF:
            return "length"
        if self.end == "eos_token" or not request.stop:
            return "eos"
        return "stop" if isinstance(self.matched, str) or not self.tells_match else "eos"


class StreamedCompletions:
    """The answers to one request, numbered from 0, from a server's stream of events.

    An answer is finished when the server has ended it, or when its reader says that it is complete. Tokens are added to
    `usage` as they arrive.
    """

    def __init__(self, request: Request, n: int, reader: Callable[[], AnswerReader], usage: Usage) -> None:
        self.received_any = False
        self.writing = {number: _PartialAnswer(reader()) for number in range(n)}  # answers that are not complete
        self._request, self._usage = request, usage
        self._prompt: tuple[int, ...] = ()
        self._counted = Usage()
        self._cut: set[int] = set()  # answers still being written that nobody waits for

    @property
    def all_cancelled(self) -> bool:
        """Whether all answers are finished, and what still arrives is not wanted."""
        return bool(self._cut) and not self.writing

    def take(self, event: Any) -> Iterator[tuple[int, Answer]]:
        """Add an event; yields the answers that it completes. Raises StreamError."""
        self.received_any = True
        try:
            yield from self._take(event)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StreamError(f"the server sent what is no answer ({error}): {event}") from None

    def _take(self, event: Event) -> Iterator[tuple[int, Answer]]:
        self._prompt = tuple(event.get("prompt_token_ids") or self._prompt)
        for choice in event["choices"]:
            number = choice["index"]
            self._prompt = tuple(choice.get("prompt_token_ids") or self._prompt)
            if number not in self.writing:
                self._count(len(choice.get("token_ids") or ()) or 1)
                if choice.get("finish_reason"):
                    self._cut.discard(number)
                continue
            answer = self.writing[number]
            new = answer.add(choice)
            self._count(len(choice.get("token_ids") or ()) or _tokens(new))
            if answer.end in _GIVEN_UP:
                raise StreamError("the server gave up in the middle of an answer")
            if answer.end is not None:
                yield number, self._given(number, answer, answer.finish_reason(self._request))
            elif answer.reader.push(new):
                self._cut.add(number)
                yield number, self._given(number, answer, "complete")
        if event.get("usage"):
            self._settle(event["usage"])

    def whole(self, event: Any) -> Iterator[tuple[int, Answer]]:
        """The answers of a reply that is not streamed. Raises StreamError."""
        if isinstance(event, dict) and isinstance(event.get("choices"), list):
            for choice in event["choices"]:
                if isinstance(choice, dict):
                    choice["finish_reason"] = choice.get("finish_reason") or "stop"
        yield from self.take(event)

    def _given(self, number: int, answer: _PartialAnswer, reason: FinishReason) -> Answer:
        del self.writing[number]
        return Answer(answer.text, reason, tuple(answer.tokens), tuple(answer.log_probs), self._prompt)

    def _count(self, tokens: int) -> None:
        self._counted.written += tokens
        self._usage.written += tokens

    def _settle(self, told: Event) -> None:
        """Replace the tokens counted so far by the server's own count, which may come once or grow."""
        before = self._counted
        cached = (told.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        now = Usage(told["prompt_tokens"], cached, told.get("completion_tokens", before.written))
        self._usage.add(Usage(now.read - before.read, now.cached - before.cached, now.written - before.written))
        self._counted = now

    def close(self) -> None:
        """End the reply; the prompt's tokens are counted, if the server has not sent a count."""
        if not self._counted.read:
            self._usage.read += len(self._prompt)
            self._counted.read = len(self._prompt)
