"""The events of a streamed reply, of completions and of chats, put together to answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prover.policy.base import Usage
from prover.policy.engine import Answer

Event = Mapping[str, Any]
_FENCE = "```"
_LOOKS = 64  # answers with more fences than this are written to the end
_CUT_OFF = frozenset({"length", "content_filter"})
_GIVEN_UP = frozenset({"abort", "error"})  # ends of answers, by vLLM and SGLang, that the model did not come to


class Broken(Exception):
    """What came from the server is no reply, or only a part of one."""


class Looks:
    """Whether an answer that grows is complete: asked after each fence, because proofs end with one.

    Each look reads all of it, so there is a limit to their number.
    """

    def __init__(self) -> None:
        self._count = 0

    def complete(self, text: str, new: str, complete: Callable[[str], bool]) -> bool:
        """`new`: what the text has ended with since the last time."""
        if self._count >= _LOOKS or _FENCE not in text[-len(new) - len(_FENCE) :]:
            return False
        self._count += 1
        return complete(text)


@dataclass
class _Writing:
    """An answer of which a part has come in."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    end: str | None = None  # why the server ended it
    looks: Looks = field(default_factory=Looks)

    def add(self, choice: Event) -> str:
        """Take over an event; returns the text that it brings."""
        delta = choice.get("delta")
        new = (choice.get("text") if delta is None else delta.get("content")) or ""
        self.text += new
        self.tokens += choice.get("token_ids") or ()
        told = choice.get("logprobs") or {}
        self.log_probs += told.get("token_logprobs") or [token["logprob"] for token in told.get("content") or ()]
        self.end = choice.get("finish_reason") or None  # some send an empty one until then
        return new


class Reply:
    """The answers of one request, numbered from 0.

    An answer is given out when the server has ended it, or when `complete` holds of it (see Looks). Tokens are added to
    `usage` as they come in.
    """

    def __init__(self, n: int, complete: Callable[[str], bool], usage: Usage) -> None:
        self.heard = False  # has anything come in?
        self.writing = {number: _Writing() for number in range(n)}  # answers that are not complete
        self._complete, self._usage = complete, usage
        self._prompt: tuple[int, ...] = ()
        self._counted = Usage()
        self._cut: set[int] = set()  # answers still being written that nobody waits for

    @property
    def over(self) -> bool:
        """Is everything here, and more on its way that is not wanted?"""
        return bool(self._cut) and not self.writing

    def take(self, event: Any) -> Iterator[tuple[int, Answer]]:
        """The answers that an event completes. Raises Broken."""
        self.heard = True
        try:
            yield from self._take(event)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Broken(f"the server sent what is no answer ({error}): {event}") from None

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
            self._count(len(choice.get("token_ids") or ()) or (1 if new else 0))  # without ids: an event is a token
            if answer.end in _GIVEN_UP:
                raise Broken("the server gave up in the middle of an answer")
            if answer.end is not None:
                yield number, self._given(number, answer, answer.end not in _CUT_OFF)
            elif answer.looks.complete(answer.text, new, self._complete):
                self._cut.add(number)
                yield number, self._given(number, answer, True)
        if event.get("usage"):
            self._settle(event["usage"])

    def _given(self, number: int, answer: _Writing, finished: bool) -> Answer:
        del self.writing[number]
        return Answer(answer.text, finished, tuple(answer.tokens), tuple(answer.log_probs), self._prompt)

    def _count(self, tokens: int) -> None:
        self._counted.written += tokens
        self._usage.written += tokens

    def _settle(self, told: Event) -> None:
        """The server's own count so far: once, at the end of a reply, or growing with each event."""
        before = self._counted
        cached = (told.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        now = Usage(told["prompt_tokens"], cached, told.get("completion_tokens", before.written))
        self._usage.add(Usage(now.read - before.read, now.cached - before.cached, now.written - before.written))
        self._counted = now

    def close(self) -> None:
        """The reply ends here. If the server has not said so, the prompt's tokens are still to be counted."""
        if not self._counted.read:
            self._usage.read += len(self._prompt)
            self._counted.read = len(self._prompt)
