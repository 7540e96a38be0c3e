"""A prompt format of the user's own, in a YAML file: for chat models that answer with a Lean code block."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveInt, field_validator

from data.records.config import read_config, validated
from prover.prompts import text
from prover.prompts.answer import End
from prover.prompts.chat import Chat
from prover.prompts.prompt import PreviousAttempt, Prompt

CODE, FEEDBACK = "{code}", "{feedback}"


class PromptTemplate(BaseModel):
    """The fields of a prompt format's YAML file.

    prompt: the user's message; `{code}` in it becomes the theorem with `sorry` for its proof. system: the system
    message. correction: what the user says of a refused proof; `{feedback}` in it becomes Lean's errors. Without it the
    model is not asked for corrections. max_tokens: length of an answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str
    system: str = ""
    correction: str = ""
    max_tokens: PositiveInt = 8192

    @field_validator("prompt")
    @classmethod
    def _shows_the_theorem(cls, value: str) -> str:
        if CODE not in value:
            raise ValueError(f"it must have {CODE}, the place of the theorem")
        return value


@cache  # a run goes on as it began
def read_template(path: Path) -> Chat:
    """Read the format in a file; its name is the file's path. Raises ConfigError, OSError."""
    template = validated(PromptTemplate, read_config(path), str(path))

    def asked(prompt: Prompt) -> str:
        return template.prompt.replace(CODE, text.with_sorry(prompt))

    def corrected(_: int, earlier: PreviousAttempt) -> str:
        return template.correction.replace(FEEDBACK, earlier.feedback)

    return Chat(
        name=str(path),
        asked=asked,
        max_tokens=template.max_tokens,
        end=End.REASONING,
        corrected=corrected if template.correction else None,
        system=template.system,
    )
