"""Prompt formats: the exact prompts of published prover models, and the readers of their answers.

A family of models is one file with its `FORMATS`: requests, the reader of the answers, and its inverse, `render`.
"""

from __future__ import annotations

import re
from pathlib import Path

from data.choices import choose
from data.records.config import ConfigError
from prover.engines.base import ChatMessage, Request
from prover.prompts import bare, completion, deepseek_v2, goedel_v2, instruct, kimina
from prover.prompts.base import AnswerParseError, PromptFormat
from prover.prompts.prompt import PreviousAttempt, Prompt
from prover.prompts.reader import ProofReader
from prover.prompts.template import PromptTemplate, read_template

__all__ = [
    "FAMILIES",
    "AnswerParseError",
    "ChatMessage",
    "PreviousAttempt",
    "Prompt",
    "PromptFormat",
    "PromptTemplate",
    "ProofReader",
    "Request",
    "family_of",
    "prompt_format",
]

FAMILIES: dict[str, PromptFormat] = {
    format_.name: format_
    for module in (completion, bare, deepseek_v2, goedel_v2, kimina, instruct)
    for format_ in module.FORMATS
}
"""The prompt formats by name (`--family`)."""


def prompt_format(name: str) -> PromptFormat:
    """The format of this name; a name that ends with .yaml is a file (see PromptTemplate). Raises ValueError."""
    if name in FAMILIES:
        return FAMILIES[name]
    if not name.endswith(".yaml"):
        choose("family", name, (*FAMILIES, "and files (.yaml)"))
    try:
        return read_template(Path(name))
    except ConfigError as error:
        raise ValueError(str(error)) from None
    except OSError as error:
        raise ValueError(f"{name}: {error.strerror or error}") from None


def family_of(model: str) -> str:
    """The name of a model's prompt format, from its name on Hugging Face or a path with that name in it.

    The last name in the path counts, and the longest pattern that fits it.
    """
    name = re.sub(r"[_ ]", "-", model.lower())
    found = [
        (m.start(), m.end(), format_.name)
        for format_ in FAMILIES.values()
        for pattern in format_.models
        for m in re.finditer(pattern, name)
    ]
    return max(found)[2] if found else instruct.INSTRUCT.name
