"""What a model is sent, and what has to know how: a family of models that share a format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from prover.policy import Prompt


@dataclass(frozen=True)
class Message:
    """One turn of a chat; role: system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """Either a text to be gone on with or the messages of a chat to be answered.

    stop: texts that end the answer where the model writes them.
    """

    text: str = ""
    messages: tuple[Message, ...] = ()
    stop: tuple[str, ...] = ()


class Unreadable(Exception):
    """No proof can be read from an answer; its text is the reason, one short line for people."""


class Family(Protocol):
    """Models that were trained on the same prompts.

    corrects: can they answer prompts with `rounds`? The others are not shown them.
    max_tokens: length of an answer in the paper or on the model's card.
    """

    @property
    def name(self) -> str: ...

    @property
    def corrects(self) -> bool: ...

    @property
    def max_tokens(self) -> int: ...

    def request(self, prompt: Prompt) -> Request:
        """What to send."""
        ...

    def proof(self, prompt: Prompt, answer: str, finished: bool) -> str:
        """The text of a Sample: what follows the prompt's prefix.

        finished: the answer was not cut off at the length limit. Raises Unreadable, and nothing else.
        """
        ...

    def complete(self, prompt: Prompt, answer: str) -> bool:
        """Is the proof in this beginning of an answer, as far as its format tells?

        Then `proof` of a longer answer is the same, for it reads no further: the first block or fence that can end the
        format counts, and not what a model might still write to correct itself.
        """
        ...
