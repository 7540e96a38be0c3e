"""The PromptFormat protocol: the prompts of a family of models, and the reader of their answers."""

from __future__ import annotations

from typing import Protocol

from prover.engines.base import Request
from prover.prompts.prompt import Prompt


class AnswerParseError(Exception):
    """No proof can be read from an answer; str() is the reason, one short line for people."""


class PromptFormat(Protocol):
    """The prompts and answers of a family of models.

    models: patterns of the models' names, in lower case, with hyphens.
    corrects: they answer prompts with `rounds`; the others are not shown them.
    max_tokens: length of an answer in the paper or on the model's card.
    """

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...]: ...

    @property
    def corrects(self) -> bool: ...

    @property
    def max_tokens(self) -> int: ...

    def request(self, prompt: Prompt) -> Request:
        """The request for a prompt."""
        ...

    def proof(self, prompt: Prompt, answer: str, finished: bool) -> str:
        """Read the proof in an answer: the lines after the prompt's prefix.

        finished: the answer was not cut off at the length limit. Raises AnswerParseError, and nothing else.
        """
        ...

    def complete(self, prompt: Prompt, answer: str) -> bool:
        """Whether this beginning of an answer has the proof, as far as its format tells.

        Then `proof` of a longer answer is the same, for it reads no further: the first block or fence that can end the
        format counts, and not what a model might still write to correct itself.
        """
        ...

    def render(self, prompt: Prompt, proof: str) -> str:
        """The answer that a model would give with a proof (the lines after the prompt's prefix): `proof` reads it."""
        ...

    @property
    def commented(self) -> PromptFormat:
        """The format that asks for comments in the proof; itself, if there is no other."""
        ...
